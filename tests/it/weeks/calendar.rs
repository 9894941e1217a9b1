//! When a repository may be proposed to, by a calendar's arithmetic: none of the program's own code about time.

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use sha2::{Digest as _, Sha256};

/// Over how long turns are spread in this fleet.
pub const JITTER: SignedDuration = SignedDuration::from_mins(20);
/// No schedule of this fleet leaves more days between two turns.
const DAYS_AHEAD: i64 = 33;

/// When turns come.
#[derive(Debug, Clone, Copy)]
pub enum Turns {
    Always,
    /// On a grid since 1970, at the repository's own place.
    EveryHours(i64),
    /// On these days at these hours and minutes.
    Days(fn(Date) -> bool, &'static [(i8, i8)]),
}

/// Hours of the day; what ends before it begins crosses midnight, and is open on every day.
#[derive(Debug, Clone, Copy)]
pub struct Hours {
    pub days: fn(Date) -> bool,
    pub from: i8,
    pub to: i8,
}

/// What holds for a repository.
#[derive(Debug, Clone)]
pub struct Calendar {
    pub turns: Turns,
    pub hours: Option<Hours>,
    /// First and last day.
    pub freezes: Vec<(Date, Date)>,
    pub zone: TimeZone,
    /// The repository's hash.
    pub place: u64,
}

pub fn every_day(_: Date) -> bool {
    true
}

pub fn weekday(date: Date) -> bool {
    !matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday)
}

pub fn monday(date: Date) -> bool {
    date.weekday() == Weekday::Monday
}

pub fn wednesday(date: Date) -> bool {
    date.weekday() == Weekday::Wednesday
}

pub fn tuesday_or_thursday(date: Date) -> bool {
    matches!(date.weekday(), Weekday::Tuesday | Weekday::Thursday)
}

pub fn first_of_month(date: Date) -> bool {
    date.day() == 1
}

/// The place of a repository: the first 64 bits of the hash of `forge:name`.
pub fn place(key: &str) -> u64 {
    let hash = Sha256::digest(key.as_bytes());
    u64::from_be_bytes(hash[..8].try_into().unwrap())
}

impl Calendar {
    /// Whether a turn is due at `now` for a repository that had its last one then.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        let turn = last.and_then(|last| self.turn_after(last));
        let is_open = self.is_open(now);
        match turn {
            None => is_open,
            Some(turn) if turn > now || !is_open => false,
            Some(turn) => {
                let opened = self.opened(now);
                // What waited begins at its own place behind the first opening; in later ones it waits for none.
                opened.is_none_or(|opened| {
                    opened <= turn || self.was_open(turn, opened) || opened + self.within(JITTER) <= now
                })
            }
        }
    }

    /// Whether there was an opening before this one since the turn came: windows and freezes begin and end at hours.
    fn was_open(&self, turn: Timestamp, opened: Timestamp) -> bool {
        let half_hours = (0..).map(|count| turn + SignedDuration::from_mins(30 * count));
        half_hours.take_while(|at| *at < opened).any(|at| self.is_open(at))
    }

    /// Windows and freezes let through.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let local = self.local(now);
        let is_open = self.hours.is_none_or(|hours| {
            let hour = local.hour();
            let is_within = if hours.from < hours.to {
                (hours.from..hours.to).contains(&hour)
            } else {
                hour >= hours.from || hour < hours.to
            };
            is_within && (hours.days)(local.date())
        });
        is_open && !self.freezes.iter().any(|(from, to)| (*from..=*to).contains(&local.date()))
    }

    /// The first turn after a time; `None`: it is always its turn.
    fn turn_after(&self, last: Timestamp) -> Option<Timestamp> {
        match self.turns {
            Turns::Always => None,
            Turns::EveryHours(hours) => {
                let period = hours * 3600;
                let place = self.within(SignedDuration::from_hours(hours)).as_secs();
                let next = (last.as_second() - place).div_euclid(period) * period + period + place;
                Some(Timestamp::from_second(next).unwrap())
            }
            Turns::Days(days, times) => {
                let first = self.local(last).date().yesterday().unwrap();
                let dates = (0..DAYS_AHEAD).map(|ahead| first + ahead.days()).filter(|date| days(*date));
                let turns =
                    dates.flat_map(|date| times.iter().map(move |(hour, minute)| date.at(*hour, *minute, 0, 0)));
                let mut turns = turns.map(|local| self.instant(local) + self.within(JITTER));
                Some(turns.find(|turn| *turn > last).unwrap())
            }
        }
    }

    /// When the stretch of open time around `now` began; `None`: it always was.
    fn opened(&self, now: Timestamp) -> Option<Timestamp> {
        let local = self.local(now);
        let window = self.hours.map(|hours| {
            let is_yesterdays = hours.from > hours.to && local.hour() < hours.to;
            let date = if is_yesterdays { local.date().yesterday().unwrap() } else { local.date() };
            self.instant(date.at(hours.from, 0, 0, 0))
        });
        let ends =
            self.freezes.iter().map(|(_, to)| self.instant(to.tomorrow().unwrap().to_datetime(Time::midnight())));
        ends.filter(|end| *end <= now).chain(window).max()
    }

    fn within(&self, length: SignedDuration) -> SignedDuration {
        SignedDuration::from_secs(i64::try_from(self.place % u64::try_from(length.as_secs()).unwrap()).unwrap())
    }

    fn local(&self, at: Timestamp) -> DateTime {
        self.zone.to_datetime(at)
    }

    /// Of a time that comes twice the first.
    fn instant(&self, local: DateTime) -> Timestamp {
        self.zone.to_ambiguous_timestamp(local).earlier().unwrap()
    }
}
