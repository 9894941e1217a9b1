//! A bare repository of the embedded forge, and what people and the forge itself do to it.
//!
//! libgit2 reads and writes the objects; references are read and written here, as the files that they are
//! (gitrepository-layout(5)), because libgit2 opens no repository without the configuration of its user.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Indexer, ObjectType, Oid, Repository, Signature, Time};

use crate::domain::pull_request::{BranchName, CommitId, RepoName};
use crate::git::objects;

/// When a branch's first commit was made, in seconds since 1970: 2026-01-01 00:00:00 UTC.
const FIRST_COMMIT_SECONDS: i64 = 1_767_225_600;
/// The time between a commit and the next, in seconds. **Invariant**: no commit depends on the clock.
const COMMIT_INTERVAL_SECONDS: i64 = 60;

/// Where branches are, one file each.
const BRANCHES: &str = "refs/heads";
/// Ends in the section that the filter's switch belongs to. Nothing moves the branches' files into one.
const CONFIGURATION: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[gc]\n\tauto = 0\n[receive]\n\t\
                             autogc = false\n[uploadpack]\n\tallowAnySHA1InWant = true\n";
/// Above every other store of a database, so that what is written stays in memory until it is packed.
pub(super) const MEMORY_PRIORITY: i32 = 1000;
/// Nobody writes into a pack.
pub(super) const PACK_MODE: u32 = 0o444;

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
        let created = Self { directory: directory(root, name) };
        fs::create_dir_all(created.pack_directory())?;
        fs::create_dir_all(created.directory.join(BRANCHES))?;
        fs::write(created.directory.join("HEAD"), format!("ref: {BRANCHES}/{default_branch}\n"))?;
        created.set_filters(Filters::On)?;
        Ok(created)
    }

    /// The repository that was made there.
    pub fn open(root: &Path, name: &RepoName) -> Result<Self, RepositoryError> {
        let directory = directory(root, name);
        fs::metadata(directory.join("HEAD"))?;
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
        Ok(fs::write(self.directory.join("config"), format!("{CONFIGURATION}\tallowFilter = {is_on}\n"))?)
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
        let parent = self.head(branch)?;
        let id = self.write(|repository| write_commit(repository, person, parent.as_ref(), changes, message))?;
        self.set_branch(branch, &id)?;
        Ok(id)
    }

    /// Points a branch at a commit, whatever it pointed at before.
    pub fn set_branch(&self, branch: &BranchName, commit: &CommitId) -> Result<(), RepositoryError> {
        let path = self.reference(branch);
        fs::create_dir_all(path.parent().unwrap_or(&path))?;
        // As git does it: whoever reads sees the old commit or the new one.
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        writeln!(file, "{commit}")?;
        file.persist(path).map_err(io::Error::from)?;
        Ok(())
    }

    /// Whether there was such a branch.
    pub fn delete_branch(&self, branch: &BranchName) -> Result<bool, RepositoryError> {
        Ok(present(fs::remove_file(self.reference(branch)))?.is_some())
    }

    pub fn head(&self, branch: &BranchName) -> Result<Option<CommitId>, RepositoryError> {
        let text = present(fs::read_to_string(self.reference(branch)))?;
        Ok(text.map(|text| text.trim_end().parse().map_err(|_| not_an_id())).transpose()?)
    }

    /// All branches with their heads, sorted by name.
    pub fn branches(&self) -> Result<Vec<(BranchName, CommitId)>, RepositoryError> {
        let mut branches = BTreeMap::new();
        let mut pending = vec![String::new()];
        while let Some(folder) = pending.pop() {
            // git removes a folder with its last branch.
            let entries = present(fs::read_dir(self.directory.join(BRANCHES).join(&folder)))?;
            for entry in entries.into_iter().flatten() {
                let entry = entry?;
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                if entry.file_type()?.is_dir() {
                    pending.push(format!("{name}/"));
                } else if let Ok(branch) = name.parse()
                    && let Some(head) = self.head(&branch)?
                {
                    branches.insert(branch, head);
                }
            }
        }
        Ok(branches.into_iter().collect())
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

    /// Whether a file can be run at a commit; `None` where there is no such file.
    pub fn is_executable(&self, commit: &CommitId, path: &str) -> Result<Option<bool>, RepositoryError> {
        let repository = self.git()?;
        let tree = repository.find_commit(oid(commit)?)?.tree()?;
        let entry = tree.get_path(Path::new(path)).ok();
        let mode = entry.filter(|entry| entry.kind() == Some(ObjectType::Blob)).map(|entry| entry.filemode());
        Ok(mode.map(|mode| mode == i32::from(FileMode::BlobExecutable)))
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
        let id = self.write(|repository| {
            let (base, other) = (repository.find_commit(oid(&base)?)?, repository.find_commit(oid(commit)?)?);
            let mut index = repository.merge_commits(&base, &other, None)?;
            if index.has_conflicts() {
                return Err(RepositoryError::Conflict { branch: branch.clone() });
            }
            let tree = repository.find_tree(index.write_tree_to(repository)?)?;
            let who = signature(SOMEBODY, Some(&base))?;
            Ok(commit_id(repository.commit(None, &who, &who, message, &tree, &[&base, &other])?)?)
        })?;
        self.set_branch(branch, &id)?;
        Ok(id)
    }

    fn reference(&self, branch: &BranchName) -> PathBuf {
        self.directory.join(BRANCHES).join(branch.as_str())
    }

    pub(super) fn pack_directory(&self) -> PathBuf {
        self.directory.join("objects").join("pack")
    }

    /// The objects, to be read.
    pub(super) fn git(&self) -> Result<Repository, git2::Error> {
        objects::open(&self.directory)
    }

    /// Keeps what the work writes, in a pack.
    fn write<T>(&self, work: impl FnOnce(&Repository) -> Result<T, RepositoryError>) -> Result<T, RepositoryError> {
        let repository = self.git()?;
        let database = repository.odb()?;
        let memory = database.add_new_mempack_backend(MEMORY_PRIORITY)?;
        let result = work(&repository)?;
        let mut pack = git2::Buf::new();
        memory.dump(&repository, &mut pack)?;
        // Not verified: what the objects of the pack name is in other packs.
        let mut indexer = Indexer::new(None, &self.pack_directory(), PACK_MODE, false)?;
        indexer.write_all(&pack)?;
        indexer.commit()?;
        Ok(result)
    }
}

fn write_commit(
    repository: &Repository,
    person: Person<'_>,
    parent: Option<&CommitId>,
    changes: &[(&str, Content<'_>)],
    message: &str,
) -> Result<CommitId, RepositoryError> {
    let parent = parent.map(|head| repository.find_commit(oid(head)?)).transpose()?;
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
    let tree = repository.find_tree(update.create_updated(repository, &base)?)?;
    let who = signature(person, parent.as_ref())?;
    let id = repository.commit(None, &who, &who, message, &tree, &parent.iter().collect::<Vec<_>>())?;
    Ok(commit_id(id)?)
}

/// `None` for a file that is not there.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => result.map(Some),
    }
}

fn not_an_id() -> git2::Error {
    git2::Error::from_str("not a commit id")
}

pub(super) fn oid(commit: &CommitId) -> Result<Oid, git2::Error> {
    Oid::from_str(commit.as_str())
}

pub(super) fn commit_id(id: Oid) -> Result<CommitId, git2::Error> {
    id.to_string().parse().map_err(|_| not_an_id())
}

fn signature(person: Person<'_>, parent: Option<&git2::Commit<'_>>) -> Result<Signature<'static>, git2::Error> {
    let after = |parent: &git2::Commit<'_>| parent.time().seconds() + COMMIT_INTERVAL_SECONDS;
    Signature::new(person.name, person.email, &Time::new(parent.map_or(FIRST_COMMIT_SECONDS, after), 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn branch(name: &str) -> BranchName {
        name.parse().unwrap()
    }

    fn made(root: &Path) -> BareRepository {
        BareRepository::create(root, &"acme/web".parse().unwrap(), &branch("main")).unwrap()
    }

    #[test]
    fn the_same_history_has_the_same_ids() {
        let history = || {
            let root = tempfile::tempdir().unwrap();
            let repository = made(root.path());
            repository.commit(&branch("main"), &[("a/b", Content::File(b"1"))], "one").unwrap();
            repository.commit(&branch("main"), &[("run", Content::Executable(b"2"))], "two").unwrap()
        };
        assert_eq!(history(), history());
    }

    /// Where this is set, [`a_users_broken_configuration_changes_nothing`] is the child that has such a user.
    const CHILD: &str = "REFROM_TEST_BROKEN_HOME";

    #[test]
    fn a_users_broken_configuration_changes_nothing() {
        if std::env::var_os(CHILD).is_some() {
            changes_of_the_same_line_conflict_and_others_merge();
            return;
        }
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(".gitconfig"), "[core\n").unwrap();
        let test = "demo::git_repository::tests::a_users_broken_configuration_changes_nothing";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", test]).env("HOME", home.path()).env(CHILD, "1").env_remove("XDG_CONFIG_HOME");
        let output = child.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }

    #[test]
    fn a_file_is_read_at_its_commit() {
        let root = tempfile::tempdir().unwrap();
        let repository = made(root.path());
        let first = repository.commit(&branch("main"), &[("a/b", Content::File(b"1"))], "one").unwrap();
        let second = repository.commit(&branch("main"), &[("a/b", Content::Absent)], "two").unwrap();
        assert_eq!(repository.read(&first, "a/b").unwrap(), Some(b"1".to_vec()));
        assert_eq!(repository.read(&first, "a").unwrap(), None);
        assert_eq!(repository.read(&second, "a/b").unwrap(), None);
        assert_eq!(repository.emails(&second).unwrap().0, SOMEBODY.email);
    }

    #[test]
    fn changes_of_the_same_line_conflict_and_others_merge() {
        let root = tempfile::tempdir().unwrap();
        let repository = made(root.path());
        let (main, topic) = (branch("main"), branch("topic"));
        let base = repository.commit(&main, &[("f", Content::File(b"1\n"))], "one").unwrap();
        repository.set_branch(&topic, &base).unwrap();
        let head = repository.commit(&topic, &[("f", Content::File(b"2\n"))], "two").unwrap();
        let other = repository.commit(&main, &[("g", Content::File(b"1\n"))], "three").unwrap();
        assert!(repository.merges_cleanly(&other, &head).unwrap());
        let conflict = repository.commit(&main, &[("f", Content::File(b"3\n"))], "four").unwrap();
        assert!(!repository.merges_cleanly(&conflict, &head).unwrap());
        assert!(matches!(repository.merge(&main, &head, "m"), Err(RepositoryError::Conflict { .. })));
        repository.set_branch(&main, &other).unwrap();
        let merged = repository.merge(&main, &head, "m").unwrap();
        assert_eq!(repository.read(&merged, "f").unwrap(), Some(b"2\n".to_vec()));
        assert_eq!(repository.branches().unwrap(), [(main, merged), (topic.clone(), head)]);
        assert!(repository.delete_branch(&topic).unwrap() && !repository.delete_branch(&topic).unwrap());
        assert_eq!(repository.head(&topic).unwrap(), None);
    }

    #[test]
    fn a_renamed_repository_is_at_its_new_name_only() {
        let root = tempfile::tempdir().unwrap();
        let to: RepoName = "other/web".parse().unwrap();
        let repository = made(root.path()).rename(root.path(), &to).unwrap();
        assert_eq!(BareRepository::open(root.path(), &to).unwrap(), repository);
        assert!(BareRepository::open(root.path(), &"acme/web".parse().unwrap()).is_err());
        repository.delete().unwrap();
        assert!(BareRepository::open(root.path(), &to).is_err());
    }
}
