//! Looking into a store that another process may be using.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, SqlitePool};

use super::ledger::Snapshot;
use super::view::View;
use super::{BUSY_TIMEOUT, MIGRATIONS, adoption, denial, missing, status};
use crate::domain::denial::RecordedDenial;
use crate::domain::digest::Digest;
use crate::domain::image::Image;
use crate::domain::ledger::History;
use crate::domain::plan::Missing;
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::status::FleetStatus;
use crate::store::{LedgerEntry, StoreError, WaveBooks};

/// The first schema that has a status.
const STATUS_SINCE: i64 = 2;
/// The first schema in which the ledger tells what decisions need.
const LEDGER_SINCE: i64 = 3;

/// The first schema that knows of waves.
const WAVES_SINCE: i64 = 3;

/// A store that is only read. It takes no lock: with SQLite's write-ahead log a reader sees what the last transaction
/// left, however busy a writer is, and never keeps it waiting.
#[derive(Debug)]
pub struct SqliteReader {
    name: String,
    pool: SqlitePool,
    format: i64,
}

impl SqliteReader {
    /// Opens the file and changes nothing. Errors: [`StoreError::Missing`], [`StoreError::Newer`],
    /// [`StoreError::Damaged`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        if !path.exists() {
            return Err(StoreError::Missing { store: name });
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let opened = |error| super::sql_error(&name, "opened", error);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(opened)?;
        let format: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(opened)?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        if format > known {
            return Err(StoreError::Newer { store: name, found: format, known });
        }
        Ok(Self { name, pool, format })
    }

    /// What was last known of the fleet; nothing where the last cycle was an older refrom's.
    pub async fn status(&self) -> Result<FleetStatus, StoreError> {
        if self.format < STATUS_SINCE {
            return Ok(FleetStatus::default());
        }
        status::read(&self.pool).await.map_err(|error| super::sql_error(&self.name, "read", error))
    }

    /// What the waves of digests are told from, with adoptions that hold or ended at this time or later; nothing where the
    /// last cycle was an older refrom's.
    pub async fn wave_books(&self, ended_since: Timestamp) -> Result<WaveBooks, StoreError> {
        if self.format < WAVES_SINCE {
            return Ok(WaveBooks::default());
        }
        adoption::wave_books(&self.name, &self.pool, ended_since).await
    }

    /// Everything that was seen of a tag; nothing where the last cycle was an older refrom's.
    pub async fn history(&self, tag: &TagRef) -> Result<History, StoreError> {
        if self.format < LEDGER_SINCE { Ok(History::default()) } else { self.view().history(tag).await }
    }

    /// The tags of an image that were ever seen, each with its first sight; nothing where the last cycle was an older
    /// refrom's.
    pub async fn first_sights(&self, image: &ImageName) -> Result<BTreeMap<Tag, Timestamp>, StoreError> {
        if self.format < LEDGER_SINCE { Ok(BTreeMap::new()) } else { self.view().first_sights(image).await }
    }

    /// What is known of a digest; nothing where the last cycle was an older refrom's.
    pub async fn image(&self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError> {
        if self.format < LEDGER_SINCE { Ok(None) } else { self.view().image(name, digest).await }
    }

    /// The ledger as it is now; nothing where the last cycle was an older refrom's.
    pub async fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        if self.format < LEDGER_SINCE { Ok(self.view().no_snapshot()) } else { self.view().snapshot().await }
    }

    /// What was seen of a tag, with what is known of the digests: by first sight, then by digest.
    pub async fn entries(&self, tag: &TagRef) -> Result<Vec<LedgerEntry>, StoreError> {
        self.snapshot().await?.entries(tag).await
    }

    /// Every digest that was ever taken back, in the order in which that was recorded.
    pub async fn denials(&self) -> Result<Vec<RecordedDenial>, StoreError> {
        if self.format < denial::DENIALS_SINCE {
            return Ok(Vec::new());
        }
        denial::all(&self.name, &self.pool).await
    }

    /// Pinned digests that their registry did not have in the last look for them.
    pub async fn missing(&self) -> Result<BTreeMap<(ImageName, Digest), Missing>, StoreError> {
        if self.format < LEDGER_SINCE { Ok(BTreeMap::new()) } else { missing::all(&self.name, &self.pool).await }
    }

    fn view(&self) -> View<'_> {
        View { name: &self.name, pool: &self.pool }
    }
}
