//! What was seen of tags, and since when pins have their digests.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::view::View;
use super::{SqliteStore, StoreError};
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Sighting};
use crate::domain::reference::TagRef;

impl SqliteStore {
    pub(super) async fn note_sightings(
        &self,
        sightings: &[(TagRef, Digest)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for (tag, digest) in sightings {
            let sql = "INSERT INTO sighting (image, tag, digest, first_seen, last_seen)
                       SELECT ?1, ?2, ?3, max(?4, coalesce(max(first_seen) + 1, ?4)), ?4
                       FROM sighting WHERE image = ?1 AND tag = ?2
                       ON CONFLICT DO UPDATE SET last_seen = max(last_seen, excluded.last_seen)";
            let query = sqlx::query(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
            let query = query.bind(digest.to_string()).bind(now.as_microsecond());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
            // What it pointed to before was not seen later, whatever the clock said then: the last look is this one.
            let sql = "UPDATE sighting SET last_seen = ?4 - 1
                       WHERE image = ?1 AND tag = ?2 AND digest <> ?3 AND last_seen >= ?4";
            let query = sqlx::query(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
            let query = query.bind(digest.to_string()).bind(now.as_microsecond());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
            let query = sqlx::query("DELETE FROM unanswered WHERE image = ? AND tag = ?");
            let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())?;
        self.forget_daily(now).await
    }

    pub(super) async fn read_first_seen(&self, tag: &TagRef, digest: &Digest) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT first_seen FROM sighting WHERE image = ? AND tag = ? AND digest = ?";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let seen = query.bind(digest.to_string()).fetch_optional(&self.pool).await.map_err(self.read_error())?;
        seen.map(|at| self.time(at)).transpose()
    }

    pub(super) async fn read_history(&self, tag: &TagRef) -> Result<History, StoreError> {
        self.view().history(tag).await
    }

    /// The value of a column with a time.
    pub(super) fn time(&self, microseconds: i64) -> Result<Timestamp, StoreError> {
        self.view().time(microseconds)
    }

    /// The value of a column with a digest.
    pub(super) fn digest(&self, text: &str) -> Result<Digest, StoreError> {
        self.view().digest(text)
    }
}

impl View<'_> {
    pub(super) async fn history(self, tag: &TagRef) -> Result<History, StoreError> {
        let pinned = self.pinned_since(tag).await?;
        Ok(History::new(self.sightings(tag).await?, pinned))
    }

    /// In no order.
    pub(super) async fn sightings(self, tag: &TagRef) -> Result<Vec<Sighting>, StoreError> {
        let sql = "SELECT digest, first_seen, last_seen FROM sighting WHERE image = ? AND tag = ?";
        let query = sqlx::query_as::<_, (String, i64, i64)>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let rows = query.fetch_all(self.pool).await.map_err(self.read_error())?;
        let sightings = rows.into_iter().map(|(digest, first_seen, last_seen)| {
            let (first_seen, last_seen) = (self.time(first_seen)?, self.time(last_seen)?);
            Ok(Sighting { digest: self.digest(&digest)?, first_seen, last_seen })
        });
        sightings.collect()
    }

    async fn pinned_since(self, tag: &TagRef) -> Result<BTreeMap<Digest, Timestamp>, StoreError> {
        let sql = "SELECT digest, since FROM pinned WHERE image = ? AND tag = ?";
        let query = sqlx::query_as::<_, (String, i64)>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let rows = query.fetch_all(self.pool).await.map_err(self.read_error())?;
        rows.into_iter().map(|(digest, since)| Ok((self.digest(&digest)?, self.time(since)?))).collect()
    }
}
