//! Days and hours in which something may be proposed.

use std::fmt;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use super::instant::{Stretch, first_instant};

pub(super) const MINUTES_PER_DAY: u16 = 24 * 60;
/// How many days are looked at around a time: a week, twice, because hours that clocks leave out once a year are no
/// opening.
const DAYS_AHEAD: i64 = 15;
/// As many before it: one for hours that cross midnight, one more than the longest jitter.
const DAYS_BEFORE: i64 = 2;

/// Days and hours of a week, by the clock of a zone.
///
/// **Invariant**: at least one span, each at least a minute long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window(Vec<Span>);

/// Hours of some days. What ends before it begins crosses midnight, and belongs to the day on which it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub days: Days,
    pub from: TimeOfDay,
    /// Not in it any more.
    pub to: TimeOfDay,
}

/// A set of weekdays: a bit for each, Monday's the lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

/// Minutes since midnight by the clock, 24:00 included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl Window {
    /// `None` without spans, and where one is empty: without days, or ending when it begins.
    pub fn new(spans: Vec<Span>) -> Option<Self> {
        let is_empty = |span: &Span| span.days == Days::NONE || span.from == span.to;
        (!spans.is_empty() && !spans.iter().any(is_empty)).then_some(Self(spans))
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Its days and hours, for people: `weekdays 09:00–17:00`.
    pub fn hours(&self) -> String {
        let spans: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        spans.join("; ")
    }

    /// The first stretch that ends after `at`: it is open there if it has begun.
    pub(super) fn stretch_from(&self, zone: &TimeZone, at: Timestamp) -> Option<Stretch> {
        let today = zone.to_datetime(at).date();
        let days = (-DAYS_BEFORE..=DAYS_AHEAD).filter_map(|days| today.checked_add(days.days()).ok());
        let spans = days.flat_map(|date| self.0.iter().filter_map(move |span| span.on(zone, date)));
        let mut stretches: Vec<Stretch> = spans.collect();
        stretches.sort_by_key(|stretch| stretch.from);
        let mut found: Option<Stretch> = None;
        for stretch in stretches {
            match &mut found {
                // What touches is one.
                Some(found) if stretch.from <= found.until => found.until = found.until.max(stretch.until),
                Some(found) if found.until > at => break,
                Some(_) | None => found = Some(stretch),
            }
        }
        let found = found.filter(|stretch| stretch.until > at)?;
        let midnight = |days: i64| {
            let date = today.checked_add(days.days()).ok()?;
            Some(first_instant(zone, date.to_datetime(Time::midnight())))
        };
        // It is the same each week: what is open on all of these days but the outermost has no end.
        let is_always = midnight(1 - DAYS_BEFORE).is_some_and(|first| found.from <= first)
            && midnight(DAYS_AHEAD).is_some_and(|last| last <= found.until);
        Some(if is_always { Stretch::ALWAYS } else { found })
    }

    /// Whether it is open on a day of the week at that minute, by the clock.
    pub(super) fn is_open(&self, day: Weekday, minute: u16) -> bool {
        self.0.iter().any(|span| {
            let starts = |day| span.days.contains(day);
            if span.from < span.to {
                starts(day) && (span.from.0..span.to.0).contains(&minute)
            } else {
                starts(day) && minute >= span.from.0 || starts(day.previous()) && minute < span.to.0
            }
        })
    }
}

impl Span {
    /// When it is on the day of a date; `None` where clocks leave it out.
    fn on(&self, zone: &TimeZone, date: Date) -> Option<Stretch> {
        if !self.days.contains(date.weekday()) {
            return None;
        }
        let end = if self.from < self.to { date } else { date.tomorrow().ok()? };
        let (from, until) = (first_instant(zone, self.from.on(date)), first_instant(zone, self.to.on(end)));
        (from < until).then_some(Stretch { from, until })
    }
}

impl Days {
    pub const NONE: Self = Self(0);
    pub const EVERY: Self = Self(0b111_1111);
    pub const WEEKDAYS: Self = Self(0b001_1111);
    pub const WEEKEND: Self = Self(0b110_0000);
    /// The names in the configuration, Monday first.
    pub const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

    /// The day with this name, in any case; `None` where there is none.
    pub fn named(name: &str) -> Option<Self> {
        let index = Self::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(Self(1 << index))
    }

    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub fn contains(self, day: Weekday) -> bool {
        self.0 & 1 << day.to_monday_zero_offset() != 0
    }

    /// The names of the days, Monday first.
    pub fn names(self) -> Vec<&'static str> {
        let is_in = |index: &usize| self.0 & 1 << index != 0;
        Self::NAMES.iter().enumerate().filter(|(index, _)| is_in(index)).map(|(_, name)| *name).collect()
    }
}

impl TimeOfDay {
    pub const MIDNIGHT: Self = Self(0);
    pub const END_OF_DAY: Self = Self(MINUTES_PER_DAY);

    /// Reads `09:00`; `24:00` is the end of the day.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "24:00" {
            return Some(Self::END_OF_DAY);
        }
        let time = Time::strptime("%H:%M", text).ok()?;
        let part = |part: i8| u16::try_from(part).ok();
        Some(Self(part(time.hour())? * 60 + part(time.minute())?))
    }

    fn on(self, date: Date) -> DateTime {
        let midnight = date.to_datetime(Time::midnight());
        midnight.saturating_add(i64::from(self.0).minutes())
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl fmt::Display for Days {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::EVERY => f.write_str("every day"),
            Self::WEEKDAYS => f.write_str("weekdays"),
            Self::WEEKEND => f.write_str("weekend"),
            days => f.write_str(&days.names().join(", ")),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}–{}", self.days, self.from, self.to)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "window `{}`", self.hours())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> TimeOfDay {
        TimeOfDay::parse(text).unwrap()
    }

    fn window(days: Days, from: &str, to: &str) -> Window {
        Window::new(vec![Span { days, from: time(from), to: time(to) }]).unwrap()
    }

    fn stretch(window: &Window, zone: &str, at: &str) -> (String, String) {
        let zone = TimeZone::get(zone).unwrap();
        let Stretch { from, until } = window.stretch_from(&zone, at.parse().unwrap()).unwrap();
        (from.to_string(), until.to_string())
    }

    fn text(from: &str, until: &str) -> (String, String) {
        (from.to_owned(), until.to_owned())
    }

    #[test]
    fn office_hours_are_the_clock_s_on_both_sides_of_a_change() {
        let office = window(Days::WEEKDAYS, "09:00", "17:00");
        for (at, from, until) in [
            ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z", "2026-11-20T16:00:00Z"),
            ("2026-11-20T15:59:59Z", "2026-11-20T08:00:00Z", "2026-11-20T16:00:00Z"),
            // The end is not in it; Friday evening is before Monday.
            ("2026-11-20T16:00:00Z", "2026-11-23T08:00:00Z", "2026-11-23T16:00:00Z"),
            ("2026-07-01T00:00:00Z", "2026-07-01T07:00:00Z", "2026-07-01T15:00:00Z"),
        ] {
            assert_eq!(stretch(&office, "Europe/Berlin", at), text(from, until), "{at}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        let night = window(Days::named("Sat").unwrap(), "22:00", "04:00");
        let of_saturday = text("2026-11-21T22:00:00Z", "2026-11-22T04:00:00Z");
        for at in ["2026-11-20T23:00:00Z", "2026-11-21T22:00:00Z", "2026-11-22T03:59:00Z"] {
            assert_eq!(stretch(&night, "UTC", at), of_saturday, "{at}");
        }
        assert!(night.is_open(Weekday::Sunday, 0) && night.is_open(Weekday::Saturday, 23 * 60));
        assert!(!night.is_open(Weekday::Saturday, 0) && !night.is_open(Weekday::Sunday, 4 * 60));
    }

    #[test]
    fn days_that_touch_are_one_stretch() {
        let weekend = window(Days::WEEKEND, "00:00", "24:00");
        let both = text("2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z");
        assert_eq!(stretch(&weekend, "UTC", "2026-11-22T12:00:00Z"), both);
    }

    #[test]
    fn what_is_open_on_every_day_has_no_end_and_what_a_change_of_clocks_joins_has_one() {
        let [whole, morning, rest] = [("00:00", "24:00"), ("06:00", "12:00"), ("12:00", "06:00")]
            .map(|(from, to)| Span { days: Days::EVERY, from: time(from), to: time(to) });
        let at = "2026-11-22T12:00:00Z".parse().unwrap();
        for (zone, spans) in [("UTC", vec![whole]), ("Europe/Berlin", vec![morning, rest])] {
            let always = Window::new(spans).unwrap();
            assert_eq!(always.stretch_from(&TimeZone::get(zone).unwrap(), at), Some(Stretch::ALWAYS), "{zone}");
        }
        let but_at_night = window(Days::EVERY, "02:50", "02:10");
        let joined = text("2026-03-28T01:50:00Z", "2026-03-30T00:10:00Z");
        assert_eq!(stretch(&but_at_night, "Europe/Berlin", "2026-03-29T12:00:00Z"), joined);
    }

    #[test]
    fn hours_that_clocks_leave_out_are_no_opening_and_those_that_come_twice_open_once() {
        let sunday = Days::named("sun").unwrap();
        let left_out = window(sunday, "02:10", "02:50");
        let next_week = text("2026-04-05T00:10:00Z", "2026-04-05T00:50:00Z");
        assert_eq!(stretch(&left_out, "Europe/Berlin", "2026-03-28T12:00:00Z"), next_week);
        // From the first 02:00 to the first 03:00 there are two hours.
        let twice = text("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
        assert_eq!(stretch(&window(sunday, "02:00", "03:00"), "Europe/Berlin", "2026-10-24T12:00:00Z"), twice);
        let cut = text("2026-03-08T07:00:00Z", "2026-03-08T08:00:00Z");
        assert_eq!(stretch(&window(sunday, "02:30", "04:00"), "America/New_York", "2026-03-08T00:00:00Z"), cut);
    }

    #[test]
    fn nothing_is_no_window() {
        let span = |days, from, to| Span { days, from: time(from), to: time(to) };
        assert_eq!(Window::new(Vec::new()), None);
        assert_eq!(Window::new(vec![span(Days::EVERY, "09:00", "09:00")]), None);
        assert_eq!(Window::new(vec![span(Days::EVERY, "09:00", "17:00"), span(Days::NONE, "09:00", "17:00")]), None);
        for text in ["9", "24:01", "09:60", "-1:00", "09:00:00", ""] {
            assert_eq!(TimeOfDay::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_window_is_shown_in_words() {
        let spans = vec![
            Span { days: Days::WEEKDAYS, from: time("09:00"), to: time("17:00") },
            Span { days: Days::named("mon").unwrap().with(Days::WEEKEND), from: time("9:05"), to: time("24:00") },
        ];
        let shown = Window::new(spans).unwrap().to_string();
        assert_eq!(shown, "window `weekdays 09:00–17:00; mon, sat, sun 09:05–24:00`");
    }
}
