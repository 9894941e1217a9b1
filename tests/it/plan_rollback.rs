//! Ways back: what they pass, what holds them, and what is said of pins that have nowhere to go.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::cadence::{Days, Edge, Freeze, Span, TimeOfDay, Window};
use refrom::domain::candidates::{RepositoryKey, Unknown};
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::freshness::{TagFinding, TagTrouble};
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::pattern::Pattern;
use refrom::domain::plan::{Action, Knowledge, Missing, Plan};
use refrom::domain::policy::{Follow, Grouping, Unchanged};
use refrom::domain::proposal::{Reason, Urgency};
use refrom::domain::waves::{Adoption, Advance, Wave, WaveCandidate, WaveFacts, Waves};

use crate::plan_world::{API, DEV, NGINX, NODE, WEB, World, at, commit, digest, manifests, plan_with, says, tag};

const BACK: &str = "Dockerfile:1 nginx b→a";

fn deny_to(world: &mut World, letter: char, to: Option<Digest>) {
    let (image, digest, reason, at) = (tag(NGINX).image, digest(letter), "it is slow".to_owned(), world.now());
    world.denials.denials.push(Denial { image, tag: None, digest, to, reason, at });
}

fn deny(world: &mut World, letter: char) {
    deny_to(world, letter, None);
}

/// `acme/web` is at `b`, which the tag points to and had `a` before; `b` was taken back. Another image is behind.
fn taken_back() -> World {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'b');
    world.saw(NGINX, "ab");
    world.pin(WEB, "Dockerfile", NODE, 'n');
    world.moves(NODE, 'o');
    deny(&mut world, 'b');
    world
}

fn daily(world: &mut World) {
    let cadence = &mut world.web().policy.cadence;
    cadence.set_schedule("daily".parse().ok(), "refrom.yaml:2:13".to_owned());
    cadence.jitter = SignedDuration::ZERO;
    world.turns.insert(WEB.to_owned(), Timestamp::UNIX_EPOCH);
}

#[test]
fn it_passes_the_schedule_and_uses_no_turn_up() {
    let mut world = taken_back();
    daily(&mut world);
    let plan = world.plan();
    assert_eq!(says(&plan)[0], format!("open refrom/base-images: {BACK}"));
    assert!(says(&plan)[1].starts_with("Dockerfile line 2 waits: not due until 1970-01-02 00:00 UTC"));
    assert!(!plan.repositories[0].has_turn(world.now()));
}

#[test]
fn a_freeze_holds_it_unless_it_lets_urgent_ones_through_and_a_window_always() {
    let edge = |text| Edge::parse(text).unwrap();
    let freeze = || Freeze::new(edge("1970-01-01"), edge("1970-01-03"), "trade fair").unwrap();
    let frozen = |freeze: Freeze| {
        let mut world = taken_back();
        world.web().policy.cadence.add_freeze(freeze, "refrom.yaml:4:12".to_owned());
        world
    };
    let world = frozen(freeze());
    assert!(world.plan().is_empty(), "{:?}", says(&world.plan()));
    let mut world = frozen(freeze().letting_urgent_through());
    assert_eq!(says(&world.plan())[0], format!("open refrom/base-images: {BACK}"));
    let time = |text| TimeOfDay::parse(text).unwrap();
    let span = Span { days: Days::named("thu").unwrap(), from: time("10:00"), to: time("12:00") };
    world.web().policy.cadence.set_window(Window::new(vec![span]).unwrap(), "refrom.yaml:5:12".to_owned());
    assert!(world.plan().is_empty(), "it is one o'clock");
    world.hour = 11;
    assert_eq!(says(&world.plan())[0], format!("open refrom/base-images: {BACK}"));
}

#[test]
fn it_passes_the_interval_and_the_rules_about_digests() {
    let mut world = taken_back();
    let policy = &mut world.web().policy;
    policy.min_interval = SignedDuration::from_hours(24);
    policy.min_age = SignedDuration::from_hours(1000);
    policy.settle = SignedDuration::from_hours(1000);
    policy.unchanged = Unchanged::Platforms;
    // What the platforms get is the same.
    for letter in ['a', 'b'] {
        world.content(letter, |image| image.manifests = manifests(&["amd64"], 'a'));
    }
    let plan = plan_with(&world, |knowledge| {
        knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), world.now())).collect();
    });
    assert_eq!(says(&plan)[0], format!("open refrom/base-images: {BACK}"));
}

#[test]
fn it_waits_for_no_wave() {
    let world = taken_back();
    let wave = |name: &str, pattern| Wave { name: name.to_owned(), repositories: vec![Pattern::new(pattern).unwrap()] };
    let advance = Advance { merged_percent: 100, green_for: SignedDuration::from_hours(24) };
    let plan = plan_with(&world, |knowledge| {
        let canary = "acme/canary".parse().unwrap();
        let key = RepositoryKey { forge: "github".to_owned(), name: canary };
        let row = Adoption { digest: Some(digest('b')), since: at(0), until: None };
        let adoptions = [(tag(NGINX), [(key, vec![row])].into())].into();
        let facts = WaveFacts { adoptions, ..WaveFacts::default() };
        knowledge.waves = Waves::new(vec![wave("canary", "acme/canary"), wave("rest", "**")], advance, facts);
        let key = world.facts()[0].key();
        let (tag, digest) = (tag(NGINX), digest('a'));
        let candidate = WaveCandidate {
            tag: &tag,
            digest: &digest,
            left: None,
            follow: Follow::Digest,
            history: None,
            denied: &[],
        };
        let reached = knowledge.waves.reached(&key, candidate, world.now());
        assert!(reached.is_err(), "a step forward would wait");
    });
    assert!(says(&plan)[0].contains(BACK), "{:?}", says(&plan));
}

#[test]
fn the_caps_hold_it_and_it_comes_first() {
    let mut world = taken_back();
    world.pin(API, "Dockerfile", NODE, 'n');
    world.max_new_per_hour = Some(1);
    for hour in 1..24 {
        world.hour = hour;
        let opened: Vec<String> = says(&world.plan()).into_iter().filter(|line| line.starts_with("open ")).collect();
        assert_eq!(opened.len(), 1, "{opened:?}");
        assert!(opened[0].contains(BACK), "{opened:?}");
    }
    world.max_new_per_hour = Some(0);
    assert!(says(&world.plan()).contains(&"Dockerfile line 1 waits: cap: `max_new_per_hour` is 0".to_owned()));
    let mut world = taken_back();
    world.web().policy.group = Grouping::Image;
    world.web().policy.max_open = Some(1);
    let opened = says(&world.plan());
    assert!(opened[0].starts_with("open ") && opened[0].ends_with(BACK), "{opened:?}");
    assert_eq!(opened[1], "Dockerfile line 2 waits: cap: `max_open` is 1");
    world.denials.denials.clear();
    world.cycle();
    deny(&mut world, 'b');
    let held = world.cycle();
    assert!(held.contains(&"Dockerfile line 1 waits: cap: `max_open` is 1".to_owned()), "{held:?}");
}

/// `1` of a pair went to `b` in `#1`, one day after the other one had not come; it could go to `e` now, and waits again.
fn waits_for_its_pair() -> World {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'a');
    world.pin(WEB, "Dockerfile", DEV, 'c');
    world.pin(WEB, "Dockerfile", "redis:7", 's');
    world.moves(NGINX, 'b');
    for (text, letter, hour) in [(NGINX, 'a', 1), (NGINX, 'b', 24), (DEV, 'c', 1), ("redis:7", 'r', 1)] {
        world.ledger.note(tag(text), digest(letter), at(hour));
    }
    world.ledger.note(tag("redis:7"), digest('s'), at(2));
    world.hour = 48;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    world.moves(NGINX, 'e');
    world.look();
    let waiting = world.cycle();
    assert!(waiting[0].starts_with("leave #1 alone: `pair`"), "{waiting:?}");
    world
}

#[test]
fn another_image_goes_back_in_a_pull_request_in_which_one_waits_for_its_pair() {
    let mut world = waits_for_its_pair();
    daily(&mut world);
    world.turns.insert(WEB.to_owned(), world.now());
    let (image, reason, at) = (tag("redis:7").image, "it is slow".to_owned(), world.now());
    world.denials.denials.push(Denial { image, tag: None, digest: digest('s'), to: None, reason, at });
    let said = world.cycle();
    assert_eq!(said[0], "update #1: Dockerfile:1 nginx a→b, Dockerfile:3 redis s→r");
    assert!(said[1].contains("Dockerfile line 1 waits: `pair`"), "{said:?}");
    assert_eq!(world.cycle()[0], "#1 is up to date");
}

#[test]
fn one_that_waits_for_its_pair_goes_back_at_once() {
    let mut world = waits_for_its_pair();
    // In the pull request stands the way from `a` to `b`: both are taken back, and nothing is older.
    world.ledger.note(tag(NGINX), digest('e'), world.now());
    deny(&mut world, 'b');
    let said = world.cycle();
    assert!(!said.iter().any(|line| line.contains("a→b")), "{said:?}");
    deny_to(&mut world, 'a', Some(digest('q')));
    let said = world.cycle();
    assert!(said.iter().any(|line| line.contains("Dockerfile:1 nginx a→q")), "{said:?}");
}

fn body(plan: &Plan) -> String {
    let Action::Open { proposal, .. } = &plan.repositories[0].actions[0] else { panic!("{:?}", says(plan)) };
    assert!(matches!(proposal.changes["Dockerfile"][0].urgency, Some(Urgency::RolledBack(_))));
    proposal.body.with_commit(&commit("x"))
}

#[test]
fn what_the_taken_back_one_has_more_is_said_unless_it_is_in_use() {
    let with_riscv = |image: &mut Image| image.manifests = manifests(&["amd64", "arm64", "riscv64"], 'b');
    let mut world = taken_back();
    world.content('b', with_riscv);
    let body_of = body(&world.plan());
    assert!(body_of.contains("lacks platforms that the pinned one has: `linux/riscv64`."), "{body_of}");
    world.web().policy.platforms = vec!["linux/amd64".parse().unwrap()];
    assert!(says(&world.plan())[0].contains(BACK));
    world.web().policy.platforms = vec!["linux/amd64".parse().unwrap(), "linux/riscv64".parse().unwrap()];
    assert!(says(&world.plan()).iter().any(|line| line.contains("line 1 waits: ") && line.contains("riscv64")));
    world.denials.denials.clear();
    deny_to(&mut world, 'b', Some(digest('a')));
    assert!(says(&world.plan())[0].contains(BACK), "somebody wants that one");
    assert!(body(&world.plan()).contains("`linux/riscv64`"));
    world.content('a', |image| *image = Image::bare(digest('a'), ManifestKind::Image));
    let body_of = body(&world.plan());
    assert!(body_of.contains(" is one platform's manifest, where the pinned one is an index."), "{body_of}");
    world.denials.denials.clear();
    deny(&mut world, 'b');
    assert!(says(&world.plan()).iter().any(|line| line.contains("line 1 waits: ")), "nobody named it");
}

#[test]
fn who_went_back_waits_for_what_comes_after_the_digest_that_was_taken_back() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'a');
    world.moves(NGINX, 'd');
    world.saw(NGINX, "abcd");
    deny(&mut world, 'd');
    assert_eq!(says(&world.plan())[0], "open refrom/base-images: Dockerfile:1 nginx a→c", "it never had the digest");
    let row = |letter, since: i64| Adoption { digest: Some(digest(letter)), since: at(since), until: None };
    let rows = BTreeMap::from([(tag(NGINX), vec![row('a', 1), row('d', 2), row('a', 3)])]);
    world.denials.merged.insert(world.facts()[0].key(), rows);
    let said = says(&world.plan());
    assert!(said.len() == 1 && said[0].contains("denied"), "{said:?}");
    world.moves(NGINX, 'e');
    assert_eq!(says(&world.plan()), ["open refrom/base-images: Dockerfile:1 nginx a→e"]);
    world.moves(NGINX, 'c');
    world.look();
    assert_eq!(says(&world.plan()), ["open refrom/base-images: Dockerfile:1 nginx a→c"], "the vendor went back to it");
}

/// The tag went back from `b`, at which `acme/web` is, to `a`.
fn withdrawn() -> World {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'b');
    world.moves(NGINX, 'a');
    world.saw(NGINX, "aba");
    world
}

fn gone(looks: u32) -> impl FnOnce(&mut Knowledge) {
    move |knowledge| {
        let missing = Missing { since: Timestamp::UNIX_EPOCH, looks };
        knowledge.missing.insert((tag(NGINX).image, digest('b')), missing);
    }
}

#[test]
fn a_lost_digest_with_nothing_to_go_to_is_told_until_a_pull_request_leads_away() {
    let mut world = withdrawn();
    let plan = plan_with(&world, gone(2));
    assert_eq!(plan.repositories[0].not_proposed[0].reason, Reason::Backwards, "nobody goes back by himself");
    let trouble = TagTrouble::DigestGone { digest: digest('b'), since: Timestamp::UNIX_EPOCH };
    assert_eq!(plan.repositories[0].findings, [TagFinding { tag: tag(NGINX), trouble }]);
    assert!(trouble.needs_person() && trouble.as_str() == "digest-gone");
    let words = format!("the pinned digest {} is gone from its registry since 1970-01-01", digest('b').short());
    assert!(trouble.to_string().starts_with(&words), "{trouble}");
    assert_eq!(plan_with(&world, gone(1)).repositories[0].findings, [], "it may be back in the next look");
    world.moves(NGINX, 'c');
    world.look();
    let plan = plan_with(&world, gone(2));
    assert!(says(&plan)[0].starts_with("open "), "{:?}", says(&plan));
    assert_eq!(plan.repositories[0].findings, []);
    world.apply(&plan);
    deny(&mut world, 'c');
    let plan = plan_with(&world, gone(2));
    assert!(says(&plan)[0].starts_with("close #1: Denied"), "{:?}", says(&plan));
    assert_eq!(plan.repositories[0].findings.len(), 1, "nothing leads away any more");
    world.denials.denials.clear();
    world.fails(NGINX);
    assert_eq!(plan_with(&world, gone(2)).repositories[0].findings, [], "it stands in a pull request");
    let mut world = withdrawn();
    deny(&mut world, 'b');
    assert!(says(&plan_with(&world, gone(2)))[0].contains(BACK), "by which a person ends it");
}

#[test]
fn what_a_mirror_lost_is_told_although_the_upstreams_tag_points_to_it() {
    const OF_MIRROR: &str = "harbor.acme.internal/dhi/app:1";
    let mirrored = |tag_text: &str| {
        let mut world = World::new();
        Arc::make_mut(&mut world.web().policy.mirrors).insert("harbor.acme.internal", "dhi/", "dhi.io/");
        world.pin(WEB, "Dockerfile", tag_text, 'b');
        world.moves("dhi.io/app:1", 'b');
        world
    };
    let lost = |tag_text, looks| {
        move |knowledge: &mut Knowledge| {
            let missing = Missing { since: Timestamp::UNIX_EPOCH, looks };
            knowledge.missing.insert((tag(tag_text).image, digest('b')), missing);
        }
    };
    let world = mirrored(OF_MIRROR);
    let plan = plan_with(&world, lost(OF_MIRROR, 2));
    let trouble = TagTrouble::DigestGone { digest: digest('b'), since: Timestamp::UNIX_EPOCH };
    assert_eq!(plan.repositories[0].findings, [TagFinding { tag: tag(OF_MIRROR), trouble }]);
    assert!(plan.is_empty(), "there is nothing to go to: {:?}", says(&plan));
    assert_eq!(plan_with(&world, lost(OF_MIRROR, 1)).repositories[0].findings, [], "it may be back in the next look");
    let upstream = "dhi.io/app:1";
    let plan = plan_with(&mirrored(upstream), lost(upstream, 2));
    assert_eq!(plan.repositories[0].findings, [], "its own tag points to it");
    // A higher tag leads away.
    let mut world = mirrored(OF_MIRROR);
    world.web().policy.follow = Follow::Major;
    world.moves("dhi.io/app:2", 'c');
    let plan = plan_with(&world, lost(OF_MIRROR, 2));
    assert!(says(&plan)[0].starts_with("open "), "{:?}", says(&plan));
    assert_eq!(plan.repositories[0].findings, []);
    let (image, digest, at) = (tag(upstream).image, digest('c'), world.now());
    world.denials.denials.push(Denial { image, tag: None, digest, to: None, reason: "it is slow".to_owned(), at });
    assert_eq!(plan_with(&world, lost(OF_MIRROR, 2)).repositories[0].findings.len(), 1);
}

#[test]
fn nothing_is_said_of_lost_digests_where_nobody_can_see_what_leads_away_from_them() {
    let world = withdrawn();
    let unread = |knowledge: &mut Knowledge| {
        gone(2)(knowledge);
        let unknown = Unknown { reason: "HTTP 502".to_owned() };
        knowledge.pull_requests.values_mut().for_each(|read| *read = Err(unknown.clone()));
        assert!(!knowledge.pull_requests.is_empty());
    };
    let plan = plan_with(&world, unread);
    assert!(!plan.repositories[0].not_proposed.is_empty() && plan.repositories[0].problem.is_some());
    assert_eq!(plan.repositories[0].findings, []);
}
