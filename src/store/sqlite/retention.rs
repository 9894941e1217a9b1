//! Letting go of what nobody needs any more, so that the file does not grow for ever.

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{SqliteStore, StoreError};

const HOUR: i64 = 3600 * 1_000_000;
/// How far apart two looks are at least, in microseconds, for the clock to count as right: a wrong one that is set right
/// within a day takes nothing with it, also over its midnight.
const APART_MIN: i64 = 20 * HOUR;
/// And at most: those of a machine which is used once a month. A clock that is wrong by years goes on from nothing.
const APART_MAX: i64 = 31 * 24 * HOUR;
/// How many digests of one tag are remembered, about 2 MiB of them: a tag that moves every hour has 9,600 within the
/// usual retention.
pub(super) const SIGHTINGS_PER_TAG_MAX: i64 = 10_000;
/// Images that are remembered, some 3 KiB each with what they run. Beyond that the oldest are forgotten: each is asked
/// for again where a proposal needs it.
const IMAGES_MAX: i64 = 50_000;
/// Manifests of single platforms whose content is remembered, some 2 KiB each.
const CONTENTS_MAX: i64 = 100_000;

/// A tag that was not seen since `?1` and that nobody has any more is followed no longer.
const PINS: &str = "
    DELETE FROM pinned
    WHERE NOT EXISTS
        (SELECT 1 FROM adoption AS it WHERE it.image = pinned.image AND it.tag = pinned.tag AND it.until IS NULL)
    AND NOT EXISTS
        (SELECT 1 FROM sighting AS it
         WHERE it.image = pinned.image AND it.tag = pinned.tag AND it.last_seen >= ?1)";

/// Sightings that ended before `?1`, and those of a tag beyond its newest `?2`; never what a tag that is followed points
/// to, what is pinned, and what somebody took back or goes back to.
macro_rules! old_sightings {
    () => {
        "DELETE FROM sighting
         WHERE (image, tag, digest) IN
             (SELECT image, tag, digest FROM
                 (SELECT image, tag, digest, last_seen, row_number()
                     OVER (PARTITION BY image, tag ORDER BY last_seen DESC, first_seen DESC) AS place
                  FROM sighting) AS it
              WHERE place > ?2 OR (last_seen < ?1 AND
                  (place > 1
                   OR NOT EXISTS (SELECT 1 FROM pinned WHERE image = it.image AND tag = it.tag)
                   AND NOT EXISTS
                       (SELECT 1 FROM adoption WHERE image = it.image AND tag = it.tag AND until IS NULL))))
         AND NOT EXISTS
             (SELECT 1 FROM pinned AS it
              WHERE it.image = sighting.image AND it.tag = sighting.tag AND it.digest = sighting.digest)
         AND NOT EXISTS
             (SELECT 1 FROM denial AS it
              WHERE it.image = sighting.image AND (it.tag IS NULL OR it.tag = sighting.tag)
              AND sighting.digest IN (it.digest, it.to_digest))"
    };
}
pub(super) use old_sightings;

/// A tag without sightings is asked for anyway.
const LOOKS: [&str; 2] = [
    "DELETE FROM unanswered WHERE NOT EXISTS
     (SELECT 1 FROM sighting WHERE image = unanswered.image AND tag = unanswered.tag)",
    "DELETE FROM pinned WHERE NOT EXISTS
     (SELECT 1 FROM sighting WHERE image = pinned.image AND tag = pinned.tag)",
];

/// What is known of digests that no tag was seen at and nobody has, and of manifests that are of no image.
const FACTS: [&str; 2] = [
    "DELETE FROM image
     WHERE (name, digest) NOT IN (SELECT image, digest FROM sighting)
     AND (name, digest) NOT IN (SELECT image, digest FROM pinned)
     AND (name, digest) NOT IN (SELECT image, digest FROM adoption)",
    "DELETE FROM content
     WHERE (name, digest) NOT IN
         (SELECT image.name, manifest.value ->> 'digest' FROM image, json_each(image.manifests) AS manifest)",
];

/// Images that no tag points to and that nobody has, each with when its last tag was seen at it.
macro_rules! old_images {
    () => {
        "WITH seen AS MATERIALIZED
             (SELECT image, digest, max(last_seen) AS at, min(place) AS place FROM
                 (SELECT image, digest, last_seen, row_number()
                     OVER (PARTITION BY image, tag ORDER BY last_seen DESC, first_seen DESC) AS place
                  FROM sighting)
              GROUP BY image, digest),
         old AS MATERIALIZED
             (SELECT image.name, image.digest, image.manifests, coalesce(seen.at, 0) AS at
              FROM image LEFT JOIN seen ON seen.image = image.name AND seen.digest = image.digest
              WHERE seen.place IS NOT 1
              AND (image.name, image.digest) NOT IN (SELECT image, digest FROM pinned)) "
    };
}

/// So many of them, the oldest first.
const OLD_IMAGES: &str = concat!(
    old_images!(),
    "DELETE FROM image
     WHERE (name, digest) IN (SELECT name, digest FROM old ORDER BY at, name, digest LIMIT ?1)"
);

/// So many manifests that are of none but such images, those of the oldest first.
const OLD_CONTENTS: &str = concat!(
    old_images!(),
    ", manifest AS MATERIALIZED
         (SELECT image.name AS name, it.value ->> 'digest' AS digest, max(old.at) AS at, count(*) = count(old.at) AS is_old
          FROM image LEFT JOIN old ON old.name = image.name AND old.digest = image.digest,
               json_each(image.manifests) AS it
          GROUP BY 1, 2)
     DELETE FROM content
     WHERE (name, digest) IN
         (SELECT name, digest FROM manifest JOIN content USING (name, digest)
          WHERE is_old ORDER BY at, name, digest LIMIT ?1)"
);

/// Rows of repositories that a forge of which some are known does not list any more.
const REPOSITORIES: [&str; 6] = [
    "DELETE FROM scan WHERE forge IN (SELECT forge FROM status)
     AND (forge, repository) NOT IN (SELECT forge, repository FROM status)",
    "DELETE FROM turn WHERE forge IN (SELECT forge FROM status)
     AND (forge, repository) NOT IN (SELECT forge, repository FROM status)",
    "DELETE FROM unfinished_turn WHERE forge IN (SELECT forge FROM status)
     AND (forge, repository) NOT IN (SELECT forge, repository FROM status)",
    "DELETE FROM adoption WHERE forge IN (SELECT forge FROM status)
     AND (forge, repository) NOT IN (SELECT forge, repository FROM status)",
    "DELETE FROM sought WHERE forge IN (SELECT forge FROM status)
     AND (forge, repository) NOT IN (SELECT forge, repository FROM status)",
    "DELETE FROM base_pipeline WHERE forge IN (SELECT forge FROM status)
     AND (forge, repository) NOT IN (SELECT forge, repository FROM status)",
];

impl SqliteStore {
    /// Once a day, when something was seen: also for a process that keeps the store for years, and not for each command.
    pub(super) async fn forget_daily(&self, now: Timestamp) -> Result<(), StoreError> {
        let query = sqlx::query_scalar::<_, i64>("SELECT at FROM forgot");
        let last = query.fetch_optional(&self.pool).await.map_err(self.read_error())?;
        match last.map(|last| now.as_microsecond().saturating_sub(last)) {
            Some(0..APART_MIN) => return Ok(()),
            // Only a clock that goes on from where it was tells what is old, and what was noted by a wrong one.
            Some(APART_MIN..=APART_MAX) => {
                self.mend_times(now).await?;
                self.forget(now).await?;
            }
            Some(_) | None => {}
        }
        let query = sqlx::query("INSERT OR REPLACE INTO forgot (id, at) VALUES (1, ?)").bind(now.as_microsecond());
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    async fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let oldest = self.oldest(now);
        let query = sqlx::query(PINS).bind(oldest);
        query.execute(&self.pool).await.map_err(self.write_error())?;
        let query = sqlx::query(old_sightings!()).bind(oldest).bind(SIGHTINGS_PER_TAG_MAX);
        query.execute(&self.pool).await.map_err(self.write_error())?;
        let query = sqlx::query("DELETE FROM tag_list WHERE at < ?").bind(oldest);
        query.execute(&self.pool).await.map_err(self.write_error())?;
        self.forget_adoptions(oldest).await?;
        self.forget_told_to_merge().await?;
        for sql in LOOKS.into_iter().chain(FACTS) {
            sqlx::query(sql).execute(&self.pool).await.map_err(self.write_error())?;
        }
        let images = self.beyond("SELECT count(*) - ? FROM image", IMAGES_MAX, OLD_IMAGES);
        images.await?;
        self.beyond("SELECT count(*) - ? FROM content", CONTENTS_MAX, OLD_CONTENTS).await
    }

    /// What ended before that, in microseconds, is not remembered.
    pub(super) fn oldest(&self, now: Timestamp) -> i64 {
        now.saturating_sub(self.retention).unwrap_or(Timestamp::MIN).as_microsecond()
    }

    /// Deletes as many rows as there are more than `most`.
    async fn beyond(&self, count: &'static str, most: i64, delete: &'static str) -> Result<(), StoreError> {
        let query = sqlx::query_scalar::<_, i64>(count).bind(most);
        let beyond = query.fetch_one(&self.pool).await.map_err(self.read_error())?;
        if beyond > 0 {
            let query = sqlx::query(delete).bind(beyond);
            query.execute(&self.pool).await.map_err(self.write_error())?;
        }
        Ok(())
    }
}

/// To be called when the status is that of the whole fleet.
pub(super) async fn forget_repositories(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    for sql in REPOSITORIES {
        sqlx::query(sql).execute(&mut **transaction).await?;
    }
    Ok(())
}
