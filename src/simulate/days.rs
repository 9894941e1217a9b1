//! The days of a replay, by UTC: the first and the last one may be in it in part.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// The days that a replay touches, numbered from 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct Days {
    pub from: Timestamp,
    /// **Invariant**: not before `from`.
    pub to: Timestamp,
}

impl Days {
    /// In which one of them a time of the replay is.
    pub fn of(&self, at: Timestamp) -> usize {
        usize::try_from(number(at) - number(self.from)).unwrap_or_default()
    }

    pub fn count(&self) -> usize {
        self.of(self.to) + 1
    }

    pub fn date(&self, day: usize) -> Date {
        self.begins(day).to_zoned(TimeZone::UTC).date()
    }

    /// How many seconds of a day are in the replay; where it ends as the day begins, it has this one moment.
    pub fn seconds(&self, day: usize) -> i64 {
        let (begins, ends) = self.part(day);
        ends.duration_since(begins).as_secs().max(1)
    }

    /// The time in a day's part at which so many of the seconds of a whole day would be over.
    pub fn at(&self, day: usize, seconds: i64) -> Timestamp {
        let (begins, ends) = self.part(day);
        let after = ends.duration_since(begins).as_secs() * seconds / DAY_SECONDS;
        begins.saturating_add(SignedDuration::from_secs(after)).unwrap_or(ends)
    }

    /// What of a day is in the replay.
    fn part(&self, day: usize) -> (Timestamp, Timestamp) {
        (self.begins(day).max(self.from), self.begins(day + 1).min(self.to))
    }

    fn begins(&self, day: usize) -> Timestamp {
        let day = number(self.from).saturating_add(i64::try_from(day).unwrap_or(i64::MAX));
        Timestamp::from_second(day.saturating_mul(DAY_SECONDS)).unwrap_or(Timestamp::MAX)
    }
}

/// Of a day by UTC, from 1970 on.
fn number(at: Timestamp) -> i64 {
    at.as_second().div_euclid(DAY_SECONDS)
}

/// Seconds of a day after which something with this hash is looked at: any is as likely as any other.
pub(super) fn second_of_day(hash: i64) -> i64 {
    hash.rem_euclid(DAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar_and_the_first_and_the_last_may_be_parts() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let days = Days { from: at("2026-06-20T18:00:00Z"), to: at("2026-06-22T06:00:00Z") };
        assert_eq!(days.count(), 3);
        let dates: Vec<_> = (0..3).map(|day| days.date(day).to_string()).collect();
        assert_eq!(dates, ["2026-06-20", "2026-06-21", "2026-06-22"]);
        assert_eq!([0, 1, 2].map(|day| days.seconds(day) / 3600), [6, 24, 6]);
        let noons = [0, 1, 2].map(|day| days.at(day, DAY_SECONDS / 2));
        assert_eq!(noons, ["2026-06-20T21:00:00Z", "2026-06-21T12:00:00Z", "2026-06-22T03:00:00Z"].map(at));
        for (time, day) in [("2026-06-20T18:00:00Z", 0), ("2026-06-21T00:00:00Z", 1), ("2026-06-21T23:59:59Z", 1)] {
            assert_eq!(days.of(at(time)), day, "{time}");
        }
        // One that ends at midnight has that moment of the day which begins then.
        let days = Days { to: at("2026-06-21T00:00:00Z"), ..days };
        assert_eq!((days.count(), days.seconds(1), days.at(1, 40_000)), (2, 1, days.to));
    }
}
