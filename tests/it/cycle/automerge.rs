//! The forge merges by itself: told once for each head, by real cycles.

use refrom::cycle::Outcome;
use refrom::demo::forge::Flag;
use refrom::domain::digest::Digest;
use refrom::domain::plan::Action;
use refrom::domain::pull_request::{CommitId, Pipeline};

use super::meddling::Meddling;
use super::world::{BRANCH, World, branch, name, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const TELLING: &str = "write POST /graphql#EnableAutoMerge";

async fn behind(policy: &[&str]) -> (World, Digest) {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    world.policy(policy);
    (world, second)
}

fn head(world: &World) -> CommitId {
    world.bare(WEB).head(&branch(BRANCH)).unwrap().unwrap()
}

#[tokio::test]
async fn what_is_opened_is_merged_once_its_checks_have_passed() {
    let (mut world, second) = behind(&["automerge: when_green"]).await;
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.forge.set_checks(&name(WEB), &head(&world), Pipeline::Pending).unwrap();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.forge.set_checks(&name(WEB), &head(&world), Pipeline::Passed).unwrap();
    assert_eq!(world.file(WEB, "main", "Dockerfile"), nginx("1.27.2", &second));
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    world.finish();
}

#[tokio::test]
async fn a_dry_run_shows_it_and_tells_nobody() {
    let (mut world, _) = behind(&["automerge: when_green"]).await;
    let report = world.dry_run().await;
    let planned = &report.repositories[0].plan.actions;
    assert!(matches!(planned.as_slice(), [Action::Open { .. }, Action::AutoMerge { .. }]), "{planned:?}");
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn killed_between_opening_and_telling_the_next_cycle_tells() {
    let (mut world, _) = behind(&["automerge: when_green"]).await;
    assert!(world.run_until(TELLING, Meddling::Hang).await);
    assert!(!world.pull_request(WEB, 1).is_auto_merging);
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    assert_eq!(world.costs().writes, 1);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn killed_after_each_change_it_is_opened_and_told_once() {
    let (mut world, second) = behind(&["automerge: when_green", "labels: []"]).await;
    assert_eq!(world.run_piece_by_piece().await, 3, "a push, an opening, a telling");
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.finish();
}

#[tokio::test]
async fn a_person_who_takes_it_back_is_not_overruled_until_the_next_head() {
    let (mut world, _) = behind(&["automerge: when_green"]).await;
    world.run().await;
    world.forge.disable_auto_merge(&name(WEB), 1).unwrap();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.release(IMAGE, "1.27", "3");
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.forge.disable_auto_merge(&name(WEB), 1).unwrap();
    world.forget();
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging, "an empty store tells once more");
    world.finish();
}

#[tokio::test]
async fn a_refusal_is_said_once_and_fails_nothing() {
    for flag in [Flag::NoAutoMerge, Flag::NoRequiredChecks] {
        let (mut world, _) = behind(&["automerge: when_green"]).await;
        world.forge.set(&name(WEB), flag.clone()).unwrap();
        let report = world.run().await;
        let deeds = &report.repositories[0].deeds;
        let [_, telling] = deeds.as_slice() else { panic!("{deeds:?}") };
        assert_eq!((&telling.outcome, telling.warnings.len()), (&Outcome::Done, 1), "{flag:?}");
        assert_eq!(telling.pull_request.as_ref().map(|(number, _)| *number), Some(1));
        let report = world.run().await;
        assert!(report.repositories[0].deeds.is_empty(), "{flag:?}");
        assert_eq!(world.costs().writes, 0);
        world.finish();
    }
}

#[tokio::test]
async fn a_forge_that_does_not_answer_is_told_again_in_the_next_cycle() {
    let (mut world, _) = behind(&["automerge: when_green"]).await;
    for _ in 0..3 {
        world.meddlings.next(TELLING, Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available"]).await;
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.finish();
}

#[tokio::test]
async fn where_the_opening_failed_nothing_is_told() {
    let (mut world, _) = behind(&["automerge: when_green"]).await;
    for _ in 0..3 {
        world.meddlings.next("write POST /repos/acme/web/pulls", Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available", "nothing was proposed on `refrom/base-images`"]).await;
    assert_eq!(world.asked(TELLING), 0);
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.finish();
}
