//! When a digest reaches the next wave.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use refrom::domain::policy::{DeniedDigest, Follow};
use refrom::domain::pull_request::Pipeline;
use refrom::domain::waves::{BasePipeline, WaveCandidate, WaveCause, Waves};

use super::{Fleet, digest, digests, key, tag};

const ALL: [&str; 4] = ["a1", "a2", "b1", "c1"];

/// Everybody is at `a`, has green pipelines, and the tag moved to `b`.
fn fleet() -> Fleet {
    let mut fleet = Fleet::new(100, SignedDuration::from_hours(24));
    fleet.moves('a');
    fleet.pins(&ALL, "a");
    fleet.green(&ALL);
    fleet.hours(100);
    fleet.moves('b');
    fleet
}

#[test]
fn without_waves_everybody_gets_everything_at_once() {
    let candidate = WaveCandidate {
        tag: &tag("1"),
        digest: &digest('b'),
        left: None,
        follow: Follow::Digest,
        history: None,
        denied: &[],
    };
    assert_eq!(Waves::default().reached(&key("c1"), candidate, "2026-11-20T08:00:00Z".parse().unwrap()), Ok(()));
}

#[test]
fn a_wave_is_reached_when_those_before_have_merged_and_stayed_green() {
    let mut fleet = fleet();
    let b = digest('b').short();
    assert_eq!(fleet.reached("a1", 'b'), Ok(()));
    assert_eq!(fleet.waits("b1", 'b'), format!("wave `canary`: 0 of its 2 repositories have merged {b}"));
    fleet.pins(&["a1"], "b");
    assert_eq!(fleet.waits("c1", 'b'), format!("wave `canary`: 1 of its 2 repositories have merged {b}"));
    fleet.unseen_hours(1);
    fleet.pins(&["a2"], "b");
    fleet.green(&["a1"]);
    assert_eq!(
        fleet.waits("b1", 'b'),
        format!("wave `canary`: the pipeline of `github:acme/a2` has not passed with {b} yet")
    );
    fleet.hours(1);
    fleet.green(&["a2"]);
    let until = "2026-11-25T13:00:00Z";
    let expected = format!("wave `canary`: its pipelines have to stay green until {until} with {b}");
    assert_eq!(fleet.waits("b1", 'b'), expected);
    fleet.hours(22);
    assert_eq!(fleet.waits("b1", 'b'), expected);
    fleet.hours(1);
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
    assert_eq!(fleet.waits("c1", 'b'), format!("wave `internal`: 0 of its 1 repositories have merged {b}"));
    fleet.pins(&["b1"], "b");
    fleet.green(&["b1"]);
    fleet.hours(24);
    assert_eq!(fleet.reached("c1", 'b'), Ok(()));
}

#[test]
fn a_failed_pipeline_stops_the_next_wave_until_one_passes_and_the_time_begins_again() {
    let mut fleet = fleet();
    fleet.pins(&["a1", "a2"], "b");
    fleet.green(&["a1", "a2"]);
    fleet.hours(10);
    fleet.pipeline("a2", Pipeline::Failed);
    let failed = "wave `canary`: the pipeline of `github:acme/a2` failed";
    assert_eq!(fleet.waits("b1", 'b'), failed);
    fleet.hours(100);
    fleet.pipeline("a2", Pipeline::Pending);
    assert_eq!(fleet.waits("b1", 'b'), failed, "what runs has not passed");
    fleet.green(&["a2"]);
    fleet.hours(23);
    assert!(fleet.waits("b1", 'b').contains("have to stay green"));
    fleet.hours(1);
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn a_failure_where_the_digest_is_not_says_nothing_of_it() {
    let mut fleet = fleet();
    fleet.advance.merged_percent = 50;
    fleet.pins(&["a1"], "b");
    fleet.green(&["a1"]);
    fleet.pipeline("a2", Pipeline::Failed);
    fleet.hours(24);
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn a_later_digest_counts_and_begins_nothing_again() {
    let mut fleet = fleet();
    fleet.pins(&["a1", "a2"], "b");
    fleet.green(&["a1", "a2"]);
    for letter in ['c', 'd', 'e'] {
        fleet.hours(20);
        fleet.moves(letter);
        fleet.pins(&["a1", "a2"], &letter.to_string());
        fleet.green(&["a1", "a2"]);
    }
    let reached: Vec<char> = "bcde".chars().filter(|letter| fleet.reached("b1", *letter).is_ok()).collect();
    assert_eq!(reached, ['b', 'c'], "`d` is there for twenty hours");
}

#[test]
fn a_repository_that_went_back_begins_anew() {
    let mut fleet = fleet();
    fleet.advance.merged_percent = 50;
    fleet.pins(&["a1"], "b");
    fleet.green(&["a1"]);
    fleet.hours(20);
    fleet.pins(&["a1"], "a");
    assert!(fleet.waits("b1", 'b').contains("0 of its 2"));
    fleet.hours(1);
    fleet.pins(&["a1"], "b");
    fleet.green(&["a1"]);
    fleet.hours(20);
    assert!(fleet.waits("b1", 'b').contains("have to stay green"));
    fleet.hours(4);
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn what_was_taken_back_proves_nothing_for_an_older_digest() {
    let mut fleet = fleet();
    fleet.moves('c');
    fleet.pins(&["a1", "a2"], "c");
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    assert_eq!((fleet.reached("b1", 'c'), fleet.reached("b1", 'b')), (Ok(()), Ok(())));
    fleet.takes_back('c');
    assert!(fleet.waits("b1", 'b').contains("0 of its 2"), "nobody ever had it");
    let told = fleet.under_way();
    assert!(told.iter().all(|it| it.digest != digest('c')), "it goes nowhere");
    fleet.pins(&["a1", "a2"], "b");
    fleet.green(&["a1", "a2"]);
    fleet.hours(23);
    assert!(fleet.waits("b1", 'b').contains("have to stay green"), "since they have it");
    fleet.hours(1);
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn what_a_policy_denies_proves_nothing_for_an_older_digest() {
    let mut fleet = fleet();
    fleet.moves('c');
    fleet.pins(&["a1", "a2"], "c");
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    fleet.denied.push(DeniedDigest { digest: digest('c'), reason: None });
    assert!(fleet.waits("b1", 'b').contains("0 of its 2"));
    fleet.denied[0].digest = digest('d');
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn a_pin_that_shall_get_its_first_digest_has_not_followed() {
    let mut fleet = fleet();
    fleet.pins(&["a1", "a2"], "-");
    assert!(fleet.waits("b1", 'b').contains("0 of its 2"));
    fleet.pins(&["a1"], "b-");
    fleet.pins(&["a2"], "b");
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    assert!(fleet.waits("b1", 'b').contains("1 of its 2"), "another file has none yet");
    fleet.pins(&["a1"], "b");
    fleet.green(&["a1", "a2"]);
    assert!(fleet.waits("b1", 'b').contains("have to stay green"), "since all of them have it");
    fleet.hours(24);
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn all_pins_of_a_repository_have_to_follow() {
    let mut fleet = fleet();
    fleet.pins(&["a1", "a2"], "ab");
    fleet.green(&["a1", "a2"]);
    fleet.unseen_hours(24);
    assert!(fleet.waits("b1", 'b').contains("0 of its 2"));
    fleet.pins(&["a1", "a2"], "b");
    assert!(fleet.waits("b1", 'b').contains("has not passed with"), "since both are there");
}

#[test]
fn what_has_no_pin_of_the_tag_does_not_count_and_an_empty_wave_is_passed() {
    let mut fleet = fleet();
    fleet.pinned.insert(key("a1"), BTreeMap::new());
    fleet.pinned.insert(key("a2"), BTreeMap::from([(tag("2"), digests("x"))]));
    fleet.look();
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
    assert!(fleet.waits("c1", 'b').starts_with("wave `internal`: 0 of its 1"));
}

#[test]
fn some_percent_are_rounded_up() {
    let mut fleet = fleet();
    fleet.advance.merged_percent = 34;
    fleet.pins(&["a3"], "a");
    fleet.pins(&["a1"], "b");
    fleet.green(&["a1"]);
    fleet.hours(24);
    assert!(fleet.waits("b1", 'b').contains("1 of its 3"), "34 % of three are two");
    fleet.advance.merged_percent = 33;
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn repositories_without_pipelines_are_green_and_unknown_ones_are_told() {
    let mut fleet = fleet();
    fleet.pipelines.clear();
    fleet.heads.clear();
    fleet.pins(&["a1", "a2"], "b");
    fleet.pipeline("a1", Pipeline::Absent);
    fleet.pipeline("a2", Pipeline::Unknown);
    fleet.hours(24);
    assert_eq!(fleet.waits("b1", 'b'), "wave `canary`: how the pipeline of `github:acme/a2` stands is not known");
    fleet.advance.merged_percent = 50;
    assert_eq!(fleet.reached("b1", 'b'), Ok(()));
}

#[test]
fn a_fleet_that_was_never_listed_has_unknown_waves() {
    let mut fleet = fleet();
    fleet.unlisted.insert("gitlab".to_owned(), None);
    assert_eq!(fleet.reached("a1", 'b'), Ok(()));
    let unlisted = "wave `canary`: the repositories of `gitlab` were not all listed yet";
    assert_eq!(fleet.waits("b1", 'b'), unlisted);
    fleet.unlisted.insert("gitlab".to_owned(), Some("`acme/*`: no access".to_owned()));
    assert_eq!(fleet.waits("b1", 'b'), format!("{unlisted}: `acme/*`: no access"));
    let told = fleet.under_way();
    let [Some(cause), None] =
        [0, 1].map(|wave| told[0].waves[wave].blocked.clone().filter(|it| it.word() == "unknown"))
    else {
        panic!("{told:?}")
    };
    assert!(cause.told("it").ends_with("no access"));
}

#[test]
fn a_repository_of_no_wave_belongs_to_the_last_one() {
    let mut fleet = fleet();
    fleet.pins(&["z1"], "a");
    assert!(fleet.waits("z1", 'b').starts_with("wave `canary`"));
    fleet.pins(&["a1", "a2", "b1"], "b");
    fleet.green(&ALL);
    fleet.hours(24);
    assert_eq!(fleet.reached("z1", 'b'), Ok(()));
}

#[test]
fn another_tag_is_proved_by_those_that_left_the_same_tag() {
    let mut fleet = fleet();
    let reached = |fleet: &Fleet| fleet.waits_leaving("b1", 'x', "1");
    assert!(reached(&fleet).contains("0 of its 2 repositories"));
    let moved = BTreeMap::from([(tag("2"), digests("x"))]);
    fleet.pinned.insert(key("a1"), moved.clone());
    fleet.look();
    assert!(reached(&fleet).contains("1 of its 2 repositories"));
    fleet.pinned.insert(key("a2"), moved);
    fleet.look();
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    assert_eq!(reached(&fleet), "");
}

#[test]
fn another_tag_waits_for_those_of_the_tag_that_is_left_and_for_no_others() {
    let mut fleet = fleet();
    let of = |tags: &[&str]| tags.iter().map(|text| (tag(text), digests("x"))).collect::<BTreeMap<_, _>>();
    for (name, tags) in [("a1", &["3"][..]), ("a2", &["3"]), ("b1", &["1", "3"])] {
        fleet.pinned.insert(key(name), of(tags));
    }
    fleet.look();
    assert_eq!(fleet.waits_leaving("b1", 'x', "1"), "", "nobody before leaves `3` for `2`");
    fleet.pinned.insert(key("a1"), of(&["1"]));
    fleet.pinned.insert(key("b1"), of(&["1", "2"]));
    fleet.look();
    let waits = fleet.waits_leaving("b1", 'x', "1");
    assert!(waits.contains("0 of its 1 repositories"), "another file that has `2` already overtakes nobody: {waits}");
}

#[test]
fn another_tag_waits_for_all_from_which_the_policy_follows_to_it() {
    let mut fleet = fleet();
    let of = |tags: &[&str]| tags.iter().map(|text| (tag(text), digests("x"))).collect::<BTreeMap<_, _>>();
    for (name, tags) in [("a1", &["0"][..]), ("a2", &["3"]), ("b1", &["1"])] {
        fleet.pinned.insert(key(name), of(tags));
    }
    fleet.look();
    let waits = fleet.waits_following("b1", 'x', ("1", Follow::Major));
    assert!(waits.contains("1 of its 2 repositories"), "`0` goes to `2` as `1` does, and `3` is past it: {waits}");
    assert_eq!(fleet.waits_following("b1", 'x', ("1", Follow::Minor)), "", "nobody goes from `0` to `2`");
}

#[test]
fn who_went_on_from_a_tag_speaks_for_it() {
    let of = |text: &str, letter: &str| BTreeMap::from([(tag(text), digests(letter))]);
    for look in [Pipeline::Failed, Pipeline::Passed] {
        let mut fleet = fleet();
        let waits = |fleet: &Fleet| fleet.waits_following("b1", 'x', ("1", Follow::Major));
        for (name, text) in [("a1", "2"), ("a2", "2")] {
            fleet.pinned.insert(key(name), of(text, "x"));
        }
        fleet.look();
        fleet.pipeline("a1", look);
        fleet.green(&["a2"]);
        fleet.hours(20);
        // A canary moves past the tag, and nobody of the first wave has it any more.
        for name in ["a1", "a2"] {
            fleet.pinned.insert(key(name), of("3", "y"));
        }
        fleet.look();
        let expected = if look == Pipeline::Failed { "a1` failed" } else { "have to stay green" };
        assert!(waits(&fleet).contains(expected), "{look:?}: {}", waits(&fleet));
        fleet.hours(4);
        let expected = if look == Pipeline::Failed { "a1` failed" } else { "" };
        assert!(waits(&fleet).contains(expected), "{look:?}: {}", waits(&fleet));
        assert_eq!(waits(&fleet).is_empty(), look == Pipeline::Passed);
        fleet.hours(48);
        fleet.adoptions.retain(|held, _| *held != tag("2"));
        assert_eq!(waits(&fleet).is_empty(), look == Pipeline::Passed, "what they left is forgotten");
    }
}

#[test]
fn the_own_tag_of_those_who_stay_waits_for_those_who_went_on_from_it() {
    let mut fleet = fleet();
    fleet.ledger.note(tag("1"), digest('c'), fleet.now);
    for name in ["a1", "a2"] {
        fleet.pinned.insert(key(name), BTreeMap::from([(tag("2"), digests("x"))]));
    }
    fleet.look();
    fleet.green(&["a2"]);
    fleet.pipeline("a1", Pipeline::Failed);
    assert_eq!(fleet.waits("b1", 'c'), "", "nobody of that wave has the tag, and this policy follows to none");
    fleet.follow = Follow::Major;
    assert!(fleet.waits("b1", 'c').contains("a1` failed"), "{}", fleet.waits("b1", 'c'));
    let told = fleet.under_way().into_iter().find(|it| it.tag == tag("1")).unwrap();
    assert!(matches!(told.waves[0].blocked, Some(WaveCause::Failed(_))), "{told:?}");
}

#[test]
fn green_is_what_was_seen_to_be_so_when_the_time_was_over() {
    let mut fleet = fleet();
    fleet.hours(1);
    fleet.moves('c');
    fleet.pins(&["a1", "a2"], "c");
    fleet.green(&["a1", "a2"]);
    fleet.unseen_hours(24);
    assert!(fleet.waits("b1", 'c').contains("a1` stands is not known"), "{}", fleet.waits("b1", 'c'));
    fleet.pipeline("a1", Pipeline::Unknown);
    assert!(fleet.waits("b1", 'c').contains("a1` stands is not known"), "a forge that says nothing any more");
    fleet.pipeline("a1", Pipeline::Failed);
    assert!(fleet.waits("b1", 'c').contains("a1` failed"), "{}", fleet.waits("b1", 'c'));
    let mut fleet = self::fleet();
    fleet.hours(1);
    fleet.moves('c');
    fleet.pins(&["a1", "a2"], "c");
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    assert_eq!(fleet.waits("b1", 'c'), "");
}

#[test]
fn a_tag_is_left_once_no_pin_has_it_any_more() {
    let mut fleet = fleet();
    let of = |tags: &[&str]| tags.iter().map(|text| (tag(text), digests("x"))).collect::<BTreeMap<_, _>>();
    fleet.pinned.insert(key("a1"), of(&["1", "2"]));
    fleet.pinned.insert(key("a2"), of(&["2"]));
    fleet.look();
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    assert!(fleet.waits_leaving("b1", 'x', "1").contains("1 of its 2"), "another file has not followed");
    fleet.unseen_hours(1);
    fleet.pinned.insert(key("a1"), of(&["2"]));
    fleet.look();
    assert!(
        fleet.waits_leaving("b1", 'x', "1").contains("a1` has not passed"),
        "what it merged now was built by nobody"
    );
    fleet.green(&["a1"]);
    fleet.hours(23);
    assert!(fleet.waits_leaving("b1", 'x', "1").contains("have to stay green"));
    fleet.hours(1);
    assert_eq!(fleet.waits_leaving("b1", 'x', "1"), "");
}

#[test]
fn an_answer_lasts_until_the_facts_or_the_looks_are_others() {
    let mut fleet = fleet();
    fleet.advance.green_for = SignedDuration::ZERO;
    let mut waves = fleet.waves();
    let reached = |waves: &Waves, fleet: &Fleet, letter| {
        let (tag, digest, history) = (&tag("1"), &digest(letter), fleet.history());
        waves
            .reached(
                &key("b1"),
                WaveCandidate { tag, digest, left: None, follow: Follow::Digest, history, denied: &[] },
                fleet.now,
            )
            .is_ok()
    };
    assert!(!reached(&waves, &fleet, 'b'));
    let pinned = ["a1", "a2"].map(|name| (key(name), BTreeMap::from([(tag("1"), digests("c"))])));
    let changes = refrom::domain::waves::changes(&fleet.adoptions, &pinned.into());
    let green = BasePipeline::Green { since: fleet.now, seen: fleet.now };
    waves.note(&changes, ["a1", "a2"].map(|name| (key(name), green)), fleet.now);
    assert!(!reached(&waves, &fleet, 'b') && reached(&waves, &fleet, 'c'), "`c` was never seen yet");
    fleet.hours(1);
    fleet.moves('c');
    assert!(reached(&waves, &fleet, 'b'), "`c` came after it");
    let mut denied = waves.clone();
    fleet.takes_back('c');
    denied = denied.denying(fleet.taken_back.clone());
    assert!(!reached(&denied, &fleet, 'b') && reached(&waves, &fleet, 'b'));
}

#[test]
fn what_is_under_way_is_told_with_each_wave() {
    let mut fleet = fleet();
    fleet.pins(&["a1"], "b");
    let told = fleet.under_way();
    let [it] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((it.tag.clone(), it.digest, it.reached()), (tag("1"), digest('b'), 0));
    let counts: Vec<_> = it.waves.iter().map(|wave| (wave.wave.as_str(), wave.have, wave.of)).collect();
    assert_eq!(counts, [("canary", 1, 2), ("internal", 0, 1), ("rest", 0, 1)]);
    assert_eq!(it.waits().map(|wave| wave.wave.as_str()), Some("canary"));
    fleet.pins(&["a2", "b1"], "b");
    fleet.green(&ALL);
    fleet.hours(24);
    let told = fleet.under_way();
    assert_eq!((told[0].reached(), told[0].waits()), (2, None));
    fleet.pins(&["c1"], "b");
    assert_eq!(fleet.under_way(), []);
    fleet.moves('c');
    assert_eq!(fleet.under_way()[0].digest, digest('c'), "nobody has it yet");
}

#[test]
fn what_somebody_is_to_get_is_under_way_although_nobody_has_it() {
    let mut fleet = fleet();
    fleet.hours(1);
    fleet.moves('c');
    let digests = |fleet: &Fleet| fleet.under_way().iter().map(|it| it.digest).collect::<Vec<_>>();
    assert_eq!(digests(&fleet), [digest('c')], "the head, and nothing that nobody waits for");
    fleet.sought.push((tag("1"), digest('b'), None));
    assert_eq!(digests(&fleet), [digest('c'), digest('b')]);
    fleet.denied.push(DeniedDigest { digest: digest('b'), reason: None });
    assert_eq!(digests(&fleet), [digest('c')], "it goes nowhere");
}

#[test]
fn a_higher_tag_is_under_way_with_those_who_have_to_follow_first() {
    let mut fleet = fleet();
    fleet.ledger.note(tag("2"), digest('x'), fleet.now);
    fleet.sought.push((tag("2"), digest('x'), Some(tag("1"))));
    let of_higher = |fleet: &Fleet| fleet.under_way().into_iter().find(|it| it.tag == tag("2"));
    let it = of_higher(&fleet).unwrap();
    let counts: Vec<_> = it.waves.iter().map(|wave| (wave.wave.as_str(), wave.have, wave.of)).collect();
    assert_eq!(counts, [("canary", 0, 2), ("internal", 0, 1), ("rest", 0, 1)]);
    assert_eq!(it.waits().map(|wave| wave.wave.as_str()), Some("canary"));
    let followed = BTreeMap::from([(tag("2"), digests("x"))]);
    for name in ["a1", "a2"] {
        fleet.pinned.insert(key(name), followed.clone());
    }
    fleet.look();
    fleet.green(&["a1", "a2"]);
    fleet.hours(24);
    let it = of_higher(&fleet).unwrap();
    assert_eq!((it.waves[0].have, it.reached()), (2, 1), "the next wave may have it");
}
