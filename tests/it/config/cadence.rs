//! The keys about time: what is refused, and what holds.

use insta::assert_snapshot;
use refrom::cli::config as commands;
use refrom::config::{EffectivePolicy, PolicyKey, RepositoryFile, Secrets};
use refrom::domain::cadence::zone_name;

use super::{config_of, load, name, no_environment};

/// What is said about a text that is wrong.
#[track_caller]
fn mistakes(text: &str) -> String {
    load(text, &no_environment, Secrets::Skip).expect_err("the text is wrong")
}

/// The rules about time that hold for `acme/web`, with where they come from.
fn rules(effective: &EffectivePolicy) -> Vec<String> {
    let cadence = &effective.policy.cadence;
    let mut rules = Vec::new();
    rules.extend(cadence.schedule.as_ref().map(|rule| format!("{rule}, {}", zone_name(&rule.zone))));
    rules.extend(cadence.windows.iter().map(|rule| format!("{rule}, {}", zone_name(&rule.zone))));
    rules.extend(cadence.freezes.iter().map(|rule| format!("{rule}, {}", zone_name(&rule.zone))));
    rules
}

fn with_own(config: &str, own: &str) -> EffectivePolicy {
    config_of(config).policy_for(&name("acme/web"), Some(&RepositoryFile::read(own.as_bytes())))
}

#[test]
fn an_impossible_schedule_is_refused_at_its_place() {
    assert_snapshot!(mistakes("policy:\n  schedule: 0 0 31 2 *\n"), @"refrom.yaml:2:13: `policy.schedule`: impossible: no date matches it");
    assert_snapshot!(mistakes("policy: { schedule: hourly }\n"), @"refrom.yaml:1:21: `policy.schedule`: expected a cron expression of five fields, `{ every: 6h }`, `daily`, `weekdays`, `weekly`, `monthly` or `always`");
    assert_snapshot!(mistakes("policy: { schedule: 61 * * * * }\n"), @"refrom.yaml:1:21: `policy.schedule`: bad cron expression: minute `61`: number out of bounds");
    assert_snapshot!(mistakes("policy: { schedule: { every: 10s } }\n"), @"refrom.yaml:1:30: `policy.schedule.every`: expected a duration like `6h` or `2d`, from 1m to 366 days");
    assert_snapshot!(mistakes("policy: { schedule: { evry: 6h } }\n"), @"refrom.yaml:1:23: `policy.schedule.evry`: unknown key `evry`; did you mean `every`?");
    assert_snapshot!(mistakes("policy: { schedule: {} }\n"), @"refrom.yaml:1:21: `policy.schedule`: expected `{ every: DURATION }`");
    assert_snapshot!(mistakes("policy: { schedule: [daily] }\n"), @"refrom.yaml:1:21: `policy.schedule`: expected a cron expression, a word or `{ every: DURATION }`");
    assert_snapshot!(mistakes("policy: { timezone: Europe/Berln, jitter: 2d }\n"), @"
    refrom.yaml:1:21: `policy.timezone`: unknown time zone `Europe/Berln`: expected a name like `Europe/Berlin` or `UTC`
    refrom.yaml:1:43: `policy.jitter`: expected a duration like `30m` of at most 24 hours, found `2d`
    ");
}

#[test]
fn windows_and_freezes_are_checked_at_their_place() {
    assert_snapshot!(mistakes("policy: { window: [] }\n"), @"refrom.yaml:1:19: `policy.window`: expected 1 to 50 spans; leave the key out for no window");
    assert_snapshot!(mistakes("policy:\n  window:\n    - { days: [mon, Tues, weekday], from: 9, to: '25:00' }\n    - { from: '09:00', to: '09:00' }\n    - { days: [] }\n    - { days: always }\n"), @"
    refrom.yaml:3:21: `policy.window[0].days[1]`: expected `mon` to `sun`, `weekdays` or `weekend`, found `Tues`; did you mean `tue`?
    refrom.yaml:3:27: `policy.window[0].days[2]`: expected `mon` to `sun`, `weekdays` or `weekend`, found `weekday`; did you mean `weekdays`?
    refrom.yaml:3:43: `policy.window[0].from`: expected a time like `09:00`, found `9`
    refrom.yaml:3:50: `policy.window[0].to`: expected a time like `09:00`, found `25:00`
    refrom.yaml:4:7: `policy.window[1]`: empty: it ends when it begins, at 09:00
    refrom.yaml:5:15: `policy.window[2].days`: expected at least one day
    refrom.yaml:6:15: `policy.window[3].days`: expected `mon` to `sun`, `weekdays` or `weekend`, found `always`
    ");
    assert_snapshot!(mistakes("policy: { window: { days: mon } }\n"), @"refrom.yaml:1:19: `policy.window`: expected a list, found a mapping");
    assert_snapshot!(mistakes("freeze:\n  - { from: 2026-12-20, to: 2026-12-19, reason: year end }\n  - { from: 20.12.2026, reason: '' }\n  - {}\n"), @"
    refrom.yaml:2:29: `freeze[0].to`: it ends before it begins: 2026-12-19 is not after 2026-12-20
    refrom.yaml:3:5: `freeze[1].to`: missing: a date like `2026-12-20`, or `2026-12-20T18:00`
    refrom.yaml:3:13: `freeze[1].from`: expected a date like `2026-12-20`, or `2026-12-20T18:00` in the repository's zone, found `20.12.2026`
    refrom.yaml:3:33: `freeze[1].reason`: expected some words in one line
    refrom.yaml:4:5: `freeze[2].from`: missing: a date like `2026-12-20`, or `2026-12-20T18:00`
    refrom.yaml:4:5: `freeze[2].reason`: missing: why, for people who wait
    refrom.yaml:4:5: `freeze[2].to`: missing: a date like `2026-12-20`, or `2026-12-20T18:00`
    ");
    assert_snapshot!(mistakes("policy: { freeze: [{ from: 2026-12-20T18:00Z, to: 2026-12-20T17:00, reason: a }] }\n"), @"refrom.yaml:1:28: `policy.freeze[0].from`: expected a date like `2026-12-20`, or `2026-12-20T18:00` in the repository's zone, found `2026-12-20T18:00Z`");
}

#[test]
fn a_schedule_that_never_meets_its_window_is_refused_in_every_layer() {
    assert_snapshot!(mistakes("policy: { schedule: 0 3 * * *, window: [{ from: '09:00', to: '17:00' }] }\n"), @"refrom.yaml:1:21: `policy.schedule`: the schedule `0 3 * * *` never meets the window `every day 09:00–17:00` (refrom.yaml:1:40)");
    let layers = "
policy: { schedule: weekdays }
repositories:
  - match: acme/web
    policy: { window: [{ days: weekend }] }
  - match: acme/api
    policy: { schedule: daily, window: [{ days: weekend }] }
  - match: acme/api
    policy: { schedule: 0 17 * * *, window: [{ from: '09:00', to: '17:00' }] }
";
    assert_snapshot!(mistakes(layers), @"
    refrom.yaml:5:23: `repositories[0].policy.window`: the schedule `weekdays` never meets the window `weekend 00:00–24:00` (refrom.yaml:5:23, repositories[0] (match `acme/web`))
    refrom.yaml:9:25: `repositories[2].policy.schedule`: the schedule `0 17 * * *` never meets the window `every day 09:00–17:00` (refrom.yaml:9:45, repositories[2] (match `acme/api`))
    ");
}

#[test]
fn poll_is_bounded() {
    assert_snapshot!(mistakes("poll: 30s\nregistries: { dhi.io: { poll: 8d }, ghcr.io: { poll: 5 } }\n"), @"
    refrom.yaml:1:7: `poll`: expected a duration like `15m`, from 1 minute to 7 days, found `30s`
    refrom.yaml:2:31: `registries.dhi.io.poll`: expected a duration like `15m`, from 1 minute to 7 days, found `8d`
    refrom.yaml:2:54: `registries.ghcr.io.poll`: expected a duration like `15m`, from 1 minute to 7 days, found `5`
    ");
    let config = config_of("poll: 15m\nregistries: { dhi.io: { poll: 1h }, docker.io: {} }\n");
    let seconds = |registry| config.poll_of(registry).map(|poll| poll.as_secs());
    assert_eq!((seconds("dhi.io"), seconds("docker.io"), seconds("cgr.dev")), (Some(3600), Some(900), Some(900)));
    assert_eq!(config_of("policy: {}").poll_of("dhi.io"), None);
}

#[test]
fn freezes_of_all_layers_add_up_and_windows_replace_each_other() {
    let config = "
freeze: [{ from: 2026-12-20, to: 2027-01-06, reason: year end }]
policy:
  freeze: [{ from: 2026-11-27, to: 2026-11-27, reason: sale }]
  window: [{ days: weekdays }]
repositories:
  - match: acme/*
    policy:
      timezone: Europe/Berlin
      window: [{ from: '09:00', to: '17:00' }]
      freeze: [{ from: 2026-12-01, to: 2026-12-02, reason: audit }]
";
    let rules = rules(&with_own(config, "freeze: [{ from: 2027-02-01, to: 2027-02-02, reason: move }]\n")).join("\n");
    assert_snapshot!(rules, @"
    window `every day 09:00–17:00` (refrom.yaml:10:15, repositories[0] (match `acme/*`)), Europe/Berlin
    freeze `year end` (2026-12-20 to 2027-01-06) (refrom.yaml:2:10), Europe/Berlin
    freeze `sale` (2026-11-27 to 2026-11-27) (refrom.yaml:4:12), Europe/Berlin
    freeze `audit` (2026-12-01 to 2026-12-02) (refrom.yaml:11:16, repositories[0] (match `acme/*`)), Europe/Berlin
    freeze `move` (2027-02-01 to 2027-02-02) (.refrom.yaml:1:10), Europe/Berlin
    ");
}

#[test]
fn a_repository_tightens_and_loosens_nothing() {
    let config = "
repository_may_set: [enabled, max_open, schedule, timezone, window, freeze]
policy:
  max_open: 3
  timezone: Europe/Berlin
  schedule: daily
  window: [{ from: '09:00', to: '17:00' }]
  freeze: [{ from: 2026-12-20, to: 2027-01-06, reason: year end }]
";
    let own = "
max_open: 5
timezone: Asia/Tokyo
schedule: weekly
window: [{ from: '12:00', to: '24:00' }]
freeze: []
";
    let effective = with_own(config, own);
    assert_eq!(effective.problem, None);
    // The administrator's window and freeze stay where they are in time.
    assert_snapshot!(rules(&effective).join("\n"), @"
    weekly (.refrom.yaml:4:11), Asia/Tokyo
    window `every day 09:00–17:00` (refrom.yaml:7:11), Europe/Berlin
    window `every day 12:00–24:00` (.refrom.yaml:5:9), Asia/Tokyo
    freeze `year end` (2026-12-20 to 2027-01-06) (refrom.yaml:8:12), Europe/Berlin
    ");
    assert_eq!(effective.policy.max_open, Some(3));
    let origins = ["max_open", "schedule", "timezone", "window"].map(|key| effective.origin(key));
    assert_eq!(origins, ["refrom.yaml:4:13", ".refrom.yaml:4:11", ".refrom.yaml:3:11", ".refrom.yaml:5:9"]);
    assert_eq!(with_own(config, "max_open: 2\n").policy.max_open, Some(2));
    let off = "policy: { enabled: false }\n";
    let effective = with_own(off, "enabled: true\n");
    assert_eq!((effective.policy.enabled, effective.origin("enabled").as_str()), (false, "refrom.yaml:1:20"));
    assert!(!with_own("policy: {}\n", "enabled: false\n").policy.enabled);
}

#[test]
fn what_leaves_no_time_is_a_problem_of_the_repository_and_holds_nowhere() {
    let config = "policy: { schedule: 0 10 * * *, window: [{ from: '09:00', to: '17:00' }] }\n";
    let problem = |own: &str| {
        let effective = with_own(config, own);
        assert_eq!((rules(&effective).len(), effective.policy.enabled), (2, !own.contains("enabled")));
        effective.problem.unwrap().to_string()
    };
    assert_snapshot!(problem("window: [{ from: '17:00', to: '20:00' }]\n"), @".refrom.yaml:1:9: `window`: the schedule `0 10 * * *` never meets the window `every day 17:00–20:00` (.refrom.yaml:1:9)");
    assert_snapshot!(problem("enabled: false\nschedule: 0 20 * * *\n"), @".refrom.yaml:2:11: `schedule`: the schedule `0 20 * * *` never meets the window `every day 09:00–17:00` (refrom.yaml:1:41)");
    assert_snapshot!(problem("schedule: 0 0 31 2 *\n"), @".refrom.yaml:1:11: `schedule`: impossible: no date matches it");
    let locked = with_own("repository_may_set: [enabled]\n", "schedule: weekly\n").problem.unwrap().to_string();
    assert_snapshot!(locked, @".refrom.yaml:1:11: `schedule`: only the administrator of refrom may set this (`repository_may_set`)");
}

#[test]
fn an_override_lifts_a_schedule_with_a_word() {
    let config = "policy: { schedule: weekly }\nrepositories: [{ match: acme/web, policy: { schedule: always } }]\n";
    let effective = config_of(config).policy_for(&name("acme/web"), None);
    assert!(effective.policy.cadence.schedule.is_none());
    assert!(effective.origin("schedule").starts_with("refrom.yaml:2:"));
}

#[test]
fn show_says_where_each_rule_about_time_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.yaml");
    let text = "freeze: [{ from: 2026-12-20, to: 2027-01-06, reason: year end }]
policy:
  schedule: { every: 36h }
  window: [{ days: [weekend, mon], from: '22:00', to: '04:00' }, {}]
repositories:
  - match: acme/web
    policy: { freeze: [{ from: 2026-12-01T18:00, to: 2026-12-02, reason: audit, urgent: true }], jitter: 90m }
";
    std::fs::write(&path, text).unwrap();
    let report = commands::show(&path, "acme/web", &no_environment);
    let shown = report.stdout.replace(&format!("{}/", folder.path().display()), "");
    let of_time =
        shown.lines().skip_while(|line| !line.starts_with("schedule")).take_while(|line| !line.starts_with("min_age"));
    assert_snapshot!(of_time.collect::<Vec<_>>().join("\n"), @r#"
    schedule: { every: 36h }  # refrom.yaml:3:13
    timezone: "UTC"  # default
    window:
      - { days: [mon, sat, sun], from: "22:00", to: "04:00" }  # refrom.yaml:4:11
      - { days: [mon, tue, wed, thu, fri, sat, sun], from: "00:00", to: "24:00" }  # refrom.yaml:4:11
    freeze:
      - { from: 2026-12-20, to: 2027-01-06, reason: "year end" }  # refrom.yaml:1:10
      - { from: 2026-12-01T18:00, to: 2026-12-02, reason: "audit", urgent: true }  # refrom.yaml:7:24, repositories[0] (match `acme/web`)
    jitter: 1h 30m  # refrom.yaml:7:106, repositories[0] (match `acme/web`)
    "#);
    let all = format!(
        "repository_may_set: [{}]\n",
        PolicyKey::ALL.iter().map(|key| key.as_str()).collect::<Vec<_>>().join(", ")
    );
    let again = config_of(&all).policy_for(&name("acme/web"), Some(&RepositoryFile::read(report.stdout.as_bytes())));
    assert_eq!(again.problem, None, "what is shown can be read again");
    let urgent: Vec<bool> =
        again.policy.cadence.freezes.iter().map(|freeze| freeze.value.lets_urgent_through()).collect();
    assert_eq!(urgent, [false, true]);
}
