//! Reading the cache with libgit2: trees and blobs, no work tree and no configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use git2::{Config, ErrorCode, ObjectType, Odb, OdbLookupFlags, Oid, Repository};

use super::cache;
use super::error::GitError;
use crate::domain::pull_request::CommitId;

/// The most entries of a commit's trees. Large monorepositories have some 500,000 files; a tree can also name the same
/// subtree again and again, which costs its author nothing.
const ENTRIES_MAX: usize = 2_000_000;
/// The deepest folder that is looked into.
const DEPTH_MAX: usize = 256;
/// The largest file that is read, in bytes; no Dockerfile comes near it.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024;
/// The most files of one repository that are read at once.
pub const FILES_MAX: usize = 10_000;
/// The most bytes of them, all of which are in memory together.
const FILES_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What a path of a tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeFileKind {
    File,
    Executable,
    Symlink,
    Submodule,
    /// Anything whose path is not UTF-8, and then is shown with replacement characters, or that no git would check
    /// out (`..`, `.git`). It cannot be changed.
    OddPath,
}

/// A file of a commit, without its content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeFile {
    /// From the root, with `/`.
    pub path: String,
    /// git's file mode, e.g. 0o100644.
    pub mode: u32,
    /// The id of the blob (of the commit for a submodule), hex.
    pub blob: String,
    pub kind: TreeFileKind,
}

/// A blob's content, if it is not too large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blob {
    Content(Vec<u8>),
    /// Over [`FILE_BYTES_MAX`].
    TooLarge {
        bytes: u64,
    },
}

/// Whether a commit can be read to its last tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Complete,
    Absent,
}

/// Opens the objects alone. **Invariant**: no configuration of the user or the system is read, and nothing is written.
pub(crate) fn open(directory: &Path) -> Result<Repository, git2::Error> {
    wrap(database(directory)?)
}

pub(super) fn database(directory: &Path) -> Result<Odb<'static>, git2::Error> {
    let database = Odb::new()?;
    let path = cache::object_directory(directory);
    let path = path.to_str().ok_or_else(|| git2::Error::from_str("the state directory is not UTF-8"))?;
    database.add_disk_alternate(path)?;
    Ok(database)
}

/// A repository without a place: libgit2 would read the user's configuration for one that has a place.
pub(super) fn wrap(database: Odb<'_>) -> Result<Repository, git2::Error> {
    let repository = Repository::from_odb(database)?;
    repository.set_config(&Config::new()?)?;
    Ok(repository)
}

pub(super) fn corrupt(source: git2::Error) -> GitError {
    GitError::Corrupt { source: Box::new(source) }
}

pub(super) fn object_id(id: &str) -> Result<Oid, GitError> {
    match id.len() {
        40 => Oid::from_str(id).map_err(|_| GitError::ObjectId { id: id.to_owned() }),
        64 => Err(GitError::ObjectFormat),
        _ => Err(GitError::ObjectId { id: id.to_owned() }),
    }
}

/// Whether the commit and all of its trees are there. A commit with a tree missing is [`GitError::Corrupt`].
pub(super) fn presence(directory: &Path, commit: &CommitId) -> Result<Presence, GitError> {
    let repository = open(directory).map_err(corrupt)?;
    match find_commit(&repository, commit) {
        Ok(commit) => walk(&repository, commit.tree_id(), |_, _| {}).map(|()| Presence::Complete),
        Err(GitError::NotFetched { .. }) => Ok(Presence::Absent),
        Err(error) => Err(error),
    }
}

/// A commit that was fetched before.
pub(super) fn find_commit<'a>(repository: &'a Repository, commit: &CommitId) -> Result<git2::Commit<'a>, GitError> {
    match repository.find_commit(object_id(commit.as_str())?) {
        Err(error) if error.code() == ErrorCode::NotFound => Err(GitError::NotFetched { commit: commit.clone() }),
        result => result.map_err(corrupt),
    }
}

/// The files of a commit that are selected by their path, sorted by it.
pub(super) fn files(
    directory: &Path,
    commit: &CommitId,
    select: impl Fn(&str) -> bool,
) -> Result<Vec<TreeFile>, GitError> {
    let repository = open(directory).map_err(corrupt)?;
    let commit = find_commit(&repository, commit)?;
    let mut files = Vec::new();
    walk(&repository, commit.tree_id(), |path, entry| {
        let (path, is_odd) = match std::str::from_utf8(path) {
            Ok(path) => (path.to_owned(), is_odd_path(path)),
            Err(_) => (String::from_utf8_lossy(path).into_owned(), true),
        };
        if !select(&path) {
            return;
        }
        let mode = entry.filemode();
        let kind = match mode {
            _ if is_odd => TreeFileKind::OddPath,
            0o120_000 => TreeFileKind::Symlink,
            0o160_000 => TreeFileKind::Submodule,
            0o100_755 => TreeFileKind::Executable,
            _ => TreeFileKind::File,
        };
        files.push(TreeFile { path, mode: mode.unsigned_abs(), blob: entry.id().to_string(), kind });
    })?;
    files.sort();
    Ok(files)
}

/// Whether a path leads out of the folder that it is in, or into git's own.
pub(super) fn is_odd_path(path: &str) -> bool {
    path.split('/').any(|part| matches!(part, "" | "." | "..") || part.eq_ignore_ascii_case(".git"))
}

/// Visits everything that is not a tree, with its path.
fn walk(
    repository: &Repository,
    root: Oid,
    mut visit: impl FnMut(&[u8], &git2::TreeEntry<'_>),
) -> Result<(), GitError> {
    let mut pending = vec![(Vec::new(), root, 0)];
    let mut count = 0;
    while let Some((prefix, id, depth)) = pending.pop() {
        if depth > DEPTH_MAX {
            return Err(GitError::TooLarge { what: "folders in more than 256 levels" });
        }
        let tree = repository.find_tree(id).map_err(corrupt)?;
        count += tree.len();
        if count > ENTRIES_MAX {
            return Err(GitError::TooLarge { what: "a tree of more than 2,000,000 entries" });
        }
        for entry in &tree {
            let mut path: Vec<u8> = prefix.clone();
            path.extend(entry.name_bytes());
            if entry.kind() == Some(ObjectType::Tree) {
                path.push(b'/');
                pending.push((path, entry.id(), depth + 1));
            } else {
                visit(&path, &entry);
            }
        }
    }
    Ok(())
}

/// What the cache says when it is asked for blobs.
#[derive(Debug)]
pub(super) enum Held {
    All(BTreeMap<String, Blob>),
    /// The ids of those that are missing.
    Lacking(Vec<String>),
}

/// The contents of blobs, where all of them are in the cache. The database is opened once for both questions: that is
/// most of what a repository costs whose head has not moved.
pub(super) fn blobs(directory: &Path, ids: &BTreeSet<String>) -> Result<Held, GitError> {
    if ids.len() > FILES_MAX {
        return Err(GitError::TooLarge { what: "more than 10,000 files that can hold a pin" });
    }
    let database = database(directory).map_err(corrupt)?;
    let missing = missing(&database, ids)?;
    if missing.is_empty() { contents(&database, ids).map(Held::All) } else { Ok(Held::Lacking(missing)) }
}

fn missing(database: &Odb<'_>, ids: &BTreeSet<String>) -> Result<Vec<String>, GitError> {
    let mut missing = Vec::new();
    for id in ids {
        // Without a refresh for each: the database was opened just now.
        if !database.exists_ext(object_id(id)?, OdbLookupFlags::NO_REFRESH) {
            missing.push(id.clone());
        }
    }
    Ok(missing)
}

fn contents(database: &Odb<'_>, ids: &BTreeSet<String>) -> Result<BTreeMap<String, Blob>, GitError> {
    let mut blobs = BTreeMap::new();
    let mut total = 0;
    for id in ids {
        let oid = object_id(id)?;
        let (length, kind) = database.read_header(oid).map_err(corrupt)?;
        if kind != ObjectType::Blob {
            return Err(GitError::ObjectId { id: id.clone() });
        }
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        let blob = if bytes > FILE_BYTES_MAX {
            Blob::TooLarge { bytes }
        } else {
            total += bytes;
            if total > FILES_BYTES_MAX {
                return Err(GitError::TooLarge { what: "more than 256 MiB of files that can hold a pin" });
            }
            Blob::Content(database.read(oid).map_err(corrupt)?.data().to_vec())
        };
        blobs.insert(id.clone(), blob);
    }
    Ok(blobs)
}
