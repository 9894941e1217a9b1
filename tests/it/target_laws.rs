//! What holds of every choice, whatever was seen before.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::candidates::{RepositoryKey, Unanswered, Unknown};
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind};
use refrom::domain::ledger::Sighting;
use refrom::domain::pattern::Pattern;
use refrom::domain::policy::{DeniedDigest, Follow};
use refrom::domain::proposal::{NoImage, Pin};
use refrom::domain::reference::{Tag, TagRef};
use refrom::domain::waves::{Adoption, Advance, BasePipeline, Wave, WaveCandidate, WaveFacts, Waves};

use crate::laws::law;
use crate::plan_world::{digest, letter};
use crate::target::{Bench, asked, hours, repository};

/// How often the tags of these laws are looked at.
const LOOK_HOURS: i64 = 1;

fn canary() -> RepositoryKey {
    RepositoryKey { name: "acme/canary".parse().unwrap(), ..repository() }
}

/// `acme/canary` comes first; it has this digest since the beginning.
fn waves(of_canary: char, bench: &Bench) -> Waves {
    let wave = |name: &str, pattern| Wave { name: name.to_owned(), repositories: vec![Pattern::new(pattern).unwrap()] };
    let adoption = Adoption { digest: Some(digest(of_canary)), since: bench.now, until: None };
    let facts = WaveFacts {
        adoptions: [(asked(), [(canary(), vec![adoption])].into())].into(),
        pipelines: [(canary(), BasePipeline::Green { since: bench.now, seen: bench.now })].into(),
        ..WaveFacts::default()
    };
    let advance = Advance { merged_percent: 100, green_for: SignedDuration::ZERO };
    Waves::new(vec![wave("canary", "acme/canary"), wave("rest", "**")], advance, facts)
}

/// The pin of these laws that follows versions.
const OWN: &str = "1.2.3";
/// Other tags of its image with the numbers of those that have its shape.
const OTHERS: [(&str, Option<[u32; 3]>); 14] = [
    ("1.2.2", Some([1, 2, 2])),
    ("1.2.4", Some([1, 2, 4])),
    ("1.2.10", Some([1, 2, 10])),
    ("1.1.9", Some([1, 1, 9])),
    ("1.3.0", Some([1, 3, 0])),
    ("0.9.9", Some([0, 9, 9])),
    ("2.0.0", Some([2, 0, 0])),
    ("3.1.4", Some([3, 1, 4])),
    ("1.3", None),
    ("1.3.0.1", None),
    ("v1.3.0", None),
    ("1.3.0-alpine", None),
    ("1.3.0-rc1", None),
    ("latest", None),
];

/// Whether a pin at [`OWN`] may get this tag.
fn is_allowed(tag: &str, follow: Follow) -> bool {
    let Some(parts) = OTHERS.iter().find(|(other, _)| *other == tag).and_then(|(_, parts)| *parts) else {
        return false;
    };
    let kept = match follow {
        Follow::Digest => return false,
        Follow::Patch => 2,
        Follow::Minor => 1,
        Follow::Major => 0,
    };
    parts > [1, 2, 3] && parts[..kept] == [1, 2, 3][..kept]
}

/// A tag beside the pin's, what is wrong with it, and its digests, each with what is wrong with that.
type OtherTag = ((&'static str, Option<[u32; 3]>), Option<Unanswered>, Vec<Wrong>);

/// What may be wrong with a digest.
#[derive(Debug, Clone)]
enum Wrong {
    Nothing,
    Image(Box<Result<Image, NoImage>>),
    Mirror(Result<bool, Unanswered>),
    Denied,
}

fn wrong() -> impl Strategy<Value = Wrong> {
    let unknown = || Unknown { reason: "HTTP 500".to_owned() };
    let small = |kind| Ok(Image::bare(digest('?'), kind));
    let images = [
        Err(NoImage::Gone),
        Err(NoImage::HeldBack("scan pending".to_owned())),
        Err(NoImage::Unknown(unknown())),
        small(ManifestKind::Image),
        small(ManifestKind::Index),
    ];
    let images = images.map(|image| Wrong::Image(Box::new(image))).into_iter();
    let held_back = Unanswered::HeldBack("vulnerable".to_owned());
    let of_mirror = [Ok(false), Err(Unanswered::Unknown(unknown())), Err(held_back)].map(Wrong::Mirror);
    let others = [Wrong::Nothing, Wrong::Denied].into_iter().chain(of_mirror);
    prop::sample::select(images.chain(others).collect::<Vec<_>>())
}

fn other_tags() -> impl Strategy<Value = Vec<OtherTag>> {
    let unknown = Unanswered::Unknown(Unknown { reason: "HTTP 500".to_owned() });
    let answers =
        vec![None, None, None, Some(Unanswered::Gone), Some(unknown), Some(Unanswered::HeldBack("no".to_owned()))];
    let other =
        (prop::sample::select(OTHERS.to_vec()), prop::sample::select(answers), prop::collection::vec(wrong(), 1..8));
    // Each tag once.
    let by_text =
        |others: Vec<OtherTag>| others.into_iter().map(|other| (other.0.0, other)).collect::<BTreeMap<_, _>>();
    prop::collection::vec(other, 0..6).prop_map(move |others| by_text(others).into_values().collect())
}

/// The same with these tags, whose digests came one an hour until now.
fn beside(own: &Bench, others: &[OtherTag]) -> Bench {
    let mut bench = own.clone();
    for ((text, _), answer, digests) in others {
        let tag: Tag = text.parse().unwrap();
        for (hours_ago, (number, wrong)) in (0..digests.len()).rev().zip(digests.iter().enumerate()) {
            let head = Digest::of(format!("{text} {number}").as_bytes());
            bench.now = own.now - hours(i64::try_from(hours_ago).unwrap());
            bench.also(&tag, head);
            match wrong {
                Wrong::Nothing => {}
                Wrong::Image(image) => {
                    let image = Result::clone(image).map(|image| Image { digest: head, ..image });
                    bench.images.insert(head, image);
                }
                Wrong::Mirror(answer) => drop(bench.mirrored.insert(head, answer.clone())),
                Wrong::Denied => bench.policy.denied.push(DeniedDigest { digest: head, reason: None }),
            }
        }
        if let Some(unanswered) = answer {
            bench.knowledge.observations.insert(TagRef { tag, ..bench.asked() }, Err(unanswered.clone()));
        }
    }
    bench.now = own.now;
    bench
}

/// A mirror copies the head at two in the night, and repositories have their turn at noon.
const COPIED_AT: i64 = 2;
const TURN_AT: i64 = 12;

proptest! {
    #![proptest_config(law(300))]

    #[test]
    fn nothing_is_proposed_that_a_rule_forbids(
        looks in prop::collection::vec((1..5_i64, prop::char::range('a', 'h')), 1..20),
        pinned in prop::char::range('a', 'i'),
        rules in (0..8_i64, 0..4_i64),
        denied in prop::collection::btree_set(prop::char::range('a', 'h'), 0..3),
        of_canary in prop::option::of(prop::char::range('a', 'h')),
        before in 0..6_usize,
    ) {
        // In the first looks nobody has a pin.
        let mut bench = Bench::at(pinned);
        let mut pinned_since = None;
        (bench.policy.min_age, bench.policy.settle) = (hours(rules.0), hours(rules.1));
        let denial = |letter: &char| DeniedDigest { digest: digest(*letter), reason: None };
        bench.policy.denied = denied.iter().map(denial).collect();
        if let Some(of_canary) = of_canary {
            bench.knowledge.waves = waves(of_canary, &bench);
        }
        for (look, (hours, head)) in looks.into_iter().enumerate() {
            bench.pinned = (look >= before).then(|| digest(pinned));
            bench.after(hours, digest(head));
            if bench.pinned.is_none() {
                continue;
            }
            let since = *pinned_since.get_or_insert(bench.now);
            let (choice, _) = bench.chosen();
            prop_assert_eq!(&bench.chosen().0, &choice, "the same inputs");
            let Ok(pin) = bench.target() else { continue };
            let (history, new) = (bench.history(), pin.new);
            let seen = history.sighting(&new).copied();
            prop_assert!(seen.is_some(), "never seen");
            let seen = seen.unwrap();
            prop_assert!(new != digest(pinned) && !denied.contains(&letter(&new)));
            prop_assert!(!history.is_withdrawn(&new) && !history.is_backwards(&digest(pinned), &new));
            // Of a digest that the tag was never seen at, nobody knows what came before it.
            let is_head = history.head().is_some_and(|head| head.digest == new);
            let is_seen = history.sighting(&digest(pinned)).is_some();
            prop_assert!(is_seen || is_head || seen.first_seen >= since);
            prop_assert!(bench.now.duration_since(seen.first_seen) >= bench.policy.min_age);
            prop_assert!(seen.last_seen.duration_since(seen.first_seen) >= bench.policy.settle);
            let reached = |digest: &Digest| {
                let (tag, history, denied) = (&asked(), Some(history), bench.policy.denied.as_slice());
                let candidate = WaveCandidate { tag, digest, left: None, follow: Follow::Digest, history, denied };
                bench.knowledge.waves.reached(&repository(), candidate, bench.now)
            };
            prop_assert_eq!(reached(&new), Ok(()));
            // And nothing newer would have passed.
            let passes = |it: &&Sighting| {
                it.first_seen > seen.first_seen
                    && (is_seen || it.first_seen >= since)
                    && it.digest != digest(pinned)
                    && !history.is_withdrawn(&it.digest)
                    && !denied.contains(&letter(&it.digest))
                    && bench.now.duration_since(it.first_seen) >= bench.policy.min_age
                    && it.has_settled(bench.policy.settle)
                    && reached(&it.digest).is_ok()
            };
            prop_assert_eq!(history.sightings().iter().find(passes), None, "newer than {:?}", pin);
        }
    }

    /// People merge when they like. Whatever the pin is at, what came after it is never older than `min_age` and one look
    /// without being proposed; also from an empty store, and with a pin that nobody ever saw the tag at.
    #[test]
    fn a_tag_that_moves_every_hour_starves_nobody_by_its_age(
        min_age in 0..120_i64, merges in prop::collection::vec(any::<bool>(), 24 * 7)
    ) {
        let mut bench = Bench::at('z');
        bench.policy.min_age = hours(min_age);
        let mut waiting_since = bench.now + hours(LOOK_HOURS);
        for (hour, merge) in merges.into_iter().enumerate() {
            bench.after(LOOK_HOURS, Digest::of(format!("build {hour}").as_bytes()));
            match bench.target() {
                Ok(pin) => {
                    if merge {
                        bench.pinned = Some(pin.new);
                        let next = bench.history().sightings().iter().find(|it| {
                            it.first_seen > bench.history().sighting(&pin.new).unwrap().first_seen
                        });
                        waiting_since = next.map_or(bench.now + hours(LOOK_HOURS), |next| next.first_seen);
                    }
                }
                Err(reason) => {
                    let waits = bench.now.duration_since(waiting_since);
                    prop_assert!(waits < hours(min_age + LOOK_HOURS), "{} for {:?}", waits, reason);
                }
            }
        }
    }

    /// Some heads stay for long and some do not. What stays as long as `settle` asks is proposed in the very look that
    /// proves it.
    #[test]
    fn what_stays_the_head_for_long_enough_is_proposed(
        settle in 0..6_i64, stays in prop::collection::vec(1..9_i64, 1..30)
    ) {
        let mut bench = Bench::at('z');
        bench.policy.settle = hours(settle);
        for (build, looks) in stays.into_iter().enumerate() {
            for look in 0..looks {
                let head = Digest::of(format!("build {build}").as_bytes());
                bench.after(LOOK_HOURS, head);
                if look * LOOK_HOURS >= settle {
                    let target = bench.target().map(|pin| pin.new);
                    prop_assert_eq!(target, Ok(head), "{} looks at build {}", look + 1, build);
                }
            }
        }
    }

    /// Whatever higher tags are like, a pin that follows them gets one that it may have, or what it would get without
    /// following.
    #[test]
    fn a_pin_gets_only_tags_that_follow_allows_and_its_own_tag_starves_by_none(
        looks in prop::collection::vec((1..5_i64, prop::char::range('a', 'h')), 1..12),
        pinned in prop::char::range('a', 'i'),
        min_age in 0..4_i64,
        others in other_tags(),
        follow in prop::sample::select(Follow::ALL.to_vec()),
    ) {
        let mut own = Bench::at(pinned);
        own.tag = OWN.parse().unwrap();
        own.policy.min_age = hours(min_age);
        for (hours, head) in looks {
            own.after(hours, digest(head));
        }
        let mut bench = beside(&own, &others);
        bench.policy.follow = follow;
        let (alone, found) = (own.target(), bench.target());
        match found {
            Ok(Pin { new_tag: Some(tag), new, .. }) => {
                prop_assert!(is_allowed(tag.as_str(), follow), "{:?} to {}", follow, tag);
                let asked = TagRef { tag: tag.clone(), ..bench.asked() };
                let seen = bench.knowledge.ledger.history(&asked).unwrap().sighting(&new).copied();
                prop_assert!(seen.is_some_and(|it| bench.now.duration_since(it.first_seen) >= hours(min_age)));
                let is_fine = |(number, wrong): (usize, &Wrong)| {
                    matches!(wrong, Wrong::Nothing) && new == Digest::of(format!("{tag} {number}").as_bytes())
                };
                let mut digests = others.iter().filter(|((text, _), ..)| *text == tag.as_str());
                prop_assert!(digests.any(|(_, _, digests)| digests.iter().enumerate().any(is_fine)));
            }
            Ok(pin) => prop_assert_eq!(alone.map(|pin| pin.new), Ok(pin.new)),
            Err(reason) => prop_assert!(alone.is_err(), "{:?} keeps {:?} back", reason, alone),
        }
    }

    /// The highest tags are always too young, or have not settled: the highest of those that are old enough is proposed,
    /// whatever comes above it, and few of them are asked for.
    #[test]
    fn a_pin_that_follows_starves_by_no_tags_that_come_all_the_time(
        (min_age, settle) in (0..30_i64, 0..30_i64),
        looks in prop::collection::vec((0..=2_i64, any::<bool>()), 48)
    ) {
        let version = |number: i64| format!("9.6-{}", 1_754_000_000 + number).parse::<Tag>().unwrap();
        let mut bench = Bench::at('a');
        bench.tag = version(0);
        (bench.policy.follow, bench.policy.min_age, bench.policy.settle) = (Follow::Patch, hours(min_age), hours(settle));
        let (mut at, mut published) = (0, Vec::new());
        for (new, merge) in looks {
            bench.after(LOOK_HOURS, bench.pinned.unwrap());
            for _ in 0..new {
                published.push(bench.now);
                bench.lists(version(i64::try_from(published.len()).unwrap()));
            }
            prop_assert!(bench.asks_for_higher_tags() <= 6);
            let is_old_enough = |seen: &Timestamp| bench.now.duration_since(*seen) >= hours(min_age.max(settle));
            let expected = published.iter().rposition(is_old_enough).map_or(0, |index| i64::try_from(index).unwrap() + 1);
            let expected = Some(version(expected)).filter(|_| expected > at).ok_or(());
            let found = bench.target().map(|pin| pin.new_tag.unwrap());
            prop_assert_eq!(found.as_ref().map_err(drop), expected.as_ref().map_err(drop), "{:?}", found);
            if let Ok(tag) = found.as_ref().ok().filter(|_| merge).ok_or(()) {
                at = (1..).find(|number| version(*number) == *tag).unwrap();
                (bench.tag, bench.pinned) = (tag.clone(), Some(Bench::only(tag)));
            }
        }
    }

    #[test]
    fn a_mirror_that_copies_at_night_starves_nobody_under_a_tag_that_moves_every_hour(
        min_age in 0..24_i64, days in 2..5_i64, merges in prop::collection::vec(any::<bool>(), 5)
    ) {
        let mut bench = Bench::at('z');
        bench.policy.min_age = hours(min_age);
        let mut copied = Vec::new();
        for hour in 0..24 * days {
            let head = Digest::of(format!("build {hour}").as_bytes());
            bench.after(1, head);
            bench.mirrored.insert(head, Ok(hour % 24 == COPIED_AT));
            if hour % 24 == COPIED_AT {
                copied.push((head, bench.now));
            }
            if hour % 24 == TURN_AT {
                bench.knowledge.evidence.clear();
                let is_old_enough = |(_, at): &&(Digest, Timestamp)| bench.now.duration_since(*at) >= hours(min_age);
                let expected = copied.iter().rfind(is_old_enough).map(|(head, _)| *head);
                let expected = expected.filter(|head| Some(*head) != bench.pinned);
                let target = bench.target().map(|pin| pin.new);
                prop_assert_eq!(target.as_ref().ok().copied(), expected, "on day {}: {:?}", hour / 24, target);
                let is_merged = merges[usize::try_from(hour / 24).unwrap()];
                bench.pinned = expected.filter(|_| is_merged).or(bench.pinned);
            }
        }
    }
}
