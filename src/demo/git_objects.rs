//! Single objects of an embedded repository, as a forge's API makes them; no branch points to them.

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, Oid, Repository, Signature, Time};

use super::git_repository::{BareRepository, MEMORY_PRIORITY, PACK_MODE, Person, RepositoryError, commit_id, oid};
use crate::domain::pull_request::CommitId;

/// A file of a new tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    pub path: String,
    /// 0o100644 or 0o100755.
    pub mode: u32,
    pub blob: String,
}

/// A commit on one parent.
#[derive(Debug, Clone, Copy)]
pub struct ObjectCommit<'a> {
    pub author: Person<'a>,
    pub committer: Person<'a>,
    /// In seconds since 1970.
    pub time: i64,
    pub tree: &'a str,
    pub parent: &'a CommitId,
    pub message: &'a str,
}

impl BareRepository {
    /// Makes a blob; its id.
    pub fn make_blob(&self, content: &[u8]) -> Result<String, RepositoryError> {
        self.keep(|repository| Ok(repository.blob(content)?)).map(|id| id.to_string())
    }

    /// Makes a tree that differs from another one in these files; its id.
    pub fn make_tree(&self, base: &str, entries: &[TreeEntry]) -> Result<String, RepositoryError> {
        let made = self.keep(|repository| {
            let base = repository.find_tree(Oid::from_str(base)?)?;
            let mut update = TreeUpdateBuilder::new();
            for entry in entries {
                let mode = if entry.mode == 0o100_755 { FileMode::BlobExecutable } else { FileMode::Blob };
                update.upsert(entry.path.as_str(), Oid::from_str(&entry.blob)?, mode);
            }
            Ok(update.create_updated(repository, &base)?)
        });
        made.map(|id| id.to_string())
    }

    /// Makes a commit.
    pub fn make_commit(&self, new: ObjectCommit<'_>) -> Result<CommitId, RepositoryError> {
        let signature = |person: Person<'_>| Signature::new(person.name, person.email, &Time::new(new.time, 0));
        let (author, committer) = (signature(new.author)?, signature(new.committer)?);
        let made = self.keep(|repository| {
            let (tree, parent) =
                (repository.find_tree(Oid::from_str(new.tree)?)?, repository.find_commit(oid(new.parent)?)?);
            Ok(repository.commit(None, &author, &committer, new.message, &tree, &[&parent])?)
        });
        Ok(commit_id(made?)?)
    }

    /// Keeps the object that the work makes, with everything that it names, in a pack of its own.
    fn keep(&self, work: impl FnOnce(&Repository) -> Result<Oid, RepositoryError>) -> Result<Oid, RepositoryError> {
        let repository = self.git()?;
        let _memory = repository.odb()?.add_new_mempack_backend(MEMORY_PRIORITY)?;
        let made = work(&repository)?;
        let mut pack = repository.packbuilder()?;
        pack.insert_recursive(made, None)?;
        pack.write(&self.pack_directory(), PACK_MODE)?;
        Ok(made)
    }

    /// The id of a commit's tree; `None` where there is no such commit.
    pub fn tree_of(&self, commit: &CommitId) -> Result<Option<String>, RepositoryError> {
        match self.git()?.find_commit(oid(commit)?) {
            Ok(commit) => Ok(Some(commit.tree_id().to_string())),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
