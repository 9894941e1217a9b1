//! Whether a repository may be proposed to now, else when and why.

use std::fmt;

use jiff::{Timestamp, Zoned};

use super::instant::{Stretch, later, shown};
use super::spread::Spread;
use super::{Cadence, Rule};
use crate::domain::candidates::RepositoryKey;

/// How often the search for an opening goes on behind a freeze or a closed window. Windows open every week, so with as many
/// steps it comes through years of windows that never meet.
const STEPS_MAX: usize = 1000;

/// When a repository may be proposed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    Now {
        /// Which rule makes it so, for people.
        because: String,
    },
    Later(Wait),
}

/// Until when something waits, and for what. Its `Display` is for people: `not due until 2026-11-23 09:12 CET: schedule
/// `weekly` (refrom.yaml:12:3)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// In the repository's zone.
    pub until: Zoned,
    pub cause: WaitCause,
    /// Which rules make it so, for people.
    pub because: String,
}

/// What holds something back now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitCause {
    /// Its turn has not come.
    Schedule,
    /// Its turn has come, outside of its window.
    Window,
    /// Its turn has come, in a freeze.
    Freeze,
}

/// An opening, and what kept it closed before.
struct Opening {
    stretch: Stretch,
    closed_by: Vec<Closed>,
}

/// A rule that is in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Closed {
    cause: WaitCause,
    rule: String,
}

impl Cadence {
    /// Whether the repository may be proposed to now. It had its last turn at `last_turn`; without one its turn has come.
    ///
    /// **Invariants**: a turn comes after the last one; when it is due, every window is open and no freeze holds; however
    /// many turns were missed, one is due. A turn that comes while a window or a freeze is in the way waits for the next
    /// opening, and in that one for the repository's own place within `jitter`, so that not all of them start when it
    /// opens.
    pub fn due(&self, repository: &RepositoryKey, last_turn: Option<Timestamp>, now: Timestamp) -> Due {
        self.due_at(Spread::of(repository), last_turn, now)
    }

    /// The same for what is urgent: it waits for no turn, and for no freeze that lets it through.
    pub fn due_urgently(&self, repository: &RepositoryKey, now: Timestamp) -> Due {
        let freezes = self.freezes.iter().filter(|freeze| !freeze.value.lets_urgent_through()).cloned().collect();
        Self { schedule: None, freezes, ..self.clone() }.due(repository, None, now)
    }

    pub(super) fn due_at(&self, spread: Spread, last_turn: Option<Timestamp>, now: Timestamp) -> Due {
        // A turn in the future was noted by a clock that was wrong.
        let turn = self
            .schedule
            .as_ref()
            .zip(last_turn)
            .map(|(schedule, last)| schedule.value.next_after(last.min(now), &schedule.zone, spread, self.jitter));
        // What has no schedule, or never had its turn, was always due.
        let came = turn.unwrap_or(Timestamp::MIN);
        let place = turn.map_or(Some(Timestamp::MIN), |turn| self.place_of(turn, spread));
        let Some((opening, place)) = self.opening_from(came.max(now)).zip(place) else {
            return Due::Later(self.never());
        };
        let at = opening.stretch.from.max(place).max(now);
        if at <= now {
            return Due::Now { because: self.schedule_rule(last_turn) };
        }
        let cause = match opening.closed_by.first() {
            Some(closed) if came <= now => closed.cause,
            Some(_) | None => WaitCause::Schedule,
        };
        let mut rules: Vec<String> = opening.closed_by.into_iter().map(|closed| closed.rule).collect();
        if cause == WaitCause::Schedule {
            rules.insert(0, self.schedule_rule(last_turn));
        }
        Due::Later(Wait { until: self.zoned(at), cause, because: rules.join(", then ") })
    }

    /// The place of a turn that came then: at once, or where something is in the way, the repository's own place in the
    /// first opening after it. In later openings it waits for none: whoever looks once a day, when the window opens,
    /// would always be too early. `None`: never.
    fn place_of(&self, turn: Timestamp, spread: Spread) -> Option<Timestamp> {
        let Stretch { from, until } = self.opening_from(turn)?.stretch;
        let place = || spread.within(self.jitter.min(until.duration_since(from)));
        Some(if turn < from { later(from, place()) } else { turn })
    }

    /// The stretches of time after `at` in which windows and freezes let through, the one that is open there included.
    pub(super) fn stretch_from(&self, at: Timestamp) -> Option<(Stretch, Vec<String>)> {
        let opening = self.opening_from(at)?;
        Some((opening.stretch, opening.closed_by.into_iter().map(|closed| closed.rule).collect()))
    }

    /// Until when the opening that holds at a time lasts, or the next one does; `None`: there is none.
    pub fn open_until(&self, at: Timestamp) -> Option<Timestamp> {
        self.stretch_from(at).map(|(stretch, _)| stretch.until)
    }

    pub(super) fn zoned(&self, at: Timestamp) -> Zoned {
        at.to_zoned(self.zone.clone())
    }

    /// The first opening that ends after `at`.
    fn opening_from(&self, at: Timestamp) -> Option<Opening> {
        let mut at = at;
        let mut closed_by: Vec<Closed> = Vec::new();
        for _ in 0..STEPS_MAX {
            match self.gate(at)? {
                Ok(stretch) => return Some(Opening { stretch, closed_by }),
                Err((until, closed)) => {
                    if !closed_by.contains(&closed) {
                        closed_by.push(closed);
                    }
                    at = until;
                }
            }
        }
        None
    }

    /// The stretch that is open at a time, or until when what is in the way. `None`: for ever.
    fn gate(&self, at: Timestamp) -> Option<Result<Stretch, (Timestamp, Closed)>> {
        let mut open = Stretch::ALWAYS;
        for freeze in &self.freezes {
            let stretch = freeze.value.stretch(&freeze.zone);
            if stretch.contains(at) {
                let closed = Closed { cause: WaitCause::Freeze, rule: freeze.to_string() };
                return (stretch.until < Timestamp::MAX).then_some(Err((stretch.until, closed)));
            }
            open = open.intersect(if stretch.from > at {
                Stretch { from: Timestamp::MIN, until: stretch.from }
            } else {
                Stretch { from: stretch.until, until: Timestamp::MAX }
            });
        }
        for window in &self.windows {
            let stretch = window.value.stretch_from(&window.zone, at)?;
            if !stretch.contains(at) {
                return Some(Err((stretch.from, Closed { cause: WaitCause::Window, rule: window.to_string() })));
            }
            open = open.intersect(stretch);
        }
        Some(Ok(open))
    }

    fn never(&self) -> Wait {
        let because = "its windows and freezes leave no time".to_owned();
        Wait { until: self.zoned(Timestamp::MAX), cause: WaitCause::Window, because }
    }

    fn schedule_rule(&self, last_turn: Option<Timestamp>) -> String {
        let Some(Rule { value, origin, .. }) = &self.schedule else { return "no schedule".to_owned() };
        let first = if last_turn.is_none() { ", its first turn" } else { "" };
        format!("schedule `{value}` ({origin}){first}")
    }
}

impl Due {
    /// When it is; `None`: now.
    pub fn at(&self) -> Option<&Zoned> {
        match self {
            Self::Now { .. } => None,
            Self::Later(wait) => Some(&wait.until),
        }
    }

    /// Which rules make it so, for people.
    pub fn because(&self) -> &str {
        match self {
            Self::Now { because } | Self::Later(Wait { because, .. }) => because,
        }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.cause {
            WaitCause::Schedule => "not due",
            WaitCause::Window => "outside of its window",
            WaitCause::Freeze => "frozen",
        };
        write!(f, "{what} until {}: {}", shown(&self.until), self.because)
    }
}
