//! What is remembered between cycles. All of it can be lost without harm: the forge is the record.

mod ledger;
mod lock;
mod presence;
mod sqlite;
mod waves;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};

use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{Merged, RecordedDenial};
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::ledger::History;
use crate::domain::mirror::Mirrors;
use crate::domain::pull_request::{BranchName, CommitId, RepoName};
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::status::{CycleStatus, FleetStatus, RepositoryStatus};

pub use ledger::{Imported, LedgerEntry, RETENTION};
pub use presence::{Place, PresenceStore};
pub use sqlite::{Import, Snapshot, SqliteDenials, SqliteReader, SqliteStore};
pub use waves::{WaveBooks, WaveStore};

/// The candidate files of a branch at a commit, so that nothing is fetched while the head stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    pub head: CommitId,
    /// What decided which files are candidates; another value means to look again.
    pub selector: String,
    pub files: Vec<ScannedFile>,
    pub left_out: Vec<LeftOutFile>,
}

/// A file that can hold a pin, as it stands in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedFile {
    pub path: String,
    /// The git file mode: 0o100644 or 0o100755.
    pub mode: u32,
    /// The blob's id, hex.
    pub blob: String,
}

/// A candidate that is not read, with the reason for people (`larger than 1 MiB`, `a symbolic link`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOutFile {
    pub path: String,
    pub reason: String,
}

/// A pull request of ours, with what the mean time to patch is made of. Times of opening and merging are the forge's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestTimes {
    pub number: u64,
    pub branch: BranchName,
    /// When the oldest digest that it was opened with was first seen for its tag.
    pub first_seen: Timestamp,
    pub opened: Timestamp,
    pub ended: Option<Ending>,
}

/// How a pull request ended, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Merged(Timestamp),
    /// Without merging, or it is not shown any more.
    Closed(Timestamp),
}

/// What the store knows of the whole fleet, for figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreFacts {
    /// Digests that were seen for tags, each for each tag, as far as they are remembered.
    pub digests_seen: u64,
    /// Pull requests that were closed without merging.
    pub closed: u64,
    /// From first sight to opening, of every pull request.
    pub to_opened: Vec<SignedDuration>,
    /// From first sight to merging, of every one that was merged.
    pub to_merged: Vec<SignedDuration>,
}

/// What became of the wish to deny a digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    Now,
    /// It is denied with the same words already.
    Already,
}

/// What became of the wish to allow a digest again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    Now,
    /// It was allowed then.
    Before(Timestamp),
    NeverDenied,
    /// It was to be allowed for one tag, and is denied for all tags of its image.
    DeniedForAllTags,
}

/// Changes whenever a denial is recorded or taken back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DenialsVersion {
    /// How many were ever recorded.
    pub denied: i64,
    /// How many of them were taken back.
    pub allowed: i64,
}

/// How much of the fleet a cycle read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Every repository, and every file of it that holds pins: what was not seen is not there.
    Fleet,
    Part,
}

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process holds the store.
    #[error("the store `{store}` is in use by {holder}")]
    Held { store: String, holder: String },
    /// Written by a newer refrom; nothing is read or changed.
    #[error("the store `{store}` has format {found}, this refrom knows {known}: use a newer refrom, or move it away")]
    Newer { store: String, found: i64, known: i64 },
    /// Written by an older refrom, which uses it now.
    #[error("the store `{store}` has format {found}, this refrom knows {known}: the refrom that uses it is older")]
    Older { store: String, found: i64, known: i64 },
    /// No database of refrom, or one with damage. All of it can be lost without harm.
    #[error("the store `{store}` is damaged: {detail}; move it away and a new one is made")]
    Damaged { store: String, detail: String },
    /// Only read, and not there.
    #[error("the store `{store}` is not there yet: the first cycle makes it")]
    Missing { store: String },
    #[error("the store `{store}` cannot be {what}")]
    Io { store: String, what: &'static str, source: Box<dyn std::error::Error + Send + Sync> },
}

/// The memory between cycles: SQLite now, PostgreSQL for several replicas later.
///
/// `forge` is the forge's name in the configuration; times are those of the caller's clock.
#[async_trait]
pub trait Store: WaveStore + PresenceStore + Send + Sync + std::fmt::Debug {
    /// The last scan of a branch.
    async fn scan(&self, forge: &str, repository: &RepoName, branch: &BranchName) -> Result<Option<Scan>, StoreError>;

    async fn put_scan(
        &self,
        forge: &str,
        repository: &RepoName,
        branch: &BranchName,
        scan: &Scan,
    ) -> Result<(), StoreError>;

    /// Notes what tags pointed to at `now`: a new digest gets its first sight, a known one its last.
    ///
    /// First sights of a tag are in the order in which they were noted, whatever the clock did in between: a digest is
    /// never first seen before one that was there already. So are the last looks, but for one that is noted within the
    /// hour after a later one: of two programs the other was faster.
    async fn record_sightings(&self, sightings: &[(TagRef, Digest)], now: Timestamp) -> Result<(), StoreError>;

    /// The tags of an image that were in its last list, and when that was asked for.
    async fn tag_list(&self, image: &ImageName) -> Result<Option<(BTreeSet<Tag>, Timestamp)>, StoreError>;

    /// Notes what a list of tags answered, in the place of the one before.
    async fn put_tag_list(&self, image: &ImageName, tags: &BTreeSet<Tag>, at: Timestamp) -> Result<(), StoreError>;

    /// Notes tags that did not answer, until they do.
    async fn record_unanswered(&self, tags: &[TagRef]) -> Result<(), StoreError>;

    /// What a tag pointed to when it was last asked for, and when that was. `None` where it never answered, or did not
    /// answer the last time.
    async fn last_sighting(&self, tag: &TagRef) -> Result<Option<(Digest, Timestamp)>, StoreError>;

    /// Moves what is noted under a name that is a mirror's to the name of its upstream; which names these were. What was
    /// seen under both counts as in an import: with the earlier first sight and the later last one. The tags are asked for
    /// before anything is decided: what a mirror had is no look at its upstream.
    async fn move_to_upstreams(&self, mirrors: &Mirrors) -> Result<BTreeMap<ImageName, ImageName>, StoreError>;

    /// The digests that pins had when their tag was last asked for.
    async fn pinned(&self, tag: &TagRef) -> Result<BTreeSet<Digest>, StoreError>;

    /// Notes the digests that pins of these tags have; over the whole fleet in the place of those that they had. What was
    /// there before stays known since then.
    async fn record_pinned(
        &self,
        pinned: &BTreeMap<TagRef, BTreeSet<Digest>>,
        reach: Reach,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Everything that was seen of a tag, and since when pins have the digests that they have.
    async fn history(&self, tag: &TagRef) -> Result<History, StoreError>;

    /// The tags of an image that were ever seen, each with its first sight.
    async fn first_sights(&self, image: &ImageName) -> Result<BTreeMap<Tag, Timestamp>, StoreError>;

    /// When this digest was first seen for this tag.
    async fn first_seen(&self, tag: &TagRef, digest: &Digest) -> Result<Option<Timestamp>, StoreError>;

    /// Whether any tag of this image was ever looked up, which is done for pins alone.
    async fn is_followed(&self, image: &ImageName) -> Result<bool, StoreError>;

    /// What is known of a digest; content never changes under one.
    async fn image(&self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError>;

    async fn put_image(&self, name: &ImageName, image: &Image) -> Result<(), StoreError>;

    /// What one platform's manifest is made of, as far as it was asked for; that never changes either.
    async fn content(&self, name: &ImageName, digest: &Digest) -> Result<Option<Content>, StoreError>;

    /// `digest` is the manifest's.
    async fn put_content(&self, name: &ImageName, digest: &Digest, content: &Content) -> Result<(), StoreError>;

    /// Notes that a pull request was opened, for `max_new_per_hour`.
    async fn record_opened(&self, forge: &str, repository: &RepoName, at: Timestamp) -> Result<(), StoreError>;

    /// When each repository last had its turn.
    async fn turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError>;

    /// Notes that these repositories had their turn.
    async fn record_turns(&self, repositories: &[RepositoryKey], at: Timestamp) -> Result<(), StoreError>;

    /// Since when the turns are tried that are not finished.
    async fn unfinished_turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError>;

    /// Notes that the turns of these repositories are not finished, until [`Store::record_turns`]; the first time stays.
    async fn record_unfinished_turns(&self, repositories: &[RepositoryKey], at: Timestamp) -> Result<(), StoreError>;

    /// When a pull request was last opened in each repository, however long ago.
    async fn last_opened(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError>;

    /// How many pull requests were opened in the whole fleet since then.
    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError>;

    /// Notes that a pull request from this branch is about to be opened, until [`Store::remove_opening`].
    async fn put_opening(&self, forge: &str, repository: &RepoName, branch: &BranchName) -> Result<(), StoreError>;

    /// Notes that it was opened with everything that goes with it.
    async fn remove_opening(&self, forge: &str, repository: &RepoName, branch: &BranchName) -> Result<(), StoreError>;

    /// The openings that were not finished.
    async fn openings(&self, forge: &str) -> Result<BTreeSet<(RepoName, BranchName)>, StoreError>;

    /// The pull requests of a forge that it was told to merge by itself, each with the head for which it was told last.
    async fn told_to_merge(&self, forge: &str) -> Result<BTreeMap<(RepoName, u64), CommitId>, StoreError>;

    /// Notes that a forge was told to merge this pull request at this head, whatever it answered.
    async fn put_told_to_merge(
        &self,
        forge: &str,
        repository: &RepoName,
        number: u64,
        head: &CommitId,
    ) -> Result<(), StoreError>;

    /// Since when the tag has pointed to something newer than the digest that is pinned: the first sight of the first
    /// digest that came after it, however many followed. Where the ledger never saw the pinned one, the first sight of
    /// any other.
    async fn stale_since(&self, tag: &TagRef, pinned: &Digest) -> Result<Option<Timestamp>, StoreError>;

    /// What is known of a pull request.
    async fn pull_request(&self, key: &RepositoryKey, number: u64) -> Result<Option<PullRequestTimes>, StoreError>;

    /// Notes a pull request, or how a known one ended or that it is open again; its first times stay.
    async fn put_pull_request(&self, key: &RepositoryKey, times: &PullRequestTimes) -> Result<(), StoreError>;

    /// The pull requests of which no end is known, by number: their branches may be gone, and nobody else would ask.
    async fn open_pull_requests(&self) -> Result<BTreeMap<RepositoryKey, BTreeMap<u64, BranchName>>, StoreError>;

    /// Counts and times of everything that is remembered.
    async fn facts(&self) -> Result<StoreFacts, StoreError>;

    /// Every digest that was ever taken back, in the order in which that was recorded.
    async fn denials(&self) -> Result<Vec<RecordedDenial>, StoreError>;

    /// What tells whether [`Store::denials`] has changed.
    async fn denials_version(&self) -> Result<DenialsVersion, StoreError>;

    /// What repositories had on their base branches for tags of this image, oldest first.
    async fn merged(&self, image: &ImageName) -> Result<Merged, StoreError>;

    /// Replaces what is known of these repositories. With a cycle over the whole fleet, that of all of them: what is not
    /// among them is forgotten.
    async fn put_status(
        &self,
        repositories: &[RepositoryStatus],
        whole: Option<&CycleStatus>,
    ) -> Result<(), StoreError>;

    /// What was last known of the fleet.
    async fn status(&self) -> Result<FleetStatus, StoreError>;
}
