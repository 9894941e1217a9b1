//! Nothing starves because of its pair, whatever becomes of the other one.

use jiff::SignedDuration;
use proptest::prelude::*;
use refrom::domain::digest::Digest;
use refrom::domain::marker::Marker;
use refrom::domain::pair::WAIT_MAX;
use refrom::domain::policy::{DeniedDigest, Follow, Grouping, Pairing};
use refrom::domain::pull_request::PullRequestState;

use crate::laws::law;
use crate::plan_world::{WEB, World, digest, tag};

const NGINX: &str = "dhi.io/nginx:1";
const DEV: &str = "dhi.io/nginx:1-dev";

/// What happens in an hour besides the cycle.
#[derive(Debug, Clone, Copy)]
enum Hour {
    Nothing,
    Move,
    MoveOther,
    FailOther,
    DenyOther,
    CloseOther,
    Merge,
}

fn hour() -> impl Strategy<Value = Hour> {
    prop_oneof![
        12 => Just(Hour::Nothing),
        4 => Just(Hour::Move),
        1 => Just(Hour::MoveOther),
        1 => Just(Hour::FailOther),
        1 => Just(Hour::DenyOther),
        1 => Just(Hour::CloseOther),
        1 => Just(Hour::Merge),
    ]
}

/// The number of an open pull request that moves a tag.
fn open(world: &World, text: &str) -> Option<u64> {
    let moves =
        |body: &str| Marker::read(body).is_ok_and(|marker| marker.pins.iter().any(|pin| pin.tag == tag(text).tag));
    let mut all = world.repos[WEB].pull_requests.iter();
    all.find(|it| it.state == PullRequestState::Open && moves(&it.body)).map(|it| it.number)
}

fn happen(world: &mut World, hour: Hour, nth: usize) {
    let mut build = |text: &str| {
        world.tags.insert(tag(text), Some(Digest::of(format!("{text} {nth}").as_bytes())));
    };
    match hour {
        Hour::Nothing => {}
        Hour::Move => build(NGINX),
        Hour::MoveOther => build(DEV),
        Hour::FailOther => world.fails(DEV),
        Hour::DenyOther => {
            let head = world.tags[&tag(DEV)];
            world.web().policy.denied.extend(head.map(|digest| DeniedDigest { digest, reason: None }));
        }
        Hour::CloseOther => open(world, DEV).into_iter().for_each(|number| world.close(number)),
        Hour::Merge => open(world, NGINX).into_iter().for_each(|number| world.merge(number)),
    }
}

/// `1` and `1-dev` in files and pull requests of their own, and `2` beside the latter.
fn apart() -> World {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'a');
    world.pin(WEB, "build/Dockerfile", DEV, 'b');
    world.pin(WEB, "build/Dockerfile", "dhi.io/node:2", 'c');
    world.web().policy.group = Grouping::File;
    world.look();
    world.hour = 24;
    world
}

#[test]
fn one_whose_pull_request_must_not_be_touched_is_waited_for() {
    let with = |closed: fn(&mut World)| {
        let mut world = apart();
        world.moves("dhi.io/node:2", 'd');
        world.cycle();
        closed(&mut world);
        world.moves(NGINX, 'e');
        world.moves(DEV, 'f');
        world.cycle()
    };
    let held = with(|world| world.pull_request(1).labels.push("refrom:hold".to_owned()));
    assert!(held.iter().any(|line| line.contains("Dockerfile line 1 waits: `pair`")), "{held:?}");
    let foreign = with(|world| {
        let branch = world.pull_request(1).branch.to_string();
        world.push(WEB, &branch, "person@acme.example");
    });
    assert!(foreign.iter().any(|line| line.contains("Dockerfile line 1 waits: `pair`")), "{foreign:?}");
    let free = with(|_| {});
    assert!(free.iter().all(|line| !line.contains("waits")), "{free:?}");
}

#[test]
fn what_leaves_a_pull_request_in_the_same_plan_is_not_waited_for() {
    let mut world = apart();
    world.web().policy.group = Grouping::Repository;
    world.moves(DEV, 'e');
    world.moves("dhi.io/node:2", 'd');
    world.web().policy.pair = Pairing::Off;
    world.cycle();
    assert!(open(&world, DEV).is_some());
    world.web().policy.pair = Pairing::Together;
    // The tools come back to what is pinned, and their next version is denied: nothing is left to wait for.
    world.moves(DEV, 'b');
    world.moves("dhi.io/nginx:2", 'g');
    world.moves("dhi.io/nginx:2-dev", 'h');
    world.web().policy.follow = Follow::Major;
    world.web().policy.denied.push(DeniedDigest { digest: digest('h'), reason: None });
    let says = world.cycle();
    assert!(says.iter().any(|line| line.contains("nginx a→g")), "{says:?}");
    assert!(world.plan().is_empty(), "{:?}", world.cycle());
}

proptest! {
    #![proptest_config(law(60))]

    /// With a file of its own each, so that people close the pull request of the other one alone.
    #[test]
    fn a_pin_goes_alone_a_day_after_it_could_at_the_latest(
        hours in prop::collection::vec(hour(), 24 * 5), min_age in 0..30_i64
    ) {
        let mut world = World::new();
        world.pin(WEB, "Dockerfile", NGINX, 'a');
        world.pin(WEB, "build/Dockerfile", DEV, 'b');
        world.web().policy.group = Grouping::File;
        world.web().policy.min_age = SignedDuration::from_hours(min_age);
        for (nth, hour) in hours.into_iter().enumerate() {
            world.hour += 1;
            happen(&mut world, hour, nth);
            world.cycle();
            let pinned = world.web().pins[0].digest;
            let history = world.ledger.history(&tag(NGINX)).unwrap();
            // What came after the pinned digest first, however much came after that.
            let since = history.after(Some(&pinned)).iter().map(|way| way.first_seen).min();
            let bound = SignedDuration::from_hours(min_age) + WAIT_MAX;
            let is_late = since.is_some_and(|since| world.now().duration_since(since) >= bound);
            prop_assert!(!is_late || open(&world, NGINX).is_some(), "behind since {:?}, and not proposed in hour {}", since, world.hour);
        }
    }
}
