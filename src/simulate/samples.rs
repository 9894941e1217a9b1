//! How old the pinned digests are, and how far behind: each pin once a day, at a time of day of its own.

use jiff::{SignedDuration, Timestamp};

use super::days::{self, Days};
use super::repository::Pinned;
use super::track::Track;
use crate::domain::digest::Digest;

/// How many hexadecimal digits of a hash give a pin its time of day: far more than a day has seconds.
const HEX_DIGITS: usize = 8;

/// A pin at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Of the replay, from 0.
    pub day: usize,
    /// How many seconds of the day are in the replay: for so much it counts.
    pub seconds: i64,
    /// Since its tag pointed to its digest first.
    pub age: SignedDuration,
    /// Since its tag points to something else; zero: it does not.
    pub behind: SignedDuration,
}

/// Everything that was measured of the pins.
#[derive(Debug)]
pub(super) struct Samples {
    days: Days,
    pub samples: Vec<Sample>,
    /// How long each digest stayed pinned after its tag had left it; those that still are so far.
    pub lags: Vec<SignedDuration>,
}

impl Samples {
    pub fn new(days: Days) -> Self {
        Self { days, samples: Vec::new(), lags: Vec::new() }
    }

    /// Notes a pin that had its digest until a time; `None`: it has it at the end. `name` gives the pin its time of day, so
    /// that no hour of pull requests or merges is favoured. Of a day that is in the replay in part, every pin is looked at in
    /// that part, so that the day is as all others.
    pub fn stretch(&mut self, name: &str, pin: &Pinned, track: &Track, until: Option<Timestamp>) {
        let Some((digest, since)) = pin.at else { return };
        let Some(came) = track.came(&digest) else { return };
        let (second, end) = (second_of_day(name), until.unwrap_or(self.days.to));
        for day in self.days.of(since)..=self.days.of(end) {
            let at = self.days.at(day, second);
            if at < since || until.is_some_and(|until| at >= until) {
                continue;
            }
            let behind = track.left(&digest, at).map_or(SignedDuration::ZERO, |left| at.duration_since(left));
            self.samples.push(Sample { day, seconds: self.days.seconds(day), age: at.duration_since(came), behind });
        }
        self.lags.extend(track.left(&digest, end).map(|left| end.duration_since(left)));
    }
}

fn second_of_day(name: &str) -> i64 {
    let hash = Digest::of(name.as_bytes()).hex();
    let digits = hash.get(..HEX_DIGITS).and_then(|digits| i64::from_str_radix(digits, 16).ok());
    days::second_of_day(digits.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::reference::{Reference, TagRef};
    use crate::simulate::recording::Moved;
    use crate::simulate::track::Grid;

    #[test]
    fn a_pin_is_sampled_once_a_day_wherever_its_stretches_begin() {
        let hour = |hours: i64| Timestamp::from_second(1_782_864_000 + 3600 * hours).unwrap();
        let [a, b] = [b"a", b"b"].map(|text| Digest::of(text));
        let moves = [Moved { at: hour(-24), digest: a }, Moved { at: hour(30), digest: b }];
        let track = Track::new(&moves, &Grid::new(hour(0), SignedDuration::from_hours(1)), 1);
        let Reference { image, tag, .. } = "nginx:1".parse().unwrap();
        let tag = TagRef { image, tag: tag.unwrap() };
        for (moved, to) in [31, 47, 48, 60].into_iter().flat_map(|moved| [230, 240].map(|to| (moved, to))) {
            let mut samples = Samples::new(Days { from: hour(0), to: hour(to) });
            let pin = |at| Pinned { tag: tag.clone(), track: 0, at: Some(at) };
            samples.stretch("acme/web 0", &pin((a, hour(0))), &track, Some(hour(moved)));
            samples.stretch("acme/web 0", &pin((b, hour(moved))), &track, None);
            let days: Vec<_> = samples.samples.iter().map(|sample| sample.day as i64).collect();
            // The replay begins at midnight: where it ends at midnight, too, the last day is that moment.
            assert_eq!(days, (0..=to / 24).collect::<Vec<_>>(), "moved after {moved} hours of {to}");
            assert_eq!(samples.lags, [SignedDuration::from_hours(moved - 30)]);
            assert!(samples.samples.iter().all(|sample| sample.age >= sample.behind));
        }
    }
}
