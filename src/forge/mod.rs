//! Where repositories and pull requests live. One file per forge behind one trait.

mod error;
pub mod github;
pub mod gitlab;
mod pace;
mod portion;
mod selection;
mod tally;

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;

use crate::domain::pull_request::{
    AutoMergesFrom, BranchHead, BranchName, CommitId, NewPullRequest, PullRequest, RepoName, RepositoryHead, Vocabulary,
};
use crate::net::Remote;

pub use error::ForgeError;
use error::root_cause;
pub use selection::Selection;

/// What [`Forge::repositories`] found.
#[derive(Debug, Default)]
pub struct Listing {
    /// Sorted by name.
    pub repositories: Vec<RepositoryHead>,
    /// What was asked for and cannot be served, by name or pattern: gone, renamed, archived, no permission.
    pub problems: Vec<ListingProblem>,
}

/// A repository (or pattern) that was asked for and is not in the listing.
#[derive(Debug)]
pub struct ListingProblem {
    pub subject: String,
    pub error: ForgeError,
}

/// A forge: GitHub or GitLab.
///
/// Every call has a timeout, asks again by the one retry policy where that is safe, and honours rate limits.
/// Branches are pushed and deleted through git, which has leases; a forge only talks about pull requests.
#[async_trait]
pub trait Forge: Send + Sync + std::fmt::Debug {
    /// The name in the configuration.
    fn name(&self) -> &str;

    /// What it calls a pull request, in text that is shown there.
    fn vocabulary(&self) -> Vocabulary;

    /// The selected repositories with the head of the default branch and the branches under
    /// `refrom/`, and how the head's checks stand where [`Selection::pipelines`] says so: one request per 100
    /// repositories. A repository that cannot be served is a problem, not an error.
    async fn repositories(&self, selection: &Selection) -> Result<Listing, ForgeError>;

    /// The head of one branch with how its checks stand, for policies that follow another branch than the default one.
    /// `Ok(None)`: no such branch.
    async fn branch_head(
        &self,
        repository: &RepositoryHead,
        branch: &BranchName,
    ) -> Result<Option<BranchHead>, ForgeError>;

    /// The pull requests from these branches of these repositories, newest first, by our own account and from the
    /// repository itself: of each branch those that are open or were closed without merging, at most
    /// [`PULL_REQUESTS_PER_BRANCH_MAX`], and the last that was merged, without its labels. One request per 100 branches,
    /// all repositories together. Has an entry for every repository asked for.
    async fn pull_requests(
        &self,
        wanted: &BTreeMap<RepoName, (String, BTreeSet<BranchName>)>,
    ) -> BTreeMap<RepoName, Result<Vec<PullRequest>, ForgeError>>;

    /// Opens a pull request from a branch that is there. Where one is open already for the branch (an answer got
    /// lost), that one is returned. Labels, reviewers and assignees that the forge refuses are warnings.
    async fn open(&self, repository: &RepoName, new: &NewPullRequest) -> Result<Opened, ForgeError>;

    /// Sets the labels, reviewers and assignees that an open pull request has not yet, because its opening was
    /// interrupted; what the forge refuses are warnings. Doing it twice is doing it once.
    async fn finish_opening(
        &self,
        repository: &RepoName,
        number: u64,
        new: &NewPullRequest,
    ) -> Result<Vec<String>, ForgeError>;

    /// Changes title and body.
    async fn update(&self, repository: &RepoName, number: u64, title: &str, body: &str) -> Result<(), ForgeError>;

    /// Closes without merging, after `sentence` was said in a comment; said once, however often it is tried.
    async fn close(&self, repository: &RepoName, number: u64, sentence: &str) -> Result<(), ForgeError>;

    /// Says `text` once: nothing is sent where our own account already said something with the same `key`, which is
    /// kept in a hidden marker: letters, digits, `-`, `_`, `.` and `:`, without `--`.
    async fn comment_once(&self, repository: &RepoName, number: u64, key: &str, text: &str) -> Result<(), ForgeError>;

    /// Lets the forge merge the pull request by itself once its checks have passed, as long as its head is this commit.
    /// [`ForgeError::Denied`] where the repository does not allow it. Doing it twice is doing it once.
    async fn auto_merge(&self, repository: &RepoName, number: u64, head: &CommitId) -> Result<(), ForgeError>;

    /// From when on [`Forge::auto_merge`] may be asked for.
    fn auto_merges_from(&self) -> AutoMergesFrom;

    /// Makes a commit through the forge's API, so that the forge signs it: git can fetch it by its id, and no branch of
    /// anybody points to it but [`ApiCommit::scratch`], where the forge needs one.
    async fn commit(&self, repository: &RepoName, commit: &ApiCommit) -> Result<CommitId, ForgeError>;

    /// Whether [`Forge::commit`] leaves [`ApiCommit::scratch`] behind, at the commit that it made.
    fn leaves_scratch_branch(&self) -> bool;

    /// The e-mail addresses that the forge gives to author and committer of commits made by [`Forge::commit`].
    async fn commit_emails(&self) -> Result<BTreeSet<String>, ForgeError>;

    /// Where git reads and pushes, with a token that is valid for at least some minutes.
    async fn git_access(&self, repository: &RepoName) -> Result<Remote, ForgeError>;
}

/// An opened pull request, and what about it the forge refused.
#[derive(Debug)]
pub struct Opened {
    pub number: u64,
    pub url: String,
    /// For people: `the label … could not be set: …`.
    pub warnings: Vec<String>,
}

/// A commit that is made through a forge's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCommit {
    /// The one parent.
    pub base: CommitId,
    pub message: String,
    /// Whole contents of files that are there, by path from the root, with their git file mode.
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
    /// A branch of refrom's own namespace that the forge may make for it; the caller deletes it.
    pub scratch: BranchName,
}

/// How many pull requests that were not merged are read per branch; more closed ones than that say nothing new.
pub const PULL_REQUESTS_PER_BRANCH_MAX: usize = 50;

/// What makes a comment with this key known again: an HTML comment, which no forge shows.
fn hidden_marker(key: &str) -> Result<String, ForgeError> {
    let is_key = !key.is_empty() && !key.contains("--");
    if !is_key || !key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c)) {
        return Err(ForgeError::Invalid { message: format!("`{key}` cannot stand in a hidden marker") });
    }
    Ok(format!("<!-- refrom:{key} -->"))
}
