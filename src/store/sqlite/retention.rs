//! Letting go of what nobody needs any more, so that the file does not grow for ever.

use std::sync::atomic::Ordering;

use jiff::Timestamp;
use sqlx::{Sqlite, Transaction};

use super::{SqliteStore, StoreError};

const SECONDS_PER_DAY: i64 = 86_400;
/// How many digests of one tag are remembered, about 2 MiB of them: a tag that moves every hour has 9,600 within the
/// usual retention.
const SIGHTINGS_PER_TAG_MAX: i64 = 10_000;

/// Sightings that ended before `?1`, and those of a tag beyond its newest `?2`; never what a tag points to, what is
/// pinned, and what somebody took back or goes back to.
const SIGHTINGS: &str = "
    DELETE FROM sighting
    WHERE (image, tag, digest) IN
        (SELECT image, tag, digest FROM
            (SELECT image, tag, digest, last_seen, row_number()
                OVER (PARTITION BY image, tag ORDER BY last_seen DESC, first_seen DESC) AS place
             FROM sighting)
         WHERE place > ?2 OR (place > 1 AND last_seen < ?1))
    AND NOT EXISTS
        (SELECT 1 FROM pinned AS it
         WHERE it.image = sighting.image AND it.tag = sighting.tag AND it.digest = sighting.digest)
    AND NOT EXISTS
        (SELECT 1 FROM denial AS it
         WHERE it.image = sighting.image AND (it.tag IS NULL OR it.tag = sighting.tag)
         AND sighting.digest IN (it.digest, it.to_digest))";

/// A tag without sightings is asked for anyway.
const LOOKS: [&str; 2] = [
    "DELETE FROM unanswered WHERE NOT EXISTS
     (SELECT 1 FROM sighting WHERE image = unanswered.image AND tag = unanswered.tag)",
    "DELETE FROM pinned WHERE NOT EXISTS
     (SELECT 1 FROM sighting WHERE image = pinned.image AND tag = pinned.tag)",
];

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
    /// When it is opened and then once a day, for a process that keeps it for years.
    pub(super) async fn forget_daily(&self, now: Timestamp) -> Result<(), StoreError> {
        let day = now.as_second().div_euclid(SECONDS_PER_DAY);
        if self.forgot_on.swap(day, Ordering::Relaxed) == day { Ok(()) } else { self.forget(now).await }
    }

    async fn forget(&self, now: Timestamp) -> Result<(), StoreError> {
        let oldest = now.saturating_sub(self.retention).unwrap_or(Timestamp::MIN);
        let query = sqlx::query(SIGHTINGS).bind(oldest.as_microsecond()).bind(SIGHTINGS_PER_TAG_MAX);
        query.execute(&self.pool).await.map_err(self.write_error())?;
        for sql in LOOKS {
            sqlx::query(sql).execute(&self.pool).await.map_err(self.write_error())?;
        }
        self.forget_adoptions(oldest).await?;
        self.forget_told_to_merge().await?;
        self.forget_images().await
    }
}

/// To be called when the status is that of the whole fleet.
pub(super) async fn forget_repositories(transaction: &mut Transaction<'_, Sqlite>) -> Result<(), sqlx::Error> {
    for sql in REPOSITORIES {
        sqlx::query(sql).execute(&mut **transaction).await?;
    }
    Ok(())
}
