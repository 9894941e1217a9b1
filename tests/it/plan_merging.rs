//! Which pull requests the forge is told to merge, which openings are finished, and whose commits are refrom's own.

use refrom::domain::plan::HOLD_LABEL;
use refrom::domain::policy::AutoMerge;
use refrom::domain::pull_request::{AutoMergesFrom, Pipeline};

use crate::plan_world::{API_EMAILS, WEB, WHOLE, World, branch, digest};

const NOTHING: [&str; 0] = [];
const PERSON: &str = "person@acme.example";

fn when_green() -> World {
    let mut world = World::one_behind();
    world.web().policy.automerge = AutoMerge::WhenGreen;
    world
}

#[test]
fn the_forge_is_told_after_opening_and_once() {
    let mut world = when_green();
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b", "auto-merge refrom/base-images"]);
    assert_eq!(world.writes, ["push refrom/base-images", "open #1", "auto-merge #1"]);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn a_forge_that_refuses_it_without_a_pipeline_is_told_once_one_runs_or_has_passed() {
    for checks in [Pipeline::Pending, Pipeline::Passed] {
        let mut world = when_green();
        world.web().auto_merges_from = AutoMergesFrom::Pipeline;
        assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
        for checks in [Pipeline::Absent, Pipeline::Unknown, Pipeline::Failed] {
            world.pull_request(1).pipeline = checks;
            assert_eq!(world.cycle(), ["#1 is up to date"], "{checks:?}");
        }
        world.pull_request(1).pipeline = checks;
        assert_eq!(world.cycle(), ["auto-merge #1", "#1 is up to date"]);
        world.pull_request(1).is_auto_merging = false;
        assert_eq!(world.cycle(), ["#1 is up to date"], "once for this head");
    }
}

#[test]
fn nobody_is_told_by_default() {
    let mut world = World::one_open();
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn what_is_open_already_is_told_when_the_policy_is_new() {
    let mut world = World::one_open();
    world.web().policy.automerge = AutoMerge::WhenGreen;
    assert_eq!(world.cycle(), ["auto-merge #1", "#1 is up to date"]);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn a_person_who_takes_it_back_is_not_overruled_for_that_head() {
    let mut world = when_green();
    world.cycle();
    world.pull_request(1).is_auto_merging = false;
    assert_eq!(world.cycle(), ["#1 is up to date"]);
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→c", "auto-merge refrom/base-images"]);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn with_an_empty_store_it_is_told_once_more() {
    let mut world = when_green();
    world.cycle();
    world.pull_request(1).is_auto_merging = false;
    world.told_to_merge.clear();
    assert_eq!(world.cycle(), ["auto-merge #1", "#1 is up to date"]);
}

#[test]
fn a_forge_that_merges_by_itself_goes_on_after_an_update() {
    let mut world = when_green();
    world.cycle();
    world.moves("dhi.io/nginx:1", 'c');
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→c"]);
}

#[test]
fn drafts_held_ones_and_those_with_somebody_elses_commit_are_left_to_people() {
    let mut world = World::one_open();
    world.web().policy.automerge = AutoMerge::WhenGreen;
    world.pull_request(1).is_draft = true;
    assert_eq!(world.cycle(), ["#1 is up to date"]);
    world.pull_request(1).is_draft = false;
    world.pull_request(1).labels.push(HOLD_LABEL.to_owned());
    assert!(world.cycle().iter().all(|line| !line.contains("auto-merge")));
    world.pull_request(1).labels.clear();
    world.push(WEB, WHOLE, PERSON);
    assert!(world.cycle().iter().all(|line| !line.contains("auto-merge")));
    let mut drafts = when_green();
    drafts.web().policy.draft = true;
    assert_eq!(drafts.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert_eq!(drafts.cycle(), ["#1 is up to date"]);
}

#[test]
fn what_the_caps_keep_back_is_not_merged() {
    let mut world = when_green();
    world.web().policy.max_open = Some(1);
    world.max_new_per_hour = Some(0);
    assert!(world.cycle().iter().all(|line| !line.contains("auto-merge")));
    assert_eq!(world.writes, NOTHING);
}

#[test]
fn the_pipeline_decides_nothing() {
    for pipeline in [Pipeline::Pending, Pipeline::Failed, Pipeline::Passed, Pipeline::Unknown] {
        let mut world = World::one_open();
        world.web().policy.automerge = AutoMerge::WhenGreen;
        world.pull_request(1).pipeline = pipeline;
        assert_eq!(world.cycle(), ["auto-merge #1", "#1 is up to date"], "the forge knows what is required");
    }
}

/// A branch of this author and committer, left by a cycle that was ended before it opened anything.
fn left_behind(author: &str, committer: &str) -> Vec<String> {
    let mut world = World::one_open();
    world.web().pull_requests.clear();
    let left = world.web().branches.values_mut().next().unwrap();
    (left.author_email, left.committer_email) = (author.to_owned(), committer.to_owned());
    world.cycle()
}

#[test]
fn a_commit_that_the_forge_made_for_us_is_ours_and_a_persons_edit_on_its_pages_is_not() {
    let [bot, forge] = API_EMAILS;
    assert_eq!(left_behind(bot, forge), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    for (author, committer) in [(PERSON, forge), (bot, PERSON)] {
        let said = left_behind(author, committer);
        assert!(said[0].contains("somebody else's commit"), "{said:?}");
    }
}

#[test]
fn an_opening_that_was_not_finished_is_finished_by_an_update() {
    let mut world = World::one_open();
    let key = world.facts()[0].key();
    world.unfinished.entry(key).or_default().insert(branch(WHOLE));
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.writes[2..], ["edit #1", "finish #1"], "nothing is pushed");
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn a_merged_one_is_not_told_again() {
    let mut world = when_green();
    world.cycle();
    world.merge(1);
    world.web().pins[0].digest = digest('b');
    assert!(world.cycle().iter().all(|line| !line.contains("auto-merge")));
}
