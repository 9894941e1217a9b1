//! What tags answered when they were last asked for, and what was pinned then.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{SqliteStore, StoreError};
use crate::domain::digest::Digest;
use crate::domain::reference::TagRef;

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
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for tag in tags {
            let query = sqlx::query("INSERT OR IGNORE INTO unanswered (image, tag) VALUES (?, ?)");
            let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
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
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for (tag, digests) in pinned {
            let kept: Vec<String> = digests.iter().map(ToString::to_string).collect();
            let sql = "DELETE FROM pinned WHERE image = ? AND tag = ?
                       AND digest NOT IN (SELECT value FROM json_each(?))";
            let query = sqlx::query(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
            let query = query.bind(self.to_json(&kept)?);
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
            for digest in kept {
                let sql = "INSERT OR IGNORE INTO pinned (image, tag, digest, since) VALUES (?, ?, ?, ?)";
                let query = sqlx::query(sql).bind(tag.image.to_string()).bind(tag.tag.as_str()).bind(digest);
                let query = query.bind(now.as_microsecond());
                query.execute(&mut *transaction).await.map_err(self.write_error())?;
            }
        }
        transaction.commit().await.map_err(self.write_error())
    }

    /// A tag without sightings is asked for anyway.
    pub(super) async fn forget_looks(&self) -> Result<(), StoreError> {
        for sql in [
            "DELETE FROM unanswered WHERE NOT EXISTS
             (SELECT 1 FROM sighting WHERE image = unanswered.image AND tag = unanswered.tag)",
            "DELETE FROM pinned WHERE NOT EXISTS
             (SELECT 1 FROM sighting WHERE image = pinned.image AND tag = pinned.tag)",
        ] {
            sqlx::query(sql).execute(&self.pool).await.map_err(self.write_error())?;
        }
        Ok(())
    }
}
