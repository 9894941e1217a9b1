//! What holds of every fleet, whatever happens in it.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use refrom::domain::pull_request::Pipeline;
use refrom::domain::waves::{WaveWait, Waves};

use super::{Fleet, digest, key, tag};

const REPOSITORIES: [&str; 7] = ["a1", "a2", "b1", "b2", "b3", "c1", "c2"];
const LETTERS: [char; 8] = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'];

/// Something that happens before the next look.
#[derive(Debug, Clone)]
enum Event {
    /// The tag moves to a digest that it never had.
    Move,
    /// A repository merges the newest digest that has reached it.
    Merge(usize),
    /// Somebody pins a digest by hand.
    Pin(usize, usize),
    Unpin(usize),
    Pipeline(usize, Pipeline),
    Hours(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let repository = || 0..REPOSITORIES.len();
    let pipeline = prop::sample::select(vec![
        Pipeline::Passed,
        Pipeline::Passed,
        Pipeline::Absent,
        Pipeline::Pending,
        Pipeline::Failed,
        Pipeline::Unknown,
    ]);
    prop_oneof![
        2 => Just(Event::Move),
        8 => repository().prop_map(Event::Merge),
        1 => (repository(), 0..LETTERS.len()).prop_map(|(repository, letter)| Event::Pin(repository, letter)),
        1 => repository().prop_map(Event::Unpin),
        6 => (repository(), pipeline).prop_map(|(repository, pipeline)| Event::Pipeline(repository, pipeline)),
        5 => (1..15_i64).prop_map(Event::Hours),
    ]
}

/// What one look saw of a repository.
#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Timestamp,
    /// The index of the letter that it pins.
    letter: Option<usize>,
    has_failed: bool,
}

/// A fleet with everything that was ever seen of it.
struct Told {
    fleet: Fleet,
    /// How many letters the tag had.
    moves: usize,
    pinned: [Option<usize>; REPOSITORIES.len()],
    failed: [bool; REPOSITORIES.len()],
    log: [Vec<Seen>; REPOSITORIES.len()],
}

impl Told {
    fn new(merged_percent: u8, green_for: i64) -> Self {
        let mut fleet = Fleet::new(merged_percent, SignedDuration::from_hours(green_for));
        fleet.moves('a');
        let mut told = Self {
            fleet,
            moves: 1,
            pinned: [Some(0); REPOSITORIES.len()],
            failed: [false; REPOSITORIES.len()],
            log: Default::default(),
        };
        told.look();
        told
    }

    fn happen(&mut self, event: &Event) {
        // No two looks are at once, and no two digests are first seen so.
        self.fleet.now += SignedDuration::from_secs(1);
        match *event {
            Event::Move if self.moves < LETTERS.len() => {
                self.fleet.moves(LETTERS[self.moves]);
                self.moves += 1;
            }
            Event::Move => {}
            Event::Merge(repository) => {
                let name = REPOSITORIES[repository];
                let waves = self.fleet.waves();
                let is_reached = |letter: &usize| self.reached(&waves, name, *letter).is_ok();
                let newest = (0..self.moves).rev().find(is_reached);
                self.pinned[repository] = self.pinned[repository].max(newest);
            }
            Event::Pin(repository, letter) => self.pinned[repository] = Some(letter.min(self.moves - 1)),
            Event::Unpin(repository) => self.pinned[repository] = None,
            Event::Pipeline(repository, pipeline) => {
                self.fleet.pipeline(REPOSITORIES[repository], pipeline);
                match pipeline {
                    Pipeline::Failed => self.failed[repository] = true,
                    Pipeline::Passed => self.failed[repository] = false,
                    Pipeline::Absent | Pipeline::Pending | Pipeline::Unknown => {}
                }
            }
            Event::Hours(hours) => self.fleet.hours(hours),
        }
        self.look();
    }

    fn reached(&self, waves: &Waves, name: &str, letter: usize) -> Result<(), WaveWait> {
        waves.reached(&key(name), &tag("1"), (&digest(LETTERS[letter]), self.fleet.history()), self.fleet.now)
    }

    fn look(&mut self) {
        for (index, name) in REPOSITORIES.iter().enumerate() {
            match self.pinned[index] {
                Some(letter) => self.fleet.pins(&[name], &LETTERS[letter].to_string()),
                None => self.fleet.pins(&[name], ""),
            }
            let seen = Seen { at: self.fleet.now, letter: self.pinned[index], has_failed: self.failed[index] };
            self.log[index].push(seen);
        }
    }

    /// Whether a repository was at this letter or a later one, without a failure, for as long as is asked for.
    fn has_proved(&self, repository: usize, letter: usize) -> bool {
        let is_good = |seen: &Seen| seen.letter >= Some(letter) && !seen.has_failed;
        let from = self.fleet.now - self.fleet.advance.green_for;
        let log = &self.log[repository];
        // What held when that time began, and everything since.
        let first = log.iter().rposition(|seen| seen.at <= from);
        first.is_some_and(|first| log[first..].iter().all(is_good))
    }

    /// Holds every answer against the log, which knows nothing of adoptions.
    fn check(&self) -> Result<(), TestCaseError> {
        let (all, again) = (self.fleet.waves(), self.fleet.waves());
        let names: Vec<&str> = all.names().collect();
        for (index, name) in REPOSITORIES.iter().enumerate() {
            let wave = usize::from(name.as_bytes()[0] - b'a');
            for letter in 0..self.moves {
                let reached = self.reached(&all, name, letter);
                prop_assert_eq!(&reached, &self.reached(&again, name, letter));
                let Err(wait) = reached else {
                    self.check_reached(wave, letter)?;
                    continue;
                };
                let waited_for = names.iter().position(|name| **name == *wait.wave);
                prop_assert!(waited_for < Some(wave), "{} waits for {:?}", REPOSITORIES[index], wait);
            }
        }
        Ok(())
    }

    fn check_reached(&self, wave: usize, letter: usize) -> Result<(), TestCaseError> {
        for earlier in 0..wave {
            let is_member = |index: &usize| usize::from(REPOSITORIES[*index].as_bytes()[0] - b'a') == earlier;
            let followers: Vec<usize> =
                (0..REPOSITORIES.len()).filter(is_member).filter(|index| self.pinned[*index].is_some()).collect();
            let adopted = followers.iter().filter(|index| self.pinned[**index] >= Some(letter));
            prop_assert!(adopted.clone().all(|index| !self.failed[*index]), "a failure stops");
            let proved = adopted.filter(|index| self.has_proved(**index, letter)).count();
            let percent = usize::from(self.fleet.advance.merged_percent);
            prop_assert!(proved * 100 >= followers.len() * percent, "{proved} of {followers:?} in wave {earlier}");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn waves_never_overtake(
        percent in 1..=100_u8,
        green_for in 0..30_i64,
        events in prop::collection::vec(event(), 1..60),
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
                told.happen(&Event::Move);
                last_move = hour;
            }
            for repository in 0..REPOSITORIES.len() {
                told.happen(&Event::Merge(repository));
                told.happen(&Event::Pipeline(repository, Pipeline::Passed));
            }
            told.happen(&Event::Hours(1));
            // What moved this long ago has passed two waves.
            let old = (hour - 2 * green_for - 3) / hours_between_moves;
            let expected = usize::try_from(old.max(0)).unwrap().min(told.moves - 1);
            prop_assert!(told.pinned.iter().all(|letter| *letter >= Some(expected)), "{:?} < {expected}", told.pinned);
        }
    }
}
