//! Taking over what others saw of tags.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::retention::{SIGHTINGS_PER_TAG_MAX, old_sightings};
use super::{SqliteStore, StoreError};
use crate::domain::digest::Digest;
use crate::domain::image::Content;
use crate::domain::reference::ImageName;
use crate::store::{Imported, LedgerEntry};

/// Holds the entries until all are there: nobody else sees it, and it goes with the transaction.
const PREPARE: &str = "
    CREATE TABLE incoming (
        image      TEXT NOT NULL,
        tag        TEXT NOT NULL,
        digest     TEXT NOT NULL,
        first_seen INTEGER NOT NULL,
        last_seen  INTEGER,
        is_known   INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX incoming_tag ON incoming (image, tag, first_seen);";

/// Where no last sight is told, a digest was there until right before the next one was first seen.
const RESOLVE: &str = "
    UPDATE incoming SET last_seen = coalesce(
        (SELECT max(incoming.first_seen, min(next.first_seen) - 1) FROM incoming AS next
         WHERE next.image = incoming.image AND next.tag = incoming.tag
         AND next.first_seen > incoming.first_seen AND next.digest <> incoming.digest), first_seen)
    WHERE last_seen IS NULL";

const KNOWN: &str = "
    UPDATE incoming SET is_known = 1 WHERE (image, tag, digest) IN (SELECT image, tag, digest FROM sighting)";

/// A tag that others saw later is asked for before anything is decided: what they saw is no look of this program's.
const UNANSWERED: &str = "
    INSERT OR IGNORE INTO unanswered (image, tag)
    SELECT image, tag FROM (SELECT image, tag, max(last_seen) AS at FROM incoming GROUP BY image, tag) AS it
    WHERE coalesce((SELECT max(last_seen) FROM sighting WHERE image = it.image AND tag = it.tag) < it.at, 1)";

const COUNT: &str = "
    WITH merged AS
        (SELECT image, tag, digest, min(first_seen) AS first_seen, max(last_seen) AS last_seen
         FROM incoming GROUP BY image, tag, digest)
    SELECT count(*) FILTER (WHERE known.digest IS NULL),
           count(*) FILTER (WHERE merged.first_seen < known.first_seen OR merged.last_seen > known.last_seen),
           count(*)
    FROM merged LEFT JOIN sighting AS known
    ON known.image = merged.image AND known.tag = merged.tag AND known.digest = merged.digest";

const MERGE: &str = "
    INSERT INTO sighting (image, tag, digest, first_seen, last_seen)
    SELECT image, tag, digest, min(first_seen), max(last_seen) FROM incoming GROUP BY image, tag, digest
    ON CONFLICT DO UPDATE SET
        first_seen = min(first_seen, excluded.first_seen),
        last_seen = max(last_seen, excluded.last_seen)";

/// What was not known and would be forgotten the next day.
const LEAVE_OUT: &str = concat!(
    old_sightings!(),
    " AND (image, tag, digest) IN (SELECT image, tag, digest FROM incoming WHERE NOT is_known)"
);

/// An import that is under way. Dropped, it never was.
#[derive(Debug)]
pub struct Import<'a> {
    store: &'a SqliteStore,
    now: Timestamp,
    transaction: Transaction<'static, Sqlite>,
}

impl SqliteStore {
    /// Begins to take over what others saw. All of it is there after [`Import::finish`], or nothing.
    ///
    /// A digest of a tag has the earlier of two first sights and the later of two last ones, so that the order of imports
    /// does not matter, and a second one changes nothing. What is known of a digest stays as it is. What is older than
    /// what is remembered is left out.
    pub async fn import(&self, now: Timestamp) -> Result<Import<'_>, StoreError> {
        let mut transaction = self.begin().await?;
        sqlx::raw_sql(PREPARE).execute(&mut *transaction).await.map_err(self.write_error())?;
        Ok(Import { store: self, now, transaction })
    }
}

impl Import<'_> {
    /// Adds an entry.
    pub async fn add(&mut self, entry: &LedgerEntry) -> Result<(), StoreError> {
        let LedgerEntry { tag, digest, first_seen, last_seen, image, contents } = entry;
        let sql = "INSERT INTO incoming (image, tag, digest, first_seen, last_seen) VALUES (?, ?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(tag.image.to_string()).bind(tag.tag.as_str()).bind(digest.to_string());
        let query = query.bind(first_seen.as_microsecond()).bind(last_seen.map(Timestamp::as_microsecond));
        query.execute(&mut *self.transaction).await.map_err(self.store.write_error())?;
        // What says nothing of its platforms would keep the registry from being asked.
        if let Some(image) = image.as_ref().filter(|image| !image.is_unread()) {
            let query = self.store.new_image(&tag.image, image)?;
            query.execute(&mut *self.transaction).await.map_err(self.store.write_error())?;
        }
        self.add_contents(&tag.image, contents).await
    }

    async fn add_contents(&mut self, name: &ImageName, contents: &BTreeMap<Digest, Content>) -> Result<(), StoreError> {
        for (digest, content) in contents {
            let layers: Vec<String> = content.layers.iter().map(ToString::to_string).collect();
            let sql = "INSERT OR IGNORE INTO content (name, digest, config, layers) VALUES (?, ?, ?, ?)";
            let query = sqlx::query(sql).bind(name.to_string()).bind(digest.to_string());
            let query = query.bind(content.config.to_string()).bind(self.store.to_json(&layers)?);
            query.execute(&mut *self.transaction).await.map_err(self.store.write_error())?;
        }
        Ok(())
    }

    /// Puts everything in its place.
    pub async fn finish(mut self) -> Result<Imported, StoreError> {
        let failed = self.store.write_error();
        for sql in [RESOLVE, KNOWN, UNANSWERED] {
            sqlx::query(sql).execute(&mut *self.transaction).await.map_err(&failed)?;
        }
        let query = sqlx::query_as::<_, (i64, i64, i64)>(COUNT);
        let (new, merged, all) = query.fetch_one(&mut *self.transaction).await.map_err(&failed)?;
        sqlx::query(MERGE).execute(&mut *self.transaction).await.map_err(&failed)?;
        let query = sqlx::query(LEAVE_OUT).bind(self.store.oldest(self.now)).bind(SIGHTINGS_PER_TAG_MAX);
        let left_out = query.execute(&mut *self.transaction).await.map_err(&failed)?.rows_affected();
        sqlx::query("DROP TABLE incoming").execute(&mut *self.transaction).await.map_err(&failed)?;
        self.transaction.commit().await.map_err(&failed)?;
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        let (new, unchanged) = (count(new).saturating_sub(left_out), count(all - new - merged));
        Ok(Imported { new, merged: count(merged), unchanged, left_out })
    }
}
