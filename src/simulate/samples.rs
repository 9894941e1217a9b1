//! How old the pinned digests are, and how far behind: each pin once a day, at a time of day of its own.

use jiff::{SignedDuration, Timestamp};

use super::repository::Pinned;
use super::track::Track;
use crate::domain::digest::Digest;

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// How many hexadecimal digits of a hash give a pin its time of day: far more than a day has seconds.
const HEX_DIGITS: usize = 8;

/// A pin at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// Of the replay, from 0.
    pub day: usize,
    /// Since its tag pointed to its digest first.
    pub age: SignedDuration,
    /// Since its tag points to something else; zero: it does not.
    pub behind: SignedDuration,
}

/// Everything that was measured of the pins.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub samples: Vec<Sample>,
    /// How long each digest stayed pinned after its tag had left it; those that still are so far.
    pub lags: Vec<SignedDuration>,
}

impl Samples {
    /// Notes a pin that had its digest until a time. `began`: when the replay did. `name` gives the pin its time of day, so
    /// that no hour of pull requests or merges is favoured.
    pub fn stretch(&mut self, name: &str, pin: &Pinned, track: &Track, (began, until): (Timestamp, Timestamp)) {
        let Some((digest, since)) = pin.at else { return };
        let Some(came) = track.came(&digest) else { return };
        let since_began = since.duration_since(began).as_secs();
        let place = time_of_day(name);
        let first_day = -(place - since_began).div_euclid(DAY_SECONDS);
        for day in first_day.max(0).. {
            let after = SignedDuration::from_secs(day * DAY_SECONDS + place);
            let Some(at) = began.checked_add(after).ok().filter(|at| *at < until) else { break };
            let behind = track.left(&digest, at).map_or(SignedDuration::ZERO, |left| at.duration_since(left));
            let day = usize::try_from(day).unwrap_or_default();
            self.samples.push(Sample { day, age: at.duration_since(came), behind });
        }
        self.lags.extend(track.left(&digest, until).map(|left| until.duration_since(left)));
    }
}

/// Seconds after the time of day at which the replay began.
fn time_of_day(name: &str) -> i64 {
    let hash = Digest::of(name.as_bytes()).hex();
    let digits = hash.get(..HEX_DIGITS).and_then(|digits| i64::from_str_radix(digits, 16).ok());
    digits.unwrap_or_default().rem_euclid(DAY_SECONDS)
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
        for moved in [31, 47, 48, 60] {
            let mut samples = Samples::default();
            let pin = |at| Pinned { tag: tag.clone(), track: 0, at: Some(at) };
            samples.stretch("acme/web 0", &pin((a, hour(0))), &track, (hour(0), hour(moved)));
            samples.stretch("acme/web 0", &pin((b, hour(moved))), &track, (hour(0), hour(240)));
            let days: Vec<_> = samples.samples.iter().map(|sample| sample.day).collect();
            assert_eq!(days, (0..10).collect::<Vec<_>>(), "moved after {moved} hours");
            assert_eq!(samples.lags, [SignedDuration::from_hours(moved - 30)]);
            assert!(samples.samples.iter().all(|sample| sample.age >= sample.behind));
        }
    }
}
