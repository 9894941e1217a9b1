//! What happens to a fleet between two plans.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::cadence::{Edge, Freeze};
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::mirror::Mirrors;
use refrom::domain::plan::Missing;
use refrom::domain::policy::{AutoMerge, DeniedDigest, Follow, Grouping, Pairing};
use refrom::domain::pull_request::PullRequestState;

use crate::plan_world::{Content, Pinned, WHOLE, World, digest, tag};

pub const REPOS: [&str; 2] = ["acme/api", "acme/web"];
/// Those of one image make pairs; the last two are pinned only by who follows versions.
const TAGS: [&str; 6] =
    ["dhi.io/nginx:1", "dhi.io/nginx:1-dev", "dhi.io/node:2", "redis:7", "dhi.io/nginx:2", "dhi.io/nginx:2-dev"];
/// How [`TAGS`] are pinned: the first file, and the second one.
const FILES: [(&str, &[(&str, char)]); 2] = [
    ("Dockerfile", &[("dhi.io/nginx:1-dev", 'b'), ("dhi.io/nginx:1", 'a'), ("dhi.io/node:2", 'c')]),
    ("web/Dockerfile", &[("dhi.io/nginx:1", 'a'), ("redis:7", 'd'), (MIRRORED, 'a')]),
];
/// The name of a mirror, which is asked for nothing but digests.
const MIRRORED: &str = "harbor.acme.internal/dhi/nginx:1";
pub const PER_HOUR: u64 = 3;

#[derive(Debug, Clone)]
pub enum Event {
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
    MinInterval(usize, i64),
    Pair(usize, bool),
    Follow(usize, Follow),
    Freeze(usize, bool),
    Thaw(usize),
    Lose(usize, usize),
    Sync,
    Look,
    Hours(i64),
    /// Looks, plans and carries the plan out.
    Cycle,
}

fn letter() -> impl Strategy<Value = char> {
    prop::char::range('a', 'l')
}

pub fn event() -> impl Strategy<Value = Event> {
    prop_oneof![6 => of_registries(), 6 => of_people(), 8 => of_policies(), 6 => of_time()]
}

fn of_registries() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0..TAGS.len(), letter()).prop_map(|(tag, letter)| Event::Move(tag, letter)),
        1 => (0..TAGS.len()).prop_map(Event::Fail),
        3 => (0..REPOS.len(), 0..6_usize).prop_map(|(repo, pin)| Event::Lose(repo, pin)),
        3 => Just(Event::Sync),
    ]
}

fn of_people() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0..20_usize).prop_map(Event::Close),
        1 => (0..20_usize).prop_map(Event::Reopen),
        3 => (0..20_usize).prop_map(Event::Merge),
        1 => (0..20_usize).prop_map(Event::Hold),
        1 => (0..20_usize).prop_map(Event::Release),
        1 => (0..REPOS.len()).prop_map(Event::Push),
        1 => (0..20_usize).prop_map(Event::TakeBack),
    ]
}

fn of_policies() -> impl Strategy<Value = Event> {
    let repo = || 0..REPOS.len();
    let grouping = prop_oneof![Just(Grouping::Repository), Just(Grouping::Image), Just(Grouping::File)];
    let follow = prop::sample::select(vec![Follow::Digest, Follow::Minor, Follow::Major]);
    let automerge = prop::sample::select(vec![AutoMerge::Off, AutoMerge::WhenGreen]);
    let schedule = prop::sample::select(vec!["always", "daily", "0 */3 * * *"]);
    prop_oneof![
        2 => (repo(), grouping).prop_map(|(repo, grouping)| Event::Group(repo, grouping)),
        1 => (repo(), any::<bool>()).prop_map(|(repo, enabled)| Event::Enable(repo, enabled)),
        1 => (repo(), automerge).prop_map(|(repo, automerge)| Event::AutoMerge(repo, automerge)),
        1 => (repo(), 0..3_u32).prop_map(|(repo, limit)| Event::MaxOpen(repo, limit)),
        2 => (repo(), schedule).prop_map(|(repo, schedule)| Event::Schedule(repo, schedule)),
        1 => (repo(), 0..4_i64).prop_map(|(repo, hours)| Event::MinAge(repo, hours)),
        1 => (repo(), 0..3_i64).prop_map(|(repo, hours)| Event::Settle(repo, hours)),
        1 => (repo(), letter()).prop_map(|(repo, letter)| Event::Deny(repo, letter)),
        2 => (repo(), 0..8_i64).prop_map(|(repo, hours)| Event::MinInterval(repo, hours)),
        1 => (repo(), any::<bool>()).prop_map(|(repo, is_on)| Event::Pair(repo, is_on)),
        2 => (repo(), follow).prop_map(|(repo, follow)| Event::Follow(repo, follow)),
        1 => (repo(), any::<bool>()).prop_map(|(repo, is_strict)| Event::Freeze(repo, is_strict)),
        1 => repo().prop_map(Event::Thaw),
    ]
}

fn of_time() -> impl Strategy<Value = Event> {
    prop_oneof![
        1 => Just(Event::Look),
        3 => prop::sample::select(vec![1, 1, 1, 5, 24]).prop_map(Event::Hours),
        5 => Just(Event::Cycle),
    ]
}

pub fn world() -> World {
    let mut world = World::new();
    let mut mirrors = Mirrors::default();
    mirrors.insert("harbor.acme.internal", "dhi/", "dhi.io/");
    let mirrors = Arc::new(mirrors);
    for repo in REPOS {
        for (path, pins) in FILES {
            for (text, letter) in pins {
                let pinned = Pinned { path: path.to_owned(), tag: tag(text), digest: digest(*letter) };
                world.repo(repo).pins.push(pinned);
            }
        }
        world.repo(repo).policy.mirrors = Arc::clone(&mirrors);
    }
    for (text, letter) in TAGS.iter().zip("abcdef".chars()) {
        let letter =
            FILES.iter().flat_map(|(_, pins)| *pins).find(|(pin, _)| pin == text).map_or(letter, |(_, it)| *it);
        world.moves(text, letter);
    }
    // What a store that was there for long knows of every digest.
    for (text, letter) in TAGS.iter().flat_map(|text| ('a'..='l').map(move |letter| (text, letter))) {
        let version = Some(format!("1.0-{letter}"));
        let image = Image { version, ..Image::bare(digest(letter), ManifestKind::Index) };
        world.images.insert((tag(text).image, digest(letter)), image);
    }
    world.max_new_per_hour = Some(u32::try_from(PER_HOUR).unwrap());
    world
}

/// Everything but a cycle, which is for the laws to watch.
pub fn happen(world: &mut World, event: &Event) {
    let hours = SignedDuration::from_hours;
    match event {
        Event::Move(tag, letter) => {
            world.moves(TAGS[*tag], *letter);
            // The mirror copies it later.
            world.not_mirrored.insert(digest(*letter));
            // What a tag points to is there, whoever missed it before.
            world.missing.retain(|(_, missing), _| *missing != digest(*letter));
            world.contents.remove(&digest(*letter));
        }
        Event::Fail(tag) => world.fails(TAGS[*tag]),
        Event::Lose(repo, pin) => lose(world, (REPOS[*repo], *pin)),
        Event::Sync => world.not_mirrored.clear(),
        Event::Push(repo) => world.push(REPOS[*repo], WHOLE, "person@acme.example"),
        Event::Group(repo, grouping) => world.repo(REPOS[*repo]).policy.group = *grouping,
        Event::Enable(repo, enabled) => world.repo(REPOS[*repo]).policy.enabled = *enabled,
        Event::AutoMerge(repo, automerge) => world.repo(REPOS[*repo]).policy.automerge = *automerge,
        Event::MaxOpen(repo, limit) => world.repo(REPOS[*repo]).policy.max_open = Some(*limit),
        Event::Schedule(repo, text) => {
            let schedule = text.parse().ok();
            world.repo(REPOS[*repo]).policy.cadence.set_schedule(schedule, "a test".to_owned());
        }
        Event::MinAge(repo, age) => world.repo(REPOS[*repo]).policy.min_age = hours(*age),
        Event::Settle(repo, apart) => world.repo(REPOS[*repo]).policy.settle = hours(*apart),
        Event::Deny(repo, letter) => {
            world.repo(REPOS[*repo]).policy.denied.push(DeniedDigest { digest: digest(*letter), reason: None });
        }
        Event::MinInterval(repo, interval) => world.repo(REPOS[*repo]).policy.min_interval = hours(*interval),
        Event::Pair(repo, is_on) => {
            world.repo(REPOS[*repo]).policy.pair = if *is_on { Pairing::Together } else { Pairing::Off };
        }
        Event::Follow(repo, follow) => world.repo(REPOS[*repo]).policy.follow = *follow,
        Event::Freeze(repo, is_strict) => {
            let freeze = freeze(world.now(), *is_strict);
            world.repo(REPOS[*repo]).policy.cadence.add_freeze(freeze, "a test".to_owned());
        }
        Event::Thaw(repo) => world.repo(REPOS[*repo]).policy.cadence.freezes.clear(),
        Event::Look => world.look(),
        Event::Hours(hours) => (world.hour, world.opened) = (world.hour + hours, 0),
        Event::Close(_)
        | Event::Reopen(_)
        | Event::Merge(_)
        | Event::Hold(_)
        | Event::Release(_)
        | Event::TakeBack(_) => at_pull_requests(world, event),
        Event::Cycle => {}
    }
}

/// What people do to one of the pull requests, where it is as that needs it.
fn at_pull_requests(world: &mut World, event: &Event) {
    use PullRequestState::{Closed, Open};
    let (nth, state) = match event {
        Event::Close(nth) | Event::Merge(nth) | Event::Hold(nth) | Event::Release(nth) | Event::TakeBack(nth) => {
            (*nth, Open)
        }
        Event::Reopen(nth) => (*nth, Closed),
        _ => return,
    };
    let mut all = world.repos.values().flat_map(|repo| &repo.pull_requests);
    let Some(number) = all.nth(nth).filter(|it| it.state == state).map(|it| it.number) else { return };
    match event {
        Event::Close(_) => world.close(number),
        Event::Reopen(_) => reopen(world, number),
        Event::Merge(_) => world.merge(number),
        Event::Hold(_) => world.pull_request(number).labels.push("refrom:hold".to_owned()),
        Event::Release(_) => world.pull_request(number).labels.clear(),
        Event::TakeBack(_) => world.pull_request(number).is_auto_merging = false,
        _ => {}
    }
}

/// The registry has the digest of a pin no more, by two looks; what a tag points to is never lost.
fn lose(world: &mut World, (repo, pin): (&str, usize)) {
    let Pinned { tag, digest, .. } = world.repo(repo).pins[pin].clone();
    if !world.tags.values().any(|head| *head == Some(digest)) {
        world.missing.insert((tag.image, digest), Missing { since: world.now(), looks: 2 });
        world.contents.insert(digest, Content::Gone);
    }
}

/// Five hours from now on.
fn freeze(now: Timestamp, is_strict: bool) -> Freeze {
    let from = now.to_zoned(TimeZone::UTC).datetime();
    let to = (now + SignedDuration::from_hours(5)).to_zoned(TimeZone::UTC).datetime();
    let freeze = Freeze::new(Edge::Minute(from), Edge::Minute(to), "trade fair").unwrap();
    if is_strict { freeze } else { freeze.letting_urgent_through() }
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
