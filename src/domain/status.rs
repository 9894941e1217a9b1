//! How the fleet stands: what an administrator looks at.

mod figures;
mod filter;
mod words;

use jiff::{SignedDuration, Timestamp};

use super::candidates::RepositoryKey;
use super::digest::Digest;
use super::freshness::TagFinding;
use super::proposal::Reason;
use super::pull_request::{BranchName, Pipeline, Vocabulary};
use super::reference::{ImageName, Tag, TagRef};
use super::waves::{UnderWay, WaveCause, WaveWait};

pub use figures::{Figures, OldestStale};
pub use filter::{Filter, FilterError, Sort, StateFilter};
pub use words::{due, duration, error_count, plural, size};

/// Everything that is known of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FleetStatus {
    /// `None`: there was no cycle over the whole fleet yet.
    pub cycle: Option<CycleStatus>,
    /// By forge and name.
    pub repositories: Vec<RepositoryStatus>,
    /// The digests on their way through the waves, by tag, then newest first: time moves them, so that they are told when
    /// somebody looks, and no cycle keeps them.
    pub waves: Vec<UnderWay>,
}

/// The last cycle over the whole fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CycleStatus {
    pub started: Timestamp,
    pub ended: Timestamp,
    /// What could not be looked up or done, besides what stands at its repository: subject and message.
    pub problems: Vec<(String, String)>,
}

/// One repository, as the last cycle that looked at it found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryStatus {
    pub repository: RepositoryKey,
    /// What its forge calls a pull request.
    pub vocabulary: Vocabulary,
    /// Where people find it.
    pub url: Option<String>,
    /// When it could be read the last time; `None`: never.
    pub looked_at: Option<Timestamp>,
    pub is_enabled: bool,
    /// By path, then as in the file.
    pub pins: Vec<PinStatus>,
    /// Digests that are not followed, and what else somebody should look at. By path, then as in the file.
    pub noticed: Vec<NoticedStatus>,
    /// Every digest that is not followed, whoever wants it so. By path, then as in the file.
    pub unfollowed: Vec<UnfollowedStatus>,
    /// What is to be said of the tags of its pins, by tag.
    pub findings: Vec<TagFinding>,
    /// Newest first.
    pub pull_requests: Vec<PullRequestStatus>,
    /// When it may be proposed to next; `None`: now; the end of time: never.
    pub due_at: Option<Timestamp>,
    /// Which rule makes it so, for people.
    pub due_because: String,
    /// What went wrong the last time, for people.
    pub error: Option<String>,
}

/// One followed pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinStatus {
    pub path: String,
    /// 1-based.
    pub line: u32,
    pub tag: TagRef,
    /// `None`: it has none yet, and shall get one.
    pub digest: Option<Digest>,
    /// What the image says of itself, where it was looked up.
    pub version: Option<String>,
    /// When the pinned image was built, by its own word.
    pub created: Option<Timestamp>,
    /// When the pinned digest was first seen for its tag, by refrom's clock.
    pub first_seen: Option<Timestamp>,
    pub state: PinState,
}

/// How a pin stands to its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinState {
    Current {
        /// Why it does not get the higher tag that there is; `None`: there is none, or a pull request brings it there.
        waits: Option<Wait>,
    },
    Behind {
        newest: Digest,
        /// What the newest image says of itself, where it was looked up.
        newest_version: Option<String>,
        /// Since the tag was first seen at another digest after the pinned one, by refrom's clock.
        since: Option<Timestamp>,
        /// Why it is not proposed; `None`: it stands in a pull request.
        waits: Option<Wait>,
    },
    Unknown {
        reason: String,
        /// Whether it stays so until somebody does something.
        needs_person: bool,
    },
    /// Somebody took its digest back: it goes back, whatever its tag points to.
    Denied {
        /// In the words of who took it back.
        reason: String,
        /// Where it goes, where that is known.
        to: Option<Digest>,
        /// The tag that it gets there, where that is another one.
        to_tag: Option<Tag>,
        /// The open pull request that brings it there.
        pull_request: Option<u64>,
        /// Why none does.
        waits: Option<Wait>,
    },
}

/// Why nothing happens to a pin or a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// For people.
    pub why: String,
    /// Whether it stays so until somebody does something; else it settles by itself, or somebody wants it so.
    pub needs_person: bool,
    /// Until when, as far as that is known.
    pub until: Option<Timestamp>,
    /// Since when, where that is what says something.
    pub since: Option<Timestamp>,
}

/// A use of an image that nobody would be told of otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticedStatus {
    pub path: String,
    /// 1-based.
    pub line: u32,
    /// As people write it.
    pub image: String,
    /// For people: `skipped: no-tag`.
    pub what: String,
}

/// A use of a digest that no pull request ever moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnfollowedStatus {
    pub path: String,
    /// 1-based.
    pub line: u32,
    pub image: ImageName,
    pub tag: Option<Tag>,
    pub digest: Digest,
    /// For people.
    pub why: String,
}

/// One open pull request of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestStatus {
    pub number: u64,
    pub url: String,
    pub title: String,
    pub branch: BranchName,
    pub pipeline: Pipeline,
    pub is_auto_merging: bool,
    pub opened_at: Option<Timestamp>,
    /// Why it is left as it is.
    pub left_alone: Option<Wait>,
}

/// A repository in one word. The order is that of urgency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Somebody has to do something.
    NeedsPerson,
    /// Something is behind, and on its way or waiting for its time.
    Behind,
    /// Nothing to do.
    Current,
    /// The policy's `enabled: false`.
    Off,
}

impl FleetStatus {
    /// Whether the last cycle over the whole fleet read all of it, so that what it does not name is not there.
    pub fn is_complete(&self) -> bool {
        self.cycle.as_ref().is_some_and(|cycle| cycle.problems.is_empty())
            && self.repositories.iter().all(|repository| repository.error.is_none())
    }
}

impl RepositoryStatus {
    pub fn standing(&self) -> Standing {
        if self.needs_person() {
            Standing::NeedsPerson
        } else if !self.is_enabled {
            Standing::Off
        } else if self.is_behind() {
            Standing::Behind
        } else {
            Standing::Current
        }
    }

    /// Whether something went wrong, is not known, or waits for somebody.
    pub fn needs_person(&self) -> bool {
        self.error.is_some()
            || self.pins.iter().any(PinStatus::needs_person)
            || self.findings.iter().any(|finding| finding.trouble.needs_person())
            || self.pull_requests.iter().any(PullRequestStatus::needs_person)
    }

    pub fn is_behind(&self) -> bool {
        self.pins.iter().any(PinStatus::is_behind)
    }

    /// Whether it says something when it may be proposed to: "at any time" does not, where nothing is behind.
    pub fn tells_due(&self, now: Timestamp) -> bool {
        !self.due_because.is_empty() && (self.is_behind() || self.due_at.is_some_and(|at| at > now))
    }

    /// Since when its oldest stale pin is behind.
    pub fn behind_since(&self) -> Option<Timestamp> {
        self.pins.iter().filter_map(PinStatus::behind_since).min()
    }
}

impl PinStatus {
    /// Whether it is not where it should be.
    pub fn is_behind(&self) -> bool {
        matches!(self.state, PinState::Behind { .. } | PinState::Denied { .. })
    }

    pub fn is_denied(&self) -> bool {
        matches!(self.state, PinState::Denied { .. })
    }

    pub fn is_unknown(&self) -> bool {
        matches!(self.state, PinState::Unknown { .. })
    }

    /// Whether it could be elsewhere and stands in no pull request.
    pub fn is_waiting(&self) -> bool {
        self.waits().is_some()
    }

    /// Why it is not where it could be.
    pub fn waits(&self) -> Option<&Wait> {
        match &self.state {
            PinState::Current { waits } | PinState::Behind { waits, .. } | PinState::Denied { waits, .. } => {
                waits.as_ref()
            }
            PinState::Unknown { .. } => None,
        }
    }

    pub fn behind_since(&self) -> Option<Timestamp> {
        match self.state {
            PinState::Behind { since, .. } => since,
            PinState::Current { .. } | PinState::Unknown { .. } | PinState::Denied { .. } => None,
        }
    }

    /// Whether nothing comes of it until somebody looks.
    pub fn needs_person(&self) -> bool {
        match &self.state {
            PinState::Unknown { needs_person, .. } => *needs_person,
            PinState::Current { .. } | PinState::Behind { .. } | PinState::Denied { .. } => {
                self.waits().is_some_and(|wait| wait.needs_person)
            }
        }
    }

    /// The age of what is pinned: since it was built, else since it was first seen.
    pub fn dates_from(&self) -> Option<Timestamp> {
        self.created.or(self.first_seen)
    }
}

impl PullRequestStatus {
    /// Whether nothing comes of it until somebody looks.
    pub fn needs_person(&self) -> bool {
        self.pipeline == Pipeline::Failed || self.left_alone.as_ref().is_some_and(|wait| wait.needs_person)
    }
}

impl Wait {
    /// For people of a forge.
    pub fn new(reason: &Reason, vocabulary: Vocabulary, now: Timestamp) -> Self {
        let why = reason.told(vocabulary).to_string();
        Self { why, needs_person: needs_person(reason, now), until: reason.until(), since: reason.since() }
    }

    /// Why, with how far its time is from now: `…, in 3 days`.
    pub fn told_at(&self, now: Timestamp) -> String {
        match (self.until.filter(|until| *until > now), self.since) {
            (Some(until), _) => format!("{}, in {}", self.why, duration(now, until)),
            (None, Some(since)) => format!("{}, {} ago", self.why, duration(since, now)),
            (None, None) => self.why.clone(),
        }
    }

    /// The words alone: no time is known.
    pub fn of_words(why: impl Into<String>, needs_person: bool) -> Self {
        Self { why: why.into(), needs_person, until: None, since: None }
    }
}

/// How long a digest may be on its way to a mirror before somebody should look: the slowest replication runs once a day.
const MIRROR_PATIENCE: SignedDuration = SignedDuration::from_hours(24);

/// Whether it stays so until somebody does something; else it settles by itself, or somebody wants it so.
fn needs_person(reason: &Reason, now: Timestamp) -> bool {
    match reason {
        Reason::Unknown(_)
        | Reason::Ambiguous
        | Reason::SinglePlatform
        | Reason::NoLongerIndex
        | Reason::PlatformsGone(_)
        | Reason::TagGone
        | Reason::NoWayBack { .. }
        | Reason::TagNotEditable(_)
        | Reason::ForeignCommit(_)
        | Reason::ForeignBranch(_)
        | Reason::UnreadableMarker(..)
        | Reason::Wave(WaveWait { cause: WaveCause::Failed(_), .. }) => true,
        Reason::NotInMirror { since, .. } => now.duration_since(*since) >= MIRROR_PATIENCE,
        // They settle by themselves.
        Reason::Backwards
        | Reason::TooYoung { .. }
        | Reason::Unsettled { .. }
        | Reason::HeldBack(_)
        | Reason::DigestGone(_)
        | Reason::Pair { .. }
        | Reason::MinInterval { .. }
        | Reason::Wave(_)
        | Reason::Merged(_)
        | Reason::Moved(_)
        | Reason::MaxOpen(_)
        | Reason::MaxNewPerHour(_)
        | Reason::TooMany
        | Reason::Waits(_) => false,
        // Somebody wants it so.
        Reason::Denied { .. } | Reason::Unchanged(_) | Reason::Refused(_) | Reason::Hold(_) => false,
    }
}

impl Standing {
    /// In the order of urgency.
    pub const ALL: [Self; 4] = [Self::NeedsPerson, Self::Behind, Self::Current, Self::Off];

    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NeedsPerson => "attention",
            Self::Behind => "behind",
            Self::Current => "current",
            Self::Off => "off",
        }
    }
}

impl PinState {
    /// The word in tables and JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Current { .. } => "current",
            Self::Behind { .. } => "behind",
            Self::Unknown { .. } => "unknown",
            Self::Denied { .. } => "denied",
        }
    }
}
