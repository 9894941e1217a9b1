//! What holds of every fleet, whatever happens in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::policy::DeniedDigest;
use refrom::domain::pull_request::Pipeline;
use refrom::domain::waves::{WaveCandidate, WaveWait, Waves, changes};

use super::{Fleet, digest, key, tag};

const REPOSITORIES: [&str; 7] = ["a1", "a2", "b1", "b2", "b3", "c1", "c2"];
/// Of one image; pins may leave the first one for the second.
const TAGS: [&str; 2] = ["1", "2"];
/// The digests of each tag, in the order in which it moves to them.
const LETTERS: [[char; 6]; 2] = [['a', 'b', 'c', 'd', 'e', 'f'], ['A', 'B', 'C', 'D', 'E', 'F']];

/// Something that happens before the next look.
#[derive(Debug, Clone)]
enum Event {
    /// A tag moves to a digest that it never had.
    Move(usize),
    /// A repository merges the newest digest of its tag that has reached it.
    Merge(usize),
    /// It leaves its tag for the newest digest of the other one that has reached it.
    Follow(usize),
    /// Somebody pins a digest of a tag by hand.
    Pin(usize, usize, usize),
    /// Somebody writes a tag without a digest, which shall get one.
    Unpinned(usize, usize),
    Drop(usize),
    Pipeline(usize, Pipeline),
    Hours(i64),
    /// Somebody takes a digest back, for its tag or for all tags of the image.
    Deny(usize, usize, bool),
    /// Somebody writes a digest into everybody's policy.
    DenyByPolicy(usize, usize),
    AllowAll,
}

fn event() -> impl Strategy<Value = Event> {
    let repository = || 0..REPOSITORIES.len();
    let tag = || 0..TAGS.len();
    let letter = || 0..LETTERS[0].len();
    let pipeline = prop::sample::select(vec![
        Pipeline::Passed,
        Pipeline::Passed,
        Pipeline::Passed,
        Pipeline::Absent,
        Pipeline::Absent,
        Pipeline::Pending,
        Pipeline::Failed,
        Pipeline::Unknown,
    ]);
    prop_oneof![
        3 => tag().prop_map(Event::Move),
        10 => repository().prop_map(Event::Merge),
        2 => repository().prop_map(Event::Follow),
        1 => (repository(), tag(), letter()).prop_map(|(repository, tag, letter)| Event::Pin(repository, tag, letter)),
        1 => (repository(), tag()).prop_map(|(repository, tag)| Event::Unpinned(repository, tag)),
        1 => repository().prop_map(Event::Drop),
        10 => (repository(), pipeline).prop_map(|(repository, pipeline)| Event::Pipeline(repository, pipeline)),
        6 => (1..15_i64).prop_map(Event::Hours),
        1 => (tag(), letter(), any::<bool>()).prop_map(|(tag, letter, is_of_all)| Event::Deny(tag, letter, is_of_all)),
        1 => (tag(), letter()).prop_map(|(tag, letter)| Event::DenyByPolicy(tag, letter)),
        1 => Just(Event::AllowAll),
    ]
}

/// The pin of a repository: the index of its tag, and that of the letter among the tag's.
type Pin = (usize, Option<usize>);

/// What one look saw of a repository.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Timestamp,
    pin: Option<Pin>,
    pipeline: Option<Pipeline>,
    has_failed: bool,
}

/// A fleet with everything that was ever seen of it.
struct Told {
    fleet: Fleet,
    /// The same as one that was told what changed, look after look.
    noted: Waves,
    /// How many letters each tag had.
    moves: [usize; TAGS.len()],
    pins: [Option<Pin>; REPOSITORIES.len()],
    failed: [bool; REPOSITORIES.len()],
    log: [Vec<Seen>; REPOSITORIES.len()],
}

impl Told {
    fn new(merged_percent: u8, green_for: i64) -> Self {
        let fleet = Fleet::new(merged_percent, SignedDuration::from_hours(green_for));
        let mut told = Self {
            noted: fleet.waves(),
            fleet,
            moves: [0; TAGS.len()],
            pins: [Some((0, Some(0))); REPOSITORIES.len()],
            failed: [false; REPOSITORIES.len()],
            log: Default::default(),
        };
        for of in 0..TAGS.len() {
            told.happen(&Event::Move(of));
        }
        told
    }

    fn happen(&mut self, event: &Event) {
        // No two looks are at once, and no two digests are first seen so.
        self.fleet.now += SignedDuration::from_secs(1);
        let mut looked = None;
        match *event {
            Event::Move(of) if self.moves[of] < LETTERS[of].len() => {
                let new = digest(LETTERS[of][self.moves[of]]);
                self.fleet.ledger.note(tag(TAGS[of]), new, self.fleet.now);
                self.moves[of] += 1;
            }
            Event::Move(_) => {}
            Event::Merge(repository) => {
                if let Some((of, letter)) = self.pins[repository] {
                    self.pins[repository] = Some((of, letter.max(self.newest(repository, of))));
                }
            }
            Event::Follow(repository) => {
                if let Some((0, _)) = self.pins[repository]
                    && let Some(newest) = self.newest(repository, 1)
                {
                    self.pins[repository] = Some((1, Some(newest)));
                }
            }
            Event::Pin(repository, of, letter) => {
                self.pins[repository] = Some((of, Some(letter.min(self.moves[of] - 1))));
            }
            Event::Unpinned(repository, of) => self.pins[repository] = Some((of, None)),
            Event::Drop(repository) => self.pins[repository] = None,
            Event::Pipeline(repository, pipeline) => {
                self.fleet.pipeline(REPOSITORIES[repository], pipeline);
                looked = Some((repository, pipeline));
                match pipeline {
                    Pipeline::Failed => self.failed[repository] = true,
                    Pipeline::Passed => self.failed[repository] = false,
                    Pipeline::Absent | Pipeline::Pending | Pipeline::Unknown => {}
                }
            }
            Event::Hours(hours) => self.fleet.hours(hours),
            Event::Deny(of, letter, is_of_all) => {
                let own = tag(TAGS[of]);
                self.fleet.taken_back.push(Denial {
                    image: own.image,
                    tag: (!is_of_all).then_some(own.tag),
                    digest: digest(LETTERS[of][letter]),
                    to: None,
                    reason: "it is slow".to_owned(),
                    at: self.fleet.now,
                });
            }
            Event::DenyByPolicy(of, letter) => {
                self.fleet.denied.push(DeniedDigest { digest: digest(LETTERS[of][letter]), reason: None });
            }
            Event::AllowAll => {
                self.fleet.taken_back.clear();
                self.fleet.denied.clear();
            }
        }
        self.look(looked);
    }

    /// The newest digest of a tag that has reached a repository, and that nobody denies.
    fn newest(&self, repository: usize, of: usize) -> Option<usize> {
        let waves = self.fleet.waves();
        let may_come =
            |letter: &usize| !self.is_denied(of, *letter) && self.reached(&waves, (repository, of), *letter).is_ok();
        (0..self.moves[of]).rev().find(may_come)
    }

    fn is_denied(&self, of: usize, letter: usize) -> bool {
        let denied = digest(LETTERS[of][letter]);
        self.fleet.taken_back.iter().any(|it| it.digest == denied)
            || self.fleet.denied.iter().any(|it| it.digest == denied)
    }

    fn reached(&self, waves: &Waves, (repository, of): (usize, usize), letter: usize) -> Result<(), WaveWait> {
        let (tag, digest) = (&tag(TAGS[of]), &digest(LETTERS[of][letter]));
        let candidate =
            WaveCandidate { tag, digest, history: self.fleet.ledger.history(tag), denied: &self.fleet.denied };
        waves.reached(&key(REPOSITORIES[repository]), candidate, self.fleet.now)
    }

    fn look(&mut self, looked: Option<(usize, Pipeline)>) {
        for (index, name) in REPOSITORIES.iter().enumerate() {
            let digests = |(of, letter): Pin| {
                let digests: BTreeSet<Option<Digest>> = [letter.map(|letter| digest(LETTERS[of][letter]))].into();
                (tag(TAGS[of]), digests)
            };
            let pins: BTreeMap<_, _> = self.pins[index].map(digests).into_iter().collect();
            self.fleet.pinned.insert(key(name), pins);
            let pipeline = looked.filter(|(repository, _)| *repository == index).map(|(_, pipeline)| pipeline);
            let seen = Seen { at: self.fleet.now, pin: self.pins[index], pipeline, has_failed: self.failed[index] };
            self.log[index].push(seen);
        }
        let changed = changes(&self.noted.facts().adoptions, &self.fleet.pinned);
        self.noted.note(&changed, self.fleet.pipelines.clone(), self.fleet.now);
        if self.noted.facts().denied != self.fleet.taken_back {
            self.noted = std::mem::take(&mut self.noted).denying(self.fleet.taken_back.clone());
        }
        self.fleet.look();
    }

    /// Whether a pin is at a letter, or at a later one that nobody denies.
    fn is_at(&self, pin: Option<Pin>, (of, letter): (usize, usize)) -> bool {
        matches!(pin, Some((its, Some(had))) if its == of
            && (had == letter || had > letter && !self.is_denied(of, had)))
    }

    /// Whether a repository was at this letter or a later one, without a failure, for as long as is asked for, and its
    /// pipeline passed since it is there, or there never was one.
    fn has_proved(&self, repository: usize, goal: (usize, usize)) -> bool {
        let is_good = |seen: &Seen| self.is_at(seen.pin, goal) && !seen.has_failed;
        let from = self.fleet.now - self.fleet.advance.green_for;
        let log = &self.log[repository];
        // What held when that time began, and everything since.
        let first = log.iter().rposition(|seen| seen.at <= from);
        let was_good = first.is_some_and(|first| log[first..].iter().all(is_good));
        let stay = log.iter().rev().take_while(|seen| self.is_at(seen.pin, goal));
        let has_any =
            log.iter().any(|seen| !matches!(seen.pipeline, None | Some(Pipeline::Absent | Pipeline::Unknown)));
        let proof = if has_any { Pipeline::Passed } else { Pipeline::Absent };
        let has_proof = stay.into_iter().any(|seen| seen.pipeline == Some(proof));
        was_good && has_proof
    }

    /// Holds every answer against the log, which knows nothing of adoptions.
    fn check(&self) -> Result<(), TestCaseError> {
        let (all, again) = (self.fleet.waves(), self.fleet.waves());
        let names: Vec<&str> = all.names().collect();
        for (index, name) in REPOSITORIES.iter().enumerate() {
            let wave = wave_of(index);
            for of in 0..TAGS.len() {
                for letter in 0..self.moves[of] {
                    let reached = self.reached(&all, (index, of), letter);
                    prop_assert_eq!(&reached, &self.reached(&again, (index, of), letter), "the same inputs");
                    prop_assert_eq!(&reached, &self.reached(&self.noted, (index, of), letter), "however it was told");
                    let Err(wait) = reached else {
                        self.check_reached(index, (of, letter))?;
                        continue;
                    };
                    let waited_for = names.iter().position(|name| **name == *wait.wave);
                    prop_assert!(waited_for < Some(wave), "{} waits for {:?}", name, wait);
                }
            }
        }
        Ok(())
    }

    fn check_reached(&self, repository: usize, goal: (usize, usize)) -> Result<(), TestCaseError> {
        // Who gets the tag leaves the one that it has, and waits for those who did not.
        let counts = |pin: Option<Pin>| match (pin, self.pins[repository]) {
            (Some((of, _)), Some((own, _))) => of == goal.0 || own != goal.0 && of == own,
            (Some((of, _)), None) => of == goal.0,
            (None, _) => false,
        };
        for earlier in 0..wave_of(repository) {
            let members = (0..REPOSITORIES.len()).filter(|index| wave_of(*index) == earlier);
            let followers: Vec<usize> = members.filter(|index| counts(self.pins[*index])).collect();
            let adopted = followers.iter().filter(|index| self.is_at(self.pins[**index], goal));
            prop_assert!(adopted.clone().all(|index| !self.failed[*index]), "a failure stops");
            let proved = adopted.filter(|index| self.has_proved(**index, goal)).count();
            let percent = usize::from(self.fleet.advance.merged_percent);
            prop_assert!(proved * 100 >= followers.len() * percent, "{proved} of {followers:?} in wave {earlier}");
        }
        Ok(())
    }
}

fn wave_of(repository: usize) -> usize {
    usize::from(REPOSITORIES[repository].as_bytes()[0] - b'a')
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// With digests that are taken back, pins without a digest, tags that are left, and pipelines of every state.
    #[test]
    fn waves_never_overtake(
        percent in prop::sample::select(vec![1, 34, 50, 100, 100]),
        green_for in 0..30_i64,
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut told = Told::new(percent, green_for);
        for event in &events {
            told.happen(event);
            told.check()?;
        }
    }

}

proptest! {
    // Each case has a week of hours.
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// With pipelines that pass and people who merge, what stays eligible reaches everybody, however often the tag moves.
    #[test]
    fn nobody_starves_behind_a_tag_that_moves(hours_between_moves in 1..40_i64, green_for in 0..30_i64) {
        let mut told = Told::new(100, green_for);
        let mut last_move = 0;
        for hour in 0..168 {
            if hour - last_move >= hours_between_moves {
                told.happen(&Event::Move(0));
                last_move = hour;
            }
            for repository in 0..REPOSITORIES.len() {
                told.happen(&Event::Merge(repository));
                told.happen(&Event::Pipeline(repository, Pipeline::Passed));
            }
            told.happen(&Event::Hours(1));
            // What moved this long ago has passed two waves.
            let old = (hour - 2 * green_for - 3) / hours_between_moves;
            let expected = usize::try_from(old.max(0)).unwrap().min(told.moves[0] - 1);
            let is_there = |pin: &Option<Pin>| matches!(pin, Some((0, Some(letter))) if *letter >= expected);
            prop_assert!(told.pins.iter().all(is_there), "{:?} < {expected}", told.pins);
        }
    }
}
