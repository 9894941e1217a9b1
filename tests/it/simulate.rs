//! Replays: what they say, and that planning only where something changed gives what planning everything gives.

mod facts;
mod laws;
mod tuning;

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use refrom::config::{Config, Secrets};
use refrom::domain::digest::Digest;
use refrom::domain::proposal::Reason;
use refrom::simulate::{DayFigures, Deed, DeedKind, Figures, Listed, Outcome, Planning, Recording, Setup, replay};
use serde_json::{Value, json};

/// A replay begins then.
const START: &str = "2026-07-01T00:00:00Z";

fn hour(hours: i64) -> Timestamp {
    START.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn config(text: &str) -> Config {
    Config::from_text(text, Path::new("refrom.yaml"), &|_| None, Secrets::Skip).unwrap()
}

/// The hours at which tags moved, each to a digest of its own letter.
fn recording(moves: &[(i64, &str, char)]) -> Recording {
    let line = |(at, tag, letter): &(i64, &str, char)| {
        let digest = Digest::of(format!("{tag} {letter}").as_bytes()).to_string();
        json!({ "first_seen": hour(*at).to_string(), "reference": tag, "digest": digest })
    };
    recording_of(&moves.iter().map(line).collect::<Vec<_>>())
}

/// A history of these lines.
fn recording_of(lines: &[Value]) -> Recording {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.jsonl");
    std::fs::write(&file, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    Recording::read(&file).unwrap()
}

fn fleet(repositories: &[(&str, &[&str])]) -> Vec<Listed> {
    let listed = |(name, pins): &(&str, &[&str])| {
        let pins = pins.iter().map(|pin| crate::plan_world::tag(pin)).collect();
        Listed { repository: name.parse().unwrap(), pins }
    };
    repositories.iter().map(listed).collect()
}

/// A word for each kind of reason, with what tells two of a kind apart left out.
fn word(reason: &Reason) -> &'static str {
    match reason {
        Reason::TooYoung { .. } => "min-age",
        Reason::Unsettled { .. } => "settle",
        Reason::Pair { .. } => "pair",
        Reason::MinInterval { .. } => "min-interval",
        Reason::Wave(_) => "wave",
        Reason::Waits(_) => "waits",
        Reason::MaxOpen(_) => "max-open",
        Reason::MaxNewPerHour(_) => "max-new-per-hour",
        Reason::Backwards => "backwards",
        Reason::Unknown(_) => "unknown",
        _ => "other",
    }
}

fn setup(planning: Planning) -> Setup {
    Setup { from: None, to: None, merge_after: SignedDuration::from_hours(24), planning, word }
}

fn run(text: &str, recording: &Recording, fleet: &[Listed]) -> Outcome {
    replay(&config(text), recording, fleet, setup(Planning::WhereSomethingChanged)).unwrap()
}

/// What happened, in words: `24 open web#1`.
fn told(outcome: &Outcome, fleet: &[Listed]) -> Vec<String> {
    let line = |deed: &Deed| {
        let kind = match deed.kind {
            DeedKind::Opened => "open",
            DeedKind::Updated => "update",
            DeedKind::Merged => "merge",
            DeedKind::Closed => "close",
        };
        let hours = deed.at.duration_since(hour(0)).as_secs_f64() / 3600.0;
        let name = fleet[deed.repository].repository.as_str().trim_start_matches("acme/");
        format!("{hours} {kind} {name}#{}", deed.number)
    };
    outcome.deeds.iter().map(line).collect()
}

const NGINX: &str = "dhi.io/nginx:1";
const NODE: &str = "dhi.io/node:24";

#[test]
fn a_moved_tag_is_opened_updated_and_merged() {
    let moves = [(0, NGINX, 'a'), (10, NGINX, 'b'), (20, NGINX, 'c'), (90, NGINX, 'd'), (200, NGINX, 'e')];
    let fleet = fleet(&[("acme/web", &[NGINX])]);
    let outcome = run("policy: {}", &recording(&moves), &fleet);
    assert_eq!(
        told(&outcome, &fleet),
        ["10 open web#1", "20 update web#1", "44 merge web#1", "90 open web#2", "114 merge web#2", "200 open web#3"]
    );
    let figures = Figures::of(&outcome);
    assert_eq!((figures.opened, figures.updated, figures.merged, figures.open), (3, 1, 2, 1));
    assert_eq!(figures.pipelines, 4);
    // 34 hours behind `b`, 24 behind `d`, none yet behind `e`.
    assert_eq!((figures.behind.median, figures.behind.p90), (1.0, 34.0 / 24.0));
    let waited: Vec<_> = figures.waits.iter().map(|(word, days)| (*word, days * 24.0)).collect();
    assert_eq!(waited, [("open", 58.0)]);
    assert_eq!(figures.days.iter().map(|day| day.pipelines).sum::<usize>(), 4);
}

#[test]
fn a_schedule_puts_moves_together_and_says_what_waits() {
    let moves = [(0, NGINX, 'a'), (10, NGINX, 'b'), (20, NODE, 'a'), (30, NODE, 'b'), (300, NGINX, 'c')];
    let fleet = fleet(&[("acme/web", &[NGINX, NODE])]);
    let outcome = run("policy: { schedule: weekly, jitter: 0s }", &recording(&moves), &fleet);
    // The first of July 2026 is a Wednesday: Monday begins after 120 hours.
    assert_eq!(told(&outcome, &fleet), ["120 open web#1", "144 merge web#1", "288 open web#2"][..2]);
    assert_eq!(outcome.waits["waits"], SignedDuration::from_hours(110 + 90));
}

#[test]
fn what_waits_is_planned_when_it_is_due_also_between_two_looks() {
    let moves = [(0, NGINX, 'a'), (10, NGINX, 'b'), (90, NODE, 'a')];
    let fleet = fleet(&[("acme/web", &[NGINX])]);
    let window = "policy: { window: [{ days: weekdays, from: '09:00', to: '17:00' }] }";
    let outcome = run(&format!("poll: 1d\n{window}"), &recording(&moves), &fleet);
    // Seen on the second day at midnight.
    assert_eq!(told(&outcome, &fleet), ["33 open web#1", "57 merge web#1"]);
    assert_eq!(outcome.waits["waits"], SignedDuration::from_hours(9));
}

#[test]
fn a_turn_for_which_nothing_waits_is_not_used_up_before_the_next_look() {
    let moves = [(0, NGINX, 'a'), (20, NGINX, 'b'), (90, NODE, 'a')];
    let fleet = fleet(&[("acme/web", &[NGINX])]);
    let outcome = run("poll: 18h\npolicy: { schedule: daily, jitter: 0s }", &recording(&moves), &fleet);
    assert_eq!(told(&outcome, &fleet), ["36 open web#1", "60 merge web#1"]);
}

#[test]
fn what_is_not_followed_is_not_behind() {
    let moves = [(0, NGINX, 'a'), (0, NODE, 'a'), (10, NGINX, 'b'), (10, NODE, 'b'), (240, NGINX, 'c')];
    let fleet = fleet(&[("acme/web", &[NODE, NGINX])]);
    let figures = |text: &str| Figures::of(&run(text, &recording(&moves), &fleet));
    let (both, none) = (figures("policy: {}"), figures("policy: { enabled: false }"));
    assert_eq!((both.pins, both.opened, both.behind.p90), (2, 2, 1.0));
    assert_eq!((none.pins, none.opened), (0, 0));
    assert_eq!((none.behind.p90, none.share_behind, none.age.p90), (0.0, 0.0, 0.0));
    for one in ["policy: { images: ['dhi.io/nginx'] }", "policy: { stages: final }"] {
        let one = figures(one);
        assert_eq!((one.pins, one.opened, one.behind.p90), (1, 2, 1.0));
        assert!((0.05..0.2).contains(&one.share_behind), "{}", one.share_behind);
    }
}

#[test]
fn the_final_stage_is_the_last_pin_also_before_its_tag_was_seen() {
    let moves = [(0, NODE, 'a'), (10, NODE, 'b'), (50, NGINX, 'a'), (60, NGINX, 'b'), (120, NODE, 'c')];
    let fleet = fleet(&[("acme/web", &[NODE, NGINX])]);
    let outcome = run("policy: { stages: final }", &recording(&moves), &fleet);
    assert_eq!(told(&outcome, &fleet), ["60 open web#1", "84 merge web#1"]);
}

#[test]
fn the_hourly_cap_holds_over_the_fleet_and_everybody_has_a_turn() {
    let moves = [(0, NGINX, 'a'), (10, NGINX, 'b'), (30, NODE, 'a')];
    let names = ["acme/a", "acme/b", "acme/c"];
    let fleet = fleet(&names.map(|name| (name, &[NGINX][..])));
    let outcome = run("{ max_new_per_hour: 1, poll: 30m }", &recording(&moves), &fleet);
    let times: Vec<f64> =
        outcome.deeds.iter().map(|deed| deed.at.duration_since(hour(0)).as_secs_f64() / 3600.0).collect();
    assert_eq!(times, [10.0, 11.5, 13.0]);
    assert_eq!(outcome.deeds.iter().map(|deed| deed.repository).collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[test]
fn a_digest_between_two_looks_is_never_seen() {
    let moves = [(0, NGINX, 'a'), (1, NGINX, 'b'), (2, NGINX, 'a'), (30, NODE, 'a')];
    let fleet = fleet(&[("acme/web", &[NGINX])]);
    assert_eq!(told(&run("poll: 3h", &recording(&moves), &fleet), &fleet), Vec::<String>::new());
    let flap = told(&run("poll: 1h", &recording(&moves), &fleet), &fleet);
    assert_eq!(flap, ["1 open web#1", "2 close web#1"]);
}

#[test]
fn pins_are_sampled_once_a_day_and_their_ages_are_those_of_the_recording() {
    let moves = [(0, NGINX, 'a'), (240, NODE, 'a')];
    let fleet = fleet(&[("acme/web", &[NGINX]), ("acme/api", &[NGINX])]);
    let outcome = run("policy: {}", &recording(&moves), &fleet);
    let figures = Figures::of(&outcome);
    assert_eq!(figures.days.len(), 11);
    // Two pins on each of ten days, half a day old on average on the first one; and as the last one begins.
    let medians: Vec<f64> = figures.days.iter().map(|day| day.age.median.floor()).collect();
    assert_eq!(medians, (0..11).map(f64::from).collect::<Vec<_>>());
    assert_eq!((figures.share_behind, figures.behind.p90), (0.0, 0.0));
}

#[test]
fn days_have_their_own_dates_and_no_part_of_one_is_a_cliff() {
    // Wednesday evening to Wednesday morning; Monday begins after 120 hours.
    let moves = [(18, NGINX, 'a'), (40, NGINX, 'b'), (19, NODE, 'a'), (173, NODE, 'b')];
    let names: Vec<String> = (0..20).map(|number| format!("acme/app-{number}")).collect();
    let fleet: Vec<Listed> = names.iter().flat_map(|name| fleet(&[(name, &[NGINX])])).collect();
    let outcome = run("policy: { schedule: weekly, jitter: 0s }", &recording(&moves), &fleet);
    let days = Figures::of(&outcome).days;
    let told = |day: &DayFigures| (day.date.to_string(), day.opened, day.merged);
    let [first, .., monday, tuesday, last] = days.as_slice() else { panic!("{days:?}") };
    assert_eq!(told(first), ("2026-07-01".to_owned(), 0, 0));
    assert_eq!([told(monday), told(tuesday)], [("2026-07-06".to_owned(), 20, 0), ("2026-07-07".to_owned(), 0, 20)]);
    assert_eq!(told(last), ("2026-07-08".to_owned(), 0, 0));
    let ages: Vec<f64> = days.iter().map(|day| day.age.p90).collect();
    // Every pin is in each of them: until they move all are behind, and a day older.
    assert!(ages[..6].windows(2).all(|pair| pair[1] > pair[0] + 0.4), "{ages:?}");
    assert!(ages[7] > ages[6], "{ages:?}");
    let behind: Vec<f64> = days.iter().map(|day| day.share_behind).collect();
    assert_eq!((behind[0], &behind[2..6], behind[7]), (0.0, &[1.0; 4][..], 0.0));
    // Of a replay of an hour, and of one moment, there is a day.
    for hours in [1, 0] {
        let moves = [(18, NGINX, 'a'), (18 + hours, NODE, 'a')];
        let figures = Figures::of(&run("policy: {}", &recording(&moves), &fleet));
        assert_eq!(figures.days.len(), 1);
        assert!((0.0..0.05).contains(&figures.days[0].age.p90));
    }
}

#[test]
fn the_next_wave_waits_until_the_one_before_has_merged_and_stayed_green() {
    let moves = [(0, NGINX, 'a'), (10, NGINX, 'b'), (90, NODE, 'a')];
    let fleet = fleet(&[("acme/first", &[NGINX]), ("acme/web", &[NGINX])]);
    let waves = "waves: [{ name: canary, match: [acme/first] }, { name: rest, match: ['**'] }]\n\
                 advance: { green_for: 12h }\npolicy: {}";
    let outcome = run(waves, &recording(&moves), &fleet);
    assert_eq!(told(&outcome, &fleet), ["10 open first#1", "34 merge first#1", "46 open web#2", "70 merge web#2"]);
    assert_eq!(outcome.waits["wave"], SignedDuration::from_hours(36));
}
