//! Cycles that end in the middle, answers that get lost, and people who are quicker.

use refrom::demo::forge::{Face, Origin};
use refrom::demo::git_repository::Content;
use refrom::domain::digest::Digest;
use refrom::domain::plan::Action;
use refrom::domain::proposal::Reason;

use super::meddling::Meddling;
use crate::forge::{Kind, known_by};

use super::world::{BRANCH, World, branch, name, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const PUSH: &str = "write POST /acme/web.git/git-receive-pack";

on_both_forges!(
    killed_between_push_and_opening_the_next_cycle_opens,
    killed_between_push_and_opening_and_overtaken_the_branch_follows_first,
    killed_before_the_push_nothing_is_left_behind,
    killed_while_git_reads_nothing_is_in_the_way_of_the_next_cycle,
    killed_after_each_change_of_opening_nothing_is_missing_and_nothing_is_doubled,
    killed_after_each_change_of_an_update_nothing_is_missing_and_nothing_is_doubled,
    killed_after_each_change_of_a_closing_it_is_closed_once_and_no_refusal,
    killed_after_each_change_of_a_regrouping_everything_is_proposed_once,
    killed_after_each_change_of_a_new_base_everything_is_proposed_once,
    killed_after_the_comment_on_a_foreign_commit_it_is_said_once,
    killed_after_the_deletion_of_a_merged_branch_nothing_is_left_to_do,
    a_lost_answer_doubles_nothing_in_the_same_cycle,
    a_lost_answer_to_an_update_doubles_nothing,
    a_lost_answer_to_a_closing_doubles_nothing,
    an_opening_that_fails_is_an_error_and_is_made_up_for_in_the_next_cycle,
    a_person_who_pushes_between_plan_and_push_is_not_overwritten,
    a_person_who_made_the_branch_between_plan_and_push_is_not_overwritten,
    somebody_elses_pull_request_from_our_branch_is_not_taken_for_ours,
    a_base_that_moves_while_it_is_read_is_read_in_the_next_cycle,
);

async fn behind(face: Face) -> (World, [Digest; 2]) {
    let world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    (world, [first, second])
}

fn write(face: Face, kind: Kind) -> String {
    format!("write {}", known_by(face, kind))
}

/// One whole pull request, and no second thing of any kind.
fn expect_one(world: &World, second: &Digest) {
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_branches(WEB, &[BRANCH]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", second));
    assert_eq!(world.pull_request(WEB, 1).comments, []);
}

async fn killed_between_push_and_opening_the_next_cycle_opens(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    assert!(world.run_until(&write(face, Kind::Open), Meddling::Hang).await);
    world.expect_pull_requests(WEB, &[]);
    world.expect_branches(WEB, &[BRANCH]);
    world.forget();
    world.run().await;
    expect_one(&world, &second);
    assert_eq!(world.asked(PUSH), 0);
    world.finish();
}

async fn killed_between_push_and_opening_and_overtaken_the_branch_follows_first(face: Face) {
    let (mut world, _) = behind(face).await;
    assert!(world.run_until(&write(face, Kind::Open), Meddling::Hang).await);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

async fn killed_before_the_push_nothing_is_left_behind(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    assert!(world.run_until(PUSH, Meddling::Hang).await);
    world.expect_branches(WEB, &[]);
    world.run().await;
    expect_one(&world, &second);
    world.finish();
}

async fn killed_while_git_reads_nothing_is_in_the_way_of_the_next_cycle(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    // The capabilities, the refs, the trees, the blobs.
    let mut killed = 0;
    for kill in [Meddling::Hang, Meddling::HangAfterEffect] {
        killed += usize::from(world.run_until("/acme/web.git/git-upload-pack", kill).await);
    }
    assert_eq!(killed, 2);
    world.run().await;
    expect_one(&world, &second);
    world.finish();
}

async fn killed_after_each_change_of_opening_nothing_is_missing_and_nothing_is_doubled(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    world.policy(&["reviewers: [ada]", "assignees: [ada]"]);
    let changes = match face {
        Face::GitHub => 5, // a push, an opening, a label, an assignee, a reviewer
        Face::GitLab => 2, // a push, an opening with all of them
    };
    assert_eq!(world.run_piece_by_piece().await, changes);
    expect_one(&world, &second);
    expect_extras(&world);
    world.finish();
}

/// What goes with the pull request is all there.
fn expect_extras(world: &World) {
    let hosted = world.pull_request(WEB, 1);
    let sets = [hosted.labels, hosted.assignees, hosted.reviewers].map(|set| set.into_iter().collect::<Vec<_>>());
    assert_eq!(sets, [["base-image"], ["ada"], ["ada"]]);
}

/// On GitHub alone: GitLab sets them in the request that opens.
#[tokio::test]
async fn killed_before_labels_and_people_were_set_the_next_cycle_sets_them_once() {
    for (step, missing) in [("/issues/1/labels", 3), ("/issues/1/assignees", 2), ("/pulls/1/requested_reviewers", 1)] {
        let (mut world, [_, second]) = behind(Face::GitHub).await;
        world.policy(&["reviewers: [ada]", "assignees: [ada]"]);
        assert!(world.run_until(step, Meddling::Hang).await, "{step}");
        let report = world.dry_run().await;
        assert!(matches!(report.repositories[0].plan.actions.as_slice(), [Action::Update { .. }]), "{step}");
        world.run().await;
        expect_one(&world, &second);
        expect_extras(&world);
        assert_eq!((world.asked(PUSH), world.costs().writes), (0, missing), "{step}");
        // A person takes the label off again, who is not overruled.
        world.forge.unlabel(&name(WEB), 1, "base-image").unwrap();
        world.run().await;
        assert_eq!(world.costs().writes, 0, "{step}");
        world.finish();
    }
}

#[tokio::test]
async fn what_was_opened_without_its_labels_is_held_like_any_other() {
    let (mut world, _) = behind(Face::GitHub).await;
    assert!(world.run_until("/issues/1/labels", Meddling::Hang).await);
    world.forge.label(&name(WEB), 1, "refrom:hold").unwrap();
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.forge.unlabel(&name(WEB), 1, "refrom:hold").unwrap();
    world.run().await;
    assert_eq!(world.pull_request(WEB, 1).labels.into_iter().collect::<Vec<_>>(), ["base-image"]);
    world.finish();
}

async fn killed_after_each_change_of_an_update_nothing_is_missing_and_nothing_is_doubled(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    let third = world.release(IMAGE, "1.27", "3");
    assert_eq!(world.run_piece_by_piece().await, 2, "a push and new words");
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    assert!(world.pull_request(WEB, 1).body.contains(&third.to_string()));
    world.finish();
}

async fn killed_after_each_change_of_a_closing_it_is_closed_once_and_no_refusal(face: Face) {
    let (mut world, [first, second]) = behind(face).await;
    world.run().await;
    world.registry.move_tag(IMAGE, "1.27", first);
    assert_eq!(world.run_piece_by_piece().await, 4, "the marker, the sentence, the closing, the branch");
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    assert_eq!(world.pull_request(WEB, 1).comments.len(), 1);
    // The store remembers that the tag had this digest before the pinned one.
    world.forget();
    world.registry.move_tag(IMAGE, "1.27", second);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.finish();
}

async fn killed_after_each_change_of_a_regrouping_everything_is_proposed_once(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    world.run().await;
    world.policy(&["group: image"]);
    world.run_piece_by_piece().await;
    world.expect_pull_requests(
        WEB,
        &["#1 closed refrom/base-images -> main", "#2 open refrom/dhi-io-nginx-cb06627b -> main"],
    );
    world.expect_branches(WEB, &["refrom/dhi-io-nginx-cb06627b"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.2", &second));
    world.finish();
}

async fn killed_after_each_change_of_a_new_base_everything_is_proposed_once(face: Face) {
    let (mut world, [first, second]) = behind(face).await;
    world.run().await;
    world
        .bare(WEB)
        .commit(&branch("develop"), &[("Dockerfile", Content::File(nginx("1.27.1", &first).as_bytes()))], "x")
        .unwrap();
    world.policy(&["base: develop"]);
    world.run_piece_by_piece().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> develop"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.2", &second));
    world.finish();
}

async fn killed_after_the_comment_on_a_foreign_commit_it_is_said_once(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    world.commit(WEB, BRANCH, &[("README.md", "mine\n")]);
    assert_eq!(world.run_piece_by_piece().await, 1);
    assert_eq!(world.pull_request(WEB, 1).comments.len(), 1);
    world.finish();
}

async fn killed_after_the_deletion_of_a_merged_branch_nothing_is_left_to_do(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    world.forge.merge(&name(WEB), 1).unwrap();
    assert_eq!(world.run_piece_by_piece().await, 1);
    world.expect_branches(WEB, &[]);
    world.finish();
}

async fn a_lost_answer_doubles_nothing_in_the_same_cycle(face: Face) {
    let labels = ["write POST /repos/acme/web/issues/1/labels"];
    // GitLab takes them with the opening.
    let labels = labels.iter().filter(|_| face == Face::GitHub).map(ToString::to_string);
    for lost in [PUSH.to_owned(), write(face, Kind::Open)].into_iter().chain(labels) {
        let (mut world, [_, second]) = behind(face).await;
        world.meddlings.next(&lost, Meddling::LostAnswer);
        world.run().await;
        expect_one(&world, &second);
        world.run().await;
        assert_eq!(world.costs().writes, 0, "{lost}");
        world.finish();
    }
}

async fn a_lost_answer_to_an_update_doubles_nothing(face: Face) {
    for lost in [PUSH.to_owned(), write(face, Kind::Change)] {
        let (mut world, _) = behind(face).await;
        world.run().await;
        let third = world.release(IMAGE, "1.27", "3");
        world.meddlings.next(&lost, Meddling::LostAnswer);
        world.run().await;
        world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
        world.run().await;
        assert_eq!(world.costs().writes, 0, "{lost}");
        world.finish();
    }
}

async fn a_lost_answer_to_a_closing_doubles_nothing(face: Face) {
    let writes = [write(face, Kind::Change), write(face, Kind::Comment), PUSH.to_owned()];
    for lost in writes {
        let (mut world, [first, _]) = behind(face).await;
        world.run().await;
        world.registry.move_tag(IMAGE, "1.27", first);
        world.meddlings.next(&lost, Meddling::LostAnswer);
        world.run().await;
        world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
        world.expect_branches(WEB, &[]);
        assert_eq!(world.pull_request(WEB, 1).comments.len(), 1);
        world.run().await;
        assert_eq!(world.costs().writes, 0, "{lost}");
        world.finish();
    }
}

async fn an_opening_that_fails_is_an_error_and_is_made_up_for_in_the_next_cycle(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    for _ in 0..3 {
        world.meddlings.next(&write(face, Kind::Open), Meddling::Status(502));
    }
    world.run_with_problems(&["acme/web: not available"]).await;
    world.expect_pull_requests(WEB, &[]);
    world.run().await;
    expect_one(&world, &second);
    world.finish();
}

async fn a_person_who_pushes_between_plan_and_push_is_not_overwritten(face: Face) {
    let (mut world, _) = behind(face).await;
    world.run().await;
    world.release(IMAGE, "1.27", "3");
    let bare = world.bare(WEB);
    let push = move || {
        bare.commit(&branch(BRANCH), &[("README.md", Content::File(b"mine\n"))], "mine").unwrap();
    };
    let advertisement = "read GET /acme/web.git/info/refs?service=git-receive-pack";
    world.meddlings.next(advertisement, Meddling::Meanwhile(Box::new(push)));
    let before = world.pull_request(WEB, 1);
    world.run_with_problems(&["acme/web: the branch `refrom/base-images` moved meanwhile"]).await;
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "mine\n");
    assert_eq!(world.pull_request(WEB, 1).body, before.body);
    world.run().await;
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "mine\n");
    assert_eq!(world.pull_request(WEB, 1).comments.len(), 1);
    world.finish();
}

async fn a_person_who_made_the_branch_between_plan_and_push_is_not_overwritten(face: Face) {
    let (mut world, _) = behind(face).await;
    let bare = world.bare(WEB);
    let push = move || {
        bare.commit(&branch(BRANCH), &[("README.md", Content::File(b"mine\n"))], "mine").unwrap();
    };
    let advertisement = "read GET /acme/web.git/info/refs?service=git-receive-pack";
    world.meddlings.next(advertisement, Meddling::Meanwhile(Box::new(push)));
    world.run_with_problems(&["moved meanwhile"]).await;
    world.expect_pull_requests(WEB, &[]);
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    let plan = &report.repositories[0].plan;
    assert!(matches!(plan.not_proposed[0].reason, Reason::ForeignBranch(_)), "{:?}", plan.not_proposed);
    assert_eq!(world.file(WEB, BRANCH, "README.md"), "mine\n");
    world.finish();
}

async fn somebody_elses_pull_request_from_our_branch_is_not_taken_for_ours(face: Face) {
    let (mut world, _) = behind(face).await;
    assert!(world.run_until(&write(face, Kind::Open), Meddling::Hang).await);
    let branches = (&branch(BRANCH), &branch("main"));
    world.forge.open_by("ada", &name(WEB), branches, Origin::SameRepository).unwrap();
    world.run_with_problems(&["somebody else opened "]).await;
    // Closing it refuses nothing: it says nothing about refrom's digests.
    world.forge.close(&name(WEB), 1).unwrap();
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.finish();
}

async fn a_base_that_moves_while_it_is_read_is_read_in_the_next_cycle(face: Face) {
    let (mut world, [_, second]) = behind(face).await;
    let bare = world.bare(WEB);
    let push = move || {
        bare.commit(&branch("main"), &[("README.md", Content::File(b"new\n"))], "new").unwrap();
    };
    let fetch = "read GET /acme/web.git/info/refs?service=git-upload-pack";
    world.meddlings.next(fetch, Meddling::Meanwhile(Box::new(push)));
    // The commit that was listed is still there, so that the proposal is made on it.
    world.run().await;
    world.run().await;
    expect_one(&world, &second);
    world.finish();
}
