//! git: a bare object cache per repository, its transport, reading files at a commit, building and pushing commits.
//!
//! The `git` program talks to the server, because libgit2 has no partial clone; libgit2 reads and writes objects. No
//! work tree, no hooks, no submodules, no prompts, no configuration of the user. Tokens, proxy and certificates reach
//! git through its environment.

mod cache;
mod commit;
mod environment;
mod error;
pub(crate) mod objects;
mod process;
mod push;
mod remote;
mod repository;
mod signing;
mod version;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;

use self::environment::{Environment, House};
use self::process::{Call, Output};
use crate::domain::pull_request::RepoName;
use crate::net::{Network, RetryPolicy, Tally, TargetKind};

pub use commit::{Author, Committed, FileChange, Identity, NewCommit, SignOff};
pub use error::GitError;
pub use objects::{Blob, FILE_BYTES_MAX, FILES_MAX, TreeFile, TreeFileKind};
pub use push::{PushOutcome, Update};
pub use remote::Remote;
pub use repository::{Base, Fetched, Repository};
pub use signing::check_signing_key;
pub use version::MINIMUM_VERSION;

/// How long one git process may take: the trees of a large repository over a slow line.
const TIMEOUT: Duration = Duration::from_secs(300);
/// The largest file that git may write, in bytes: the pack of a fetch. Trees of the largest repositories have some
/// 100 MiB; a server that cannot leave blobs out sends whole files, once.
const PACK_BYTES_MAX: u64 = 4 << 30;
/// How many git processes and readers of objects work at once. Each of them waits for a network or a disk.
const CONCURRENCY: usize = 8;

/// How git is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The caches of all repositories; may be thrown away at any time.
    pub cache_directory: PathBuf,
    pub network: Network,
    /// `git`, found by `PATH`.
    pub program: PathBuf,
    /// For one git process.
    pub timeout: Duration,
    /// The largest pack that is taken, in bytes; only Linux holds git to it.
    pub pack_bytes_max: u64,
    /// Processes and readers at once.
    pub concurrency: usize,
    /// For talking to servers.
    pub retry: RetryPolicy,
    /// Where the processes that talk are noted.
    pub tally: Tally,
}

/// The git of this machine with refrom's caches.
#[derive(Debug, Clone)]
pub struct Git(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    house: House,
    slots: Semaphore,
    /// One lock per cache: two tasks never write the same one.
    locks: Mutex<BTreeMap<PathBuf, Arc<tokio::sync::Mutex<()>>>>,
}

impl Settings {
    /// The defaults, with caches in this directory.
    pub fn new(cache_directory: PathBuf, network: Network) -> Self {
        Self {
            cache_directory,
            network,
            program: "git".into(),
            timeout: TIMEOUT,
            pack_bytes_max: PACK_BYTES_MAX,
            concurrency: CONCURRENCY,
            retry: RetryPolicy::default(),
            tally: Tally::default(),
        }
    }
}

impl Git {
    /// Looks whether git is there and new enough ([`MINIMUM_VERSION`]), and makes the cache directory.
    pub async fn new(mut settings: Settings) -> Result<Self, GitError> {
        let directory = settings.cache_directory.clone();
        let failed = |source| GitError::Cache { path: directory.clone(), source };
        settings.cache_directory = std::path::absolute(&directory).map_err(failed)?;
        let house = House::new(&settings.cache_directory, &settings.network)?;
        let slots = Semaphore::new(settings.concurrency.max(1));
        let shared = Shared { settings, house, slots, locks: Mutex::default() };
        let output = shared.run(vec!["version".into()], shared.house.local(), Vec::new()).await?;
        version::check(&shared.settings.program, &output.stdout)?;
        Ok(Self(Arc::new(shared)))
    }

    /// The repository's cache, which need not exist yet. `forge` is the forge's name in the configuration.
    pub fn repository(&self, forge: &str, name: &RepoName) -> Repository {
        let directory = self.0.settings.cache_directory.join(cache::directory_name(forge, name));
        let mut locks = self.0.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(locks.entry(directory.clone()).or_default());
        let meter = self.0.settings.tally.meter(TargetKind::Git, forge);
        Repository::new(Arc::clone(&self.0), directory, lock, meter)
    }
}

impl Shared {
    /// Runs git once there is a free slot.
    async fn run(
        &self,
        arguments: Vec<std::ffi::OsString>,
        environment: Environment,
        input: Vec<u8>,
    ) -> Result<Output, GitError> {
        let _slot = self.slots.acquire().await.map_err(|_| GitError::Interrupted)?;
        let Settings { program, timeout, pack_bytes_max: file_bytes_max, .. } = &self.settings;
        let (home, timeout, file_bytes_max) = (self.house.home(), *timeout, *file_bytes_max);
        Call { program, home, arguments, environment, input, timeout, file_bytes_max }.run().await
    }

    /// Runs blocking work on objects once there is a free slot.
    async fn block<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let _slot = self.slots.acquire().await.map_err(|_| GitError::Interrupted)?;
        tokio::task::spawn_blocking(work).await.map_err(|_| GitError::Interrupted)?
    }
}
