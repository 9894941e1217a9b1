//! Building a commit in the object database: blobs, trees, commit; no work tree, no index.

use std::collections::BTreeSet;
use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{ErrorCode, FileMode, ObjectType, Oid, Repository, Signature, Time, Tree};

use super::cache;
use super::error::GitError;
use super::objects::{self, corrupt};
use super::signing;
use crate::domain::pull_request::CommitId;
use crate::secret::Secret;

/// Above every other store of a database, so that what is written stays in memory until it is packed.
const MEMORY_PRIORITY: i32 = 1000;
/// Nobody writes into a pack.
const PACK_MODE: u32 = 0o444;

/// The new content of a file that the base has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// From the root, with `/`.
    pub path: String,
    pub content: Vec<u8>,
}

/// Who a commit is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: String,
    pub email: String,
}

/// Whether `Signed-off-by:` is added (git-commit(1), `--signoff`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignOff {
    Add,
    #[default]
    Omit,
}

/// Author and committer of refrom's commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    pub identity: Identity,
    pub sign_off: SignOff,
    /// An OpenSSH private key; see [`super::check_signing_key`].
    pub signing_key: Option<Secret>,
}

/// A commit to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommit {
    pub base: CommitId,
    pub changes: Vec<FileChange>,
    pub message: String,
    pub author: Author,
}

impl NewCommit {
    /// The message as it is committed.
    pub fn full_message(&self) -> String {
        message(&self.message, &self.author)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    New(CommitId),
    /// The files already have this content: nothing to commit.
    Unchanged,
}

/// Makes the commit on the base.
///
/// **Invariant**: a function of its arguments and the base alone. Author and committer time are the base's committer
/// time, in its zone, so that the same plan has the same commit id.
pub(super) fn build(directory: &Path, new: &NewCommit) -> Result<Committed, GitError> {
    let database = objects::database(directory).map_err(corrupt)?;
    database.add_new_mempack_backend(MEMORY_PRIORITY).map_err(corrupt)?;
    let repository = objects::wrap(database).map_err(corrupt)?;
    let base = objects::find_commit(&repository, &new.base)?;
    let base_tree = base.tree().map_err(corrupt)?;
    let mut update = TreeUpdateBuilder::new();
    for change in &new.changes {
        let mode = mode_of(&base_tree, &change.path)?;
        update.upsert(change.path.as_str(), repository.blob(&change.content).map_err(corrupt)?, mode);
    }
    let tree = update.create_updated(&repository, &base_tree).map_err(corrupt)?;
    if tree == base_tree.id() {
        return Ok(Committed::Unchanged);
    }
    let tree = repository.find_tree(tree).map_err(corrupt)?;
    let who = signature(&new.author.identity, base.time())?;
    let message = message(&new.message, &new.author);
    let content = repository.commit_create_buffer(&who, &who, &message, &tree, &[&base]).map_err(corrupt)?;
    let id = match &new.author.signing_key {
        Some(key) => {
            let signature = signing::sign(key, &content)?;
            let text = content.as_str().map_err(corrupt)?;
            repository.commit_signed(text, &signature, None).map_err(corrupt)?
        }
        None => repository.odb().and_then(|odb| odb.write(ObjectType::Commit, &content)).map_err(corrupt)?,
    };
    let is_known = objects::database(directory).map_err(corrupt)?.exists(id);
    if !is_known {
        let parts = new_objects(&tree, &new.changes).map_err(corrupt)?;
        write_pack(&repository, directory, parts.into_iter().chain([id])).map_err(corrupt)?;
    }
    let id = id.to_string();
    id.parse().map(Committed::New).map_err(|_| GitError::ObjectId { id })
}

/// Whether two commits make the same change: parents, tree and message, by whomever and whenever they were made.
pub(super) fn is_same_change(directory: &Path, one: &CommitId, other: &CommitId) -> Result<bool, GitError> {
    let repository = objects::open(directory).map_err(corrupt)?;
    let (one, other) = (objects::find_commit(&repository, one)?, objects::find_commit(&repository, other)?);
    Ok(one.tree_id() == other.tree_id()
        && one.parent_ids().eq(other.parent_ids())
        && one.message_bytes().trim_ascii_end() == other.message_bytes().trim_ascii_end())
}

/// The mode of the file that is changed, which it keeps.
fn mode_of(tree: &Tree<'_>, path: &str) -> Result<FileMode, GitError> {
    let no_such_file = || GitError::NoSuchFile { path: path.to_owned() };
    if objects::is_odd_path(path) {
        return Err(no_such_file());
    }
    match tree.get_path(Path::new(path)) {
        Ok(entry) => match entry.filemode() {
            0o100_644 => Ok(FileMode::Blob),
            0o100_755 => Ok(FileMode::BlobExecutable),
            _ => Err(no_such_file()),
        },
        Err(error) if error.code() == ErrorCode::NotFound => Err(no_such_file()),
        Err(error) => Err(corrupt(error)),
    }
}

fn signature(identity: &Identity, time: Time) -> Result<Signature<'static>, GitError> {
    let Identity { name, email } = identity;
    let refused = || GitError::Identity { name: name.clone(), email: email.clone() };
    if name.chars().chain(email.chars()).any(char::is_control) || email.is_empty() {
        return Err(refused());
    }
    Signature::new(name, email, &time).map_err(|_| refused())
}

/// The message with one line end at its end and, where wanted, the sign-off in its trailers.
fn message(text: &str, author: &Author) -> String {
    let text = text.trim_end();
    let Identity { name, email } = &author.identity;
    let trailer = format!("Signed-off-by: {name} <{email}>");
    match author.sign_off {
        SignOff::Omit => format!("{text}\n"),
        SignOff::Add if text.lines().any(|line| line == trailer) => format!("{text}\n"),
        SignOff::Add if ends_in_trailers(text) => format!("{text}\n{trailer}\n"),
        SignOff::Add => format!("{text}\n\n{trailer}\n"),
    }
}

/// Whether the last paragraph, which is not the subject, is made of `Key: value` lines (git-interpret-trailers(1)).
fn ends_in_trailers(text: &str) -> bool {
    let is_trailer = |line: &str| {
        line.split_once(": ")
            .is_some_and(|(key, _)| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'))
    };
    text.rsplit_once("\n\n").is_some_and(|(_, last)| last.lines().all(is_trailer))
}

/// Every tree and blob on the way to a changed file.
fn new_objects(tree: &Tree<'_>, changes: &[FileChange]) -> Result<BTreeSet<Oid>, git2::Error> {
    let mut ids = BTreeSet::from([tree.id()]);
    for change in changes {
        for path in Path::new(&change.path).ancestors().filter(|path| !path.as_os_str().is_empty()) {
            ids.insert(tree.get_path(path)?.id());
        }
    }
    Ok(ids)
}

fn write_pack(repository: &Repository, directory: &Path, ids: impl Iterator<Item = Oid>) -> Result<(), git2::Error> {
    let mut pack = repository.packbuilder()?;
    for id in ids {
        pack.insert_object(id, None)?;
    }
    pack.write(&cache::pack_directory(directory), PACK_MODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(sign_off: SignOff) -> Author {
        let identity = Identity { name: "refrom".to_owned(), email: "refrom@example.com".to_owned() };
        Author { identity, sign_off, signing_key: None }
    }

    #[test]
    fn the_sign_off_joins_the_trailers_and_is_there_once() {
        let line = "Signed-off-by: refrom <refrom@example.com>";
        for (text, expected) in [
            ("fix: a", format!("fix: a\n\n{line}\n")),
            ("fix: a\n\nBody: of a kind\nwith more", format!("fix: a\n\nBody: of a kind\nwith more\n\n{line}\n")),
            ("fix: a\n\nRefs: 1\n", format!("fix: a\n\nRefs: 1\n{line}\n")),
            (&format!("fix: a\n\n{line}"), format!("fix: a\n\n{line}\n")),
        ] {
            assert_eq!(message(text, &author(SignOff::Add)), expected);
        }
        assert_eq!(message("fix: a\n\n", &author(SignOff::Omit)), "fix: a\n");
    }

    #[test]
    fn an_identity_that_would_break_the_commit_is_refused() {
        for (name, email) in [("a\nb", "e@example.com"), ("a", ""), ("a <b>", "e@example.com"), ("", "e@example.com")] {
            let identity = Identity { name: name.to_owned(), email: email.to_owned() };
            assert!(signature(&identity, Time::new(0, 0)).is_err(), "{name:?} {email:?}");
        }
    }
}
