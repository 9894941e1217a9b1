//! What tags answered when they were last asked for, and what was pinned then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{SqliteStore, StoreError};
use crate::domain::digest::Digest;
use crate::domain::reference::TagRef;
use crate::store::Reach;

impl SqliteStore {
    pub(super) async fn last_look(&self, tag: &TagRef) -> Result<Option<(Digest, Timestamp)>, StoreError> {
        let sql = "SELECT digest, last_seen FROM sighting AS seen WHERE image = ? AND tag = ? AND NOT EXISTS
                   (SELECT 1 FROM unanswered WHERE image = seen.image AND tag = seen.tag)
                   ORDER BY last_seen DESC, first_seen DESC LIMIT 1";
        let query = sqlx::query_as::<_, (String, i64)>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let row = query.fetch_optional(&self.pool).await.map_err(self.read_error())?;
        let Some((digest, at)) = row else { return Ok(None) };
        Ok(Some((self.digest(&digest)?, self.time(at)?)))
    }

    pub(super) async fn note_unanswered(&self, tags: &[TagRef]) -> Result<(), StoreError> {
        let rows: Vec<_> = tags.iter().map(|tag| [tag.image.to_string(), tag.tag.to_string()]).collect();
        let sql = "INSERT OR IGNORE INTO unanswered (image, tag)
                   SELECT value ->> 0, value ->> 1 FROM json_each(?)";
        let query = sqlx::query(sql).bind(self.to_json(&rows)?);
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    pub(super) async fn read_pinned(&self, tag: &TagRef) -> Result<BTreeSet<Digest>, StoreError> {
        let query = sqlx::query_scalar::<_, String>("SELECT digest FROM pinned WHERE image = ? AND tag = ?");
        let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str());
        let digests = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        digests.iter().map(|digest| self.digest(digest)).collect()
    }

    pub(super) async fn note_pinned(
        &self,
        pinned: &BTreeMap<TagRef, BTreeSet<Digest>>,
        reach: Reach,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let tags: Vec<_> = pinned.keys().map(|tag| [tag.image.to_string(), tag.tag.to_string()]).collect();
        let rows = pinned.iter().flat_map(|(tag, digests)| {
            digests.iter().map(|digest| [tag.image.to_string(), tag.tag.to_string(), digest.to_string()])
        });
        let rows = self.to_json(&rows.collect::<Vec<_>>())?;
        let mut transaction = self.begin().await?;
        let sql = "DELETE FROM pinned
                   WHERE (image, tag) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?))
                   AND (image, tag, digest) NOT IN
                       (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?))";
        if reach == Reach::Fleet {
            let query = sqlx::query(sql).bind(self.to_json(&tags)?).bind(&rows);
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        // Not before the last look at its tag: where the clock is behind, everything would have come after the pin.
        let sql = "INSERT OR IGNORE INTO pinned (image, tag, digest, since)
                   SELECT value ->> 0, value ->> 1, value ->> 2,
                          max(?1, coalesce((SELECT max(last_seen) FROM sighting
                                            WHERE image = value ->> 0 AND tag = value ->> 1), ?1))
                   FROM json_each(?2)";
        let query = sqlx::query(sql).bind(now.as_microsecond()).bind(rows);
        query.execute(&mut *transaction).await.map_err(self.write_error())?;
        transaction.commit().await.map_err(self.write_error())
    }
}
