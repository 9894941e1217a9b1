//! What holds of every choice, whatever was seen before.

use jiff::SignedDuration;
use proptest::prelude::*;
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::ledger::Sighting;
use refrom::domain::pattern::Pattern;
use refrom::domain::policy::DeniedDigest;
use refrom::domain::waves::{Adoption, Advance, BasePipeline, Wave, WaveFacts, Waves};

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
    let adoption = Adoption { digest: digest(of_canary), since: bench.now, until: None };
    let facts = WaveFacts {
        adoptions: [(asked(), [(canary(), vec![adoption])].into())].into(),
        pipelines: [(canary(), BasePipeline::Green { since: bench.now, seen: bench.now })].into(),
        ..WaveFacts::default()
    };
    let advance = Advance { merged_percent: 100, green_for: SignedDuration::ZERO };
    Waves::new(vec![wave("canary", "acme/canary"), wave("rest", "**")], advance, facts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_proposed_that_a_rule_forbids(
        looks in prop::collection::vec((1..5_i64, prop::char::range('a', 'h')), 1..20),
        pinned in prop::char::range('a', 'i'),
        rules in (0..8_i64, 0..4_i64),
        denied in prop::collection::btree_set(prop::char::range('a', 'h'), 0..3),
        of_canary in prop::option::of(prop::char::range('a', 'h')),
    ) {
        let mut bench = Bench::at(pinned);
        (bench.policy.min_age, bench.policy.settle) = (hours(rules.0), hours(rules.1));
        let denial = |letter: &char| DeniedDigest { digest: digest(*letter), reason: None };
        bench.policy.denied = denied.iter().map(denial).collect();
        if let Some(of_canary) = of_canary {
            bench.knowledge.waves = waves(of_canary, &bench);
        }
        for (hours, head) in looks {
            bench.after(hours, digest(head));
            let (choice, _) = bench.chosen();
            prop_assert_eq!(&bench.chosen().0, &choice, "the same inputs");
            let Ok(pin) = bench.target() else { continue };
            let (history, new) = (bench.history(), pin.new);
            let seen = history.sighting(&new).copied();
            prop_assert!(seen.is_some(), "never seen");
            let seen = seen.unwrap();
            prop_assert!(new != digest(pinned) && !denied.contains(&letter(&new)));
            prop_assert!(!history.is_withdrawn(&new) && !history.is_backwards(&digest(pinned), &new));
            prop_assert!(bench.now.duration_since(seen.first_seen) >= bench.policy.min_age);
            prop_assert!(seen.last_seen.duration_since(seen.first_seen) >= bench.policy.settle);
            let reached = bench.knowledge.waves.reached(&repository(), &asked(), (&new, Some(history)), bench.now);
            prop_assert_eq!(reached, Ok(()));
            // And nothing newer would have passed.
            let passes = |it: &&Sighting| {
                it.first_seen > seen.first_seen
                    && it.digest != digest(pinned)
                    && !history.is_withdrawn(&it.digest)
                    && !denied.contains(&letter(&it.digest))
                    && bench.now.duration_since(it.first_seen) >= bench.policy.min_age
                    && it.has_settled(bench.policy.settle)
                    && bench.knowledge.waves.reached(&repository(), &asked(), (&it.digest, Some(history)), bench.now).is_ok()
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
}
