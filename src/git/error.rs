//! Why git did not do it, by what the caller can do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::domain::pull_request::{BranchName, CommitId};
use crate::net::{CallError, CallFailure, Transient};
use crate::secret::SecretError;

/// Why git did not do it. `words` are git's and the server's own, bounded, without secrets.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    #[error("cannot run `{program}`")]
    Program { program: PathBuf, source: io::Error },
    #[error("`{program}` is git {found}, at least {minimum} is needed")]
    TooOld { program: PathBuf, found: String, minimum: String },
    #[error("the cache `{path}` cannot be used")]
    Cache { path: PathBuf, source: io::Error },
    /// Objects of the cache cannot be read; the cache was thrown away and the next fetch makes it anew.
    #[error("the cache was damaged")]
    Corrupt { source: Box<dyn std::error::Error + Send + Sync> },
    /// Only `http` and `https`, and no credentials inside.
    #[error("not a URL that git may use: `{host}`")]
    Url { host: String },
    #[error("the credentials were refused: {words}")]
    Unauthorized { words: String },
    #[error("not allowed: {words}")]
    Denied { words: String },
    #[error("no such repository, or this account may not see it: {words}")]
    NotFound { words: String },
    /// A redirect, which is not followed: it could carry the credentials to another place.
    #[error("the repository is elsewhere: {words}")]
    Redirected { words: String },
    /// 429, 5xx, no connection, a broken one, a certificate that is not trusted.
    #[error("not available: {words}")]
    Unavailable { words: String },
    /// The server had its time; the next cycle asks again.
    #[error("no answer within {} s", after.as_secs())]
    Timeout { after: Duration },
    #[error("the repository uses SHA-256 object ids, which are not supported")]
    ObjectFormat,
    /// The branch moved on while we looked; the next cycle sees the new head.
    #[error("the server no longer has the commit `{commit}` at `{branch}`")]
    HeadMoved { branch: BranchName, commit: CommitId },
    /// A call in the wrong order: the commit has to be fetched first.
    #[error("the commit `{commit}` is not in the cache")]
    NotFetched { commit: CommitId },
    #[error("the server does not give the object `{id}`")]
    MissingObject { id: String },
    #[error("not an object id: `{id}`")]
    ObjectId { id: String },
    #[error("too large: {what}")]
    TooLarge { what: &'static str },
    #[error("no file `{path}` to change")]
    NoSuchFile { path: String },
    #[error("the commit's author cannot be written: `{name} <{email}>`")]
    Identity { name: String, email: String },
    #[error("the branch `{branch}` is not refrom's own")]
    ForeignBranch { branch: BranchName },
    #[error("cannot read the secret")]
    Secret(#[from] SecretError),
    #[error("not a signing key: {reason}")]
    SigningKey { reason: &'static str, source: Option<Box<dyn std::error::Error + Send + Sync>> },
    /// Anything else that git says.
    #[error("git failed: {words}")]
    Failed { words: String },
    #[error("work on the object database was cut short")]
    Interrupted,
}

impl Transient for GitError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Corrupt { .. })
    }

    /// git passes on no `Retry-After`.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

impl CallError for GitError {
    fn failure(&self) -> Option<CallFailure> {
        match self {
            Self::NotFound { .. } | Self::HeadMoved { .. } => None,
            Self::Unauthorized { .. } | Self::Denied { .. } => Some(CallFailure::Refused),
            Self::Unavailable { .. } => Some(CallFailure::Unavailable),
            Self::Timeout { .. } => Some(CallFailure::Timeout),
            Self::Program { .. }
            | Self::TooOld { .. }
            | Self::Cache { .. }
            | Self::Corrupt { .. }
            | Self::Url { .. }
            | Self::Redirected { .. }
            | Self::ObjectFormat
            | Self::NotFetched { .. }
            | Self::MissingObject { .. }
            | Self::ObjectId { .. }
            | Self::TooLarge { .. }
            | Self::NoSuchFile { .. }
            | Self::Identity { .. }
            | Self::ForeignBranch { .. }
            | Self::Secret(_)
            | Self::SigningKey { .. }
            | Self::Failed { .. }
            | Self::Interrupted => Some(CallFailure::Other),
        }
    }
}

/// Tells the kinds of failure apart by what git prints.
///
/// The exit status is 128 for all of them and the HTTP status is in these lines only, so this is the one place that
/// reads git's words: untranslated (`LC_ALL=C`), stable since git 1.8, tested against the real program. What the
/// server says (`remote: …`) is left out of it. Anything unknown is [`GitError::Failed`].
pub(super) fn from_words(words: String) -> GitError {
    let own: Vec<&str> = words.lines().filter(|line| !line.starts_with("remote:")).collect();
    let says = |text: &str| own.iter().any(|line| line.contains(text));
    let status = own.iter().find_map(|line| http_status(line));
    match status {
        Some(401) => GitError::Unauthorized { words },
        Some(403) => GitError::Denied { words },
        Some(404 | 410) => GitError::NotFound { words },
        Some(300..=399) => GitError::Redirected { words },
        Some(408 | 429 | 500..=599) => GitError::Unavailable { words },
        Some(_) => GitError::Failed { words },
        None if says("Authentication failed for ") || says("could not read Username for ") => {
            GitError::Unauthorized { words }
        }
        None if own.iter().any(|line| line.starts_with("fatal: repository '") && line.ends_with("' not found")) => {
            GitError::NotFound { words }
        }
        // SIGXFSZ, on Linux's usual machines: the limit that every git process gets.
        None if says("died of signal 25") => GitError::TooLarge { what: "more to fetch than is taken" },
        None if says("mismatched algorithms: ") => GitError::ObjectFormat,
        None if ["unable to access '", "RPC failed; ", "the remote end hung up", "early EOF"]
            .iter()
            .any(|text| says(text)) =>
        {
            GitError::Unavailable { words }
        }
        None => GitError::Failed { words },
    }
}

/// The status in `The requested URL returned error: 503` and `RPC failed; HTTP 503 curl 22 …`.
fn http_status(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("returned error: ").or_else(|| line.split_once("RPC failed; HTTP "))?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_says_decides_nothing() {
        let words = "remote: The requested URL returned error: 401\nfatal: something new".to_owned();
        assert!(matches!(from_words(words), GitError::Failed { .. }));
    }

    #[test]
    fn a_failure_that_passes_is_told_from_one_that_lasts() {
        let kinds = [
            ("fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 503", true),
            ("fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 429", true),
            ("error: RPC failed; HTTP 500 curl 22 The requested URL returned error: 500", true),
            ("fatal: unable to access 'http://h/': Could not resolve host: h", true),
            ("fatal: unable to access 'http://h/a/b.git/': The requested URL returned error: 403", false),
            ("fatal: repository 'http://h/a/b.git/' not found", false),
        ];
        for (words, is_transient) in kinds {
            assert_eq!(from_words(words.to_owned()).is_transient(), is_transient, "{words}");
        }
    }

    #[test]
    fn kinds_of_failed_calls_are_told_apart() {
        let failure = |words: &str| from_words(words.to_owned()).failure();
        let access =
            |status| format!("fatal: unable to access 'http://h/': The requested URL returned error: {status}");
        assert_eq!(failure(&access(401)), Some(CallFailure::Refused));
        assert_eq!(failure(&access(503)), Some(CallFailure::Unavailable));
        assert_eq!(failure("fatal: repository 'http://h/a/b.git/' not found"), None, "an answer");
        assert_eq!(failure("fatal: something new"), Some(CallFailure::Other));
        assert_eq!(GitError::Timeout { after: Duration::ZERO }.failure(), Some(CallFailure::Timeout));
    }
}
