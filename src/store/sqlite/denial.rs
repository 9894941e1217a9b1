//! Digests that people took back, and writing that beside whoever uses the store.

use std::path::Path;

use jiff::Timestamp;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, SqlitePool};

use super::{BUSY_TIMEOUT, MIGRATIONS, SqliteStore, sql_error};
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{Denial, ImageScope, Merged, RecordedDenial};
use crate::domain::digest::Digest;
use crate::domain::pull_request::RepoName;
use crate::domain::reference::{ImageName, TagRef};
use crate::domain::waves::Adoption;
use crate::store::{Allowance, DenialsVersion, Denied, StoreError};

/// The first format that has denials.
pub(super) const DENIALS_SINCE: i64 = 3;

/// A second hand at a store that another process may hold: it writes denials and nothing else, each in one go.
/// SQLite lets one writer in at a time, and theirs take milliseconds.
#[derive(Debug)]
pub struct SqliteDenials {
    name: String,
    pool: SqlitePool,
}

impl SqliteDenials {
    /// Opens a file that is there. Errors: [`StoreError::Missing`], [`StoreError::Newer`], [`StoreError::Older`],
    /// [`StoreError::Damaged`].
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        if !path.exists() {
            return Err(StoreError::Missing { store: name });
        }
        let options = SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).disable_statement_logging();
        let opened = |error| sql_error(&name, "opened", error);
        let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(opened)?;
        let found: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&pool).await.map_err(opened)?;
        let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
        match found {
            found if found > known => Err(StoreError::Newer { store: name, found, known }),
            // Whoever holds it knows no denials, or not these.
            found if found < known => Err(StoreError::Older { store: name, found, known }),
            _ => Ok(Self { name, pool }),
        }
    }

    /// Records a denial, unless the newest one of this digest and scope says the same already.
    pub async fn deny(&self, denial: &Denial) -> Result<Denied, StoreError> {
        let sql = "INSERT INTO denial (image, tag, digest, to_digest, reason, at)
                   SELECT ?1, ?2, ?3, ?4, ?5, ?6
                   WHERE coalesce((SELECT to_digest IS NOT ?4 OR reason <> ?5 FROM denial
                                   WHERE image = ?1 AND tag IS ?2 AND digest = ?3 AND allowed IS NULL
                                   ORDER BY id DESC LIMIT 1), 1)";
        let query = sqlx::query(sql).bind(denial.image.to_string()).bind(denial.tag.as_ref().map(ToString::to_string));
        let query = query.bind(denial.digest.to_string()).bind(denial.to.map(|to| to.to_string()));
        let query = query.bind(&denial.reason).bind(denial.at.as_microsecond());
        let result = query.execute(&self.pool).await.map_err(self.write_error())?;
        Ok(if result.rows_affected() > 0 { Denied::Now } else { Denied::Already })
    }

    /// Allows a digest again: all of its denials for an image, or those of one tag. Where all tags are denied, one of them
    /// cannot be allowed, and nothing is changed.
    pub async fn allow(&self, scope: &ImageScope, digest: &Digest, now: Timestamp) -> Result<Allowance, StoreError> {
        // With the first statement, so that whoever writes beside it waits.
        let begun = self.pool.begin_with("BEGIN IMMEDIATE").await;
        let mut transaction = begun.map_err(self.write_error())?;
        let (image, tag) = (scope.image.to_string(), scope.tag.as_ref().map(ToString::to_string));
        let sql = "SELECT max(allowed), coalesce(sum(allowed IS NULL AND tag IS NULL), 0) FROM denial
                   WHERE image = ?1 AND (?2 IS NULL OR tag IS NULL OR tag = ?2) AND digest = ?3";
        let query = sqlx::query_as::<_, (Option<i64>, i64)>(sql).bind(&image).bind(&tag).bind(digest.to_string());
        let (last, of_all_tags) = query.fetch_one(&mut *transaction).await.map_err(self.write_error())?;
        if tag.is_some() && of_all_tags > 0 {
            return Ok(Allowance::DeniedForAllTags);
        }
        let sql = "UPDATE denial SET allowed = ?4
                   WHERE image = ?1 AND (?2 IS NULL OR tag = ?2) AND digest = ?3 AND allowed IS NULL";
        let query = sqlx::query(sql).bind(&image).bind(&tag).bind(digest.to_string()).bind(now.as_microsecond());
        let allowed = query.execute(&mut *transaction).await.map_err(self.write_error())?.rows_affected();
        transaction.commit().await.map_err(self.write_error())?;
        Ok(match last {
            _ if allowed > 0 => Allowance::Now,
            Some(at) => Allowance::Before(time(&self.name, at)?),
            None => Allowance::NeverDenied,
        })
    }

    /// Closes the file.
    pub async fn close(self) {
        self.pool.close().await;
    }

    fn write_error(&self) -> impl Fn(sqlx::Error) -> StoreError + '_ {
        |error| sql_error(&self.name, "written", error)
    }
}

impl SqliteStore {
    pub(super) async fn read_denials(&self) -> Result<Vec<RecordedDenial>, StoreError> {
        all(&self.name, &self.pool).await
    }

    pub(super) async fn read_denials_version(&self) -> Result<DenialsVersion, StoreError> {
        // Rows come, and get their `allowed` once; none goes.
        let query = sqlx::query_as::<_, (i64, i64)>("SELECT count(*), count(allowed) FROM denial");
        let (denied, allowed) = query.fetch_one(&self.pool).await.map_err(self.read_error())?;
        Ok(DenialsVersion { denied, allowed })
    }

    pub(super) async fn read_merged(&self, image: &ImageName) -> Result<Merged, StoreError> {
        let sql = "SELECT forge, repository, tag, digest, since, until FROM adoption
                   WHERE image = ? AND digest <> '' ORDER BY since, digest";
        let query =
            sqlx::query_as::<_, (String, String, String, String, i64, Option<i64>)>(sql).bind(image.to_string());
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let mut merged = Merged::new();
        for (forge, repository, tag, digest, since, until) in rows {
            let name: RepoName = repository.parse().map_err(|error| self.damaged(error))?;
            let tag = TagRef { image: image.clone(), tag: tag.parse().map_err(|error| self.damaged(error))? };
            let digest = Some(self.digest(&digest)?);
            let until = until.map(|until| self.time(until)).transpose()?;
            let row = Adoption { digest, since: self.time(since)?, until };
            merged.entry(RepositoryKey { forge, name }).or_default().entry(tag).or_default().push(row);
        }
        Ok(merged)
    }
}

type Row = (String, Option<String>, String, Option<String>, String, i64, Option<i64>);

/// Every denial that was ever recorded, oldest first.
pub(super) async fn all(store: &str, pool: &SqlitePool) -> Result<Vec<RecordedDenial>, StoreError> {
    let sql = "SELECT image, tag, digest, to_digest, reason, at, allowed FROM denial ORDER BY id";
    let rows = sqlx::query_as::<_, Row>(sql).fetch_all(pool).await;
    rows.map_err(|error| sql_error(store, "read", error))?.into_iter().map(|row| recorded(store, row)).collect()
}

fn recorded(store: &str, row: Row) -> Result<RecordedDenial, StoreError> {
    let (image, tag, digest, to, reason, at, allowed) = row;
    let denial = Denial {
        image: image.parse().map_err(|error| damaged(store, error))?,
        tag: tag.map(|tag| tag.parse().map_err(|error| damaged(store, error))).transpose()?,
        digest: digest.parse().map_err(|error| damaged(store, error))?,
        to: to.map(|to| to.parse().map_err(|error| damaged(store, error))).transpose()?,
        reason,
        at: time(store, at)?,
    };
    Ok(RecordedDenial { denial, allowed: allowed.map(|at| time(store, at)).transpose()? })
}

fn time(store: &str, microseconds: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(microseconds).map_err(|error| damaged(store, error))
}

fn damaged(store: &str, detail: impl ToString) -> StoreError {
    StoreError::Damaged { store: store.to_owned(), detail: detail.to_string() }
}
