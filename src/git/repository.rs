//! One repository's cache: fetching into it, reading from it, committing in it, pushing from it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::Instrument as _;

use super::Shared;
use super::cache;
use super::commit::{self, Committed, NewCommit};
use super::environment::{Environment, Purpose, REMOTE};
use super::error::{self, GitError};
use super::objects::{self, Blob, Held, Presence, TreeFile};
use super::process::Output;
use super::push::{self, PushOutcome, Update};
use crate::domain::pull_request::{BranchName, CommitId};
use crate::net::{Meter, Remote};

/// What the last fetch brought; the next one tells the server so.
const BASE_REF: &str = "refs/refrom/base";
/// The last commit that was fetched by its id alone.
const MADE_REF: &str = "refs/refrom/made";

/// A commit and the branch whose head it was when the forge was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub branch: BranchName,
    pub commit: CommitId,
}

/// Whether the server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fetched {
    AlreadyThere,
    Anew,
}

/// What of the commit's objects a fetch asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Trees,
    /// For servers that do not give out a blob by its id.
    TreesAndBlobs,
}

/// The cache of one repository. All of its operations exclude one another.
#[derive(Debug, Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    directory: PathBuf,
    lock: Arc<tokio::sync::Mutex<()>>,
    meter: Meter,
}

impl Repository {
    pub(super) fn new(
        shared: Arc<Shared>,
        directory: PathBuf,
        lock: Arc<tokio::sync::Mutex<()>>,
        meter: Meter,
    ) -> Self {
        Self { shared, directory, lock, meter }
    }

    /// Where the cache lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether the commit and all of its trees are in the cache. Sends nothing.
    pub async fn has(&self, commit: &CommitId) -> Result<bool, GitError> {
        let _lock = self.lock.lock().await;
        self.presence(commit).await.map(|presence| presence == Presence::Complete)
    }

    /// Brings the commit and its trees into the cache, without blobs where the server can leave them out. Sends nothing
    /// when they are there. A damaged cache is made anew, once.
    pub async fn fetch(&self, remote: &Remote, base: &Base) -> Result<Fetched, GitError> {
        let _lock = self.lock.lock().await;
        if self.presence(&base.commit).await? == Presence::Complete {
            return Ok(Fetched::AlreadyThere);
        }
        self.maintain(cache::discard_crowded).await?;
        match self.fetch_commit(remote, base, base.commit.as_str(), Depth::Trees).await {
            Ok(()) => {}
            // The server refuses ids, or a file of the cache is in the way.
            Err(GitError::Failed { .. } | GitError::HeadMoved { .. }) => {
                self.maintain(cache::discard).await?;
                self.fetch_commit(remote, base, &format!("refs/heads/{}", base.branch), Depth::Trees).await?;
            }
            Err(error) => return Err(error),
        }
        Ok(Fetched::Anew)
    }

    /// The files of a commit that are selected by their path, sorted by it. Reads trees only, sends nothing.
    pub async fn files(
        &self,
        commit: &CommitId,
        select: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Vec<TreeFile>, GitError> {
        let commit = commit.clone();
        self.read(move |directory| objects::files(directory, &commit, select)).await
    }

    /// The contents of these blobs of a fetched commit, by id. Those that are missing come in one request, and none is
    /// sent when all are there.
    pub async fn blobs(
        &self,
        remote: &Remote,
        base: &Base,
        ids: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, Blob>, GitError> {
        let _lock = self.lock.lock().await;
        let missing = match self.held(ids).await? {
            Held::All(blobs) => return Ok(blobs),
            Held::Lacking(missing) => missing,
        };
        match self.fetch_blobs(remote, &missing).await {
            // The server knows protocol version 0 only, and gives out no blob by its id.
            Err(GitError::Failed { .. }) => {
                self.maintain(cache::discard).await?;
                self.fetch_commit(remote, base, &format!("refs/heads/{}", base.branch), Depth::TreesAndBlobs).await?;
            }
            result => result?,
        }
        match self.held(ids).await? {
            Held::All(blobs) => Ok(blobs),
            Held::Lacking(missing) => {
                Err(GitError::MissingObject { id: missing.into_iter().next().unwrap_or_default() })
            }
        }
    }

    /// Makes a commit on a fetched base in the cache. Sends nothing.
    pub async fn commit(&self, new: NewCommit) -> Result<Committed, GitError> {
        self.read(move |directory| commit::build(directory, &new)).await
    }

    /// Whether two commits of the cache make the same change: parents, tree and message, by whomever and whenever they
    /// were made.
    pub async fn is_same_change(&self, one: &CommitId, other: &CommitId) -> Result<bool, GitError> {
        let (one, other) = (one.clone(), other.clone());
        self.read(move |directory| commit::is_same_change(directory, &one, &other)).await
    }

    /// Brings a commit with its trees into the cache, by its id and without what came before it: the head of a branch.
    /// Sends nothing when it is there.
    pub async fn fetch_head(&self, remote: &Remote, head: &CommitId) -> Result<(), GitError> {
        self.fetch_made(remote, head, "--depth=1".to_owned()).await
    }

    /// The same with a commit that the server made on a base which is in the cache; no branch need point to it. Its
    /// parent stays known, so that a push sends what differs from it.
    pub async fn fetch_child(&self, remote: &Remote, commit: &CommitId, base: &CommitId) -> Result<(), GitError> {
        self.fetch_made(remote, commit, format!("--negotiation-tip={base}")).await
    }

    async fn fetch_made(&self, remote: &Remote, commit: &CommitId, reach: String) -> Result<(), GitError> {
        let _lock = self.lock.lock().await;
        if self.presence(commit).await? == Presence::Complete {
            return Ok(());
        }
        let specification = format!("+{commit}:{MADE_REF}");
        let arguments = [reach.as_str(), "--filter=blob:none", REMOTE, &specification];
        self.fetch_with(remote, Purpose::FetchCommit, &arguments, "").await?;
        match self.presence(commit).await? {
            Presence::Complete => Ok(()),
            Presence::Absent => Err(GitError::NotFetched { commit: commit.clone() }),
        }
    }

    /// Changes branches on the server in one push; the outcomes in the order of the updates. Asked again by the retry
    /// policy: what an attempt with a lost answer has done is up to date.
    pub async fn push(&self, remote: &Remote, updates: &[Update]) -> Result<Vec<(BranchName, PushOutcome)>, GitError> {
        let _lock = self.lock.lock().await;
        let arguments = push::arguments(&remote.url, updates)?;
        if updates.is_empty() {
            return Ok(Vec::new());
        }
        let attempt = async || {
            self.maintain(cache::prepare).await?;
            let environment = self.shared.house.remote(remote, Purpose::Push)?;
            let output = self.talk(arguments.clone(), environment, Vec::new()).await?;
            self.noted(push::outcomes(output, updates))
        };
        let mut outcomes = self.shared.settings.retry.run(attempt).await?;
        if outcomes.iter().any(|(_, outcome)| !outcome.is_done()) {
            let environment = self.shared.house.remote(remote, Purpose::Push)?;
            let question = push::question(&remote.url, updates);
            let heads = self.talk(question, environment, Vec::new()).await?;
            if heads.is_success {
                push::settle(&mut outcomes, updates, &heads);
            }
        }
        Ok(outcomes)
    }

    /// Fetches one commit, named by its id or by a branch, and looks that it is the one that was wanted.
    async fn fetch_commit(&self, remote: &Remote, base: &Base, name: &str, depth: Depth) -> Result<(), GitError> {
        let filter = match depth {
            Depth::Trees => "--filter=blob:none",
            Depth::TreesAndBlobs => "--no-filter",
        };
        let specification = format!("+{name}:{BASE_REF}");
        self.fetch_with(remote, Purpose::FetchCommit, &["--depth=1", filter, REMOTE, &specification], "").await?;
        match self.presence(&base.commit).await? {
            Presence::Complete => Ok(()),
            Presence::Absent => Err(GitError::HeadMoved { branch: base.branch.clone(), commit: base.commit.clone() }),
        }
    }

    /// Asks for exactly these blobs in one request; their ids go through the standard input.
    async fn fetch_blobs(&self, remote: &Remote, ids: &[String]) -> Result<(), GitError> {
        let input: String = ids.iter().flat_map(|id| [id.as_str(), "\n"]).collect();
        self.fetch_with(remote, Purpose::FetchBlobs, &["--filter=blob:none", "--stdin", REMOTE], &input).await
    }

    async fn fetch_with(
        &self,
        remote: &Remote,
        purpose: Purpose,
        arguments: &[&str],
        input: &str,
    ) -> Result<(), GitError> {
        let always = ["fetch", "--quiet", "--force", "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no"];
        let arguments: Vec<OsString> = always.iter().chain(arguments).map(OsString::from).collect();
        let attempt = async || {
            self.maintain(cache::prepare).await?;
            let environment = self.shared.house.remote(remote, purpose)?;
            let output = self.talk(arguments.clone(), environment, input.into()).await?;
            self.noted(if output.is_success { Ok(()) } else { Err(error::from_words(output.words)) })
        };
        self.shared.settings.retry.run(attempt).await
    }

    /// Runs git where it talks to the server.
    async fn talk(
        &self,
        arguments: Vec<OsString>,
        environment: Environment,
        input: Vec<u8>,
    ) -> Result<Output, GitError> {
        self.meter.request();
        let span =
            tracing::debug_span!("git", operation = arguments.first().map(|name| name.to_string_lossy().into_owned()));
        let run = self.shared.run(self.git(arguments), environment, input);
        let result = async {
            let result = run.await;
            tracing::debug!(is_success = result.as_ref().is_ok_and(|output| output.is_success), "ran git");
            result
        };
        self.noted(result.instrument(span).await)
    }

    fn noted<T>(&self, result: Result<T, GitError>) -> Result<T, GitError> {
        self.meter.outcome(&result);
        result
    }

    /// A damaged cache is thrown away and has nothing.
    async fn presence(&self, commit: &CommitId) -> Result<Presence, GitError> {
        let commit = commit.clone();
        match self.read_locked(move |directory| objects::presence(directory, &commit)).await {
            Err(GitError::Corrupt { .. }) => Ok(Presence::Absent),
            result => result,
        }
    }

    async fn held(&self, ids: &BTreeSet<String>) -> Result<Held, GitError> {
        let ids = ids.clone();
        self.read_locked(move |directory| objects::blobs(directory, &ids)).await
    }

    async fn maintain(&self, work: fn(&Path) -> Result<(), GitError>) -> Result<(), GitError> {
        let directory = self.directory.clone();
        self.shared.block(move || work(&directory)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let _lock = self.lock.lock().await;
        self.read_locked(work).await
    }

    /// Works on the objects; throws the cache away when they turn out damaged.
    async fn read_locked<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let directory = self.directory.clone();
        let result = self.shared.block(move || work(&directory)).await;
        if matches!(result, Err(GitError::Corrupt { .. })) {
            tracing::warn!(cache = %self.directory.display(), "threw a damaged cache away");
            self.maintain(cache::discard).await?;
        }
        result
    }

    /// git's arguments for work on this cache.
    fn git(&self, arguments: Vec<OsString>) -> Vec<OsString> {
        let mut all = vec![OsString::from("--git-dir"), self.directory.clone().into()];
        all.extend(arguments);
        all
    }
}
