//! What holds of every rollback, whatever happened before.

use jiff::SignedDuration;
use proptest::prelude::*;
use refrom::domain::denial::{Denial, Denials};
use refrom::domain::marker::{Marker, MarkerPin};
use refrom::domain::plan::Action;
use refrom::domain::policy::Grouping;
use refrom::domain::proposal::Reason;
use refrom::domain::pull_request::PullRequestState;

use crate::plan_world::{World, digest, tag};

const REPOS: [&str; 3] = ["acme/api", "acme/shop", "acme/web"];
const TAGS: [&str; 2] = ["dhi.io/nginx:1", "dhi.io/node:2"];
/// Rounds of a cycle and of merging everything, after which nothing moves any more.
const ROUNDS: usize = 4;

/// Something that happens in an hour.
#[derive(Debug, Clone)]
enum Event {
    Move(usize, char),
    Cycle,
    Merge(usize),
}

#[derive(Debug, Clone)]
struct Story {
    events: Vec<Event>,
    group: Grouping,
    min_age: i64,
    settle: i64,
    /// Which tag's digest is taken back.
    denied: (usize, char),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..TAGS.len(), prop::char::range('a', 'f')).prop_map(|(tag, letter)| Event::Move(tag, letter)),
        3 => Just(Event::Cycle),
        2 => (0..REPOS.len()).prop_map(Event::Merge),
    ]
}

fn story() -> impl Strategy<Value = Story> {
    let group = prop_oneof![Just(Grouping::Repository), Just(Grouping::Image), Just(Grouping::File)];
    let denied = (0..TAGS.len(), prop::char::range('a', 'f'));
    (prop::collection::vec(event(), 0..30), group, 0..3_i64, 0..3_i64, denied)
        .prop_map(|(events, group, min_age, settle, denied)| Story { events, group, min_age, settle, denied })
}

/// An hour goes by, and every tag is looked at.
fn look(world: &mut World) {
    world.hour += 1;
    let now = world.now();
    for (tag, digest) in world.tags.clone() {
        world.ledger.note(tag, digest.unwrap(), now);
    }
    // What a repository has on its base branch is noted, too.
    for facts in world.facts() {
        for found in facts.files.iter().flat_map(|file| &file.uses) {
            let merged = world.denials.merged.entry((facts.key(), found.tracked().unwrap())).or_default();
            if merged.last() != found.digest.as_ref() {
                merged.extend(found.digest);
            }
        }
    }
}

fn merge_all(world: &mut World, repo: &str) {
    let open = world.repos[repo].pull_requests.iter().filter(|it| it.state == PullRequestState::Open);
    let numbers: Vec<u64> = open.map(|it| it.number).collect();
    numbers.into_iter().for_each(|number| world.merge(number));
}

fn told(story: &Story) -> World {
    let mut world = World::new();
    for repo in REPOS {
        for path in ["Dockerfile", "web/Dockerfile"] {
            TAGS.iter().for_each(|tag| world.pin(repo, path, tag, 'a'));
        }
        let policy = &mut world.repo(repo).policy;
        policy.group = story.group;
        policy.min_age = SignedDuration::from_hours(story.min_age);
        policy.settle = SignedDuration::from_hours(story.settle);
    }
    look(&mut world);
    for event in &story.events {
        match event {
            Event::Move(tag, letter) => world.moves(TAGS[*tag], *letter),
            Event::Cycle => drop(world.cycle()),
            Event::Merge(repo) => merge_all(&mut world, REPOS[*repo]),
        }
        look(&mut world);
    }
    world
}

/// Cycles and merges until nothing moves.
fn settle(world: &mut World) {
    for _ in 0..ROUNDS {
        world.cycle();
        REPOS.iter().for_each(|repo| merge_all(world, repo));
        look(world);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rollback_ends_with_nobody_on_the_digest(story in story()) {
        let mut world = told(&story);
        let (denied, image) = (digest(story.denied.1), tag(TAGS[story.denied.0]));
        let denial = Denial {
            image: image.image.clone(), tag: None, digest: denied, to: None, reason: "slow".to_owned(), at: world.now(),
        };
        world.denials.denials.push(denial);
        let plan = world.plan();
        for action in plan.repositories.iter().flat_map(|repository| &repository.actions) {
            if let Action::Open { proposal, .. } | Action::Update { proposal, .. } = action {
                let to_denied = |pin: &refrom::domain::proposal::Pin| pin.tag == image && pin.new == denied;
                prop_assert!(!proposal.changes.values().flatten().any(to_denied), "{:?}", action);
            }
        }
        world.apply(&plan);
        prop_assert!(world.plan().is_empty(), "applying a plan leaves an empty one");
        let is_denied = |pin: &MarkerPin| pin.image == image.image && pin.tag == image.tag && pin.new == denied;
        let proposes = |body: &str| Marker::read(body).unwrap().pins.iter().any(is_denied);
        for open in world.repos.values().flat_map(|repo| &repo.pull_requests) {
            prop_assert!(open.state != PullRequestState::Open || !proposes(&open.body), "{:?} stays open", open.branch);
        }
        settle(&mut world);
        let left: Vec<_> = world.repos.values().flat_map(|repo| &repo.pins)
            .filter(|pin| pin.tag == image && pin.digest == denied).collect();
        if !left.is_empty() {
            // Only where nobody knows another digest, and everybody says so.
            let history = world.ledger.history(&image).unwrap();
            let before = history.sightings().iter().filter(|seen| history.known_since(&denied) > Some(seen.first_seen));
            prop_assert!(before.filter(|seen| !history.is_withdrawn(&seen.digest)).count() == 0, "{:?}", history);
            let plan = world.plan();
            let waiting = plan.repositories.iter().flat_map(|repository| &repository.not_proposed);
            let says = waiting.filter(|pin| matches!(pin.reason, Reason::NoWayBack { digest, .. } if digest == denied));
            prop_assert_eq!(says.count(), left.len());
        }
        world.cycle();
        prop_assert!(world.plan().is_empty());

        // Once it is allowed again it is proposed wherever the tag is at it and it is a step forward.
        world.denials = Denials { denials: Vec::new(), ..std::mem::take(&mut world.denials) };
        settle(&mut world);
        let history = world.ledger.history(&image).unwrap();
        if world.tags[&image] == Some(denied) {
            for pin in world.repos.values().flat_map(|repo| &repo.pins).filter(|pin| pin.tag == image) {
                let is_newer = history.is_backwards(&pin.digest, &denied);
                prop_assert!(pin.digest == denied || is_newer, "{:?}: {:?}", pin, history);
            }
        }
    }
}
