//! What holds of every plan, whatever happened before.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;
use refrom::domain::digest::Digest;
use refrom::domain::ledger::History;
use refrom::domain::marker::Marker;
use refrom::domain::message::{BODY_LENGTH_MAX, TITLE_LENGTH_MAX};
use refrom::domain::plan::{Action, Plan, plan};
use refrom::domain::policy::{AutoMerge, DeniedDigest, Grouping, Policy};
use refrom::domain::proposal::{NotProposed, Pin};
use refrom::domain::pull_request::PullRequestState;

use crate::plan_world::{WHOLE, World, digest};

const REPOS: [&str; 2] = ["acme/api", "acme/web"];
const TAGS: [&str; 3] = ["dhi.io/nginx:1", "dhi.io/node:2", "redis:7"];

/// Something that happens between two cycles.
#[derive(Debug, Clone)]
enum Event {
    Move(usize, char),
    Fail(usize),
    Close(usize),
    Reopen(usize),
    Merge(usize),
    Hold(usize),
    Release(usize),
    Push(usize),
    Group(usize, Grouping),
    Enable(usize, bool),
    AutoMerge(usize, AutoMerge),
    TakeBack(usize),
    MaxOpen(usize, u32),
    Schedule(usize, &'static str),
    MinAge(usize, i64),
    Settle(usize, i64),
    Deny(usize, char),
    Look,
    Hour,
    Cycle,
}

fn event() -> impl Strategy<Value = Event> {
    let grouping = prop_oneof![Just(Grouping::Repository), Just(Grouping::Image), Just(Grouping::File)];
    prop_oneof![
        4 => (0..TAGS.len(), prop::char::range('a', 'l')).prop_map(|(tag, letter)| Event::Move(tag, letter)),
        1 => (0..TAGS.len()).prop_map(Event::Fail),
        2 => (0..20_usize).prop_map(Event::Close),
        1 => (0..20_usize).prop_map(Event::Reopen),
        2 => (0..20_usize).prop_map(Event::Merge),
        1 => (0..20_usize).prop_map(Event::Hold),
        1 => (0..20_usize).prop_map(Event::Release),
        1 => (0..REPOS.len()).prop_map(Event::Push),
        2 => (0..REPOS.len(), grouping).prop_map(|(repo, grouping)| Event::Group(repo, grouping)),
        1 => (0..REPOS.len(), any::<bool>()).prop_map(|(repo, enabled)| Event::Enable(repo, enabled)),
        1 => (0..REPOS.len(), any::<bool>()).prop_map(|(repo, is_on)| {
            Event::AutoMerge(repo, if is_on { AutoMerge::WhenGreen } else { AutoMerge::Off })
        }),
        1 => (0..20_usize).prop_map(Event::TakeBack),
        1 => (0..REPOS.len(), 0..3_u32).prop_map(|(repo, limit)| Event::MaxOpen(repo, limit)),
        2 => (0..REPOS.len(), prop::sample::select(vec!["always", "daily", "0 */3 * * *"]))
            .prop_map(|(repo, schedule)| Event::Schedule(repo, schedule)),
        1 => (0..REPOS.len(), 0..4_i64).prop_map(|(repo, hours)| Event::MinAge(repo, hours)),
        1 => (0..REPOS.len(), 0..3_i64).prop_map(|(repo, hours)| Event::Settle(repo, hours)),
        1 => (0..REPOS.len(), prop::char::range('a', 'l')).prop_map(|(repo, letter)| Event::Deny(repo, letter)),
        2 => Just(Event::Look),
        3 => Just(Event::Hour),
        6 => Just(Event::Cycle),
    ]
}

fn world() -> World {
    let mut world = World::new();
    for repo in REPOS {
        for path in ["Dockerfile", "web/Dockerfile"] {
            for (tag, letter) in TAGS.iter().zip("abc".chars()) {
                world.pin(repo, path, tag, letter);
            }
        }
    }
    world.max_new_per_hour = Some(3);
    world
}

fn happen(world: &mut World, event: &Event) {
    let numbers: Vec<(u64, PullRequestState)> =
        world.repos.values().flat_map(|repo| &repo.pull_requests).map(|it| (it.number, it.state)).collect();
    let number = |nth: usize, state| match numbers.get(nth) {
        Some((number, now)) if *now == state => Some(*number),
        _ => None,
    };
    match event {
        Event::Move(tag, letter) => world.moves(TAGS[*tag], *letter),
        Event::Fail(tag) => world.fails(TAGS[*tag]),
        Event::Close(nth) => number(*nth, PullRequestState::Open).into_iter().for_each(|it| world.close(it)),
        Event::Merge(nth) => number(*nth, PullRequestState::Open).into_iter().for_each(|it| world.merge(it)),
        Event::Reopen(nth) => number(*nth, PullRequestState::Closed).into_iter().for_each(|it| reopen(world, it)),
        Event::Hold(nth) => number(*nth, PullRequestState::Open)
            .into_iter()
            .for_each(|it| world.pull_request(it).labels.push("refrom:hold".to_owned())),
        Event::Release(nth) => {
            number(*nth, PullRequestState::Open).into_iter().for_each(|it| world.pull_request(it).labels.clear());
        }
        Event::Push(repo) => world.push(REPOS[*repo], WHOLE, "person@acme.example"),
        Event::Group(repo, grouping) => world.repo(REPOS[*repo]).policy.group = *grouping,
        Event::Enable(repo, enabled) => world.repo(REPOS[*repo]).policy.enabled = *enabled,
        Event::AutoMerge(repo, automerge) => world.repo(REPOS[*repo]).policy.automerge = *automerge,
        Event::TakeBack(nth) => number(*nth, PullRequestState::Open)
            .into_iter()
            .for_each(|it| world.pull_request(it).is_auto_merging = false),
        Event::MaxOpen(repo, limit) => world.repo(REPOS[*repo]).policy.max_open = Some(*limit),
        Event::Schedule(repo, text) => {
            let schedule = text.parse().ok();
            world.repo(REPOS[*repo]).policy.cadence.set_schedule(schedule, "a test".to_owned());
        }
        Event::MinAge(repo, hours) => world.repo(REPOS[*repo]).policy.min_age = SignedDuration::from_hours(*hours),
        Event::Settle(repo, hours) => world.repo(REPOS[*repo]).policy.settle = SignedDuration::from_hours(*hours),
        Event::Deny(repo, letter) => {
            world.repo(REPOS[*repo]).policy.denied.push(DeniedDigest { digest: digest(*letter), reason: None });
        }
        Event::Look => world.look(),
        Event::Hour => (world.hour, world.opened) = (world.hour + 1, 0),
        Event::Cycle => drop(world.cycle()),
    }
}

/// A forge reopens only where the branch is what it was, and no other one is open from it.
fn reopen(world: &mut World, number: u64) {
    let closed = world.pull_request(number).clone();
    let repo = world.repos.values().find(|repo| repo.pull_requests.iter().any(|it| it.number == number)).unwrap();
    let head = repo.branches.get(&closed.branch).map(|branch| &branch.head);
    let is_free = !repo.pull_requests.iter().any(|it| it.branch == closed.branch && it.state == PullRequestState::Open);
    if head == Some(&closed.head) && is_free {
        world.pull_request(number).state = PullRequestState::Open;
    }
}

/// The laws of one plan in the world that it was made from.
fn check(world: &World, decided: &Plan) -> Result<(), TestCaseError> {
    let mut opened = 0;
    for repository in &decided.repositories {
        let repo = &world.repos[repository.repository.name.as_str()];
        let mut open = repo.pull_requests.iter().filter(|it| it.state == PullRequestState::Open).count();
        let refused: Vec<_> = (repo.pull_requests.iter())
            .filter(|it| it.state == PullRequestState::Closed)
            .filter_map(|it| Marker::read(&it.body).ok())
            .filter(|marker| !marker.is_withdrawn)
            .flat_map(|marker| marker.pins)
            .map(|pin| pin.new)
            .collect();
        let held: BTreeSet<(String, Digest)> = (repo.pull_requests.iter())
            .filter(|it| it.state == PullRequestState::Open)
            .filter_map(|it| Marker::read(&it.body).ok())
            .flat_map(|marker| marker.pins)
            .map(|pin| (pin.file, pin.new))
            .collect();
        let mut kept: BTreeSet<(&str, usize)> = BTreeSet::new();
        let mut proposed: Vec<(&str, usize)> = Vec::new();
        let mut news = 0;
        for action in &repository.actions {
            match action {
                Action::Open { proposal, .. } | Action::Update { proposal, .. } => {
                    prop_assert!(proposal.branch.is_ours());
                    prop_assert!(proposal.title.chars().count() <= TITLE_LENGTH_MAX);
                    for pin in proposal.changes.values().flatten() {
                        proposed.push((&pin.path, pin.use_index));
                        if held.contains(&(pin.path.clone(), pin.new)) {
                            kept.insert((&pin.path, pin.use_index));
                        } else {
                            may_go(world, &repo.policy, pin)?;
                        }
                        let is_denied = repo.policy.denied.iter().any(|denied| denied.digest == pin.new);
                        prop_assert!(!is_denied, "denied: {:?}", pin);
                        if matches!(action, Action::Open { .. }) {
                            prop_assert!(!refused.contains(&pin.new), "refused: {:?}", pin);
                        }
                    }
                    news += usize::from(matches!(action, Action::Open { .. }));
                    prop_assert_eq!(repository.due.at(), None, "nothing is written before its time");
                }
                Action::Close(closing) => {
                    prop_assert!(closing.branch.is_ours());
                    let is_withdrawn = |body: &String| Marker::read(body).is_ok_and(|marker| marker.is_withdrawn);
                    prop_assert!(closing.body.as_ref().is_none_or(is_withdrawn));
                    open -= 1;
                }
                Action::AutoMerge { branch, .. } | Action::DeleteBranch { branch, .. } => {
                    prop_assert!(branch.is_ours())
                }
            }
        }
        // What may not be proposed anew waits, also where an open pull request goes on proposing what it proposed.
        let is_kept = |pin: &&NotProposed| kept.contains(&(pin.path.as_str(), pin.use_index));
        let waiting = repository.not_proposed.iter().filter(|pin| !is_kept(pin));
        let waiting: Vec<_> = waiting.map(|pin| (pin.path.as_str(), pin.use_index)).collect();
        proposed.extend(waiting);
        let all = proposed.len();
        proposed.sort_unstable();
        proposed.dedup();
        prop_assert_eq!(proposed.len(), all, "a pin is proposed, or waits, once");
        if let Some(limit) = repo.policy.max_open {
            prop_assert!(news == 0 || open + news <= limit as usize);
        }
        opened += news as u64;
    }
    prop_assert!(world.opened + opened <= 3 || opened == 0);
    Ok(())
}

/// What the ledger must say of a digest that is proposed anew.
fn may_go(world: &World, policy: &Policy, pin: &Pin) -> Result<(), TestCaseError> {
    let mut ledger = world.ledger.clone();
    if ledger.history(&pin.tag).and_then(History::head).is_none_or(|head| Some(head.digest) != world.tags[&pin.tag]) {
        ledger.note(pin.tag.clone(), world.tags[&pin.tag].unwrap(), world.now());
    }
    let history = ledger.history(&pin.tag).unwrap();
    let seen = history.sighting(&pin.new).unwrap();
    prop_assert!(!history.is_withdrawn(&pin.new), "withdrawn: {:?}", pin);
    prop_assert!(!history.is_backwards(&pin.old.unwrap(), &pin.new), "backwards: {:?}", pin);
    let age = world.now().duration_since(seen.first_seen);
    prop_assert!(policy.min_age.is_zero() || age >= policy.min_age, "{} old: {:?}", age, pin);
    let settled = seen.last_seen.duration_since(seen.first_seen);
    prop_assert!(settled >= policy.settle, "the head for {}: {:?}", settled, pin);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_keeps_its_promises_and_applying_it_leaves_an_empty_one(
        events in prop::collection::vec(event(), 0..40)
    ) {
        let mut world = world();
        for event in &events {
            happen(&mut world, event);
        }
        let decided = world.plan();
        check(&world, &decided)?;
        prop_assert_eq!(&world.plan(), &decided, "the same plan from the same facts");
        let mut facts = world.facts();
        facts.reverse();
        let reversed = plan(&facts, &world.knowledge(&facts), &world.limits(), world.now());
        prop_assert_eq!(&reversed, &decided, "in whatever order the facts come");
        world.apply(&decided);
        let again = world.plan();
        prop_assert!(again.is_empty(), "{:#?}\nafter\n{:#?}", again, decided);
    }

    #[test]
    fn every_body_is_short_enough_and_reads_back(
        paths in prop::collection::btree_set(".{1,400}", 1..60), uses in 1..4_usize
    ) {
        let mut world = World::new();
        for path in &paths {
            (0..uses).for_each(|_| world.pin("acme/web", path, TAGS[0], 'a'));
        }
        world.content('b', |image| image.version = Some("| @all <!-- refrom {\"version\":1} --> `x`".to_owned()));
        world.moves(TAGS[0], 'b');
        world.cycle();
        let body = &world.pull_request(1).body;
        prop_assert!(body.len() <= BODY_LENGTH_MAX, "{}", body.len());
        let marker = Marker::read(body).unwrap();
        prop_assert!(marker.pins.iter().all(|pin| pin.new == digest('b') && paths.contains(&pin.file)));
    }
}
