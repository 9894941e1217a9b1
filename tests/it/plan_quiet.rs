//! Quiet pull requests: pairs, intervals, and what cannot wait. And what is said of tags.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::cadence::{CadenceMode, Days, Edge, Freeze, Span, TimeOfDay, Window};
use refrom::domain::candidates::{Move, RepositoryKey, Unanswered};
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::pattern::Pattern;
use refrom::domain::plan::{Action, Knowledge, Missing, Plan, plan};
use refrom::domain::policy::{DeniedDigest, Follow, Grouping, Pairing};
use refrom::domain::proposal::{Evidence, Reason, Urgency};
use refrom::domain::pull_request::Mergeable;
use refrom::domain::target::sought;
use refrom::domain::waves::{Adoption, Advance, Sought, Wave, WaveFacts, Waves};

use crate::plan_world::{API, DEV, NGINX, NODE, WEB, World, at, digest, plan_with, says, tag};

fn reasons(plan: &Plan) -> Vec<Reason> {
    plan.repositories.iter().flat_map(|it| &it.not_proposed).map(|it| it.reason.clone()).collect()
}

/// `1` at `a` and `1-dev` at `c` since the first hour; `1` moved to `b` in the hour that it is now.
fn pair() -> World {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'a');
    world.pin(WEB, "Dockerfile", DEV, 'c');
    world.moves(NGINX, 'b');
    world.hour = 24;
    for (text, letter, hour) in [(NGINX, 'a', 1), (NGINX, 'b', 24), (DEV, 'c', 1)] {
        world.ledger.note(tag(text), digest(letter), at(hour));
    }
    world
}

#[test]
fn a_pair_moves_in_one_pull_request() {
    let mut world = pair();
    world.moves(DEV, 'd');
    world.ledger.note(tag(DEV), digest('d'), at(24));
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b, Dockerfile:2 nginx c→d"]);
}

#[test]
fn one_of_a_pair_waits_for_the_other_and_goes_alone_after_a_day() {
    let mut world = pair();
    let waits = "Dockerfile line 1 waits: `pair`: `dhi.io/nginx:1-dev` has nothing to move to yet; it is waited for until \
                 1970-01-03 00:00 UTC";
    assert_eq!(world.cycle(), [waits]);
    world.hour = 47;
    assert_eq!(world.cycle(), [waits]);
    world.hour = 48;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn both_in_files_of_their_own_are_opened_in_one_cycle() {
    let mut world = pair();
    world.web().policy.group = Grouping::File;
    world.web().pins[1].path = "build/Dockerfile".to_owned();
    assert_eq!(world.cycle().len(), 1, "the one waits for the other");
    world.moves(DEV, 'd');
    world.ledger.note(tag(DEV), digest('d'), at(24));
    let says = world.cycle();
    assert!(says.len() == 2 && says.iter().all(|line| line.starts_with("open ")), "{says:?}");
}

#[test]
fn what_does_not_come_as_a_pair_or_need_not_waits_for_nothing() {
    let expected = ["open refrom/base-images: Dockerfile:1 nginx a→b"];
    let mut off = pair();
    off.web().policy.pair = Pairing::Off;
    assert_eq!(off.cycle(), expected);
    let mut alone = pair();
    alone.web().pins.truncate(1);
    assert_eq!(alone.cycle(), expected);
    let mut of_the_same_build = pair();
    of_the_same_build.ledger = Default::default();
    for (text, letter, hour) in [(NGINX, 'a', 1), (NGINX, 'b', 24), (DEV, 'c', 23)] {
        of_the_same_build.ledger.note(tag(text), digest(letter), at(hour));
    }
    assert_eq!(of_the_same_build.cycle(), expected);
}

#[test]
fn versions_tell_whether_both_are_of_one_build() {
    let world = pair();
    let known = |version: &str| {
        let image = Image { version: Some(version.to_owned()), ..Image::bare(digest('c'), ManifestKind::Index) };
        let key = (tag(DEV).image, digest('c'));
        says(&plan_with(&world, |knowledge| drop(knowledge.images.insert(key, image))))
    };
    assert_eq!(known("1.0-b-dev"), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert!(known("0.9-dev")[0].contains("waits: `pair`"));
}

#[test]
fn a_refused_one_is_not_waited_for() {
    let mut world = pair();
    world.moves(DEV, 'd');
    world.ledger.note(tag(DEV), digest('d'), at(24));
    world.web().policy.group = Grouping::File;
    world.web().pins[1].path = "build/Dockerfile".to_owned();
    world.cycle();
    let of_build = world.web().pull_requests.iter().find(|it| it.body.contains("build/Dockerfile")).unwrap().number;
    world.close(of_build);
    world.moves(NGINX, 'e');
    world.ledger.note(tag(NGINX), digest('e'), at(25));
    world.hour = 25;
    let says = world.cycle();
    assert!(says.iter().any(|line| line.contains("refused by closing")), "{says:?}");
    assert!(says.iter().any(|line| line.starts_with("update ") && line.contains("a→e")), "{says:?}");
}

#[test]
fn a_tag_that_moves_within_the_day_waits_no_longer_for_one_that_is_stuck() {
    for hours in [3, 12, 23] {
        for min_age in [0, 6] {
            let mut world = pair();
            world.fails(DEV);
            world.web().policy.min_age = SignedDuration::from_hours(min_age);
            let mut letters = ('e'..='z').cycle();
            while world.web().pull_requests.is_empty() {
                assert!(world.hour <= 24 + min_age.max(hours) + 24, "every {hours} hours, {min_age} hours old");
                world.cycle();
                world.hour += 1;
                if world.hour % hours == 0 {
                    world.moves(NGINX, letters.next().unwrap());
                }
            }
            assert!(world.hour > 48, "it is waited for a day");
        }
    }
}

/// [`pair`], seen in the night to a Monday, in which the repository has its turn of the week.
fn pair_of_a_week() -> World {
    let mut world = pair();
    world.ledger = Default::default();
    for (text, letter, hour) in [(NGINX, 'a', 1), (NGINX, 'b', 90), (DEV, 'c', 1)] {
        world.ledger.note(tag(text), digest(letter), at(hour));
    }
    weekly(&mut world);
    world
}

fn weekly(world: &mut World) {
    world.hour = 96;
    let cadence = &mut world.web().policy.cadence;
    cadence.set_schedule("weekly".parse().ok(), "refrom.yaml:2:13".to_owned());
    cadence.jitter = SignedDuration::ZERO;
    world.turns.insert(WEB.to_owned(), Timestamp::UNIX_EPOCH);
}

#[test]
fn a_pair_that_is_waited_for_uses_no_turn_up() {
    let mut world = pair_of_a_week();
    assert!(world.cycle()[0].contains("waits: `pair`"));
    world.hour = 90 + 24;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    assert_eq!(world.turns[WEB], at(90 + 24), "that was its turn");
    world.moves(NGINX, 'e');
    world.moves(DEV, 'f');
    assert!(world.cycle().iter().all(|line| line.contains("not due until 1970-01-12")), "{:?}", world.cycle());
}

#[test]
fn what_an_interval_of_hours_spreads_is_of_one_turn() {
    let mut world = World::one_behind();
    world.pin(WEB, "Dockerfile", NODE, 'n');
    world.moves(NODE, 'o');
    weekly(&mut world);
    world.web().policy.group = Grouping::Image;
    let mut interval = |hours: i64| {
        world.web().policy.min_interval = SignedDuration::from_hours(hours);
        world.plan().repositories[0].has_turn(world.now())
    };
    assert!(interval(7 * 24), "an interval of days spreads over turns");
    assert!(!interval(4));
    let first = world.cycle();
    assert!(first[0].starts_with("open ") && first[1].contains("waits: `min_interval`"), "{first:?}");
    world.hour += 4;
    let later = plan_with(&world, |knowledge| {
        knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), at(96))).collect();
    });
    assert!(says(&later)[0].starts_with("open "), "{:?}", says(&later));
    assert!(later.repositories[0].has_turn(world.now()));
}

/// `1.27` may follow `1.28`, and `1.27-dev` was rebuilt; these tags are listed, too.
fn following(more: &[(&str, char)]) -> Vec<String> {
    let [one, dev] = ["dhi.io/nginx:1.27", "dhi.io/nginx:1.27-dev"];
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", one, 'a');
    world.pin(WEB, "Dockerfile", dev, 'c');
    world.web().policy.follow = Follow::Minor;
    world.hour = 24;
    let moves = [("dhi.io/nginx:1.28", 'e'), (dev, 'd')];
    for (text, letter, hour) in [(one, 'a', 1), (dev, 'c', 1)] {
        world.ledger.note(tag(text), digest(letter), at(hour));
    }
    for (text, letter) in moves.iter().chain(more) {
        world.moves(text, *letter);
        world.ledger.note(tag(text), digest(*letter), at(24));
    }
    let mut facts = world.facts();
    facts
        .iter_mut()
        .flat_map(|it| &mut it.files)
        .flat_map(|file| &mut file.uses)
        .for_each(|it| it.tag_range = Some(0..1));
    let mut knowledge = world.knowledge(&facts);
    let listed = world.tags.keys().map(|it| it.tag.clone()).collect();
    knowledge.tags.insert(tag(one).image, Ok(listed));
    for (old, new) in [('a', 'e'), ('c', 'd'), ('c', 'f')].map(|(old, new)| (digest(old), digest(new))) {
        let image = |digest| Ok(Image::bare(digest, ManifestKind::Index));
        let evidence = Evidence { new: image(new), old: image(old), in_mirror: None, contents: Default::default() };
        knowledge.evidence.insert(Move::new(&tag(one), &tag(one), Some(old), new), evidence);
    }
    says(&plan(&facts, &knowledge, &world.limits(), world.now()))
}

#[test]
fn one_of_a_pair_that_gets_a_higher_tag_waits_for_the_other_ones() {
    let alone = following(&[]);
    assert!(alone.len() == 2 && alone.iter().all(|line| line.contains("waits: `pair`")), "{alone:?}");
    let both = following(&[("dhi.io/nginx:1.28-dev", 'f')]);
    assert_eq!(both, ["open refrom/base-images: Dockerfile:1 nginx a→e, Dockerfile:2 nginx c→f"]);
}

#[test]
fn an_open_pull_request_keeps_what_it_has_while_something_newer_waits_for_its_pair() {
    let mut world = pair();
    world.hour = 48;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    world.moves(NGINX, 'e');
    world.ledger.note(tag(NGINX), digest('e'), at(48));
    let waits = "`pair`: `dhi.io/nginx:1-dev` has nothing to move to yet; it is waited for until 1970-01-04 00:00 UTC";
    assert_eq!(world.cycle(), [format!("leave #1 alone: {waits}"), format!("Dockerfile line 1 waits: {waits}")]);
    world.hour = 72;
    assert_eq!(world.cycle(), ["update #1: Dockerfile:1 nginx a→e"]);
}

#[test]
fn one_that_waits_for_its_pair_keeps_nothing_else_in_its_pull_request_back() {
    let mut world = pair();
    world.pin(WEB, "Dockerfile", NODE, 'n');
    world.hour = 48;
    assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
    world.moves(NGINX, 'e');
    world.look();
    world.moves(NODE, 'o');
    let waits = "`pair`: `dhi.io/nginx:1-dev` has nothing to move to yet; it is waited for until 1970-01-04 00:00 UTC";
    let line = format!("Dockerfile line 1 waits: {waits}");
    let update = "update #1: Dockerfile:1 nginx a→b, Dockerfile:3 node n→o";
    assert_eq!(world.cycle(), [update, &line]);
    assert_eq!(world.cycle(), ["#1 is up to date", &line]);
    world.pull_request(1).mergeable = Mergeable::Conflicting;
    assert_eq!(world.cycle(), [update, &line], "it is rebuilt");
    world.hour = 49;
    let cadence = &mut world.web().policy.cadence;
    cadence.set_schedule("weekly".parse().ok(), "refrom.yaml:2:13".to_owned());
    world.turns.insert(WEB.to_owned(), at(48));
    world.pin(WEB, "Dockerfile", "redis:7", 'r');
    world.moves("redis:7", 's');
    let urgent = plan_with(&world, |knowledge| {
        let missing = Missing { since: Timestamp::UNIX_EPOCH, looks: 2 };
        knowledge.missing.insert((tag("redis:7").image, digest('r')), missing);
    });
    assert_eq!(says(&urgent)[0], format!("{update}, Dockerfile:4 redis r→s"));
    world.web().policy.denied.push(DeniedDigest { digest: digest('b'), reason: None });
    let denied = world.cycle();
    assert!(!denied.iter().any(|line| line.contains("a→b")), "{denied:?}");
}

#[test]
fn one_pull_request_is_opened_in_each_interval_and_updates_wait_for_none() {
    let mut world = World::one_behind();
    world.pin(WEB, "Dockerfile", NODE, 'n');
    world.moves(NODE, 'o');
    world.web().policy.group = Grouping::Image;
    world.web().policy.min_interval = SignedDuration::from_hours(7 * 24);
    world.hour = 10;
    let first = world.cycle();
    assert_eq!(first.len(), 2, "{first:?}");
    assert!(first[0].starts_with("open "));
    assert!(first[1].ends_with("waits: `min_interval`: the next pull request may be opened at 1970-01-08 10:00 UTC"));
    let opened = |world: &World, hour| {
        let last = at(hour);
        let mut world_plan = plan_with(world, |knowledge| {
            knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), last)).collect();
        });
        world_plan.repositories.remove(0).actions
    };
    world.moves(NGINX, 'c');
    world.moves(NODE, 'p');
    world.hour = 10 + 7 * 24 - 1;
    let actions = opened(&world, 10);
    assert!(matches!(actions.as_slice(), [Action::Update { .. }]), "{actions:?}");
    world.hour += 1;
    let actions = opened(&world, 10);
    assert!(matches!(actions.as_slice(), [Action::Update { .. }, Action::Open { .. }]), "{actions:?}");
    world.cadence = CadenceMode::Ignore;
    assert_eq!(opened(&world, world.hour).len(), 2, "whoever asks for it gets it now");
}

#[test]
fn what_takes_the_place_of_another_pull_request_waits_for_no_interval() {
    let mut world = World::one_open();
    world.web().policy.min_interval = SignedDuration::from_hours(24);
    world.web().policy.group = Grouping::Image;
    let last = world.now();
    let regrouped = plan_with(&world, |knowledge| {
        knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), last)).collect();
    });
    assert_eq!(says(&regrouped).len(), 2, "{:?}", says(&regrouped));
    assert!(says(&regrouped)[1].starts_with("open "));
}

/// `acme/web` waits for its daily turn, with two images behind.
fn waiting() -> World {
    let mut world = World::one_behind();
    world.pin(WEB, "Dockerfile", NODE, 'n');
    world.moves(NODE, 'o');
    let cadence = &mut world.web().policy.cadence;
    cadence.set_schedule("daily".parse().ok(), "refrom.yaml:2:13".to_owned());
    cadence.jitter = SignedDuration::ZERO;
    world.turns.insert(WEB.to_owned(), Timestamp::UNIX_EPOCH);
    world
}

/// `a`, which nginx is pinned at, was missing in so many looks.
fn missing(looks: u32) -> impl FnOnce(&mut Knowledge) {
    move |knowledge| {
        let missing = Missing { since: Timestamp::UNIX_EPOCH, looks };
        knowledge.missing.insert((tag(NGINX).image, digest('a')), missing);
    }
}

#[test]
fn what_is_gone_in_two_looks_waits_for_no_turn_and_uses_none_up() {
    let mut world = waiting();
    let once = plan_with(&world, missing(1));
    assert!(once.is_empty(), "{:?}", says(&once));
    let twice = plan_with(&world, missing(2));
    let says = says(&twice);
    assert_eq!(says[0], "open refrom/base-images: Dockerfile:1 nginx a→b");
    assert!(says[1].starts_with("Dockerfile line 2 waits: not due until 1970-01-02 00:00 UTC"), "{says:?}");
    assert!(!twice.repositories[0].has_turn(world.now()));
    let Action::Open { proposal, .. } = &twice.repositories[0].actions[0] else { panic!("{says:?}") };
    assert_eq!(proposal.changes["Dockerfile"][0].urgency, Some(Urgency::Gone));
    assert_eq!(proposal.title, "build(deps): urgently refresh base image dhi.io/nginx:1");
    let body = proposal.body.with_commit(&crate::plan_world::commit("x"));
    assert!(body.contains("**Urgent:** the pinned digest") && body.contains("is gone from its registry"), "{body}");
    world.apply(&twice);
    let again = plan_with(&world, missing(2));
    assert!(again.is_empty(), "{:?}", crate::plan_world::says(&again));
    world.moves(NGINX, 'c');
    let moved = plan_with(&world, missing(2));
    assert!(moved.is_empty(), "it leads away from what is gone already: {:?}", crate::plan_world::says(&moved));
    world.hour = 24;
    let at_its_turn = plan_with(&world, missing(2));
    let says = crate::plan_world::says(&at_its_turn);
    assert_eq!(says, ["update #1: Dockerfile:1 nginx a→c, Dockerfile:2 node n→o"]);
}

#[test]
fn a_pull_request_with_something_denied_is_no_way_out_of_what_is_gone() {
    let open = || {
        let mut world = waiting();
        world.hour = 24;
        assert_eq!(world.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b, Dockerfile:2 node n→o"]);
        world.turns.insert(WEB.to_owned(), at(24));
        world
    };
    let deny = |world: &mut World, letter| {
        world.web().policy.denied.push(DeniedDigest { digest: digest(letter), reason: None });
    };
    let mut turned = open();
    turned.moves(NGINX, 'c');
    assert!(plan_with(&turned, missing(2)).is_empty(), "it waits for its turn");
    deny(&mut turned, 'b');
    let said = says(&plan_with(&turned, missing(2)));
    assert_eq!(said, ["update #1: Dockerfile:1 nginx a→c, Dockerfile:2 node n→o"]);
    let mut of_another = open();
    deny(&mut of_another, 'o');
    let said = says(&plan_with(&of_another, missing(2)));
    assert_eq!(said[0], "update #1: Dockerfile:1 nginx a→b", "{said:?}");
    let said = says(&plan_with(&of_another, missing(1)));
    assert!(said[0].starts_with("close #1: Denied"), "what is not urgent waits for its turn: {said:?}");
}

#[test]
fn a_freeze_holds_what_is_urgent_unless_it_says_otherwise_and_a_window_always() {
    let freeze = || {
        let day = |text| Edge::parse(text).unwrap();
        Freeze::new(day("1970-01-01"), day("1970-01-03"), "trade fair").unwrap()
    };
    let mut world = waiting();
    world.web().policy.cadence.add_freeze(freeze(), "refrom.yaml:4:12".to_owned());
    let frozen = plan_with(&world, missing(2));
    assert!(frozen.is_empty());
    assert!(says(&frozen).iter().any(|line| line.contains("frozen until 1970-01-04 00:00 UTC")), "{:?}", says(&frozen));
    let mut world = waiting();
    world.web().policy.cadence.add_freeze(freeze().letting_urgent_through(), "refrom.yaml:4:12".to_owned());
    assert!(!plan_with(&world, missing(2)).is_empty());
    assert!(plan_with(&world, |_| {}).is_empty());
    let time = |text| TimeOfDay::parse(text).unwrap();
    let span = Span { days: Days::named("thu").unwrap(), from: time("10:00"), to: time("12:00") };
    let window = Window::new(vec![span]).unwrap();
    world.web().policy.cadence.set_window(window, "refrom.yaml:5:12".to_owned());
    assert!(plan_with(&world, missing(2)).is_empty(), "it is one o'clock");
}

#[test]
fn what_is_urgent_comes_first_in_the_caps_and_passes_the_interval() {
    for urgent in [WEB, API] {
        let mut world = World::new();
        for (repository, letter) in [(WEB, 'a'), (API, 'c')] {
            world.pin(repository, "Dockerfile", NGINX, letter);
        }
        world.moves(NGINX, 'b');
        world.max_new_per_hour = Some(1);
        let gone = if urgent == WEB { 'a' } else { 'c' };
        for hour in 1..24 {
            world.hour = hour;
            let decided = plan_with(&world, |knowledge| {
                let missing = Missing { since: Timestamp::UNIX_EPOCH, looks: 2 };
                knowledge.missing.insert((tag(NGINX).image, digest(gone)), missing);
                knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), world.now())).collect();
            });
            let opened = decided.repositories.iter().find(|it| !it.actions.is_empty()).unwrap();
            assert_eq!(opened.repository.name.as_str(), urgent);
            assert_eq!(reasons(&decided), [Reason::MaxNewPerHour(1)]);
        }
    }
    let mut world = World::one_behind();
    world.web().policy.min_interval = SignedDuration::from_hours(24);
    let decided = plan_with(&world, |knowledge| {
        missing(2)(knowledge);
        knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), world.now())).collect();
    });
    assert_eq!(says(&decided), ["open refrom/base-images: Dockerfile:1 nginx a→b"]);
}

#[test]
fn only_what_takes_the_place_of_another_pull_request_waits_for_no_interval() {
    let mut world = World::one_open();
    world.pin(WEB, "Dockerfile", NODE, 'n');
    world.moves(NODE, 'o');
    world.web().policy.min_interval = SignedDuration::from_hours(24);
    world.web().policy.group = Grouping::Image;
    let regrouped = |world: &World, hour: i64| {
        says(&plan_with(world, |knowledge| {
            knowledge.last_opened = world.facts().iter().map(|facts| (facts.key(), at(hour))).collect();
        }))
    };
    let said = regrouped(&world, world.hour);
    assert_eq!(said[0], "close #1: Regrouped, deletes its branch");
    assert!(said[1].starts_with("open ") && said[1].ends_with(": Dockerfile:1 nginx a→b"), "{said:?}");
    assert!(said[2].starts_with("Dockerfile line 2 waits: `min_interval`"), "{said:?}");
    world.hour += 24;
    let said = regrouped(&world, world.hour - 24);
    assert!(said.iter().skip(1).all(|line| line.starts_with("open ")), "{said:?}");
}

/// An image and its `-dev` in two files, and another image in a third one; all of them moved.
fn three_files() -> World {
    let mut world = World::new();
    for (path, text, letter) in [("b/Dockerfile", NGINX, 'a'), ("d/Dockerfile", DEV, 'c'), ("c/Dockerfile", NODE, 'm')]
    {
        world.pin(WEB, path, text, letter);
    }
    for (text, letter) in [(NGINX, 'b'), (DEV, 'd'), (NODE, 'n')] {
        world.moves(text, letter);
    }
    world.web().policy.group = Grouping::File;
    world
}

/// The files whose pull requests are opened.
fn opened(plan: &Plan) -> BTreeSet<String> {
    let actions = plan.repositories.iter().flat_map(|repository| &repository.actions);
    let proposals = actions.filter_map(|action| match action {
        Action::Open { proposal, .. } => Some(proposal),
        _ => None,
    });
    proposals.flat_map(|proposal| proposal.changes.keys().cloned()).collect()
}

#[test]
fn a_pair_in_two_files_is_parted_by_no_cap_of_the_hour_and_no_interval() {
    let pair: BTreeSet<String> = ["b/Dockerfile", "d/Dockerfile"].map(str::to_owned).into();
    let is_parted = |opened: &BTreeSet<String>| !pair.is_subset(opened) && !pair.is_disjoint(opened);
    let mut firsts = BTreeSet::new();
    for hour in 1..24 {
        let mut world = three_files();
        world.hour = hour;
        world.max_new_per_hour = Some(2);
        for already in 0..3 {
            world.opened = already;
            assert!(!is_parted(&opened(&world.plan())), "{already} of two an hour");
        }
        world.max_new_per_hour = None;
        world.web().policy.min_interval = SignedDuration::from_hours(7 * 24);
        let opened = opened(&world.plan());
        assert!(!is_parted(&opened) && (1..3).contains(&opened.len()), "{opened:?}");
        firsts.insert(opened);
    }
    assert_eq!(firsts.len(), 2, "none is last for ever");
}

#[test]
fn pull_requests_with_a_whole_pair_each_are_opened_one_by_one() {
    let mut world = World::new();
    for path in ["a/Dockerfile", "b/Dockerfile", "c/Dockerfile"] {
        world.pin(WEB, path, NGINX, 'a');
        world.pin(WEB, path, DEV, 'c');
    }
    world.moves(NGINX, 'b');
    world.moves(DEV, 'd');
    world.web().policy.group = Grouping::File;
    assert_eq!(opened(&world.plan()).len(), 3);
    world.max_new_per_hour = Some(2);
    assert_eq!(opened(&world.plan()).len(), 2);
    world.max_new_per_hour = None;
    world.web().policy.min_interval = SignedDuration::from_hours(24);
    assert_eq!(opened(&world.plan()).len(), 1);
    // What has one of the two takes one with the other along, not all of these.
    world.pin(WEB, "d/Dockerfile", NGINX, 'a');
    let mut counts = BTreeSet::new();
    for hour in 1..24 {
        world.hour = hour;
        let opened = opened(&world.plan());
        assert!(!opened.contains("d/Dockerfile") || opened.len() == 2, "{opened:?}");
        counts.insert(opened.len());
    }
    assert_eq!(counts, [1, 2].into());
}

#[test]
fn a_pair_that_no_cap_has_room_for_is_opened_one_after_the_other() {
    let mut world = three_files();
    world.web().policy.max_open = Some(1);
    for number in 1..=3 {
        assert_eq!(world.cycle().iter().filter(|line| line.starts_with("open ")).count(), 1);
        world.merge(number);
    }
    world.cycle();
    assert!(world.plan().is_empty());
}

#[test]
fn a_pair_comes_one_by_one_where_there_is_room_for_one_alone() {
    let mut world = World::new();
    for number in 0..6 {
        let image = format!("dhi.io/other-{number}:1");
        world.pin(WEB, &format!("z{number}/Dockerfile"), &image, 'm');
        world.moves(&image, 'n');
    }
    world.web().policy.group = Grouping::File;
    world.web().policy.max_open = Some(2);
    world.cycle();
    for (path, text, from, to) in [("b/Dockerfile", NGINX, 'a', 'b'), ("d/Dockerfile", DEV, 'c', 'd')] {
        world.pin(WEB, path, text, from);
        world.moves(text, to);
    }
    let opens = |said: Vec<String>| said.iter().filter(|line| line.starts_with("open ")).cloned().collect::<Vec<_>>();
    // The other one of the first two stays open for long.
    let mut newest = 1;
    let mut opened = BTreeSet::new();
    for _ in 0..6 {
        world.merge(newest);
        world.hour += 1;
        let one = opens(world.cycle());
        assert_eq!(one.len(), 1, "{one:?}");
        opened.extend(one);
        newest = world.web().pull_requests.iter().map(|it| it.number).max().unwrap();
    }
    assert_eq!(opened.len(), 6, "each has its turn, the two of the pair among them: {opened:?}");
}

#[test]
fn under_a_cap_no_pull_request_of_a_repository_is_always_first() {
    let mut first = BTreeSet::new();
    for hour in 1..24 {
        let mut world = three_files();
        world.web().policy.max_open = Some(1);
        world.hour = hour;
        first.extend(opened(&world.plan()));
    }
    assert_eq!(first.len(), 2, "the one of a pair comes with the other, or after it: {first:?}");
}

#[test]
fn no_room_stays_unused_whatever_comes_first() {
    for (max_open, count) in [(1, 1), (2, 2), (3, 3)] {
        let mut world = three_files();
        world.web().policy.max_open = Some(max_open);
        assert_eq!(opened(&world.plan()).len(), count);
        world.cycle();
        assert!(world.plan().is_empty());
    }
}

const OWN: &str = "dhi.io/nginx:1.27";
const OWN_DEV: &str = "dhi.io/nginx:1.27-dev";
const NEXT: &str = "dhi.io/nginx:1.28";
const NEXT_DEV: &str = "dhi.io/nginx:1.28-dev";

/// `1.27` at `a` and `1.27-dev` at `c`; somebody refused `1.28` and `1.28-dev`, for both of them.
fn refused_versions() -> World {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", OWN, 'a');
    world.pin(WEB, "Dockerfile", OWN_DEV, 'c');
    world.web().policy.follow = Follow::Minor;
    world.moves(NEXT, 'x');
    world.moves(NEXT_DEV, 'y');
    world.cycle();
    world.close(1);
    world.hour = 50;
    world
}

#[test]
fn a_refused_version_parts_no_pair_of_the_own_tag() {
    let waits = |said: &[String]| said.iter().any(|line| line.starts_with("Dockerfile line 1 waits: `pair`"));
    let mut current = refused_versions();
    current.moves(OWN, 'b');
    let said = current.cycle();
    assert!(waits(&said), "its other one has nothing yet: {said:?}");
    current.hour += 1;
    current.moves(OWN_DEV, 'd');
    assert_eq!(current.cycle(), ["open refrom/base-images: Dockerfile:1 nginx a→b, Dockerfile:2 nginx c→d"]);
    let mut unsettled = refused_versions();
    unsettled.web().policy.settle = SignedDuration::from_hours(2);
    unsettled.moves(OWN, 'b');
    unsettled.look();
    unsettled.hour += 2;
    unsettled.moves(OWN_DEV, 'd');
    let said = unsettled.cycle();
    assert!(waits(&said) && said.iter().any(|line| line.starts_with("Dockerfile line 2 waits: `settle`")), "{said:?}");
}

#[test]
fn a_pin_waits_for_no_version_that_its_other_one_is_refused() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", OWN, 'a');
    world.pin(WEB, "build/Dockerfile", OWN_DEV, 'c');
    world.web().policy.follow = Follow::Minor;
    world.web().policy.group = Grouping::File;
    world.moves(NEXT_DEV, 'y');
    world.look();
    world.hour = 30;
    assert_eq!(world.cycle().len(), 1, "after a day it goes alone");
    world.close(1);
    world.web().policy.min_age = SignedDuration::from_hours(6);
    world.hour = 50;
    world.moves(NEXT, 'x');
    world.look();
    world.hour = 55;
    world.moves(OWN_DEV, 'd');
    world.look();
    world.hour = 56;
    let said = world.cycle();
    assert!(said.len() == 2 && said[0].starts_with("open ") && said[0].ends_with("Dockerfile:1 nginx a→x"), "{said:?}");
    assert!(said[1].starts_with("build/Dockerfile line 1 waits: `min_age`"), "{said:?}");
}

#[test]
fn what_is_on_its_way_to_the_own_tag_is_shown_while_a_higher_one_is_refused() {
    let mut world = refused_versions();
    world.web().policy.pair = Pairing::Off;
    world.moves(OWN, 'b');
    world.look();
    let facts = world.facts();
    let mut knowledge = world.knowledge(&facts);
    let wave = |name: &str, pattern| Wave { name: name.to_owned(), repositories: vec![Pattern::new(pattern).unwrap()] };
    let (waves, advance) = (vec![wave("canary", API), wave("rest", "**")], Advance::default());
    let canary = RepositoryKey { name: API.parse().unwrap(), ..facts[0].key() };
    let adoption = Adoption { digest: Some(digest('a')), since: at(1), until: None };
    let adoptions = [(tag(OWN), [(canary, vec![adoption])].into())].into();
    knowledge.waves = Waves::new(waves, advance, WaveFacts { adoptions, ..WaveFacts::default() });
    let said = says(&plan(&facts, &knowledge, &world.limits(), world.now()));
    assert!(said[0].starts_with("Dockerfile line 1 waits: wave `canary`"), "{said:?}");
    assert_eq!(
        sought(&facts[0], &knowledge, world.now()),
        [Sought { tag: tag(OWN), digest: digest('b'), left: None }].into()
    );
}

/// `1.27` in two files with a pull request each to `1.28`.
fn two_files_that_follow() -> World {
    let mut world = World::new();
    for path in ["a/Dockerfile", "b/Dockerfile"] {
        world.pin(WEB, path, OWN, 'a');
    }
    world.web().policy.follow = Follow::Minor;
    world.web().policy.group = Grouping::File;
    world.moves(NEXT, 'x');
    world.cycle();
    world
}

#[test]
fn what_another_file_s_pull_request_proposes_is_refused_where_somebody_refused_it() {
    let mut world = two_files_that_follow();
    let of_a = world.web().pull_requests.iter().find(|it| it.body.contains("a/Dockerfile")).unwrap().number;
    let of_b = 3 - of_a;
    world.close(of_a);
    let said = world.cycle();
    assert!(said.contains(&format!("a/Dockerfile line 1 waits: refused by closing #{of_a}")), "{said:?}");
    assert!(world.plan().is_empty(), "what is open stays");
    // Whatever digest it gets, and the pin's own tag goes on.
    world.hour += 1;
    world.moves(NEXT, 'z');
    assert!(!world.cycle().iter().any(|line| line.contains("a→z")), "{:?}", world.cycle());
    world.moves(OWN, 'b');
    world.hour += 1;
    let said = world.cycle();
    assert!(
        said.iter().any(|line| line.starts_with("open ") && line.ends_with("a/Dockerfile:1 nginx a→b")),
        "{said:?}"
    );
    assert!(said.iter().any(|line| line.starts_with(&format!("leave #{of_b} alone: refused by closing"))), "{said:?}");
    assert!(world.pull_request(of_b).body.contains("1.28"), "no step back");
}

/// What is said of the tags of the one repository.
fn said(plan: &Plan) -> Vec<String> {
    plan.repositories[0].findings.iter().map(|it| format!("{}: {}", it.tag.tag, it.trouble)).collect()
}

#[test]
fn a_tag_that_does_not_move_is_told_once_it_is_stale() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'a');
    world.pin(WEB, "web/Dockerfile", NGINX, 'a');
    world.ledger.note(tag(NGINX), digest('a'), at(24));
    world.hour = 24 * 91 - 1;
    world.web().policy.stale_after = Some(SignedDuration::from_hours(24 * 90));
    assert!(said(&world.plan()).is_empty());
    world.hour += 1;
    assert_eq!(said(&world.plan()), ["1: `stale_after`: no new digest since 1970-01-02"]);
    assert!(world.plan().is_empty(), "it is said, and nothing is done");
    world.web().policy.stale_after = None;
    assert!(said(&world.plan()).is_empty());
}

#[test]
fn a_tag_that_came_back_moved_then() {
    let mut world = World::new();
    world.pin(WEB, "Dockerfile", NGINX, 'a');
    for (hour, letter) in [(24, 'a'), (48, 'b'), (71, 'b'), (72, 'a')] {
        world.ledger.note(tag(NGINX), digest(letter), at(hour));
    }
    world.web().policy.stale_after = Some(SignedDuration::from_hours(24 * 90));
    world.hour = 71 + 24 * 90 - 1;
    assert!(said(&world.plan()).is_empty());
    world.hour += 1;
    assert_eq!(said(&world.plan()), ["1: `stale_after`: no new digest since 1970-01-03"]);
}

#[test]
fn a_tag_that_is_gone_and_ends_of_life_are_told() {
    let mut world = World::one_behind();
    let gone = plan_with(&world, |knowledge| drop(knowledge.observations.insert(tag(NGINX), Err(Unanswered::Gone))));
    assert_eq!(said(&gone), ["1: its registry has no such tag any more"]);
    assert!(gone.repositories[0].findings[0].trouble.needs_person() && !gone.is_incomplete());
    let ends = |hour: i64, world: &mut World| {
        world.hour = hour;
        let image =
            Image { end_of_life: Some("1971-01-01".parse().unwrap()), ..Image::bare(digest('b'), ManifestKind::Index) };
        let told = plan_with(world, |knowledge| drop(knowledge.images.insert((tag(NGINX).image, digest('b')), image)));
        (said(&told), told.repositories[0].findings.iter().any(|it| it.trouble.needs_person()))
    };
    assert_eq!(ends(24 * 100, &mut world), (vec![], false));
    let soon = "1: end of life: its vendor stops to rebuild it on 1971-01-01".to_owned();
    assert_eq!(ends(24 * 364, &mut world), (vec![soon], false));
    let past = "1: end of life: its vendor has stopped to rebuild it on 1971-01-01".to_owned();
    assert_eq!(ends(24 * 365, &mut world), (vec![past], true));
}
