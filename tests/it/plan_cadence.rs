//! What waits for its time, and what does not.

use jiff::{SignedDuration, Timestamp};
use refrom::domain::cadence::{CadenceMode, WaitCause};
use refrom::domain::plan::RepositoryPlan;
use refrom::domain::policy::Grouping;
use refrom::domain::proposal::Reason;

use crate::plan_world::{OURS, WEB, WHOLE, World, branch, digest};

const WAITS: &str = "not due until 1970-01-02 00:00 UTC: schedule `daily` (refrom.yaml:2:13)";

/// The repository has a turn each midnight, and had its last one an hour ago.
fn daily(world: &mut World) {
    let cadence = &mut world.web().policy.cadence;
    cadence.set_schedule("daily".parse().ok(), "refrom.yaml:2:13".to_owned());
    cadence.jitter = SignedDuration::ZERO;
    world.turns.insert(WEB.to_owned(), Timestamp::UNIX_EPOCH);
}

/// The one repository's plan.
fn plan(world: &World) -> RepositoryPlan {
    world.plan().repositories.remove(0)
}

#[test]
fn a_pull_request_is_opened_at_the_repositorys_turn_and_once() {
    let mut world = World::one_behind();
    daily(&mut world);
    assert_eq!(world.cycle(), [format!("Dockerfile line 1 waits: {WAITS}")]);
    let wait = plan(&world).waits().cloned().unwrap();
    assert_eq!((wait.cause, wait.to_string().as_str()), (WaitCause::Schedule, WAITS));
    world.hour = 24;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
}

#[test]
fn without_a_last_turn_the_repository_is_due() {
    let mut world = World::one_behind();
    daily(&mut world);
    world.turns.clear();
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn an_open_pull_request_whose_update_waits_stays_as_it_is() {
    let mut world = World::one_open();
    world.pin(WEB, "Dockerfile", "dhi.io/node:2", 'n');
    world.moves("dhi.io/node:2", 'o');
    daily(&mut world);
    // The pin that the pull request holds does not wait; the other one does.
    let expected = [format!("leave #1 alone: {WAITS}"), format!("Dockerfile line 2 waits: {WAITS}")];
    assert_eq!(world.cycle(), expected);
    world.hour = 24;
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→b, Dockerfile:2 node n→o"]);
}

#[test]
fn what_is_right_as_it_is_waits_for_nothing() {
    let mut world = World::one_open();
    daily(&mut world);
    assert_eq!(world.cycle(), ["#1 is up to date"]);
    assert_eq!(plan(&world).waits(), None);
}

#[test]
fn closing_and_deleting_wait_for_nothing() {
    let mut world = World::one_open();
    daily(&mut world);
    world.web().pins[0].digest = digest('b');
    assert_eq!(world.cycle(), ["close #1: NothingBehind, deletes its branch"]);
    let mut world = World::one_open();
    daily(&mut world);
    world.merge(1);
    assert_eq!(world.cycle(), ["delete refrom/base-images: Merged"]);
}

#[test]
fn a_merged_branch_is_deleted_although_the_next_pull_request_waits() {
    let mut world = World::one_open();
    daily(&mut world);
    world.merge(1);
    world.moves("dhi.io/nginx:1", 'c');
    let expected = ["delete refrom/base-images: Merged".to_owned(), format!("Dockerfile line 1 waits: {WAITS}")];
    assert_eq!(world.cycle(), expected);
}

#[test]
fn what_takes_its_place_waits_and_so_does_the_closing() {
    let mut world = World::one_open();
    daily(&mut world);
    world.web().policy.group = Grouping::Image;
    let expected = [format!("leave #1 alone: {WAITS}"), format!("Dockerfile line 1 waits: {WAITS}")];
    assert_eq!(world.cycle(), expected);
    world.hour = 24;
    let says = world.cycle();
    assert_eq!(says[0], "close #1: Regrouped, deletes its branch");
    assert!(says[1].starts_with("open refrom/dhi-io-nginx-"), "{says:?}");
}

#[test]
fn a_pull_request_to_another_base_stays_until_its_successor_may_be_opened() {
    let mut world = World::one_open();
    daily(&mut world);
    world.web().policy.base = Some(branch("develop"));
    assert_eq!(world.cycle(), [format!("leave #1 alone: {WAITS}")]);
    world.hour = 24;
    assert_eq!(world.cycle(), ["open refrom/base-images replacing #1: Dockerfile:1 nginx a→b"]);
}

#[test]
fn a_branch_that_was_pushed_before_the_time_ran_out_stays() {
    let mut world = World::one_behind();
    daily(&mut world);
    world.push(WEB, WHOLE, OURS);
    assert_eq!(world.cycle(), [format!("Dockerfile line 1 waits: {WAITS}")]);
    assert!(world.web().branches.contains_key(&branch(WHOLE)));
}

#[test]
fn whoever_asks_for_it_gets_it_now() {
    let mut world = World::one_behind();
    daily(&mut world);
    world.cadence = CadenceMode::Ignore;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert!(plan(&world).due.at().is_none());
}

#[test]
fn a_repository_has_its_turn_unless_the_hourly_cap_puts_it_off() {
    let mut world = World::one_behind();
    daily(&mut world);
    assert!(!plan(&world).has_turn(world.now()), "not due");
    world.hour = 24;
    assert!(plan(&world).has_turn(world.now()));
    world.max_new_per_hour = Some(1);
    world.opened = 1;
    assert_eq!(plan(&world).not_proposed[0].reason, Reason::MaxNewPerHour(1));
    assert!(!plan(&world).has_turn(world.now()), "put off to the next hour");
    world.opened = 0;
    world.fails("dhi.io/nginx:1");
    assert!(plan(&world).has_turn(world.now()) && plan(&world).is_incomplete(), "unknown");
    world.moves("dhi.io/nginx:1", 'a');
    assert!(plan(&world).has_turn(world.now()), "nothing to propose");
    world.moves("dhi.io/nginx:1", 'b');
    world.web().policy.max_open = Some(0);
    assert!(plan(&world).has_turn(world.now()), "people have to merge first");
}
