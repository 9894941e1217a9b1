//! When a repository may be proposed to: its schedule, its zone, windows and freezes.
//!
//! Turns come by the schedule, each repository's at its own place within `jitter`. A turn is due once, however many came
//! since the last one; outside of the windows and in a freeze it waits. Types of croner stop here.

mod due;
mod duration;
mod freeze;
mod instant;
mod schedule;
mod spread;
mod upcoming;
mod window;

use std::fmt;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use due::{Due, Wait, WaitCause};
pub use duration::{duration, shown as shown_duration};
pub use freeze::{Edge, Freeze};
pub use instant::{rfc3339, shown};
pub use schedule::{Schedule, ScheduleError};
pub use spread::Spread;
pub use upcoming::Upcoming;
pub use window::{Days, Span, TimeOfDay, Window};

/// Over how long the turns of one time are spread, where nobody says otherwise.
pub const DEFAULT_JITTER: SignedDuration = SignedDuration::from_mins(30);
/// A day: more would move a daily turn to another one.
pub const JITTER_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Whether `poll`, `schedule`, `window` and `freeze` count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CadenceMode {
    #[default]
    Honour,
    /// `--now`: everything is asked, and whatever may be proposed is.
    Ignore,
}

/// When a repository may be proposed to.
#[derive(Debug, Clone)]
pub struct Cadence {
    /// When its turns come; `None`: always.
    pub schedule: Option<Rule<Schedule>>,
    /// By whose clock.
    pub zone: TimeZone,
    /// All of them have to be open: the administrator's, and the repository's own.
    pub windows: Vec<Rule<Window>>,
    /// None of them may hold: of the fleet, of the policy, of its overrides, and the repository's own.
    pub freezes: Vec<Rule<Freeze>>,
    /// Over how long the turns of one time are spread.
    pub jitter: SignedDuration,
}

/// A rule, where it stands, and by whose clock it counts. Its `Display` is for people: ``freeze `year end` (2026-12-20 to
/// 2027-01-06) (refrom.yaml:3:5)``.
#[derive(Debug, Clone)]
pub struct Rule<T> {
    pub value: T,
    /// For people: `refrom.yaml:12:3`.
    pub origin: String,
    pub zone: TimeZone,
}

/// Rules that leave no time at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    #[error("the schedule `{schedule}` never meets the {window}")]
    Schedule { schedule: String, window: String },
    #[error("the {0} never meets the {1}")]
    Windows(String, String),
}

impl Default for Cadence {
    /// Always, by UTC.
    fn default() -> Self {
        Self { schedule: None, zone: TimeZone::UTC, windows: Vec::new(), freezes: Vec::new(), jitter: DEFAULT_JITTER }
    }
}

impl Cadence {
    /// From now on every rule counts by this clock, those that are there included.
    pub fn set_zone(&mut self, zone: TimeZone) {
        self.set_own_zone(zone.clone());
        self.windows.iter_mut().for_each(|window| window.zone = zone.clone());
        self.freezes.iter_mut().for_each(|freeze| freeze.zone = zone.clone());
    }

    /// The same for the schedule and for rules that come from now on. Windows and freezes that are there stay where they
    /// are in time, so that another clock loosens none of them.
    pub fn set_own_zone(&mut self, zone: TimeZone) {
        self.schedule.iter_mut().for_each(|schedule| schedule.zone = zone.clone());
        self.zone = zone;
    }

    /// This schedule in the place of the one that held before; `None`: always.
    pub fn set_schedule(&mut self, schedule: Option<Schedule>, origin: String) {
        self.schedule = schedule.map(|value| Rule { value, origin, zone: self.zone.clone() });
    }

    /// This window in the place of those that held before.
    pub fn set_window(&mut self, window: Window, origin: String) {
        self.windows.clear();
        self.add_window(window, origin);
    }

    /// This window besides those that hold.
    pub fn add_window(&mut self, window: Window, origin: String) {
        self.windows.push(Rule { value: window, origin, zone: self.zone.clone() });
    }

    /// This freeze besides those that hold.
    pub fn add_freeze(&mut self, freeze: Freeze, origin: String) {
        self.freezes.push(Rule { value: freeze, origin, zone: self.zone.clone() });
    }

    /// Rules that can never be followed together, whatever the date is.
    pub fn conflict(&self) -> Option<Conflict> {
        if let Some(schedule) = &self.schedule {
            let never = self.windows.iter().find(|window| !schedule.value.meets(&window.value));
            if let Some(window) = never {
                let (schedule, window) = (schedule.value.to_string(), window.to_string());
                return Some(Conflict::Schedule { schedule, window });
            }
        }
        let windows_alone = Self { freezes: Vec::new(), ..self.clone() };
        match self.windows.as_slice() {
            [first, .., last] if windows_alone.stretch_from(Timestamp::UNIX_EPOCH).is_none() => {
                Some(Conflict::Windows(last.to_string(), first.to_string()))
            }
            _ => None,
        }
    }
}

impl<T: fmt::Display> fmt::Display for Rule<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { value, origin, .. } = self;
        write!(f, "{value} ({origin})")
    }
}

/// The name of a zone: `Europe/Berlin`.
pub fn zone_name(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}
