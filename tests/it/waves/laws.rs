//! What holds of every fleet, whatever happens in it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::policy::{DeniedDigest, Follow};
use refrom::domain::pull_request::Pipeline;
use refrom::domain::waves::{WaveCandidate, WaveCause, WaveWait, Waves, changes};

use super::{Fleet, digest, key, tag};
use crate::laws::law;

const REPOSITORIES: [&str; 7] = ["a1", "a2", "b1", "b2", "b3", "c1", "c2"];
/// Of one image; pins may leave each for the next one.
const TAGS: [&str; 3] = ["1", "2", "3"];
/// How many pins a repository has at most.
const PINS: usize = 2;
/// The digests of each tag, in the order in which it moves to them.
const LETTERS: [[char; 6]; TAGS.len()] =
    [['a', 'b', 'c', 'd', 'e', 'f'], ['A', 'B', 'C', 'D', 'E', 'F'], ['u', 'v', 'w', 'x', 'y', 'z']];

/// The indices of a repository and of its pin.
type Place = (usize, usize);

/// Something that happens before the next look.
#[derive(Debug, Clone)]
enum Event {
    /// A tag moves to a digest that it never had.
    Move(usize),
    /// A repository merges the newest digest of a pin's tag that has reached it.
    Merge(Place),
    /// A pin leaves its tag for the newest digest of the next one that has reached it.
    Follow(Place),
    /// Somebody pins a digest of a tag by hand.
    Pin(Place, usize, usize),
    /// Somebody writes a tag without a digest, which shall get one.
    Unpinned(Place, usize),
    Drop(Place),
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
    let place = || (repository(), 0..PINS);
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
        10 => place().prop_map(Event::Merge),
        4 => place().prop_map(Event::Follow),
        3 => (place(), tag(), letter()).prop_map(|(place, tag, letter)| Event::Pin(place, tag, letter)),
        1 => (place(), tag()).prop_map(|(place, tag)| Event::Unpinned(place, tag)),
        1 => place().prop_map(Event::Drop),
        10 => (repository(), pipeline).prop_map(|(repository, pipeline)| Event::Pipeline(repository, pipeline)),
        6 => (1..15_i64).prop_map(Event::Hours),
        1 => (tag(), letter(), any::<bool>()).prop_map(|(tag, letter, is_of_all)| Event::Deny(tag, letter, is_of_all)),
        1 => (tag(), letter()).prop_map(|(tag, letter)| Event::DenyByPolicy(tag, letter)),
        1 => Just(Event::AllowAll),
    ]
}

/// A pin: the index of its tag, and that of the letter among the tag's.
type Pin = (usize, Option<usize>);

type Pins = [Option<Pin>; PINS];

/// What a pin may move to: the indices of the tag and of the letter among the tag's, and of the tag that it leaves.
type Goal = (usize, usize, Option<usize>);

/// What one look saw of a repository.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Timestamp,
    pins: Pins,
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
    pins: [Pins; REPOSITORIES.len()],
    failed: [bool; REPOSITORIES.len()],
    log: [Vec<Seen>; REPOSITORIES.len()],
}

impl Told {
    fn new(merged_percent: u8, green_for: i64, follow: Follow) -> Self {
        let fleet = Fleet { follow, ..Fleet::new(merged_percent, SignedDuration::from_hours(green_for)) };
        let mut told = Self {
            noted: fleet.waves(),
            fleet,
            moves: [0; TAGS.len()],
            pins: [[Some((0, Some(0))), None]; REPOSITORIES.len()],
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
            Event::Merge((repository, pin)) => {
                if let Some((of, letter)) = self.pins[repository][pin] {
                    self.pins[repository][pin] = Some((of, letter.max(self.newest(repository, (of, None)))));
                }
            }
            Event::Follow((repository, pin)) => {
                if let Some((of, _)) = self.pins[repository][pin]
                    && of + 1 < TAGS.len()
                    && let Some(newest) = self.newest(repository, (of + 1, Some(of)))
                {
                    self.pins[repository][pin] = Some((of + 1, Some(newest)));
                }
            }
            Event::Pin((repository, pin), of, letter) => {
                self.pins[repository][pin] = Some((of, Some(letter.min(self.moves[of] - 1))));
            }
            Event::Unpinned((repository, pin), of) => self.pins[repository][pin] = Some((of, None)),
            Event::Drop((repository, pin)) => self.pins[repository][pin] = None,
            Event::Pipeline(repository, pipeline) => {
                self.fleet.pipeline(REPOSITORIES[repository], pipeline);
                looked = Some((repository, pipeline));
                match pipeline {
                    Pipeline::Failed => self.failed[repository] = true,
                    Pipeline::Passed => self.failed[repository] = false,
                    Pipeline::Absent | Pipeline::Pending | Pipeline::Unknown => {}
                }
            }
            Event::Hours(hours) => self.fleet.unseen_hours(hours),
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

    /// The newest digest of a tag that has reached a repository whose pin leaves the other one, and that nobody denies.
    fn newest(&self, repository: usize, (of, left): (usize, Option<usize>)) -> Option<usize> {
        let waves = self.fleet.waves();
        let may_come = |letter: &usize| {
            !self.is_denied(of, *letter) && self.reached(&waves, repository, (of, *letter, left)).is_ok()
        };
        (0..self.moves[of]).rev().find(may_come)
    }

    fn is_denied(&self, of: usize, letter: usize) -> bool {
        let denied = digest(LETTERS[of][letter]);
        self.fleet.taken_back.iter().any(|it| it.digest == denied)
            || self.fleet.denied.iter().any(|it| it.digest == denied)
    }

    fn reached(&self, waves: &Waves, repository: usize, (of, letter, left): Goal) -> Result<(), WaveWait> {
        let (tag, digest, left) = (&tag(TAGS[of]), &digest(LETTERS[of][letter]), left.map(|left| tag(TAGS[left])));
        let (left, history) = (left.as_ref(), self.fleet.ledger.history(tag));
        let candidate =
            WaveCandidate { tag, digest, left, follow: self.fleet.follow, history, denied: &self.fleet.denied };
        waves.reached(&key(REPOSITORIES[repository]), candidate, self.fleet.now)
    }

    fn look(&mut self, looked: Option<(usize, Pipeline)>) {
        for (index, name) in REPOSITORIES.iter().enumerate() {
            let mut pins: BTreeMap<_, BTreeSet<Option<Digest>>> = BTreeMap::new();
            for (of, letter) in self.pins[index].into_iter().flatten() {
                let digest = letter.map(|letter| digest(LETTERS[of][letter]));
                pins.entry(tag(TAGS[of])).or_default().insert(digest);
            }
            self.fleet.pinned.insert(key(name), pins);
            let pipeline = looked.filter(|(repository, _)| *repository == index).map(|(_, pipeline)| pipeline);
            let (at, has_failed) = (self.fleet.now, self.failed[index]);
            self.log[index].push(Seen { at, pins: self.pins[index], pipeline, has_failed });
        }
        let changed = changes(&self.noted.facts().adoptions, &self.fleet.pinned);
        self.noted.note(&changed, self.fleet.pipelines.clone(), self.fleet.now);
        if self.noted.facts().denied != self.fleet.taken_back {
            self.noted = std::mem::take(&mut self.noted).denying(self.fleet.taken_back.clone());
        }
        self.fleet.look();
    }

    /// Whether a tag is the goal's, or is left for it by policies that follow so far.
    fn is_of(&self, its: usize, (of, _, left): Goal) -> bool {
        match self.fleet.follow {
            Follow::Digest => its == of || left == Some(its),
            _ => its == of || left.is_some() && its < of,
        }
    }

    /// Whether a tag is past the goal's for such policies.
    fn is_past(&self, its: usize, (of, _, _): Goal) -> bool {
        self.fleet.follow != Follow::Digest && its > of
    }

    /// Whether a repository has a pin of the tag, of one that is left for it, or of one that is past it.
    fn counts(&self, pins: Pins, goal: Goal) -> bool {
        pins.into_iter().flatten().any(|(its, _)| self.is_of(its, goal) || self.is_past(its, goal))
    }

    /// Whether all these pins are at a letter, or at a later one that nobody denies; or all are past the tag.
    fn is_at(&self, pins: Pins, goal: Goal) -> bool {
        let (of, letter, _) = goal;
        let is_there = |(its, had): Pin| {
            its == of && had.is_some_and(|had| had == letter || had > letter && !self.is_denied(of, had))
        };
        let mut followers = pins.into_iter().flatten().filter(|(its, _)| self.is_of(*its, goal));
        self.counts(pins, goal) && followers.all(is_there)
    }

    /// Whether a repository was at this letter or a later one, without a failure, for as long as is asked for until its
    /// pipeline was seen to have passed, or there never was one, and has been since.
    fn has_proved(&self, repository: usize, goal: Goal) -> bool {
        let is_good = |seen: &Seen| self.is_at(seen.pins, goal) && !seen.has_failed;
        let log = &self.log[repository];
        let has_any =
            log.iter().any(|seen| !matches!(seen.pipeline, None | Some(Pipeline::Absent | Pipeline::Unknown)));
        let proof = if has_any { Pipeline::Passed } else { Pipeline::Absent };
        log.iter().filter(|seen| seen.pipeline == Some(proof)).any(|proved| {
            let from = proved.at - self.fleet.advance.green_for;
            // What held when that time began, and everything since.
            let first = log.iter().rposition(|seen| seen.at <= from);
            first.is_some_and(|first| log[first..].iter().all(is_good))
        })
    }

    /// Every way that the pins of a repository may go, and that of one which somebody adds.
    fn goals(&self, repository: usize) -> Vec<Goal> {
        let pins = self.pins[repository].into_iter().flatten().map(|(of, _)| Some(of));
        let lefts: BTreeSet<Option<usize>> = pins.chain([None]).collect();
        let is_way = |(of, left): &(usize, Option<usize>)| left.is_none_or(|left| left < *of);
        let ways = (0..TAGS.len()).flat_map(|of| lefts.iter().map(move |left| (of, *left))).filter(is_way);
        ways.flat_map(|(of, left)| (0..self.moves[of]).map(move |letter| (of, letter, left))).collect()
    }

    /// Holds every answer against the log, which knows nothing of adoptions.
    fn check(&self) -> Result<(), TestCaseError> {
        let (all, again) = (self.fleet.waves(), self.fleet.waves());
        let names: Vec<&str> = all.names().collect();
        for (index, name) in REPOSITORIES.iter().enumerate() {
            for goal in self.goals(index) {
                let reached = self.reached(&all, index, goal);
                prop_assert_eq!(&reached, &self.reached(&again, index, goal), "the same inputs");
                prop_assert_eq!(&reached, &self.reached(&self.noted, index, goal), "however it was told");
                let Err(wait) = reached else {
                    self.check_reached(index, goal)?;
                    continue;
                };
                let waited_for = names.iter().position(|name| **name == *wait.wave).unwrap();
                prop_assert!(waited_for < wave_of(index), "{} waits for {:?}", name, wait);
                if let WaveCause::Merged { have, of } = wait.cause {
                    let followers = self.followers(waited_for, goal);
                    let adopted = followers.iter().filter(|index| self.is_at(self.pins[**index], goal)).count();
                    prop_assert_eq!((have, of), (adopted, followers.len()), "it waits for nobody else: {:?}", goal);
                }
            }
        }
        Ok(())
    }

    /// The repositories of a wave that have the tag, one that is left for it, or one that is past it.
    fn followers(&self, wave: usize, goal: Goal) -> Vec<usize> {
        let members = (0..REPOSITORIES.len()).filter(|index| wave_of(*index) == wave);
        members.filter(|index| self.counts(self.pins[*index], goal)).collect()
    }

    fn check_reached(&self, repository: usize, goal: Goal) -> Result<(), TestCaseError> {
        for earlier in 0..wave_of(repository) {
            let followers = self.followers(earlier, goal);
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
    #![proptest_config(law(60))]

    /// With digests that are taken back, pins without a digest, tags that are left, and pipelines of every state.
    #[test]
    fn waves_never_overtake(
        percent in prop::sample::select(vec![1, 34, 50, 100, 100]),
        green_for in 0..30_i64,
        follow in prop::sample::select(vec![Follow::Digest, Follow::Major]),
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut told = Told::new(percent, green_for, follow);
        for event in &events {
            told.happen(event);
            told.check()?;
        }
    }

}

proptest! {
    // Each case has a week of hours.
    #![proptest_config(law(8))]

    /// With pipelines that pass and people who merge, what stays eligible reaches everybody, however often the tag moves.
    #[test]
    fn nobody_starves_behind_a_tag_that_moves(hours_between_moves in 1..40_i64, green_for in 0..30_i64) {
        let mut told = Told::new(100, green_for, Follow::Digest);
        let mut last_move = 0;
        for hour in 0..168 {
            if hour - last_move >= hours_between_moves {
                told.happen(&Event::Move(0));
                last_move = hour;
            }
            for repository in 0..REPOSITORIES.len() {
                told.happen(&Event::Merge((repository, 0)));
                told.happen(&Event::Pipeline(repository, Pipeline::Passed));
            }
            told.happen(&Event::Hours(1));
            // What moved this long ago has passed two waves.
            let old = (hour - 2 * green_for - 3) / hours_between_moves;
            let expected = usize::try_from(old.max(0)).unwrap().min(told.moves[0] - 1);
            let is_there = |pins: &Pins| matches!(pins[0], Some((0, Some(letter))) if letter >= expected);
            prop_assert!(told.pins.iter().all(is_there), "{:?} < {expected}", told.pins);
        }
    }
}
