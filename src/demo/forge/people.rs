//! What people do on the forge: merge, close, label, comment, rename, archive, delete.

use jiff::Timestamp;

use super::world::{HostedPullRequest, Repository, World};
use super::{Forge, ForgeSetupError};
use crate::demo::git_repository::{BareRepository, RepositoryError};
use crate::domain::pull_request::{BranchName, CommitId, Pipeline, PullRequestState, RepoName};

/// A flag of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flag {
    Archived,
    Disabled,
    Fork,
    /// One more topic.
    Topic(String),
    /// Not to be seen by this login.
    HiddenFrom(String),
    /// Nobody may let the forge merge by itself.
    NoAutoMerge,
    /// Nothing is required of what is merged.
    NoRequiredChecks,
    /// Whether its pull requests can be merged is not found out yet.
    MergeableUnknown,
    /// It is found out now.
    MergeableKnown,
}

/// Where a pull request of somebody else comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    SameRepository,
    Fork,
}

impl HostedPullRequest {
    pub(super) fn new(
        (number, created): (u64, i64),
        author: String,
        (branch, head): (BranchName, CommitId),
        base: BranchName,
    ) -> Self {
        Self {
            number,
            author,
            title: String::new(),
            body: String::new(),
            state: PullRequestState::Open,
            is_draft: false,
            branch,
            base,
            head,
            from_fork: false,
            labels: Default::default(),
            reviewers: Default::default(),
            team_reviewers: Default::default(),
            assignees: Default::default(),
            comments: Vec::new(),
            is_auto_merging: false,
            removes_branch: false,
            created,
            merged: None,
        }
    }
}

impl Repository {
    pub(super) fn next_number(&self) -> u64 {
        self.pull_requests.last_key_value().map_or(1, |(last, _)| last + 1)
    }
}

impl Forge {
    /// The pull requests of a repository, oldest first, as they are now.
    pub fn pull_requests(&self, name: &RepoName) -> Result<Vec<HostedPullRequest>, ForgeSetupError> {
        self.change(name, |_, repository| Ok(repository.pull_requests.values().cloned().collect()))
    }

    /// One pull request as it is now.
    pub fn pull_request(&self, name: &RepoName, number: u64) -> Result<HostedPullRequest, ForgeSetupError> {
        self.change(name, |_, repository| found(repository, number).cloned())
    }

    /// What the forge's clock shows now; each thing that happens takes a second.
    pub fn set_clock(&self, now: Timestamp) {
        self.world().set_clock(now.as_second());
    }

    /// Somebody merges with a merge commit. The branch stays.
    pub fn merge(&self, name: &RepoName, number: u64) -> Result<CommitId, ForgeSetupError> {
        let now = self.world().tick();
        self.change(name, |bare, repository| {
            let merged = found(repository, number)?;
            let message = format!("Merge pull request #{number} from {}", merged.branch);
            let commit = bare.merge(&merged.base, &merged.head, &message)?;
            merged.state = PullRequestState::Merged;
            merged.merged = Some(now);
            Ok(commit)
        })
    }

    /// Somebody closes without merging.
    pub fn close(&self, name: &RepoName, number: u64) -> Result<(), ForgeSetupError> {
        self.set_state(name, number, PullRequestState::Closed)
    }

    /// Somebody says that a draft is ready for review.
    pub fn ready(&self, name: &RepoName, number: u64) -> Result<(), ForgeSetupError> {
        self.change(name, |_, repository| {
            found(repository, number)?.is_draft = false;
            Ok(())
        })
    }

    /// Somebody opens it again.
    pub fn reopen(&self, name: &RepoName, number: u64) -> Result<(), ForgeSetupError> {
        self.set_state(name, number, PullRequestState::Open)
    }

    pub fn label(&self, name: &RepoName, number: u64, label: &str) -> Result<(), ForgeSetupError> {
        self.change(name, |_, repository| Ok(found(repository, number)?.labels.insert(label.to_owned()))).map(|_| ())
    }

    pub fn unlabel(&self, name: &RepoName, number: u64, label: &str) -> Result<(), ForgeSetupError> {
        self.change(name, |_, repository| Ok(found(repository, number)?.labels.remove(label))).map(|_| ())
    }

    /// Somebody says something.
    pub fn comment(&self, name: &RepoName, number: u64, (login, text): (&str, &str)) -> Result<(), ForgeSetupError> {
        let comment = (login.to_owned(), text.to_owned());
        self.change(name, |_, repository| {
            found(repository, number)?.comments.push(comment);
            Ok(())
        })
    }

    /// Somebody else's pull request, from a branch that is there; its number.
    pub fn open_by(
        &self,
        login: &str,
        name: &RepoName,
        (branch, base): (&BranchName, &BranchName),
        origin: Origin,
    ) -> Result<u64, ForgeSetupError> {
        let created = self.world().tick();
        self.change(name, |bare, repository| {
            let no_branch = || RepositoryError::NoBranch { branch: branch.clone() };
            let head = (branch.clone(), bare.head(branch)?.ok_or_else(no_branch)?);
            let number = repository.next_number();
            let mut opened = HostedPullRequest::new((number, created), login.to_owned(), head, base.clone());
            opened.from_fork = origin == Origin::Fork;
            repository.pull_requests.insert(number, opened);
            Ok(number)
        })
    }

    /// Sets a flag of a repository.
    pub fn set(&self, name: &RepoName, flag: Flag) -> Result<(), ForgeSetupError> {
        self.change(name, |_, repository| {
            match flag {
                Flag::Archived => repository.is_archived = true,
                Flag::Disabled => repository.is_disabled = true,
                Flag::Fork => repository.is_fork = true,
                Flag::MergeableUnknown => repository.is_mergeable_unknown = true,
                Flag::MergeableKnown => repository.is_mergeable_unknown = false,
                Flag::NoAutoMerge => repository.is_auto_merge_allowed = false,
                Flag::NoRequiredChecks => repository.are_checks_required = false,
                Flag::Topic(topic) => repository.topics.push(topic),
                Flag::HiddenFrom(login) => {
                    repository.hidden_from.insert(login);
                }
            }
            Ok(())
        })
    }

    /// Renames or, with another owner, transfers. The old name leads to the new one.
    pub fn rename(&self, name: &RepoName, to: &RepoName) -> Result<(), ForgeSetupError> {
        let mut world = self.world();
        let (id, _) = world.find(name.as_str()).ok_or_else(|| missing(name))?;
        BareRepository::open(&world.root, name)?.rename(&world.root, to)?;
        world.former_names.insert(name.as_str().to_lowercase(), id);
        if let Some(repository) = world.repositories.get_mut(&id) {
            repository.name = to.clone();
        }
        Ok(())
    }

    pub fn delete(&self, name: &RepoName) -> Result<(), ForgeSetupError> {
        let mut world = self.world();
        let (id, _) = world.find(name.as_str()).ok_or_else(|| missing(name))?;
        BareRepository::open(&world.root, name)?.delete()?;
        world.repositories.remove(&id);
        Ok(())
    }

    /// What the checks of a commit come to. Where they pass, the forge merges what it was told to merge.
    pub fn set_checks(&self, name: &RepoName, commit: &CommitId, checks: Pipeline) -> Result<(), ForgeSetupError> {
        let waiting = self.change(name, |_, repository| {
            repository.checks.insert(commit.clone(), checks);
            let all = repository.pull_requests.values();
            let is_waiting = |it: &&HostedPullRequest| {
                it.state == PullRequestState::Open && it.is_auto_merging && it.head == *commit
            };
            Ok(all.filter(is_waiting).map(|it| it.number).collect::<Vec<_>>())
        })?;
        if checks == Pipeline::Passed {
            waiting.into_iter().try_for_each(|number| self.merge(name, number).map(|_| ()))?;
        }
        Ok(())
    }

    /// Somebody takes back that the forge merges by itself.
    pub fn disable_auto_merge(&self, name: &RepoName, number: u64) -> Result<(), ForgeSetupError> {
        self.change(name, |_, repository| {
            found(repository, number)?.is_auto_merging = false;
            Ok(())
        })
    }

    fn set_state(&self, name: &RepoName, number: u64, state: PullRequestState) -> Result<(), ForgeSetupError> {
        self.change(name, |_, repository| {
            found(repository, number)?.state = state;
            Ok(())
        })
    }

    /// Looks at or changes a repository, after its pull requests followed their branches.
    fn change<T>(
        &self,
        name: &RepoName,
        change: impl FnOnce(&BareRepository, &mut Repository) -> Result<T, ForgeSetupError>,
    ) -> Result<T, ForgeSetupError> {
        let mut guard = self.world();
        let world: &mut World = &mut guard;
        let (id, _) = world.find(name.as_str()).ok_or_else(|| missing(name))?;
        world.follow_branches(id)?;
        let bare = BareRepository::open(&world.root, name)?;
        let repository = world.repositories.get_mut(&id).ok_or_else(|| missing(name))?;
        change(&bare, repository)
    }
}

fn found(repository: &mut Repository, number: u64) -> Result<&mut HostedPullRequest, ForgeSetupError> {
    let what = format!("pull request #{number} of `{}`", repository.name);
    repository.pull_requests.get_mut(&number).ok_or(ForgeSetupError::Missing { what })
}

fn missing(name: &RepoName) -> ForgeSetupError {
    ForgeSetupError::Missing { what: format!("`{name}`") }
}
