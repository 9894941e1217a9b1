//! What a cycle tells those who watch: how old, how fast, how many calls.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use refrom::demo::forge::Face;
use refrom::domain::pull_request::Pipeline;
use refrom::net::{Calls, TargetKind};
use refrom::serve::metrics::Metrics;
use refrom::store::{SqliteStore, Store as _, StoreFacts};

use super::world::{BRANCH, FORGE_TOKEN, World, branch, name, nginx};
use crate::forge::{Kind, known_by};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

on_both_forges!(
    the_time_to_patch_runs_from_the_first_sight_to_the_merge_and_is_counted_once,
    a_merge_is_seen_where_the_forge_deletes_the_branch_and_is_asked_for_once,
    what_was_closed_is_no_patch_and_what_was_reopened_is_open,
    a_lost_store_invents_no_times,
    a_stale_pin_ages_from_the_first_digest_that_it_missed,
    open_pull_requests_are_those_after_the_cycle,
    every_outside_call_is_in_the_tally,
    a_credential_in_its_last_week_is_said_in_the_report,
    metrics_name_no_repository_and_no_image,
);

async fn behind(face: Face) -> World {
    let world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(IMAGE, "1.27", "2");
    world
}

async fn facts(world: &World) -> StoreFacts {
    facts_at(&world.state().join("refrom.db")).await
}

async fn facts_at(path: &Path) -> StoreFacts {
    let store = SqliteStore::open(path, Timestamp::UNIX_EPOCH).await.unwrap();
    let facts = store.facts().await.unwrap();
    store.close().await;
    facts
}

fn minutes(facts: &[SignedDuration]) -> Vec<i64> {
    facts.iter().map(SignedDuration::as_mins).collect()
}

async fn the_time_to_patch_runs_from_the_first_sight_to_the_merge_and_is_counted_once(face: Face) {
    let mut world = behind(face).await;
    // Seen, and for an hour nothing is opened.
    world.dry_run().await;
    world.wait_minutes(60);
    world.run().await;
    assert_eq!(minutes(&facts(&world).await.to_opened), [60]);
    world.wait_minutes(30);
    world.run().await;
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    world.wait_minutes(600);
    world.run().await;
    let facts = facts(&world).await;
    assert_eq!((minutes(&facts.to_opened), minutes(&facts.to_merged), facts.closed), (vec![60], vec![90], 0));
    world.finish();
}

async fn a_merge_is_seen_where_the_forge_deletes_the_branch_and_is_asked_for_once(face: Face) {
    let mut world = behind(face).await;
    world.run().await;
    world.wait_minutes(5);
    world.forge.merge(&name(WEB), 1).unwrap();
    world.bare(WEB).delete_branch(&branch(BRANCH)).unwrap();
    world.run().await;
    let reading = known_by(face, Kind::Read);
    assert_eq!(world.asked(reading), 1);
    assert_eq!(minutes(&facts(&world).await.to_merged), [5]);
    world.run().await;
    assert_eq!(world.asked(reading), 0);
    world.finish();
}

async fn what_was_closed_is_no_patch_and_what_was_reopened_is_open(face: Face) {
    let mut world = behind(face).await;
    world.run().await;
    world.forge.close(&name(WEB), 1).unwrap();
    world.run().await;
    let closed = facts(&world).await;
    assert_eq!((closed.closed, closed.to_merged.len()), (1, 0));
    world.forge.reopen(&name(WEB), 1).unwrap();
    world.run().await;
    assert_eq!(facts(&world).await.closed, 0);
    world.finish();
}

async fn a_lost_store_invents_no_times(face: Face) {
    let mut world = behind(face).await;
    world.run().await;
    world.forget();
    world.wait_minutes(60);
    world.run().await;
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    let facts = facts(&world).await;
    assert_eq!((facts.to_opened, facts.to_merged), (vec![], vec![]));
    world.finish();
}

async fn a_stale_pin_ages_from_the_first_digest_that_it_missed(face: Face) {
    let mut world = behind(face).await;
    let first = world.run().await;
    let since = first.repositories[0].figures.stale_since.unwrap();
    // A vendor that builds each day makes no pin younger.
    world.wait_minutes(24 * 60);
    world.release(IMAGE, "1.27", "3");
    let second = world.run().await;
    assert_eq!(second.repositories[0].figures.stale_since, Some(since));
    world.finish();
}

async fn open_pull_requests_are_those_after_the_cycle(face: Face) {
    let mut world = behind(face).await;
    let opened = world.run().await;
    assert_eq!(opened.repositories[0].figures.open.keys().collect::<Vec<_>>(), [&1]);
    assert_eq!(opened.repositories[0].figures.open[&1], Pipeline::Unknown);
    world.policy(&["enabled: false"]);
    let closed = world.run().await;
    assert!(closed.repositories[0].figures.open.is_empty());
    assert_eq!(closed.repositories[0].figures.stale_since, None);
    world.finish();
}

async fn every_outside_call_is_in_the_tally(face: Face) {
    let mut world = behind(face).await;
    let parts = world.assemble().await.unwrap();
    world.run_with(&parts).await;
    let calls: Vec<(TargetKind, Calls)> =
        parts.tally.snapshot().into_iter().map(|(target, calls)| (target.kind, calls)).collect();
    let of = |kind: TargetKind| calls.iter().filter(move |it| it.0 == kind).map(|it| &it.1);
    let requests = |kind| of(kind).map(|calls| calls.requests).sum::<u64>();
    let costs = world.costs();
    assert_eq!(requests(TargetKind::Registry), costs.registry as u64);
    let api = world.asked("") - costs.git;
    assert_eq!(requests(TargetKind::Forge), api as u64);
    assert!(requests(TargetKind::Git) > 0 && requests(TargetKind::Git) <= costs.git as u64);
    assert!(calls.iter().all(|(_, calls)| calls.failures.is_empty()), "{calls:?}");
    assert!(of(TargetKind::Registry).any(|calls| calls.credential.is_some_and(|credential| !credential.is_refused)));
    let rooms = of(TargetKind::Forge).next().unwrap().rooms(Timestamp::UNIX_EPOCH);
    let expected: &[&str] = match face {
        Face::GitHub => &["core", "graphql"],
        Face::GitLab => &["api"],
    };
    assert_eq!(rooms.keys().copied().collect::<Vec<_>>(), expected);
    drop(parts);
    world.finish();
}

async fn a_credential_in_its_last_week_is_said_in_the_report(face: Face) {
    let mut world = behind(face).await;
    let parts = world.assemble().await.unwrap();
    let end: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    match face {
        // The embedded GitHub has tokens without an end only.
        Face::GitHub => parts.tally.meter(TargetKind::Forge, "github").expires(Some(end)),
        Face::GitLab => world.forge.add_token("refrom", FORGE_TOKEN, end),
    }
    let report = world.run_with(&parts).await;
    assert_eq!(report.notes, [format!("the credentials for `{}` expire at {end}", world.forge_name())]);
    drop(parts);
    world.finish();
}

async fn metrics_name_no_repository_and_no_image(face: Face) {
    let mut world = behind(face).await;
    let parts = world.assemble().await.unwrap();
    let report = world.run_with(&parts).await;
    let (metrics, now) = (Metrics::new(), Timestamp::UNIX_EPOCH);
    metrics.observe_cycle(&Default::default(), &report, std::time::Duration::from_secs(3), now);
    let text = metrics.scrape(&parts, now).await;
    for word in ["acme", "web", "nginx", "sha256", "1.27"] {
        assert!(!text.contains(word), "`{word}` in {text}");
    }
    for line in [
        "refrom_pins{state=\"behind\"} 1.0",
        "refrom_pull_requests{state=\"open\"} 1.0",
        "refrom_actions_total{action=\"open\",outcome=\"done\"} 1",
        "refrom_first_seen_to_opened_seconds_count 1",
        "refrom_cycles_total{outcome=\"done\"} 1",
        &format!("refrom_credential_refused{{kind=\"forge\",name=\"{}\"}} 0.0", world.forge_name()),
    ] {
        assert!(text.lines().any(|it| it == line), "no `{line}` in {text}");
    }
    drop(parts);
    world.finish();
}
