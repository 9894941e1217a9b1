//! Whole cycles that wait for their time: the clock is the test's.

use jiff::Timestamp;
use refrom::cycle::{CadenceMode, Report, Request};
use refrom::demo::forge::{Fault, FaultKind};
use refrom::demo::registry::Fault as RegistryFault;
use refrom::domain::digest::Digest;

use super::world::{World, nginx};

const WEB: &str = "acme/web";
const API: &str = "acme/api";
const IMAGE: &str = "dhi.io/nginx";
const BODY: &str = "#1 open refrom/base-images -> main";
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// These repositories, one build behind, on Friday 2026-11-20 at 8 o'clock by UTC.
async fn behind(repositories: &[&str]) -> World {
    let world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    for repository in repositories {
        world.repository(repository, &[("Dockerfile", &nginx("1.27.1", &first))]);
    }
    world.release(IMAGE, "1.27", "2");
    world
}

/// Why the pins of a repository wait, and until when; empty: nothing waits.
fn waits(report: &Report, repository: &str) -> String {
    let found = report.repositories.iter().find(|it| it.plan.repository.name.as_str() == repository);
    let wait = found.unwrap().plan.waits().map(ToString::to_string).unwrap_or_default();
    // The configuration's folder is another one in each run.
    wait.split(" (/").next().unwrap_or_default().to_owned()
}

/// Whether a registry was asked for anything in the last cycle.
fn is_asked(world: &World) -> bool {
    world.costs().registry > 0
}

fn opened(world: &World, repository: &str) -> usize {
    world.forge.pull_requests(&super::world::name(repository)).unwrap().len()
}

#[tokio::test]
async fn a_new_repository_is_due_at_once_and_then_at_its_turns() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: weekly", "jitter: 0s"]);
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(DAY);
    let report = world.run().await;
    assert_eq!(waits(&report, WEB), "not due until 2026-11-23 00:00 UTC: schedule `weekly`");
    assert_eq!(world.costs().writes, 0);
    world.wait_minutes(DAY + 15 * HOUR + 59);
    world.run().await;
    assert_eq!(world.costs().writes, 0, "a minute before its turn");
    world.wait_minutes(1);
    let report = world.run().await;
    assert_eq!(waits(&report, WEB), "");
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn a_turn_with_nothing_to_propose_is_used_up() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.policy(&["schedule: daily", "jitter: 0s"]);
    world.run().await;
    world.release(IMAGE, "1.27", "2");
    let report = world.run().await;
    assert_eq!(waits(&report, WEB), "not due until 2026-11-21 00:00 UTC: schedule `daily`");
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(DAY);
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    world.finish();
}

#[tokio::test]
async fn a_turn_in_which_a_registry_was_down_is_not_used_up() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: weekly"]);
    world.registry.inject(RegistryFault::status("/v2/dhi.io/", 503));
    world.run_with_problems(&["acme/web: Dockerfile: unknown"]).await;
    world.registry.clear_faults();
    world.wait_minutes(HOUR);
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    world.finish();
}

#[tokio::test]
async fn a_pin_that_stays_unknown_takes_the_schedule_from_no_repository() {
    let mut world = behind(&[WEB]).await;
    let retired = format!("FROM dhi.io/retired:1@{}\n", Digest::of(b"retired"));
    world.commit(WEB, "main", &[("retired.Dockerfile", &retired)]);
    world.policy(&["schedule: weekly", "jitter: 0s"]);
    let unknown = ["acme/web: retired.Dockerfile: unknown"];
    world.run_with_problems(&unknown).await;
    world.expect_pull_requests(WEB, &[BODY]);
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(DAY);
    world.run_with_problems(&unknown).await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.release(IMAGE, "1.27", "4");
    world.wait_minutes(HOUR);
    let report = world.run_with_problems(&unknown).await;
    assert_eq!(waits(&report, WEB), "not due until 2026-11-23 00:00 UTC: schedule `weekly`");
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_tag_that_is_gone_is_an_answer_and_the_turn_is_over() {
    let mut world = behind(&[WEB]).await;
    let gone = format!("FROM dhi.io/nginx:0.1@{}\n", Digest::of(b"gone"));
    world.commit(WEB, "main", &[("gone.Dockerfile", &gone)]);
    world.policy(&["schedule: weekly", "jitter: 0s"]);
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    world.release(IMAGE, "1.27", "3");
    world.wait_minutes(HOUR);
    let report = world.run().await;
    assert_eq!(waits(&report, WEB), "not due until 2026-11-23 00:00 UTC: schedule `weekly`");
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_turn_whose_action_failed_is_not_used_up() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: weekly"]);
    world.forge.fail(Fault::next("POST /repos/acme/web/pulls", FaultKind::Status(401)));
    world.run_with_problems(&["acme/web"]).await;
    world.wait_minutes(HOUR);
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    world.finish();
}

#[tokio::test]
async fn what_the_hourly_cap_puts_off_comes_in_the_next_hour_and_not_at_the_next_turn() {
    let mut world = behind(&[WEB, API]).await;
    world.policy(&["schedule: monthly"]);
    world.setting("max_new_per_hour: 1");
    world.run().await;
    assert_eq!(opened(&world, WEB) + opened(&world, API), 1);
    world.wait_minutes(HOUR + 1);
    world.run().await;
    assert_eq!((opened(&world, WEB), opened(&world, API)), (1, 1));
    world.finish();
}

#[tokio::test]
async fn outside_of_its_window_a_turn_waits() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["timezone: Europe/Berlin", "window: [{ days: [sat], from: '10:00', to: '12:00' }]"]);
    let report = world.run().await;
    let expected = "outside of its window until 2026-11-21 10:00 CET: window `sat 10:00–12:00`";
    assert_eq!(waits(&report, WEB), expected);
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(DAY + HOUR - 1);
    world.run().await;
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(1);
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    world.finish();
}

#[tokio::test]
async fn a_freeze_of_the_fleet_holds_back_what_is_new_and_closes_what_is_not_needed() {
    let mut world = behind(&[WEB, API]).await;
    world.run_only(&[WEB]).await;
    world.expect_pull_requests(WEB, &[BODY]);
    world.setting("freeze: [{ from: 2026-11-20, to: 2026-11-22, reason: \"trade fair\" }]");
    let second = world.release(IMAGE, "1.27", "2");
    world.commit(WEB, "main", &[("Dockerfile", &nginx("1.27.2", &second))]);
    let report = world.run().await;
    let expected = "frozen until 2026-11-23 00:00 UTC: freeze `trade fair` (2026-11-20 to 2026-11-22)";
    assert_eq!(waits(&report, API), expected);
    world.expect_pull_requests(API, &[]);
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.wait_minutes(3 * DAY);
    world.run().await;
    world.expect_pull_requests(API, &[BODY]);
    world.finish();
}

#[tokio::test]
async fn after_an_outage_of_weeks_a_repository_is_caught_up_once() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: daily"]);
    world.run().await;
    world.wait_minutes(30 * DAY);
    world.release(IMAGE, "1.27", "3");
    world.run().await;
    assert!(world.costs().writes > 0);
    world.release(IMAGE, "1.27", "4");
    let report = world.run().await;
    assert!(waits(&report, WEB).starts_with("not due until 2026-12-21 00:"), "{}", waits(&report, WEB));
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_dry_run_uses_no_turn_and_a_lost_memory_starves_nobody() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: weekly"]);
    world.dry_run().await;
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    let third = world.release(IMAGE, "1.27", "3");
    world.forget();
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn whoever_does_not_wait_gets_it_now() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: weekly", "window: [{ days: [sun] }]"]);
    world.setting("freeze: [{ from: 2026-11-01, to: 2026-11-30, reason: quiet }]\npoll: 1d");
    let report = world.run().await;
    assert!(waits(&report, WEB).starts_with("frozen until 2026-12-06 00:00 UTC"), "{}", waits(&report, WEB));
    world.cycle(Request { cadence: CadenceMode::Ignore, ..Request::default() }).await;
    assert!(is_asked(&world));
    world.expect_pull_requests(WEB, &[BODY]);
    world.finish();
}

#[tokio::test]
async fn a_repository_tightens_its_window_and_one_that_leaves_no_time_is_reported() {
    let mut world = behind(&[WEB, API]).await;
    world.policy(&["window: [{ from: '08:00', to: '10:00' }]"]);
    world.commit(WEB, "main", &[(".refrom.yaml", "window: [{ from: '09:00', to: '12:00' }]\n")]);
    world.commit(API, "main", &[(".refrom.yaml", "window: [{ from: '11:00', to: '12:00' }]\n")]);
    let report =
        world.run_with_problems(&["acme/api: .refrom.yaml:1:9: `window`: the window `every day 11:00–12:00`"]).await;
    let expected =
        "outside of its window until 2026-11-20 09:00 UTC: window `every day 09:00–12:00` (.refrom.yaml:1:9)";
    assert_eq!(waits(&report, WEB), expected);
    assert_eq!((opened(&world, WEB), opened(&world, API)), (0, 1), "nothing of a broken file holds");
    world.wait_minutes(HOUR);
    world.run_with_problems(&["acme/api"]).await;
    assert_eq!(opened(&world, WEB), 1);
    world.finish();
}

#[tokio::test]
async fn a_tag_is_asked_for_once_in_each_poll_and_remembered_between() {
    let mut world = behind(&[WEB]).await;
    world.setting("poll: 1h");
    world.run().await;
    assert!(is_asked(&world));
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(50);
    world.run().await;
    assert!(!is_asked(&world), "asked less than an hour ago");
    assert_eq!(world.costs().writes, 0);
    // An hourly job that comes some seconds early.
    world.wait_minutes(9);
    world.run().await;
    assert!(is_asked(&world));
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn an_image_that_somebody_says_moved_is_asked_for_again_and_until_it_answers() {
    let mut world = behind(&[WEB]).await;
    world.setting("poll: 1h");
    world.run().await;
    let third = world.release(IMAGE, "1.27", "3");
    let fresh = || Request { fresh: [IMAGE.parse().unwrap()].into(), ..Request::default() };
    world.registry.inject(RegistryFault::status("/v2/dhi.io/", 503));
    world.wait_minutes(5);
    world.run_request_with_problems(fresh(), &["acme/web"]).await;
    world.registry.clear_faults();
    world.wait_minutes(5);
    world.run().await;
    assert!(is_asked(&world), "its last look failed");
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.wait_minutes(5);
    world.run().await;
    assert!(!is_asked(&world));
    let fourth = world.release(IMAGE, "1.27", "4");
    world.cycle(fresh()).await;
    world.expect_proposal(WEB, 1, &nginx("1.27.4", &fourth));
    world.finish();
}

#[tokio::test]
async fn a_pin_that_somebody_moved_meanwhile_is_not_moved_back() {
    let mut world = behind(&[WEB]).await;
    world.setting("poll: 1d");
    world.run().await;
    world.expect_pull_requests(WEB, &[BODY]);
    let third = world.release(IMAGE, "1.27", "3");
    world.commit(WEB, "main", &[("Dockerfile", &nginx("1.27.3", &third))]);
    world.wait_minutes(HOUR);
    world.run().await;
    assert!(is_asked(&world), "the pin may be newer than the last look");
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.wait_minutes(HOUR);
    world.run().await;
    assert!(!is_asked(&world));
    world.finish();
}

#[tokio::test]
async fn a_registry_has_a_pace_of_its_own() {
    let mut world = behind(&[WEB]).await;
    world.use_registry_settings("poll: 1d");
    world.setting("poll: 1m");
    world.run().await;
    world.wait_minutes(HOUR);
    world.run().await;
    assert!(!is_asked(&world));
    world.wait_minutes(DAY);
    world.run().await;
    assert!(is_asked(&world));
    world.finish();
}

#[tokio::test]
async fn each_repository_says_when_it_is_due() {
    let mut world = behind(&[WEB]).await;
    world.policy(&["schedule: { every: 1d }"]);
    let first = world.run().await;
    assert_eq!(first.repositories[0].plan.due.at(), None);
    let start: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
    let second = world.run().await;
    let due = second.repositories[0].plan.due.clone();
    let ahead = due.at().unwrap().timestamp().duration_since(start);
    assert!(ahead.as_secs() > 0 && ahead.as_hours() < 24, "{due:?}");
    assert!(due.because().starts_with("schedule `every: 24h` ("), "{due:?}");
    assert_eq!(waits(&second, WEB), "", "nothing is behind its pull request");
    world.finish();
}
