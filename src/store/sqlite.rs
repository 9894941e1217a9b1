//! The store in one SQLite file.

mod adoption;
mod auto_merge;
mod base_pipeline;
mod clock;
mod contents;
mod denial;
mod followed;
mod history;
mod images;
mod import;
mod ledger;
mod looks;
mod mirrors;
mod missing;
mod openings;
mod pull_requests;
mod reader;
mod retention;
mod scans;
mod sought;
mod staleness;
mod status;
mod tag_lists;
mod turns;
mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Sqlite, SqlitePool, Transaction};

use super::lock::{Lock, LockError, private_file};
use super::{DenialsVersion, PullRequestTimes, RETENTION, Reach, Scan, Store, StoreError, StoreFacts};
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{Merged, RecordedDenial};
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::ledger::History;
use crate::domain::mirror::Mirrors;
use crate::domain::pull_request::{BranchName, CommitId, RepoName};
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::status::{CycleStatus, FleetStatus, RepositoryStatus};

use view::View;

pub use denial::SqliteDenials;
pub use import::Import;
pub use ledger::Snapshot;
pub use reader::SqliteReader;

/// The schemas, oldest first; each brings a store from its index to the next version and says so in `user_version`.
const MIGRATIONS: &[&str] = &[include_str!("schema_1.sql"), include_str!("schema_2.sql"), include_str!("schema_3.sql")];
/// How long a statement waits for a lock that another program (a backup, a curious person) holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long opened pull requests are remembered: far longer than the hour that a cap looks at.
const OPENED_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// The store in one SQLite file, used by one process at a time.
#[derive(Debug)]
pub struct SqliteStore {
    name: String,
    pool: SqlitePool,
    /// How long a digest is remembered after a tag last pointed to it.
    retention: SignedDuration,
    /// Held until the connection is gone: fields are dropped in this order.
    _lock: Lock,
}

impl SqliteStore {
    /// Opens the file, making it and its directory where they are missing; readable by its owner alone.
    ///
    /// `now` is written beside it for whoever finds it in use. Errors: [`StoreError::Held`] by another process,
    /// [`StoreError::Newer`], [`StoreError::Damaged`].
    pub async fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_keeping(path, RETENTION, now).await
    }

    /// The same with how long a digest is remembered after a tag last pointed to it.
    pub async fn open_keeping(path: &Path, retention: SignedDuration, now: Timestamp) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let io = |what| move |error: std::io::Error| Self::io_error(path, what, error);
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            std::fs::create_dir_all(directory).map_err(io("made"))?;
        }
        let lock = Lock::take(&lock_path(path), now).map_err(|error| match error {
            LockError::Held(holder) => StoreError::Held { store: name.clone(), holder },
            LockError::Io(error) => Self::io_error(path, "locked", error),
        })?;
        // SQLite gives its journals the mode of the file, which it would make readable for all.
        private_file(path).map_err(io("opened"))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        // One connection: statements take microseconds, and no two of ours ever wait for each other's lock.
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await;
        let pool = pool.map_err(|error| sql_error(&name, "opened", error))?;
        let store = Self { name, pool, retention, _lock: lock };
        store.migrate().await?;
        Ok(store)
    }

    /// Closes the file and frees it for others.
    pub async fn close(self) {
        self.pool.close().await;
    }

    fn io_error(path: &Path, what: &'static str, error: std::io::Error) -> StoreError {
        StoreError::Io { store: path.display().to_string(), what, source: error.into() }
    }

    async fn migrate(&self) -> Result<(), StoreError> {
        let opened = |error| sql_error(&self.name, "opened", error);
        let check: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.pool).await.map_err(opened)?;
        if check != "ok" {
            return Err(self.damaged(check));
        }
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&self.pool).await.map_err(opened)?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        let done = usize::try_from(found).map_err(|_| self.damaged(format!("format {found}")))?;
        if found > known {
            return Err(StoreError::Newer { store: self.name.clone(), found, known });
        }
        for schema in MIGRATIONS.iter().skip(done) {
            let mut transaction = self.pool.begin().await.map_err(opened)?;
            sqlx::raw_sql(*schema).execute(&mut *transaction).await.map_err(opened)?;
            transaction.commit().await.map_err(opened)?;
        }
        Ok(())
    }

    /// A transaction that nobody's write comes in between of.
    async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.pool.begin_with("BEGIN IMMEDIATE").await.map_err(self.write_error())
    }

    /// The store as whoever only reads it sees it.
    fn view(&self) -> View<'_> {
        View { name: &self.name, pool: &self.pool }
    }

    fn read_error(&self) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        |error| sql_error(&self.name, "read", error)
    }

    fn write_error(&self) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        |error| sql_error(&self.name, "written", error)
    }

    fn damaged(&self, detail: impl ToString) -> StoreError {
        self.view().damaged(detail)
    }

    /// The value of a JSON column.
    fn json<T: for<'de> Deserialize<'de>>(&self, text: &str) -> Result<T, StoreError> {
        self.view().json(text)
    }

    fn to_json(&self, value: &impl Serialize) -> Result<String, StoreError> {
        serde_json::to_string(value).map_err(|error| StoreError::Io {
            store: self.name.clone(),
            what: "written",
            source: error.into(),
        })
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn scan(&self, forge: &str, repository: &RepoName, branch: &BranchName) -> Result<Option<Scan>, StoreError> {
        self.read_scan(forge, repository, branch).await
    }

    async fn put_scan(
        &self,
        forge: &str,
        repository: &RepoName,
        branch: &BranchName,
        scan: &Scan,
    ) -> Result<(), StoreError> {
        self.write_scan((forge, repository, branch), scan).await
    }

    async fn record_sightings(&self, sightings: &[(TagRef, Digest)], now: Timestamp) -> Result<(), StoreError> {
        self.note_sightings(sightings, now).await
    }

    async fn tag_list(&self, image: &ImageName) -> Result<Option<(BTreeSet<Tag>, Timestamp)>, StoreError> {
        self.read_tag_list(image).await
    }

    async fn put_tag_list(&self, image: &ImageName, tags: &BTreeSet<Tag>, at: Timestamp) -> Result<(), StoreError> {
        self.write_tag_list(image, tags, at).await
    }

    async fn record_unanswered(&self, tags: &[TagRef]) -> Result<(), StoreError> {
        self.note_unanswered(tags).await
    }

    async fn last_sighting(&self, tag: &TagRef) -> Result<Option<(Digest, Timestamp)>, StoreError> {
        self.last_look(tag).await
    }

    async fn move_to_upstreams(&self, mirrors: &Mirrors) -> Result<BTreeMap<ImageName, ImageName>, StoreError> {
        self.move_names(mirrors).await
    }

    async fn pinned(&self, tag: &TagRef) -> Result<BTreeSet<Digest>, StoreError> {
        self.read_pinned(tag).await
    }

    async fn record_pinned(
        &self,
        pinned: &BTreeMap<TagRef, BTreeSet<Digest>>,
        reach: Reach,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.note_pinned(pinned, reach, now).await
    }

    async fn history(&self, tag: &TagRef) -> Result<History, StoreError> {
        self.read_history(tag).await
    }

    async fn first_sights(&self, image: &ImageName) -> Result<BTreeMap<Tag, Timestamp>, StoreError> {
        self.view().first_sights(image).await
    }

    async fn first_seen(&self, tag: &TagRef, digest: &Digest) -> Result<Option<Timestamp>, StoreError> {
        self.read_first_seen(tag, digest).await
    }

    async fn is_followed(&self, image: &ImageName) -> Result<bool, StoreError> {
        self.has_sightings(image).await
    }

    async fn image(&self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError> {
        self.read_image(name, digest).await
    }

    async fn put_image(&self, name: &ImageName, image: &Image) -> Result<(), StoreError> {
        self.write_image(name, image).await
    }

    async fn content(&self, name: &ImageName, digest: &Digest) -> Result<Option<Content>, StoreError> {
        self.read_content(name, digest).await
    }

    async fn put_content(&self, name: &ImageName, digest: &Digest, content: &Content) -> Result<(), StoreError> {
        self.write_content(name, digest, content).await
    }

    async fn record_opened(&self, forge: &str, repository: &RepoName, at: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO opened (forge, repository, at) VALUES (?, ?, ?)";
        let query = sqlx::query(sql).bind(forge).bind(repository.as_str()).bind(at.as_microsecond());
        query.execute(&self.pool).await.map_err(self.write_error())?;
        let oldest = at.saturating_sub(OPENED_KEPT).unwrap_or(Timestamp::MIN);
        let query = sqlx::query("DELETE FROM opened WHERE at < ?").bind(oldest.as_microsecond());
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    async fn turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        self.all_turns().await
    }

    async fn record_turns(&self, repositories: &[RepositoryKey], at: Timestamp) -> Result<(), StoreError> {
        self.note_turns(repositories, at).await
    }

    async fn unfinished_turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        self.read_unfinished_turns().await
    }

    async fn record_unfinished_turns(&self, repositories: &[RepositoryKey], at: Timestamp) -> Result<(), StoreError> {
        self.note_unfinished_turns(repositories, at).await
    }

    async fn last_opened(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        self.read_last_opened().await
    }

    async fn opened_since(&self, since: Timestamp) -> Result<u64, StoreError> {
        let query = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM opened WHERE at >= ?");
        let count = query.bind(since.as_microsecond()).fetch_one(&self.pool).await.map_err(self.read_error())?;
        u64::try_from(count).map_err(|error| self.damaged(error))
    }

    async fn put_opening(&self, forge: &str, repository: &RepoName, branch: &BranchName) -> Result<(), StoreError> {
        self.write_opening(forge, repository, branch).await
    }

    async fn remove_opening(&self, forge: &str, repository: &RepoName, branch: &BranchName) -> Result<(), StoreError> {
        self.delete_opening(forge, repository, branch).await
    }

    async fn openings(&self, forge: &str) -> Result<BTreeSet<(RepoName, BranchName)>, StoreError> {
        self.read_openings(forge).await
    }

    async fn told_to_merge(&self, forge: &str) -> Result<BTreeMap<(RepoName, u64), CommitId>, StoreError> {
        self.read_told_to_merge(forge).await
    }

    async fn put_told_to_merge(
        &self,
        forge: &str,
        repository: &RepoName,
        number: u64,
        head: &CommitId,
    ) -> Result<(), StoreError> {
        self.write_told_to_merge((forge, repository), number, head).await
    }

    async fn stale_since(&self, tag: &TagRef, pinned: &Digest) -> Result<Option<Timestamp>, StoreError> {
        self.read_stale_since(tag, pinned).await
    }

    async fn pull_request(&self, key: &RepositoryKey, number: u64) -> Result<Option<PullRequestTimes>, StoreError> {
        self.read_pull_request(key, number).await
    }

    async fn put_pull_request(&self, key: &RepositoryKey, times: &PullRequestTimes) -> Result<(), StoreError> {
        self.write_pull_request(key, times).await
    }

    async fn open_pull_requests(&self) -> Result<BTreeMap<RepositoryKey, BTreeMap<u64, BranchName>>, StoreError> {
        self.read_open_pull_requests().await
    }

    async fn facts(&self) -> Result<StoreFacts, StoreError> {
        self.read_facts().await
    }

    async fn denials(&self) -> Result<Vec<RecordedDenial>, StoreError> {
        self.read_denials().await
    }

    async fn denials_version(&self) -> Result<DenialsVersion, StoreError> {
        self.read_denials_version().await
    }

    async fn merged(&self, image: &ImageName) -> Result<Merged, StoreError> {
        self.read_merged(image).await
    }

    async fn put_status(
        &self,
        repositories: &[RepositoryStatus],
        whole: Option<&CycleStatus>,
    ) -> Result<(), StoreError> {
        self.write_status(repositories, whole).await.map_err(self.write_error())
    }

    async fn status(&self) -> Result<FleetStatus, StoreError> {
        status::read(&self.pool).await.map_err(self.read_error())
    }
}

/// `refrom.db` → `refrom.db.lock`.
fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

/// Tells a damaged file from one that cannot be used now (SQLite's result codes `SQLITE_CORRUPT` 11 and
/// `SQLITE_NOTADB` 26, with the extended codes in the upper bits).
fn sql_error(store: &str, what: &'static str, error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    let is_damage = matches!(code.map(|code| code & 0xff), Some(11 | 26)) || matches!(error, sqlx::Error::Decode(_));
    if is_damage {
        return StoreError::Damaged { store: store.to_owned(), detail: error.to_string() };
    }
    // What sqlx puts around the database's own error says the same once more.
    let source = match error {
        sqlx::Error::Database(error) => error.into_error(),
        error => error.into(),
    };
    StoreError::Io { store: store.to_owned(), what, source }
}
