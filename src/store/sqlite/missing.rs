//! Pinned digests that their registry did not have, and when it was asked for the others.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use sqlx::SqlitePool;

use super::{SqliteStore, StoreError, sql_error};
use crate::domain::plan::Missing;
use crate::store::presence::{Place, PresenceStore};

/// How far a look that counts is from the first one, in microseconds: what is gone for a moment is none of two.
const LOOKS_APART: i64 = 5 * 60 * 1_000_000;
/// How long it is remembered that a digest was not missing: far longer than anybody wants to know.
const NOT_MISSING_KEPT: SignedDuration = SignedDuration::from_hours(24);

#[async_trait]
impl PresenceStore for SqliteStore {
    async fn missing(&self) -> Result<BTreeMap<Place, Missing>, StoreError> {
        all(&self.name, &self.pool).await
    }

    async fn record_missing(&self, digests: &[Place], at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for (image, digest) in digests {
            let sql = "INSERT INTO missing (image, digest, since, looks) VALUES (?1, ?2, ?3, 1)
                       ON CONFLICT DO UPDATE SET looks = min(looks + (excluded.since - since >= ?4), 1000000)";
            let query = sqlx::query(sql).bind(image.to_string()).bind(digest.to_string()).bind(at.as_microsecond());
            let query = query.bind(LOOKS_APART);
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }

    async fn forget_missing(&self, digests: &[Place]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for (image, digest) in digests {
            let query = sqlx::query("DELETE FROM missing WHERE image = ? AND digest = ?");
            let query = query.bind(image.to_string()).bind(digest.to_string());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }

    async fn not_missing(&self) -> Result<BTreeMap<Place, Timestamp>, StoreError> {
        let query = sqlx::query_as::<_, (String, String, i64)>("SELECT image, digest, at FROM not_missing");
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        rows.into_iter().map(|(image, digest, at)| Ok((self.place(&image, &digest)?, self.time(at)?))).collect()
    }

    async fn record_not_missing(&self, digests: &[Place], at: Timestamp) -> Result<(), StoreError> {
        let rows: Vec<_> = digests.iter().map(|(image, digest)| [image.to_string(), digest.to_string()]).collect();
        let oldest = at.saturating_sub(NOT_MISSING_KEPT).unwrap_or(Timestamp::MIN);
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        let query = sqlx::query("DELETE FROM not_missing WHERE at < ?").bind(oldest.as_microsecond());
        query.execute(&mut *transaction).await.map_err(self.write_error())?;
        let sql = "INSERT OR REPLACE INTO not_missing (image, digest, at)
                   SELECT value ->> 0, value ->> 1, ? FROM json_each(?)";
        let query = sqlx::query(sql).bind(at.as_microsecond()).bind(self.to_json(&rows)?);
        query.execute(&mut *transaction).await.map_err(self.write_error())?;
        transaction.commit().await.map_err(self.write_error())
    }
}

impl SqliteStore {
    fn place(&self, image: &str, digest: &str) -> Result<Place, StoreError> {
        Ok((image.parse().map_err(|error| self.damaged(error))?, self.digest(digest)?))
    }
}

/// Every pinned digest that was missing in the last look for it.
pub(super) async fn all(store: &str, pool: &SqlitePool) -> Result<BTreeMap<Place, Missing>, StoreError> {
    let query = sqlx::query_as::<_, (String, String, i64, i64)>("SELECT image, digest, since, looks FROM missing");
    let rows = query.fetch_all(pool).await.map_err(|error| sql_error(store, "read", error))?;
    rows.into_iter().map(|row| missing(row).map_err(|detail| damaged(store, detail))).collect()
}

fn missing(
    (image, digest, since, looks): (String, String, i64, i64),
) -> Result<(Place, Missing), Box<dyn std::error::Error>> {
    let missing = Missing { since: Timestamp::from_microsecond(since)?, looks: u32::try_from(looks)? };
    Ok(((image.parse()?, digest.parse()?), missing))
}

fn damaged(store: &str, detail: impl ToString) -> StoreError {
    StoreError::Damaged { store: store.to_owned(), detail: detail.to_string() }
}
