//! How the fleet stands: what an administrator looks at.

use jiff::Timestamp;

use super::candidates::RepositoryKey;
use super::digest::Digest;
use super::pull_request::{BranchName, Pipeline};
use super::reference::TagRef;

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
    pub looked_at: Timestamp,
    pub is_enabled: bool,
    /// By path, then as in the file.
    pub pins: Vec<PinStatus>,
    /// Newest first.
    pub pull_requests: Vec<PullRequestStatus>,
    /// When it may be proposed to next; `None`: now.
    pub due_at: Option<Timestamp>,
    /// Which rule makes it so, for people.
    pub due_because: String,
    /// The last thing that went wrong, for people.
    pub error: Option<String>,
}

/// One followed pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinStatus {
    pub path: String,
    /// 1-based.
    pub line: u32,
    pub tag: TagRef,
    pub digest: Digest,
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
    Current,
    /// Behind since the newer digest was first seen, by refrom's clock.
    Behind {
        newest: Digest,
        since: Option<Timestamp>,
        /// Why it is not proposed, for people; `None`: it stands in a pull request.
        waits: Option<String>,
    },
    Unknown {
        reason: String,
    },
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
    /// Why it is left alone, for people.
    pub left_alone: Option<String>,
}
