//! What a replay is asked, and what it answers.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::forge::Deed;
use super::notes::Note;
use super::recording::Recording;
use super::samples::Sample;
use crate::domain::proposal::Reason;
use crate::domain::pull_request::NameError;
use crate::domain::reference::TagRef;

/// What is replayed, and how.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The beginning of the recording, where nobody says otherwise.
    pub from: Option<Timestamp>,
    /// The end of the recording, where nobody says otherwise.
    pub to: Option<Timestamp>,
    /// How long after its last update people merge a pull request.
    pub merge_after: SignedDuration,
    pub planning: Planning,
    /// The word for a reason, as tables and JSON have it.
    pub word: fn(&Reason) -> &'static str,
}

/// Which repositories are planned at a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planning {
    /// Those for which something may have changed since they were planned the last time.
    WhereSomethingChanged,
    /// All of them, and between two looks what is due then: the same pull requests, and slow. It is what the other one is held against.
    Everything,
}

/// By how much a replay may go beyond its recording at either end, in days: schedules and freezes come around within a year,
/// and days on which nothing happens cost as much as others.
const BEYOND_DAYS_MAX: i64 = 366;

/// Why nothing can be replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the replay ends at {to}, before it begins at {from}")]
    Backwards { from: Timestamp, to: Timestamp },
    #[error("the history goes from {first} to {last}: there is nothing from {from} on")]
    After { first: Timestamp, last: Timestamp, from: Timestamp },
    #[error("the history goes from {first} to {last}: there is nothing until {to}")]
    Before { first: Timestamp, last: Timestamp, to: Timestamp },
    #[error(
        "the history goes from {first} to {last}: a replay goes at most {BEYOND_DAYS_MAX} days beyond that, and not from {from} to {to}"
    )]
    Beyond { first: Timestamp, last: Timestamp, from: Timestamp, to: Timestamp },
    #[error("the history knows none of the tags that the repositories pin: not `{0}`, for one")]
    NothingKnown(TagRef),
    #[error("the repositories pin nothing")]
    NoPins,
    #[error(transparent)]
    Name(#[from] NameError),
}

/// What happened in a replay.
#[derive(Debug)]
pub struct Outcome {
    pub from: Timestamp,
    pub to: Timestamp,
    pub repositories: usize,
    /// Those that the policies follow and that came into being: their tag was seen.
    pub pins: usize,
    /// Tags that the recording does not know; pins of them are left out.
    pub left_out: BTreeSet<TagRef>,
    /// What the configuration asks for and the recording cannot give.
    pub notes: BTreeSet<Note>,
    /// In the order of time.
    pub deeds: Vec<Deed>,
    /// How many pull requests are open at the end.
    pub open: usize,
    /// How long pins waited, by the word of the reason, for all pins together.
    pub waits: BTreeMap<&'static str, SignedDuration>,
    /// How often a repository was planned.
    pub plans: u64,
    pub(super) samples: Vec<Sample>,
    pub(super) lags: Vec<SignedDuration>,
}

impl Setup {
    /// From when to when the recording is replayed.
    pub(super) fn span(&self, recording: &Recording) -> Result<(Timestamp, Timestamp), ReplayError> {
        let (first, last) = recording.span().unwrap_or_default();
        let (from, to) = (self.from.unwrap_or(first), self.to.unwrap_or(last));
        let most = SignedDuration::from_hours(24 * BEYOND_DAYS_MAX);
        if last < from {
            Err(ReplayError::After { first, last, from })
        } else if to < first {
            Err(ReplayError::Before { first, last, to })
        } else if to < from {
            Err(ReplayError::Backwards { from, to })
        } else if first.duration_since(from) > most || to.duration_since(last) > most {
            Err(ReplayError::Beyond { first, last, from, to })
        } else {
            Ok((from, to))
        }
    }
}
