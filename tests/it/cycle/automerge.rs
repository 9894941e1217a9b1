//! The forge merges by itself: told once for each head, by real cycles.

use refrom::cycle::Outcome;
use refrom::demo::forge::{Face, Flag};
use refrom::domain::digest::Digest;
use refrom::domain::plan::Action;
use refrom::domain::pull_request::{CommitId, Pipeline};

use super::meddling::Meddling;
use super::world::{BRANCH, World, branch, name, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

on_both_forges!(
    what_is_opened_is_merged_once_its_checks_have_passed,
    a_dry_run_shows_it_and_tells_nobody,
    killed_between_opening_and_telling_the_next_cycle_tells,
    killed_after_each_change_it_is_opened_and_told_once,
    a_person_who_takes_it_back_is_not_overruled_until_the_next_head,
    a_refusal_is_said_once_and_fails_nothing,
    a_forge_that_does_not_answer_is_told_again_in_the_next_cycle,
);

async fn behind(face: Face, policy: &[&str]) -> (World, Digest) {
    let mut world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    world.policy(policy);
    (world, second)
}

fn telling(face: Face) -> &'static str {
    match face {
        Face::GitHub => "write POST /graphql#EnableAutoMerge",
        Face::GitLab => "write PUT /projects/acme/web/merge_requests/1/merge",
    }
}

/// Until the next cycle tells the forge: GitHub with the opening or the update; GitLab, which refuses before there is a
/// pipeline, in the first cycle that sees one.
async fn come_to_the_telling(world: &mut World, face: Face) {
    if face == Face::GitLab {
        world.run().await;
        assert_eq!(world.asked(telling(face)), 0);
        world.forge.set_checks(&name(WEB), &head(world), Pipeline::Pending).unwrap();
    }
}

fn head(world: &World) -> CommitId {
    world.bare(WEB).head(&branch(BRANCH)).unwrap().unwrap()
}

async fn what_is_opened_is_merged_once_its_checks_have_passed(face: Face) {
    let (mut world, second) = behind(face, &["automerge: when_green"]).await;
    come_to_the_telling(&mut world, face).await;
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

async fn a_dry_run_shows_it_and_tells_nobody(face: Face) {
    let (mut world, _) = behind(face, &["automerge: when_green"]).await;
    come_to_the_telling(&mut world, face).await;
    let report = world.dry_run().await;
    let planned = &report.repositories[0].plan.actions;
    let last = match (face, planned.as_slice()) {
        (Face::GitHub, [Action::Open { .. }, last]) | (Face::GitLab, [last]) => last,
        _ => panic!("{planned:?}"),
    };
    assert!(matches!(last, Action::AutoMerge { .. }), "{planned:?}");
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

async fn killed_between_opening_and_telling_the_next_cycle_tells(face: Face) {
    let (mut world, _) = behind(face, &["automerge: when_green"]).await;
    come_to_the_telling(&mut world, face).await;
    assert!(world.run_until(telling(face), Meddling::Hang).await);
    assert!(!world.pull_request(WEB, 1).is_auto_merging);
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    assert_eq!(world.costs().writes, 1);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

async fn killed_after_each_change_it_is_opened_and_told_once(face: Face) {
    let (mut world, second) = behind(face, &["automerge: when_green", "labels: []"]).await;
    match face {
        Face::GitHub => assert_eq!(world.run_piece_by_piece().await, 3, "a push, an opening, a telling"),
        Face::GitLab => {
            assert_eq!(world.run_piece_by_piece().await, 2, "a push, an opening");
            world.forge.set_checks(&name(WEB), &head(&world), Pipeline::Pending).unwrap();
            assert_eq!(world.run_piece_by_piece().await, 1, "a telling");
        }
    }
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.finish();
}

async fn a_person_who_takes_it_back_is_not_overruled_until_the_next_head(face: Face) {
    let (mut world, _) = behind(face, &["automerge: when_green"]).await;
    come_to_the_telling(&mut world, face).await;
    world.run().await;
    world.forge.disable_auto_merge(&name(WEB), 1).unwrap();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.release(IMAGE, "1.27", "3");
    come_to_the_telling(&mut world, face).await;
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.forge.disable_auto_merge(&name(WEB), 1).unwrap();
    world.forget();
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging, "an empty store tells once more");
    world.finish();
}

async fn a_refusal_is_said_once_and_fails_nothing(face: Face) {
    let flags = match face {
        Face::GitHub => vec![Flag::NoAutoMerge, Flag::NoRequiredChecks],
        // It merges what passes, whether it is required to or not.
        Face::GitLab => vec![Flag::NoAutoMerge],
    };
    for flag in flags {
        let (mut world, _) = behind(face, &["automerge: when_green"]).await;
        world.forge.set(&name(WEB), flag.clone()).unwrap();
        come_to_the_telling(&mut world, face).await;
        let report = world.run().await;
        let deeds = &report.repositories[0].deeds;
        let telling = deeds.last().unwrap();
        assert_eq!((&telling.outcome, telling.warnings.len()), (&Outcome::Done, 1), "{flag:?}");
        assert_eq!(telling.pull_request.as_ref().map(|(number, _)| *number), Some(1));
        let report = world.run().await;
        assert!(report.repositories[0].deeds.is_empty(), "{flag:?}");
        assert_eq!(world.costs().writes, 0);
        world.finish();
    }
}

async fn a_forge_that_does_not_answer_is_told_again_in_the_next_cycle(face: Face) {
    let (mut world, _) = behind(face, &["automerge: when_green"]).await;
    come_to_the_telling(&mut world, face).await;
    for _ in 0..3 {
        world.meddlings.next(telling(face), Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available"]).await;
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.finish();
}

/// On GitHub alone: GitLab is not told in the cycle of the opening.
#[tokio::test]
async fn where_the_opening_failed_nothing_is_told() {
    let (mut world, _) = behind(Face::GitHub, &["automerge: when_green"]).await;
    for _ in 0..3 {
        world.meddlings.next("write POST /repos/acme/web/pulls", Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available", "nothing was proposed on `refrom/base-images`"]).await;
    assert_eq!(world.asked(telling(Face::GitHub)), 0);
    world.run().await;
    assert!(world.pull_request(WEB, 1).is_auto_merging);
    world.finish();
}

#[tokio::test]
async fn gitlab_is_told_by_the_first_cycle_that_sees_a_pipeline_run_or_passed() {
    let face = Face::GitLab;
    let (mut world, second) = behind(face, &["automerge: when_green"]).await;
    world.run().await;
    for checks in [Pipeline::Absent, Pipeline::Failed] {
        world.forge.set_checks(&name(WEB), &head(&world), checks).unwrap();
        world.run().await;
        assert_eq!(world.costs().writes, 0, "a refusal would stand: {checks:?}");
    }
    world.forge.set_checks(&name(WEB), &head(&world), Pipeline::Passed).unwrap();
    world.run().await;
    assert_eq!(world.asked(telling(face)), 1);
    assert_eq!(world.file(WEB, "main", "Dockerfile"), nginx("1.27.2", &second));
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main"]);
    world.finish();
}
