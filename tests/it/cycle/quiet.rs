//! Whole cycles in which something cannot wait, waits for its pair or its interval, or is only said.

use refrom::cycle::Report;
use refrom::demo::forge::Face;
use refrom::demo::registry::{Fault, FaultKind};
use refrom::domain::digest::Digest;

use super::world::{World, image_spec, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const OPEN: &str = "#1 open refrom/base-images -> main";
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

on_both_forges!(
    a_pinned_digest_that_is_gone_in_two_looks_is_urgent_and_uses_no_turn_up,
    a_freeze_holds_what_is_urgent,
    an_interval_of_weeks_is_kept_also_when_the_memory_is_lost,
    a_pair_waits_until_both_are_built,
);

/// `acme/web` has had its weekly turn, and is one build behind since; the pinned digest with it.
async fn waiting(face: Face) -> (World, Digest) {
    let mut world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.policy(&["schedule: weekly", "jitter: 0s"]);
    world.run().await;
    world.release(IMAGE, "1.27", "2");
    world.wait_minutes(HOUR);
    let report = world.run().await;
    assert_eq!(told(&report).len(), 1, "{:?}", told(&report));
    (world, first)
}

/// Why the pins of the one repository wait.
fn told(report: &Report) -> Vec<String> {
    let plan = &report.repositories[0].plan;
    plan.not_proposed.iter().map(|pin| pin.reason.told(plan.vocabulary).to_string()).collect()
}

async fn hours(world: &mut World, count: usize) {
    for _ in 0..count {
        world.wait_minutes(HOUR);
        world.run().await;
    }
}

async fn a_pinned_digest_that_is_gone_in_two_looks_is_urgent_and_uses_no_turn_up(face: Face) {
    let (mut world, first) = waiting(face).await;
    world.registry.delete_manifest(IMAGE, &first);
    hours(&mut world, 1).await;
    world.expect_pull_requests(WEB, &[]);
    hours(&mut world, 1).await;
    world.expect_pull_requests(WEB, &[OPEN]);
    let title = world.pull_request(WEB, 1).title;
    assert_eq!(title, "build(deps): urgently refresh base image dhi.io/nginx:1.27");
    hours(&mut world, 2).await;
    world.expect_pull_requests(WEB, &[OPEN]);
    // Its turn on Monday is still there for what is not urgent.
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(2 * DAY + 12 * HOUR);
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn a_registry_that_is_down_or_does_not_know_the_name_makes_nothing_urgent() {
    let (mut world, first) = waiting(Face::GitHub).await;
    let manifest = format!("/v2/dhi.io/nginx/manifests/{first}");
    let name_unknown = FaultKind::Status {
        status: 404,
        headers: Vec::new(),
        body: r#"{"errors":[{"code":"NAME_UNKNOWN","message":"no such repository"}]}"#.to_owned(),
    };
    let faults = [Fault::status(&manifest, 503), Fault::status(&manifest, 403), Fault::on(&manifest, name_unknown)];
    for fault in faults {
        world.registry.inject(fault);
        hours(&mut world, 3).await;
        world.registry.clear_faults();
        world.expect_pull_requests(WEB, &[]);
    }
    world.finish();
}

#[tokio::test]
async fn a_digest_that_comes_back_counts_from_the_beginning() {
    let (mut world, first) = waiting(Face::GitHub).await;
    let manifest = format!("/v2/dhi.io/nginx/manifests/{first}");
    let gone = || FaultKind::Status {
        status: 404,
        headers: Vec::new(),
        body: r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"gone"}]}"#.to_owned(),
    };
    for _ in 0..3 {
        world.registry.inject(Fault::on(&manifest, gone()));
        hours(&mut world, 1).await;
        world.registry.clear_faults();
        hours(&mut world, 1).await;
    }
    world.expect_pull_requests(WEB, &[]);
    world.finish();
}

#[tokio::test]
async fn a_pin_that_waits_is_asked_for_once_an_hour_and_what_is_missing_whenever_its_tag_is() {
    let (mut world, first) = waiting(Face::GitHub).await;
    let head = format!("HEAD /v2/dhi.io/nginx/manifests/{first}");
    let mut asked = Vec::new();
    for minutes in [60, 15, 15, 15, 15, 15] {
        world.wait_minutes(minutes);
        world.run().await;
        asked.push(world.registry_asked(&head));
    }
    assert_eq!(asked, [1, 0, 0, 0, 1, 0]);
    assert_eq!(world.registry_asked("HEAD /v2/dhi.io/nginx/manifests/1.27"), 1, "its tag is asked for each time");
    world.registry.delete_manifest(IMAGE, &first);
    world.wait_minutes(45);
    world.run().await;
    world.wait_minutes(15);
    world.run().await;
    assert_eq!(world.registry_asked(&head), 1, "it was missing");
    world.expect_pull_requests(WEB, &[OPEN]);
    world.finish();
}

async fn a_freeze_holds_what_is_urgent(face: Face) {
    let (mut world, first) = waiting(face).await;
    world.setting("freeze: [{ from: 2026-11-20, to: 2026-11-22, reason: \"trade fair\" }]");
    world.registry.delete_manifest(IMAGE, &first);
    hours(&mut world, 3).await;
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(3 * DAY);
    world.run().await;
    world.expect_pull_requests(WEB, &[OPEN]);
    world.finish();
}

async fn an_interval_of_weeks_is_kept_also_when_the_memory_is_lost(face: Face) {
    let mut world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.policy(&["min_interval: 21d"]);
    world.forge.set_clock(world.time());
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.expect_pull_requests(WEB, &[OPEN]);
    world.forge.merge(&super::world::name(WEB), 1).unwrap();
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main"]);
    assert_eq!(world.file(WEB, "main", "Dockerfile"), nginx("1.27.2", &second));
    world.release(IMAGE, "1.27", "3");
    let noun = if face == Face::GitHub { "pull request" } else { "merge request" };
    let waits = format!("`min_interval`: the next {noun} may be opened at 2026-12-11 08:0");
    world.wait_minutes(10 * DAY);
    let report = world.run().await;
    assert!(told(&report)[0].starts_with(&waits), "{:?}", told(&report));
    // What is lost with the store, the forge still shows.
    world.forget();
    world.wait_minutes(10 * DAY);
    let report = world.run().await;
    assert!(told(&report)[0].starts_with(&waits), "{:?}", told(&report));
    world.wait_minutes(DAY + 1);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.finish();
}

async fn a_pair_waits_until_both_are_built(face: Face) {
    let mut world = World::on(face).await;
    let (first, dev) = (world.release(IMAGE, "1.27", "1"), world.release(IMAGE, "1.27-dev", "1"));
    let both = |one: &Digest, two: &Digest| {
        format!("FROM dhi.io/nginx:1.27-dev@{two} AS build\nFROM dhi.io/nginx:1.27@{one}\n")
    };
    world.repository(WEB, &[("Dockerfile", &both(&first, &dev))]);
    world.run().await;
    world.wait_minutes(2 * HOUR);
    let second = world.release(IMAGE, "1.27", "2");
    let report = world.run().await;
    assert!(told(&report)[0].starts_with("`pair`: `dhi.io/nginx:1.27-dev` has nothing to move to yet"));
    world.expect_pull_requests(WEB, &[]);
    let dev = world.release(IMAGE, "1.27-dev", "2");
    world.wait_minutes(HOUR);
    world.run().await;
    world.expect_proposal(WEB, 1, &both(&second, &dev));
    world.finish();
}

#[tokio::test]
async fn a_tag_that_is_gone_is_said_and_needs_a_person_and_fails_nothing() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.release(IMAGE, "1.28", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.registry.delete_tag(IMAGE, "1.27");
    world.wait_minutes(HOUR);
    let report = world.run().await;
    let findings = &report.repositories[0].plan.findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].trouble.to_string(), "its registry has no such tag any more");
    let kept = world.assemble().await.unwrap().store.status().await.unwrap();
    assert!(kept.repositories[0].needs_person() && kept.repositories[0].findings == *findings);
    world.finish();
}

#[tokio::test]
async fn a_tag_that_does_not_move_is_said_by_the_age_of_its_image() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.policy(&["stale_after: 30d"]);
    let report = world.run().await;
    assert!(report.repositories[0].plan.findings.is_empty(), "built 19 days ago");
    world.wait_minutes(12 * DAY);
    let report = world.run().await;
    let said = report.repositories[0].plan.findings[0].trouble.to_string();
    assert_eq!(said, "`stale_after`: no new digest since 2026-11-01");
    world.finish();
}

#[tokio::test]
async fn the_age_of_an_image_is_asked_for_when_its_tag_is() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.setting("poll: 1h");
    world.policy(&["stale_after: 30d"]);
    let manifest = format!("/v2/{IMAGE}/manifests/sha256:");
    world.registry.inject(Fault::status(&manifest, 400));
    world.run().await;
    assert!(world.registry_asked(&manifest) > 0);
    world.wait_minutes(15);
    world.run().await;
    assert_eq!(world.registry_asked(&manifest), 0, "a registry that says no is not asked in every cycle");
    world.wait_minutes(HOUR);
    world.run().await;
    assert!(world.registry_asked(&manifest) > 0);
    world.registry.clear_faults();
    world.finish();
}

#[tokio::test]
async fn the_end_of_life_of_a_tag_that_stands_still_is_told_whatever_the_policy_says_of_its_age() {
    let mut world = World::new().await;
    let mut spec = image_spec(IMAGE, "1.27", "1");
    spec.labels.insert("com.docker.dhi.date.end-of-life".to_owned(), "2026-11-01".to_owned());
    let first = world.registry.publish(IMAGE, "1.27", &spec);
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let manifest = format!("/v2/{IMAGE}/manifests/sha256:");
    for days in [0, 3, 3] {
        world.wait_minutes(days * DAY);
        let report = world.run().await;
        assert!(report.repositories[0].plan.findings.is_empty());
        assert_eq!(world.registry_asked(&manifest), 0, "it may move yet, and is looked up then");
    }
    for (days, asked) in [(1, 2), (1, 0)] {
        world.wait_minutes(days * DAY);
        let report = world.run().await;
        let said: Vec<String> =
            report.repositories[0].plan.findings.iter().map(|finding| finding.trouble.to_string()).collect();
        assert_eq!(said, ["end of life: its vendor has stopped to rebuild it on 2026-11-01"]);
        assert_eq!(world.registry_asked(&manifest), asked, "an index and one of its platforms, once");
    }
    world.finish();
}
