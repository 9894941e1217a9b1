//! When a repository's turns come.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::duration::{duration, shown};
use super::instant::later;
use super::spread::Spread;
use super::window::{MINUTES_PER_DAY, Window};

/// More often than this nothing is proposed: no pipeline of a pull request has ended by then.
const EVERY_MIN: SignedDuration = SignedDuration::from_mins(1);
/// A year. What comes more rarely has a date, which cron says.
const EVERY_MAX: SignedDuration = SignedDuration::from_hours(366 * 24);
const FIELDS: usize = 5;
const FIELD_NAMES: [&str; FIELDS] = ["minute", "hour", "day of the month", "month", "day of the week"];
/// Where the search for a schedule's days begins: any year serves.
const YEAR: i16 = 2000;
/// After so many years dates fall on the same days of the week again.
const YEARS_OF_CALENDAR: i16 = 28;

/// When a repository's turns come, by the clock of its zone or by the hour.
///
/// **Invariant**: there are turns.
#[derive(Clone)]
pub struct Schedule(Kind);

#[derive(Clone)]
enum Kind {
    /// A cron expression of five fields.
    Cron { text: String, cron: Arc<Cron> },
    /// The beginning of each day, week or month: a turn of that time, whenever the window lets it.
    Word { word: Word, cron: Arc<Cron> },
    /// On a grid that is the repository's own.
    Every(SignedDuration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Daily,
    Weekdays,
    Weekly,
    Monthly,
}

/// Why a text is no schedule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    #[error(
        "expected a cron expression of five fields, `{{ every: 6h }}`, `daily`, `weekdays`, `weekly`, `monthly` or `always`"
    )]
    Form,
    #[error("bad cron expression: {0}")]
    Cron(String),
    #[error("impossible: no date matches it")]
    Impossible,
    #[error("expected a duration like `6h` or `2d`, from {} to {} days", shown(EVERY_MIN), EVERY_MAX.as_hours() / 24)]
    Every,
}

impl Schedule {
    /// At each point of a grid that begins where the repository's own hash says: `6h`.
    pub fn every(text: &str) -> Result<Self, ScheduleError> {
        let period = duration(text).filter(|period| (EVERY_MIN..=EVERY_MAX).contains(period));
        period.map(|period| Self(Kind::Every(period))).ok_or(ScheduleError::Every)
    }

    /// The length of `every`.
    pub fn period(&self) -> Option<SignedDuration> {
        match &self.0 {
            Kind::Every(period) => Some(*period),
            Kind::Cron { .. } | Kind::Word { .. } => None,
        }
    }

    /// The first turn after a time, at the repository's own place: within `jitter` after what clocks say. The end of time
    /// where there is none.
    pub(super) fn next_after(
        &self,
        at: Timestamp,
        zone: &TimeZone,
        spread: Spread,
        jitter: SignedDuration,
    ) -> Timestamp {
        let cron = match &self.0 {
            Kind::Every(period) => return next_on_grid(at, *period, spread),
            Kind::Cron { cron, .. } | Kind::Word { cron, .. } => cron,
        };
        let shift = spread.within(jitter);
        let after = later(at, -shift).to_zoned(zone.clone());
        match cron.find_next_occurrence(&after, false) {
            Ok(turn) => later(turn.timestamp(), shift),
            Err(_) => Timestamp::MAX,
        }
    }

    /// Whether some turn lies in the window: of a cron expression by the clock, of a word on some day. What lies on a grid
    /// waits for any window.
    pub(super) fn meets(&self, window: &Window) -> bool {
        match &self.0 {
            Kind::Every(_) => true,
            Kind::Word { word: Word::Weekdays, .. } => {
                let mut weekdays = Weekday::Monday.cycle_forward().take(5);
                weekdays.any(|day| (0..MINUTES_PER_DAY).any(|minute| window.is_open(day, minute)))
            }
            Kind::Word { word: Word::Daily | Word::Weekly | Word::Monthly, .. } => true,
            Kind::Cron { cron, .. } => cron_meets(cron, window),
        }
    }
}

/// The grid's first point after a time. Grids count from 1970, so that they stay where they are.
fn next_on_grid(at: Timestamp, period: SignedDuration, spread: Spread) -> Timestamp {
    let (period, offset) = (period.as_secs().max(1), spread.within(period).as_secs());
    let seconds = at.as_nanosecond().div_euclid(1_000_000_000);
    let point = (seconds - i128::from(offset)).div_euclid(i128::from(period)) + 1;
    let next = point * i128::from(period) + i128::from(offset);
    i64::try_from(next).ok().and_then(|next| Timestamp::from_second(next).ok()).unwrap_or(Timestamp::MAX)
}

/// Minutes and hours are the same on each day of a cron expression, so it is enough to know them once, and then the days
/// of the week on which its dates fall.
fn cron_meets(cron: &Cron, window: &Window) -> bool {
    let Some(first) = first_after(cron, Date::constant(YEAR, 1, 1)) else { return false };
    let minutes = minutes_of(cron, first.date());
    let mut tried = Vec::new();
    let mut next = Some(first);
    while let Some(turn) = next.filter(|turn| turn.year() <= YEAR + YEARS_OF_CALENDAR && tried.len() < 7) {
        let day = turn.weekday();
        if !tried.contains(&day) {
            if minutes.iter().any(|minute| window.is_open(day, *minute)) {
                return true;
            }
            tried.push(day);
        }
        next = turn.date().tomorrow().ok().and_then(|date| first_after(cron, date));
    }
    false
}

/// The first occurrence from the midnight of a date on, by a clock that never changes.
fn first_after(cron: &Cron, date: Date) -> Option<DateTime> {
    cron.find_next_occurrence(&date.to_datetime(Time::midnight()), true).ok()
}

/// The minutes of the day at which it occurs on a date.
fn minutes_of(cron: &Cron, date: Date) -> Vec<u16> {
    let mut minutes = Vec::new();
    let mut next = first_after(cron, date);
    while let Some(turn) = next.filter(|turn| turn.date() == date) {
        let minute = i16::from(turn.hour()) * 60 + i16::from(turn.minute());
        minutes.extend(u16::try_from(minute).ok());
        next = cron.find_next_occurrence(&turn, false).ok();
    }
    minutes
}

fn parse_cron(text: &str) -> Result<Arc<Cron>, ScheduleError> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| ScheduleError::Cron(wrong_field(&parser, text, &error)))?;
    match first_after(&cron, Date::constant(YEAR, 1, 1)) {
        Some(_) => Ok(Arc::new(cron)),
        None => Err(ScheduleError::Impossible),
    }
}

/// What is wrong with an expression, with the field that is wrong by itself.
fn wrong_field(parser: &CronParser, text: &str, error: &CronError) -> String {
    let alone = |index: usize, field: &str| {
        let mut fields = ["*"; FIELDS];
        fields.get_mut(index).into_iter().for_each(|it| *it = field);
        parser.parse(&fields.join(" ")).err()
    };
    for ((index, field), name) in text.split_whitespace().enumerate().zip(FIELD_NAMES) {
        if let Some(error) = alone(index, field) {
            return format!("{name} `{field}`: {}", words(&error));
        }
    }
    words(error)
}

/// The parser's words as ours are written.
fn words(error: &CronError) -> String {
    let text = match error {
        CronError::InvalidPattern(text) | CronError::IllegalCharacters(text) | CronError::ComponentError(text) => {
            text.clone()
        }
        other => other.to_string(),
    };
    let mut letters = text.trim_end_matches('.').chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

impl FromStr for Schedule {
    type Err = ScheduleError;

    /// Reads a cron expression of five fields (minute, hour, day of the month, month, day of the week; where both kinds of
    /// days are limited, either counts, as in POSIX), or one of the words.
    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if let Some(word) = Word::ALL.into_iter().find(|word| word.as_str() == text) {
            return Ok(Self(Kind::Word { word, cron: parse_cron(word.cron())? }));
        }
        if text.split_whitespace().count() != FIELDS {
            return Err(ScheduleError::Form);
        }
        Ok(Self(Kind::Cron { text: text.to_owned(), cron: parse_cron(text)? }))
    }
}

impl Word {
    const ALL: [Self; 4] = [Self::Daily, Self::Weekdays, Self::Weekly, Self::Monthly];

    fn as_str(self) -> &'static str {
        match self {
            Self::Daily => "daily",
            Self::Weekdays => "weekdays",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    fn cron(self) -> &'static str {
        match self {
            Self::Daily => "0 0 * * *",
            Self::Weekdays => "0 0 * * 1-5",
            Self::Weekly => "0 0 * * 1",
            Self::Monthly => "0 0 1 * *",
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cron { text, .. } => f.write_str(text),
            Kind::Word { word, .. } => f.write_str(word.as_str()),
            Kind::Every(period) => write!(f, "every: {}", shown(*period)),
        }
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::super::window::{Days, Span, TimeOfDay};
    use super::*;

    fn schedule(text: &str) -> Schedule {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// The next turns after a time, by the clock of the zone, without jitter.
    fn turns(schedule: &Schedule, zone: &str, after: &str, count: usize) -> Vec<String> {
        let zone = TimeZone::get(zone).unwrap();
        let mut at: Timestamp = after.parse().unwrap();
        let mut turns = Vec::new();
        for _ in 0..count {
            at = schedule.next_after(at, &zone, Spread::NONE, SignedDuration::ZERO);
            turns.push(at.to_zoned(zone.clone()).strftime("%a %m-%d %H:%M %Z").to_string());
        }
        turns
    }

    #[test]
    fn words_are_the_beginnings_of_their_times() {
        let after = "2026-11-20T08:00:00Z";
        assert_eq!(turns(&schedule("daily"), "UTC", after, 2), ["Sat 11-21 00:00 UTC", "Sun 11-22 00:00 UTC"]);
        assert_eq!(turns(&schedule("weekdays"), "UTC", after, 2), ["Mon 11-23 00:00 UTC", "Tue 11-24 00:00 UTC"]);
        assert_eq!(turns(&schedule("weekly"), "UTC", after, 2), ["Mon 11-23 00:00 UTC", "Mon 11-30 00:00 UTC"]);
        assert_eq!(turns(&schedule("monthly"), "UTC", after, 2), ["Tue 12-01 00:00 UTC", "Fri 01-01 00:00 UTC"]);
    }

    #[test]
    fn a_time_that_clocks_leave_out_is_kept_at_the_change_and_one_that_comes_twice_once() {
        let (half_past_two, half_past_one) = (schedule("30 2 * * *"), schedule("30 1 * * *"));
        for (schedule, zone, after, expected) in [
            (&half_past_two, "Europe/Berlin", "2026-03-28T12:00:00Z", ["Sun 03-29 03:00 CEST", "Mon 03-30 02:30 CEST"]),
            (&half_past_two, "Europe/Berlin", "2026-10-24T12:00:00Z", ["Sun 10-25 02:30 CEST", "Mon 10-26 02:30 CET"]),
            (
                &half_past_two,
                "America/New_York",
                "2026-03-07T12:00:00Z",
                ["Sun 03-08 03:00 EDT", "Mon 03-09 02:30 EDT"],
            ),
            (
                &half_past_one,
                "America/New_York",
                "2026-10-31T12:00:00Z",
                ["Sun 11-01 01:30 EDT", "Mon 11-02 01:30 EST"],
            ),
        ] {
            assert_eq!(turns(schedule, zone, after, 2), expected, "{zone}");
        }
    }

    #[test]
    fn an_hourly_turn_comes_in_every_hour_that_there_is() {
        let hourly = schedule("0 * * * *");
        let spring = turns(&hourly, "Europe/Berlin", "2026-03-29T00:00:00Z", 2);
        assert_eq!(spring, ["Sun 03-29 03:00 CEST", "Sun 03-29 04:00 CEST"]);
        let autumn = turns(&hourly, "America/New_York", "2026-11-01T04:30:00Z", 3);
        assert_eq!(autumn, ["Sun 11-01 01:00 EDT", "Sun 11-01 01:00 EST", "Sun 11-01 02:00 EST"]);
    }

    #[test]
    fn a_grid_has_the_same_points_whenever_it_is_asked() {
        let every = Schedule::every("6h").unwrap();
        let expected = ["Fri 11-20 12:00 UTC", "Fri 11-20 18:00 UTC", "Sat 11-21 00:00 UTC"];
        for after in ["2026-11-20T06:00:00Z", "2026-11-20T11:59:59.5Z", "2026-11-20T06:00:00.5Z"] {
            assert_eq!(turns(&every, "UTC", after, 3), expected, "{after}");
        }
        assert_eq!(turns(&every, "UTC", "9999-12-30T21:59:59Z", 1), turns(&every, "UTC", "9999-12-30T21:00:00Z", 1));
    }

    #[test]
    fn what_never_comes_or_is_no_schedule_is_refused() {
        for text in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 2,4,6,9,11 *", "0 0 31W 4 *"] {
            assert_eq!(text.parse::<Schedule>().unwrap_err(), ScheduleError::Impossible, "{text}");
        }
        for text in ["", "hourly", "@daily", "0 0 * * * *", "* * * *", "Daily", "every 6h"] {
            assert_eq!(text.parse::<Schedule>().unwrap_err(), ScheduleError::Form, "{text}");
        }
        for text in ["60 0 * * *", "0 24 * * *", "a b c d e", "0 0 * * MON-", "*/0 * * * *", "0 0 0 * *", "? ? ? ? ?"] {
            let error = text.parse::<Schedule>().unwrap_err();
            assert!(matches!(error, ScheduleError::Cron(_)), "{text}: {error}");
        }
        for text in ["0s", "30s", "367d", "6", "-6h", "1mo"] {
            assert_eq!(Schedule::every(text).unwrap_err(), ScheduleError::Every, "{text}");
        }
        assert_eq!(ScheduleError::Every.to_string(), "expected a duration like `6h` or `2d`, from 1m to 366 days");
        schedule("0 0 29 2 *");
    }

    #[test]
    fn a_schedule_meets_a_window_where_some_turn_lies_in_it() {
        let window = |days, from, to| {
            let time = |text| TimeOfDay::parse(text).unwrap();
            Window::new(vec![Span { days, from: time(from), to: time(to) }]).unwrap()
        };
        let (office, weekend) = (window(Days::WEEKDAYS, "09:00", "17:00"), window(Days::WEEKEND, "00:00", "24:00"));
        let night = window(Days::named("fri").unwrap(), "22:00", "04:00");
        for (text, meets) in [
            ("0 9 * * *", [true, true, false]),
            ("0 17 * * 1-5", [false, false, false]),
            ("*/15 17-23 * * *", [false, true, true]),
            ("0 3 * * 6", [false, true, true]),
            ("0 4 * * 6", [false, true, false]),
            // On a Saturday once in 28 years.
            ("0 0 29 2 *", [false, true, true]),
            ("daily", [true, true, true]),
            ("weekdays", [true, false, true]),
            ("weekly", [true, true, true]),
        ] {
            let schedule = schedule(text);
            assert_eq!([&office, &weekend, &night].map(|window| schedule.meets(window)), meets, "{text}");
        }
        assert!(Schedule::every("25h").unwrap().meets(&night));
    }
}
