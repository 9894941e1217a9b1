//! The next times, as far as they can be told beforehand.

use jiff::{Timestamp, Zoned};

use super::Cadence;
use super::due::Due;
use super::spread::Spread;

/// One time at which a repository may be proposed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upcoming {
    /// In the repository's zone.
    pub at: Zoned,
    /// Until when it may be proposed to without a schedule; `None`: at a turn, or for ever.
    pub until: Option<Zoned>,
    /// Which rules make it so, for people.
    pub because: String,
}

impl Cadence {
    /// The next times, if each turn is used as it comes. Without a schedule the times that windows and freezes leave.
    pub fn upcoming(&self, spread: Spread, after: Timestamp, count: usize) -> Vec<Upcoming> {
        let mut at = after;
        let mut times = Vec::new();
        while times.len() < count && at < Timestamp::MAX {
            let next = if self.schedule.is_some() { self.next_turn(spread, at) } else { self.next_opening(at) };
            let Some((time, next)) = next else { break };
            times.push(time);
            at = next;
        }
        times
    }

    fn next_turn(&self, spread: Spread, last: Timestamp) -> Option<(Upcoming, Timestamp)> {
        match self.due_at(spread, Some(last), last) {
            Due::Later(wait) if wait.until.timestamp() < Timestamp::MAX => {
                let next = wait.until.timestamp();
                Some((Upcoming { at: wait.until, until: None, because: wait.because }, next))
            }
            Due::Later(_) | Due::Now { .. } => None,
        }
    }

    fn next_opening(&self, at: Timestamp) -> Option<(Upcoming, Timestamp)> {
        let (stretch, closed_by) = self.stretch_from(at)?;
        let until = (stretch.until < Timestamp::MAX).then(|| self.zoned(stretch.until));
        let because = if closed_by.is_empty() { "no schedule".to_owned() } else { closed_by.join(", then ") };
        Some((Upcoming { at: self.zoned(stretch.from.max(at)), until, because }, stretch.until))
    }
}
