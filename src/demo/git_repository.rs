//! A bare repository of the embedded forge, and what people and the forge itself do to it.

use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, ObjectType, Oid, Repository, RepositoryInitOptions, Signature, Time};

use crate::domain::pull_request::{BranchName, CommitId, RepoName};

/// When a branch's first commit was made, in seconds since 1970: 2026-01-01 00:00:00 UTC.
const FIRST_COMMIT_SECONDS: i64 = 1_767_225_600;
/// The time between a commit and the next, in seconds. **Invariant**: no commit depends on the clock.
const COMMIT_INTERVAL_SECONDS: i64 = 60;

/// A bare repository `root/OWNER/NAME.git`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareRepository {
    directory: PathBuf,
}

/// What a path is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content<'a> {
    File(&'a [u8]),
    Executable(&'a [u8]),
    /// The path it points to.
    Symlink(&'a str),
    Submodule(&'a CommitId),
    Absent,
}

/// Who makes a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Person<'a> {
    pub name: &'a str,
    pub email: &'a str,
}

/// Whether the server lets clients leave objects out (`uploadpack.allowFilter`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filters {
    On,
    Off,
}

/// Somebody who works on the repository.
pub const SOMEBODY: Person<'static> = Person { name: "Ada", email: "ada@example.com" };

/// Why the embedded repository did not do it.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("the embedded repository failed")]
    Git(#[from] git2::Error),
    #[error("the embedded repository is in the way")]
    Io(#[from] std::io::Error),
    #[error("`{branch}` and the other side conflict")]
    Conflict { branch: BranchName },
    #[error("no branch `{branch}`")]
    NoBranch { branch: BranchName },
}

/// Where a repository lies under the server's root.
pub(super) fn directory(root: &Path, name: &RepoName) -> PathBuf {
    root.join(format!("{name}.git"))
}

impl BareRepository {
    /// Makes an empty repository with this default branch; filters and fetches by id are on, as on the big forges.
    pub fn create(root: &Path, name: &RepoName, default_branch: &BranchName) -> Result<Self, RepositoryError> {
        let directory = directory(root, name);
        let mut options = RepositoryInitOptions::new();
        options.bare(true).mkpath(true).external_template(false).initial_head(default_branch.as_str());
        let repository = Repository::init_opts(&directory, &options)?;
        repository.config()?.set_bool("uploadpack.allowAnySHA1InWant", true)?;
        let created = Self { directory };
        created.set_filters(Filters::On)?;
        Ok(created)
    }

    /// The repository that was made there.
    pub fn open(root: &Path, name: &RepoName) -> Result<Self, RepositoryError> {
        let directory = directory(root, name);
        Repository::open_bare(&directory)?;
        Ok(Self { directory })
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn set_filters(&self, filters: Filters) -> Result<(), RepositoryError> {
        let is_on = match filters {
            Filters::On => true,
            Filters::Off => false,
        };
        Ok(self.git()?.config()?.set_bool("uploadpack.allowFilter", is_on)?)
    }

    /// Moves the whole repository, as a forge does with a renamed one.
    pub fn rename(self, root: &Path, name: &RepoName) -> Result<Self, RepositoryError> {
        let to = directory(root, name);
        if let Some(parent) = to.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::rename(&self.directory, &to)?;
        Ok(Self { directory: to })
    }

    pub fn delete(self) -> Result<(), RepositoryError> {
        Ok(std::fs::remove_dir_all(self.directory)?)
    }

    /// Somebody's commit with these changes on a branch, which is made where it does not exist.
    pub fn commit(
        &self,
        branch: &BranchName,
        changes: &[(&str, Content<'_>)],
        message: &str,
    ) -> Result<CommitId, RepositoryError> {
        self.commit_by(SOMEBODY, branch, changes, message)
    }

    /// The same by a certain person, one minute after the commit before it.
    pub fn commit_by(
        &self,
        person: Person<'_>,
        branch: &BranchName,
        changes: &[(&str, Content<'_>)],
        message: &str,
    ) -> Result<CommitId, RepositoryError> {
        let repository = self.git()?;
        let parent = match self.head(branch)? {
            Some(head) => Some(repository.find_commit(oid(&head)?)?),
            None => None,
        };
        let base = match &parent {
            Some(parent) => parent.tree()?,
            None => repository.find_tree(repository.treebuilder(None)?.write()?)?,
        };
        let mut update = TreeUpdateBuilder::new();
        for (path, content) in changes {
            let (object, mode) = match content {
                Content::File(bytes) => (repository.blob(bytes)?, FileMode::Blob),
                Content::Executable(bytes) => (repository.blob(bytes)?, FileMode::BlobExecutable),
                Content::Symlink(target) => (repository.blob(target.as_bytes())?, FileMode::Link),
                Content::Submodule(commit) => (oid(commit)?, FileMode::Commit),
                Content::Absent => {
                    update.remove(path);
                    continue;
                }
            };
            update.upsert(*path, object, mode);
        }
        let tree = repository.find_tree(update.create_updated(&repository, &base)?)?;
        let who = signature(person, parent.as_ref())?;
        let id = repository.commit(None, &who, &who, message, &tree, &parent.iter().collect::<Vec<_>>())?;
        set_branch(&repository, branch, id)
    }

    /// Points a branch at a commit, whatever it pointed at before.
    pub fn set_branch(&self, branch: &BranchName, commit: &CommitId) -> Result<(), RepositoryError> {
        set_branch(&self.git()?, branch, oid(commit)?).map(|_| ())
    }

    /// Whether there was such a branch.
    pub fn delete_branch(&self, branch: &BranchName) -> Result<bool, RepositoryError> {
        let repository = self.git()?;
        match repository.find_reference(&reference(branch)) {
            Ok(mut found) => Ok(found.delete().map(|()| true)?),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub fn head(&self, branch: &BranchName) -> Result<Option<CommitId>, RepositoryError> {
        match self.git()?.refname_to_id(&reference(branch)) {
            Ok(id) => Ok(Some(commit_id(id)?)),
            Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// All branches with their heads, sorted by name.
    pub fn branches(&self) -> Result<Vec<(BranchName, CommitId)>, RepositoryError> {
        let mut branches = Vec::new();
        for found in self.git()?.references_glob("refs/heads/*")? {
            let found = found?;
            let name = found.name().unwrap_or_default().trim_start_matches("refs/heads/").parse();
            if let (Ok(name), Some(target)) = (name, found.target()) {
                branches.push((name, commit_id(target)?));
            }
        }
        branches.sort();
        Ok(branches)
    }

    /// A file's content at a commit; `None` where there is no such file.
    pub fn read(&self, commit: &CommitId, path: &str) -> Result<Option<Vec<u8>>, RepositoryError> {
        let repository = self.git()?;
        let tree = repository.find_commit(oid(commit)?)?.tree()?;
        let entry = match tree.get_path(Path::new(path)) {
            Ok(entry) if entry.kind() == Some(ObjectType::Blob) => entry,
            Ok(_) => return Ok(None),
            Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(Some(repository.find_blob(entry.id())?.content().to_vec()))
    }

    /// The author's and the committer's e-mail address.
    pub fn emails(&self, commit: &CommitId) -> Result<(String, String), RepositoryError> {
        let repository = self.git()?;
        let commit = repository.find_commit(oid(commit)?)?;
        let email = |who: &Signature<'_>| String::from_utf8_lossy(who.email_bytes()).into_owned();
        Ok((email(&commit.author()), email(&commit.committer())))
    }

    /// Whether both can be merged without a conflict.
    pub fn merges_cleanly(&self, base: &CommitId, head: &CommitId) -> Result<bool, RepositoryError> {
        let repository = self.git()?;
        let (base, head) = (repository.find_commit(oid(base)?)?, repository.find_commit(oid(head)?)?);
        Ok(!repository.merge_commits(&base, &head, None)?.has_conflicts())
    }

    /// Merges a commit into a branch with a merge commit.
    pub fn merge(&self, branch: &BranchName, commit: &CommitId, message: &str) -> Result<CommitId, RepositoryError> {
        let base = self.head(branch)?.ok_or_else(|| RepositoryError::NoBranch { branch: branch.clone() })?;
        let repository = self.git()?;
        let (base, other) = (repository.find_commit(oid(&base)?)?, repository.find_commit(oid(commit)?)?);
        let mut index = repository.merge_commits(&base, &other, None)?;
        if index.has_conflicts() {
            return Err(RepositoryError::Conflict { branch: branch.clone() });
        }
        let tree = repository.find_tree(index.write_tree_to(&repository)?)?;
        let who = signature(SOMEBODY, Some(&base))?;
        let id = repository.commit(None, &who, &who, message, &tree, &[&base, &other])?;
        set_branch(&repository, branch, id)
    }

    fn git(&self) -> Result<Repository, git2::Error> {
        Repository::open_bare(&self.directory)
    }
}

fn reference(branch: &BranchName) -> String {
    format!("refs/heads/{branch}")
}

fn oid(commit: &CommitId) -> Result<Oid, git2::Error> {
    Oid::from_str(commit.as_str())
}

fn commit_id(id: Oid) -> Result<CommitId, git2::Error> {
    id.to_string().parse().map_err(|_| git2::Error::from_str("not a commit id"))
}

fn set_branch(repository: &Repository, branch: &BranchName, id: Oid) -> Result<CommitId, RepositoryError> {
    repository.reference(&reference(branch), id, true, "set")?;
    Ok(commit_id(id)?)
}

fn signature(person: Person<'_>, parent: Option<&git2::Commit<'_>>) -> Result<Signature<'static>, git2::Error> {
    let after = |parent: &git2::Commit<'_>| parent.time().seconds() + COMMIT_INTERVAL_SECONDS;
    Signature::new(person.name, person.email, &Time::new(parent.map_or(FIRST_COMMIT_SECONDS, after), 0))
}
