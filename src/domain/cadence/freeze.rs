//! Dates between which nothing is proposed.

use std::fmt;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use super::instant::{Stretch, first_instant};

/// From one date to another in the repository's zone, with the reason for people.
///
/// **Invariant**: it ends after it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    from: Edge,
    to: Edge,
    reason: String,
    lets_urgent_through: bool,
}

/// Where a freeze begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// A whole day, which belongs to the freeze.
    Day(Date),
    /// What the clock shows, to the minute.
    Minute(DateTime),
}

impl Freeze {
    /// `None` where it would end before it begins. It holds what is urgent, too.
    pub fn new(from: Edge, to: Edge, reason: impl Into<String>) -> Option<Self> {
        (from.start() < to.end()).then(|| Self { from, to, reason: reason.into(), lets_urgent_through: false })
    }

    /// The same, which holds everything but what is urgent.
    pub fn letting_urgent_through(self) -> Self {
        Self { lets_urgent_through: true, ..self }
    }

    /// Whether what is urgent does not wait for its end.
    pub fn lets_urgent_through(&self) -> bool {
        self.lets_urgent_through
    }

    pub fn from(&self) -> Edge {
        self.from
    }

    pub fn to(&self) -> Edge {
        self.to
    }

    /// Why, for people.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub(super) fn stretch(&self, zone: &TimeZone) -> Stretch {
        Stretch { from: first_instant(zone, self.from.start()), until: first_instant(zone, self.to.end()) }
    }
}

impl Edge {
    /// Reads `2026-12-20` or `2026-12-20T18:00`. No offset: the zone is the repository's.
    pub fn parse(text: &str) -> Option<Self> {
        let day = || Date::strptime("%Y-%m-%d", text).map(Self::Day);
        let minute = |format| DateTime::strptime(format, text).map(Self::Minute);
        day().or_else(|_| minute("%Y-%m-%dT%H:%M")).or_else(|_| minute("%Y-%m-%d %H:%M")).ok()
    }

    fn start(self) -> DateTime {
        match self {
            Self::Day(date) => date.to_datetime(Time::midnight()),
            Self::Minute(at) => at,
        }
    }

    fn end(self) -> DateTime {
        match self {
            Self::Day(date) => date.tomorrow().map_or(DateTime::MAX, |next| next.to_datetime(Time::midnight())),
            Self::Minute(at) => at,
        }
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(date) => write!(f, "{date}"),
            Self::Minute(at) => write!(f, "{}", at.strftime("%Y-%m-%dT%H:%M")),
        }
    }
}

impl fmt::Display for Freeze {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "freeze `{}` ({} to {})", self.reason, self.from, self.to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn freeze(from: &str, to: &str) -> Option<Freeze> {
        Freeze::new(Edge::parse(from).unwrap(), Edge::parse(to).unwrap(), "year end")
    }

    #[test]
    fn both_days_belong_to_a_freeze_and_times_are_exact() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let stretch = |from, to| {
            let Stretch { from, until } = freeze(from, to).unwrap().stretch(&zone);
            (from.to_string(), until.to_string())
        };
        let text = |from: &str, until: &str| (from.to_owned(), until.to_owned());
        let year_end = text("2026-12-19T23:00:00Z", "2027-01-06T23:00:00Z");
        assert_eq!(stretch("2026-12-20", "2027-01-06"), year_end);
        assert_eq!(stretch("2026-12-20", "2026-12-20"), text("2026-12-19T23:00:00Z", "2026-12-20T23:00:00Z"));
        let evening = text("2026-12-20T17:00:00Z", "2026-12-20T17:30:00Z");
        assert_eq!(stretch("2026-12-20T18:00", "2026-12-20 18:30"), evening);
        assert_eq!(
            freeze("2026-12-20", "2027-01-06").unwrap().to_string(),
            "freeze `year end` (2026-12-20 to 2027-01-06)"
        );
    }

    #[test]
    fn a_freeze_that_ends_before_it_begins_is_none() {
        for (from, to) in
            [("2026-12-20", "2026-12-19"), ("2026-12-20T18:00", "2026-12-20T18:00"), ("2026-12-20", "2026-12-20T00:00")]
        {
            assert_eq!(freeze(from, to), None, "{from} to {to}");
        }
    }

    #[test]
    fn dates_are_read_strictly() {
        for text in ["2026-02-30", "20.12.2026", "2026-12-20T18:00Z", "2026-12-20T18:00+01:00", "tomorrow", ""] {
            assert_eq!(Edge::parse(text), None, "{text}");
        }
        assert!(freeze("2026-12-20", "9999-12-31").is_some());
    }
}
