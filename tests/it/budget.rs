//! What the program may cost, as counts that hold on any machine: the real program against the embedded servers.

#[allow(dead_code, reason = "the benches use the rest")]
#[path = "../../benches/world/mod.rs"]
mod world;

use std::collections::BTreeMap;

use refrom::demo::server::Exchange;
use world::measure::Requests;
use world::{BALLAST_BYTES, Cost, Door, World};

const IMAGES: usize = 50;
const USES: usize = 100;
const REPOSITORIES: usize = 20;

/// How often each path was asked for with this method.
fn counts<'a>(exchanges: &'a [Exchange], method: &str) -> BTreeMap<&'a str, usize> {
    let mut counts = BTreeMap::new();
    for exchange in exchanges.iter().filter(|exchange| exchange.method == method) {
        *counts.entry(exchange.path.as_str()).or_default() += 1;
    }
    counts
}

fn assert_each_once(counts: &BTreeMap<&str, usize>) {
    assert!(counts.values().all(|count| *count == 1), "{counts:#?}");
}

fn done(cost: Cost) -> Cost {
    assert_eq!(cost.status, 0, "{}", cost.stderr);
    cost
}

#[test]
fn check_asks_for_each_tag_once_and_for_each_scope_one_token() {
    let world = World::new(IMAGES, Door::Token);
    let cost = done(world.check(&world.work_tree()));
    assert_eq!(cost.stdout.matches("\"state\": \"current\"").count(), USES, "{}", cost.stdout);
    let (heads, gets) = (counts(&cost.registry, "HEAD"), counts(&cost.registry, "GET"));
    assert_each_once(&heads);
    assert_each_once(&gets);
    assert_eq!(heads.len(), world.tags());
    let tokens = gets.keys().filter(|path| path.starts_with("/token?")).count();
    assert_eq!(tokens, IMAGES, "a token for each repository, which is what a scope names: {gets:#?}");
    assert_eq!(cost.registry.len(), world.tags() + IMAGES + 1, "and one look at how to sign in");
}

#[test]
fn check_of_what_is_behind_reads_each_digest_once_and_no_blob() {
    let world = World::new(IMAGES, Door::Open);
    let tree = world.work_tree();
    world.release("2");
    let cost = world.check(&tree);
    assert_eq!(cost.status, 1, "{}", cost.stderr);
    assert_eq!(cost.stdout.matches("\"state\": \"behind\"").count(), USES, "{}", cost.stdout);
    let (heads, gets) = (counts(&cost.registry, "HEAD"), counts(&cost.registry, "GET"));
    assert_each_once(&heads);
    assert_each_once(&gets);
    assert_eq!(heads.len(), world.tags());
    assert_eq!(gets.keys().filter(|path| path.contains("/manifests/sha256:")).count(), 2 * world.tags());
    assert_eq!(cost.registry.len(), 3 * world.tags() + 1);
}

#[test]
fn a_cycle_costs_what_is_new() {
    let world = World::with_fleet(IMAGES, REPOSITORIES);

    // Everything is new to it, and nothing is behind: trees and the few files, in one fetch each.
    let first = done(world.cycle());
    assert_eq!(first.writes(), 0);
    let git = Requests::of(&first.git);
    assert_eq!(git.count, 4 * REPOSITORIES, "{:#?}", counts(&first.git, "POST"));
    let per_repository = git.bytes_down / u64::try_from(REPOSITORIES).unwrap();
    assert!(per_repository < 4_000, "{per_repository} bytes of a repository with {BALLAST_BYTES} bytes of other files");
    assert_eq!(Requests::of(&first.api).count, 1, "one page of a hundred repositories");
    // The fleet follows fewer tags than there are.
    let heads = counts(&first.registry, "HEAD");
    assert_each_once(&heads);
    assert!(heads.len() <= world.tags() && heads.len() >= REPOSITORIES, "{}", heads.len());

    // Nothing is new.
    let second = done(world.cycle());
    assert_eq!((second.git.len(), second.writes()), (0, 0));
    assert_eq!(second.api.len(), 1);
    assert_eq!(counts(&second.registry, "HEAD"), heads);

    // Every tag moves: what is in the caches is not fetched again, each branch is pushed once.
    world.release("2");
    let third = done(world.cycle());
    assert_eq!(third.git.iter().filter(|exchange| exchange.path.ends_with("/git-upload-pack")).count(), 0);
    let pushes = counts(&third.git, "POST");
    assert_each_once(&pushes);
    assert_eq!(pushes.len(), REPOSITORIES);
    assert_eq!(third.git.len(), 2 * REPOSITORIES, "a push asks what there is, and pushes");
    let gets = counts(&third.registry, "GET");
    assert_each_once(&gets);
    let opened = third.api.iter().filter(|exchange| exchange.method == "POST" && exchange.path.ends_with("/pulls"));
    assert_eq!(opened.count(), REPOSITORIES);

    // Nothing is new, with pull requests open: one more request for a hundred branches says how they are.
    let fourth = done(world.cycle());
    assert_eq!((fourth.git.len(), fourth.writes()), (0, 0));
    assert_eq!(fourth.api.len(), 2);
    assert_eq!(counts(&fourth.registry, "HEAD"), heads);
    assert_eq!(fourth.stdout.matches("\"up_to_date\": [\n").count(), REPOSITORIES, "{}", fourth.stdout);
}

#[test]
fn a_pin_that_waits_is_asked_for_once_an_hour() {
    let world = World::with_fleet(IMAGES, REPOSITORIES);
    let first = done(world.cycle());
    world.release("2");
    world.freeze();
    let tags = counts(&first.registry, "HEAD").len();
    let heads = || {
        let cycle = done(world.cycle());
        assert_eq!((cycle.git.len(), cycle.writes()), (0, 0));
        let heads = counts(&cycle.registry, "HEAD");
        assert_each_once(&heads);
        let places = heads.keys().filter(|path| path.contains("/manifests/sha256:")).count();
        (heads.len() - places, places)
    };
    assert_eq!(heads(), (tags, 0), "they do not wait yet");
    assert_eq!(heads(), (tags, tags), "one pinned digest of each tag");
    assert_eq!(heads(), (tags, 0), "within the hour");
}

#[test]
fn a_mirror_that_lags_is_asked_alone_for_what_it_does_not_have() {
    let world = World::behind_mirror(4, 4);
    let first = done(world.cycle());
    let tags = world.tags();
    assert_eq!(counts(&first.registry, "HEAD").len(), 2 * tags, "upstream, and whether the mirror has what is pinned");
    for build in ["2", "3", "4"] {
        world.release(build);
        done(world.cycle());
    }
    let cycle = done(world.cycle());
    let heads = counts(&cycle.registry, "HEAD");
    assert_each_once(&heads);
    let of_digests: Vec<&str> = heads.keys().copied().filter(|path| path.contains("/manifests/sha256:")).collect();
    assert_eq!(heads.len() - of_digests.len(), tags);
    let (mirrors, upstreams): (Vec<&str>, Vec<&str>) =
        of_digests.into_iter().partition(|path| path.contains("/mirror."));
    assert_eq!((mirrors.len(), upstreams.len()), (3 * tags, 0), "three builds that it has not: {upstreams:#?}");
    // In which words it says no, and once for a repository whether that is there; and how to sign in.
    let gets = counts(&cycle.registry, "GET");
    assert_each_once(&gets);
    assert_eq!(gets.len(), mirrors.len() + 4 + 1, "{gets:#?}");

    // Once it has them the newest is proposed, to which the tag points.
    world.copy_to_mirror();
    let last = done(world.cycle());
    assert_eq!(counts(&last.registry, "HEAD").len(), 2 * tags);
    assert_eq!(last.stdout.matches("\"action\": \"open\"").count(), 4, "{}", last.stdout);
}
