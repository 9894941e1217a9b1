//! Pinned digests that their registry did not have.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{SqliteStore, StoreError};
use crate::domain::digest::Digest;
use crate::domain::plan::Missing;
use crate::domain::reference::ImageName;

/// How far a look that counts is from the first one, in microseconds: what is gone for a moment is none of two.
const LOOKS_APART: i64 = 5 * 60 * 1_000_000;

impl SqliteStore {
    pub(super) async fn read_missing(&self) -> Result<BTreeMap<(ImageName, Digest), Missing>, StoreError> {
        let query = sqlx::query_as::<_, (String, String, i64, i64)>("SELECT image, digest, since, looks FROM missing");
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let missing = rows.into_iter().map(|(image, digest, since, looks)| {
            let image = image.parse().map_err(|error| self.damaged(error))?;
            let looks = u32::try_from(looks).map_err(|error| self.damaged(error))?;
            Ok(((image, self.digest(&digest)?), Missing { since: self.time(since)?, looks }))
        });
        missing.collect()
    }

    pub(super) async fn note_missing(&self, digests: &[(ImageName, Digest)], at: Timestamp) -> Result<(), StoreError> {
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

    pub(super) async fn delete_missing(&self, digests: &[(ImageName, Digest)]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for (image, digest) in digests {
            let query = sqlx::query("DELETE FROM missing WHERE image = ? AND digest = ?");
            let query = query.bind(image.to_string()).bind(digest.to_string());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }
}
