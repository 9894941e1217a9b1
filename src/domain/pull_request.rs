//! Names and values of a forge. GitLab's merge requests are pull requests here.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

/// The namespace of every branch that refrom pushes. **Invariant**: nothing is pushed outside of it.
pub const BRANCH_PREFIX: &str = "refrom/";

/// A repository's full name on its forge: `acme/web`, `group/subgroup/web`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoName(String);

/// A branch without `refs/heads/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BranchName(String);

/// A commit's id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

/// Why a text is not one of the names above.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a {what}: `{text}`")]
pub struct NameError {
    what: &'static str,
    text: String,
}

/// A repository as the forge lists it, with the head of its base branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryHead {
    pub name: RepoName,
    /// The forge's own id, which survives a rename.
    pub id: String,
    pub default_branch: BranchName,
    /// `None` for an empty repository.
    pub head: Option<CommitId>,
    /// How the checks of `head` stand, where that was asked for; of the base branch's head, where that is another one.
    pub pipeline: Pipeline,
    pub is_archived: bool,
    pub is_disabled: bool,
    pub is_fork: bool,
    pub topics: Vec<String>,
    /// The branches under [`BRANCH_PREFIX`].
    pub bot_branches: Vec<BotBranch>,
}

/// The head of a branch that is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchHead {
    pub commit: CommitId,
    /// How its checks stand.
    pub pipeline: Pipeline,
}

/// A branch under [`BRANCH_PREFIX`], as it is on the forge now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotBranch {
    pub name: BranchName,
    pub head: CommitId,
    /// The e-mail addresses of the head commit, by which our own commits are known.
    pub author_email: String,
    pub committer_email: String,
}

/// A pull request as it is on the forge now.
///
/// **Invariant**: opened by the account that refrom is signed in as, from the repository itself; adapters leave out
/// all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequest {
    pub number: u64,
    pub url: String,
    pub state: PullRequestState,
    pub branch: BranchName,
    pub base: BranchName,
    pub head: CommitId,
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub mergeable: Mergeable,
    /// Not ready for review, so that nobody merges it.
    pub is_draft: bool,
    /// What the forge says of the checks of `head`.
    pub pipeline: Pipeline,
    /// Whether the forge merges it by itself once it may.
    pub is_auto_merging: bool,
    /// When it was opened, by the forge's clock.
    pub opened_at: Option<Timestamp>,
    /// When it was merged, by the forge's clock.
    pub merged_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullRequestState {
    Open,
    Merged,
    /// Closed without merging.
    Closed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mergeable {
    Clean,
    Conflicting,
    /// The forge has not found out yet.
    Unknown,
}

/// How the checks of a commit stand, all of them together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pipeline {
    /// No check has been asked for.
    Absent,
    /// Something has not ended yet.
    Pending,
    Passed,
    /// Something failed, was cancelled, or waits for a person.
    Failed,
    /// The forge did not say.
    Unknown,
}

/// What a forge calls a pull request, in text that people read there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vocabulary {
    /// `pull request`, `#7`.
    PullRequest,
    /// `merge request`, `!7`.
    MergeRequest,
}

/// From when on a forge takes the word that it shall merge a pull request by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoMergesFrom {
    /// As soon as it is open.
    Opening,
    /// Once a pipeline of its head runs or has passed; before, and where there is none, it refuses.
    Pipeline,
}

/// What a new pull request is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPullRequest {
    pub branch: BranchName,
    pub base: BranchName,
    pub title: String,
    pub body: String,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
    pub assignees: Vec<String>,
    pub draft: bool,
}

impl Vocabulary {
    pub const ALL: [Self; 2] = [Self::PullRequest, Self::MergeRequest];

    /// The word, in the singular.
    pub fn noun(self) -> &'static str {
        match self {
            Self::PullRequest => "pull request",
            Self::MergeRequest => "merge request",
        }
    }

    /// A number as it is written there: `#7`, `!7`.
    pub fn numbered(self, number: u64) -> String {
        format!("{}{number}", self.sigil())
    }

    /// What stands before a number.
    pub fn sigil(self) -> char {
        match self {
            Self::PullRequest => '#',
            Self::MergeRequest => '!',
        }
    }
}

impl Pipeline {
    pub const ALL: [Self; 5] = [Self::Absent, Self::Pending, Self::Passed, Self::Failed, Self::Unknown];

    /// The word in tables and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "none",
            Self::Pending => "pending",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

impl BranchName {
    /// Whether it is in refrom's own namespace.
    pub fn is_ours(&self) -> bool {
        self.0.starts_with(BRANCH_PREFIX)
    }

    /// The branch in refrom's own namespace that a forge may make a commit on before this one is moved to it. Never the
    /// name of a proposal's branch, which ends in other words or in hex digits.
    pub fn scratch(&self) -> Self {
        let name = self.0.strip_prefix(BRANCH_PREFIX).unwrap_or(&self.0);
        Self(format!("{BRANCH_PREFIX}{name}-scratch"))
    }

    /// The branch of this name in refrom's own namespace; whatever is no letter, digit or dash becomes a dash, so that
    /// it always is a name that git accepts.
    pub(super) fn ours(name: &str) -> Self {
        let dashed = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        Self(BRANCH_PREFIX.chars().chain(name.chars().map(dashed)).collect())
    }
}

impl FromStr for RepoName {
    type Err = NameError;

    /// At least two segments of ASCII letters, digits, `-`, `_` and `.`, none of them `.`, `..` or ending in `.git`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_segment = |segment: &str| {
            !segment.is_empty()
                && segment != "."
                && segment != ".."
                && !segment.ends_with(".git")
                && segment.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let is_name = text.contains('/') && text.split('/').all(is_segment);
        if is_name {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError { what: "repository name", text: text.to_owned() })
        }
    }
}

impl FromStr for BranchName {
    type Err = NameError;

    /// `git check-ref-format`'s rules, and no leading dash.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_component = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let is_name = text.split('/').all(is_component)
            && !text.starts_with('-')
            && !text.ends_with('.')
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && !text.chars().any(|c| c.is_ascii_control() || " ~^:?*[\\".contains(c));
        if is_name { Ok(Self(text.to_owned())) } else { Err(NameError { what: "branch name", text: text.to_owned() }) }
    }
}

impl FromStr for CommitId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if is_hex && (text.len() == 40 || text.len() == 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError { what: "commit id", text: text.to_owned() })
        }
    }
}

macro_rules! text {
    ($($name:ty),+) => {$(
        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text!(RepoName, BranchName, CommitId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_name_has_an_owner() {
        assert!("acme/web".parse::<RepoName>().is_ok());
        assert!("group/sub/web.site".parse::<RepoName>().is_ok());
        for text in ["web", "acme/", "/web", "acme/..", "acme/web.git", "acme/we b", "acme/w?b", "acme/wéb"] {
            assert!(text.parse::<RepoName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_branch_name_is_what_git_accepts() {
        assert!("refrom/base-images".parse::<BranchName>().is_ok_and(|name| name.is_ours()));
        for text in ["", "a//b", "a..b", "-a", "a b", "a.lock", ".a", "a/", "a:b", "@"] {
            assert!(text.parse::<BranchName>().is_err(), "{text}");
        }
    }
}
