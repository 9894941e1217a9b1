//! What clocks show in a zone → instants.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};

/// A stretch of time: `from` belongs to it, `until` does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub from: Timestamp,
    pub until: Timestamp,
}

impl Stretch {
    /// All of time.
    pub const ALWAYS: Self = Self { from: Timestamp::MIN, until: Timestamp::MAX };

    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }

    /// What lies in both.
    pub(super) fn intersect(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), until: self.until.min(other.until) }
    }
}

/// The first instant at which the clocks of a zone show this or something later: of a time that comes twice the first, of
/// a time that clocks leave out the moment at which they leave it out.
pub(super) fn first_instant(zone: &TimeZone, reading: DateTime) -> Timestamp {
    let ambiguous = zone.to_ambiguous_timestamp(reading);
    let instant = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.earlier(),
        AmbiguousOffset::Gap { .. } => ambiguous.later().map(|after| {
            // The change itself lies at or before this instant, which counts on from what clocks showed before it.
            zone.preceding(later(after, SignedDuration::from_secs(1))).next().map_or(after, |change| change.timestamp())
        }),
    };
    // Outside of what a timestamp holds: the years -9999 and 9999.
    instant.unwrap_or(if reading.year() > 0 { Timestamp::MAX } else { Timestamp::MIN })
}

/// Some time later, as far as time goes.
pub(super) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(at)
}

/// An instant for people: `2026-11-23 09:12 CET`.
pub fn shown(at: &Zoned) -> String {
    at.strftime("%Y-%m-%d %H:%M %Z").to_string()
}

/// An instant for programs, by the clock of its zone: `2026-11-23T09:12:00+01:00` (RFC 3339).
pub fn rfc3339(at: &Zoned) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn berlin(reading: &str) -> String {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        first_instant(&zone, reading.parse().unwrap()).to_string()
    }

    #[test]
    fn a_time_that_comes_twice_is_the_first_and_one_that_is_left_out_the_change() {
        assert_eq!(berlin("2026-11-20T09:00"), "2026-11-20T08:00:00Z");
        assert_eq!(berlin("2026-10-25T02:30"), "2026-10-25T00:30:00Z");
        for reading in ["2026-03-29T02:00", "2026-03-29T02:30", "2026-03-29T02:59", "2026-03-29T03:00"] {
            assert_eq!(berlin(reading), "2026-03-29T01:00:00Z", "{reading}");
        }
        assert_eq!(berlin("9999-12-31T23:59"), Timestamp::MAX.to_string());
    }
}
