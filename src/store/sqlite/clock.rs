//! Times that a wrong clock noted, set right once the clock is known to be right again.

use jiff::Timestamp;

use super::{SqliteStore, StoreError};

/// What lies ahead of now (`?1`) comes right after it, in its order: ages count from now, and what was new or last
/// stays so.
const SIGHTINGS: &str = "
    WITH ahead AS MATERIALIZED
        (SELECT at, ?1 + row_number() OVER (ORDER BY at) AS mended FROM
            (SELECT first_seen AS at FROM sighting WHERE first_seen > ?1
             UNION SELECT last_seen FROM sighting WHERE last_seen > ?1))
    UPDATE sighting SET
        first_seen = coalesce((SELECT mended FROM ahead WHERE at = first_seen), first_seen),
        last_seen = coalesce((SELECT mended FROM ahead WHERE at = last_seen), last_seen)
    WHERE first_seen > ?1 OR last_seen > ?1";

/// The same: their order tells what a rollback goes back to.
const ADOPTIONS: &str = "
    WITH ahead AS MATERIALIZED
        (SELECT at, ?1 + row_number() OVER (ORDER BY at) AS mended FROM
            (SELECT since AS at FROM adoption WHERE since > ?1
             UNION SELECT until FROM adoption WHERE until > ?1))
    UPDATE adoption SET
        since = coalesce((SELECT mended FROM ahead WHERE at = since), since),
        until = coalesce((SELECT mended FROM ahead WHERE at = until), until)
    WHERE since > ?1 OR until > ?1";

/// Times that have no order among each other, and would hold something up until they come.
const OTHERS: [&str; 7] = [
    "UPDATE pinned SET since = ?1 WHERE since > ?1",
    "UPDATE missing SET since = ?1 WHERE since > ?1",
    "UPDATE opened SET at = ?1 WHERE at > ?1",
    "UPDATE turn SET at = ?1 WHERE at > ?1",
    "UPDATE pull_request SET opened = ?1 WHERE opened > ?1",
    "UPDATE unfinished_turn SET since = ?1 WHERE since > ?1",
    "UPDATE base_pipeline SET since = min(since, ?1), seen = min(seen, ?1) WHERE since > ?1 OR seen > ?1",
];

impl SqliteStore {
    /// To be called when the clock is known to be right.
    pub(super) async fn mend_times(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for sql in [SIGHTINGS, ADOPTIONS].into_iter().chain(OTHERS) {
            let query = sqlx::query(sql).bind(now.as_microsecond());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }
}
