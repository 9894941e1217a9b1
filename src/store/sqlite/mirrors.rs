//! What was noted under a name before the configuration said that it is a mirror's: from then on it is the upstream's.

use std::collections::BTreeMap;

use super::{SqliteStore, StoreError};
use crate::domain::mirror::Mirrors;
use crate::domain::reference::ImageName;

/// The names under which something is noted. Of the large tables one look for each name: they have thousands of rows of
/// each.
const NAMES: &str = "
    WITH RECURSIVE
        seen (name) AS
            (SELECT min(image) FROM sighting
             UNION ALL SELECT (SELECT min(image) FROM sighting WHERE image > name) FROM seen WHERE name IS NOT NULL),
        had (name) AS
            (SELECT min(image) FROM adoption
             UNION ALL SELECT (SELECT min(image) FROM adoption WHERE image > name) FROM had WHERE name IS NOT NULL)
    SELECT name FROM seen WHERE name IS NOT NULL
    UNION SELECT name FROM had WHERE name IS NOT NULL
    UNION SELECT image FROM pinned
    UNION SELECT image FROM sought
    UNION SELECT image FROM denial";

/// Brings what stands under a name (`?1`) to another one (`?2`). `missing` and `not_missing` are by the name that is
/// written, and stay.
const MOVE: [&str; 9] = [
    "INSERT OR IGNORE INTO unanswered (image, tag) SELECT DISTINCT ?2, tag FROM sighting WHERE image = ?1",
    "INSERT INTO sighting (image, tag, digest, first_seen, last_seen)
     SELECT ?2, tag, digest, first_seen, last_seen FROM sighting WHERE image = ?1
     ON CONFLICT DO UPDATE SET
         first_seen = min(first_seen, excluded.first_seen),
         last_seen = max(last_seen, excluded.last_seen)",
    "INSERT INTO pinned (image, tag, digest, since)
     SELECT ?2, tag, digest, since FROM pinned WHERE image = ?1
     ON CONFLICT DO UPDATE SET since = min(since, excluded.since)",
    // Where one of two is there still, the later end of them is none.
    "INSERT INTO adoption (forge, repository, image, tag, digest, since, until)
     SELECT forge, repository, ?2, tag, digest, since, until FROM adoption WHERE image = ?1
     ON CONFLICT DO UPDATE SET until = max(until, excluded.until)",
    "INSERT OR IGNORE INTO sought (forge, repository, image, tag, digest, left_tag)
     SELECT forge, repository, ?2, tag, digest, left_tag FROM sought WHERE image = ?1",
    "UPDATE denial SET image = ?2 WHERE image = ?1",
    "UPDATE OR IGNORE image SET name = ?2 WHERE name = ?1",
    "UPDATE OR IGNORE content SET name = ?2 WHERE name = ?1",
    // A mirror may have a part of the tags: the upstream is asked for its own.
    "DELETE FROM tag_list WHERE image = ?1",
];

/// Takes away what was brought to another name.
const LEAVE: [&str; 7] = [
    "DELETE FROM unanswered WHERE image = ?",
    "DELETE FROM sighting WHERE image = ?",
    "DELETE FROM pinned WHERE image = ?",
    "DELETE FROM adoption WHERE image = ?",
    "DELETE FROM sought WHERE image = ?",
    "DELETE FROM image WHERE name = ?",
    "DELETE FROM content WHERE name = ?",
];

impl SqliteStore {
    pub(super) async fn move_names(&self, mirrors: &Mirrors) -> Result<BTreeMap<ImageName, ImageName>, StoreError> {
        if mirrors.is_empty() {
            return Ok(BTreeMap::new());
        }
        let names = sqlx::query_scalar::<_, String>(NAMES).fetch_all(&self.pool).await.map_err(self.read_error())?;
        let mut moved = BTreeMap::new();
        for name in names {
            let name: ImageName = name.parse().map_err(|error| self.damaged(error))?;
            moved.extend(mirrors.upstream(&name).map(|upstream| (name, upstream)));
        }
        if moved.is_empty() {
            return Ok(moved);
        }
        let mut transaction = self.begin().await?;
        for (name, upstream) in &moved {
            for sql in MOVE {
                let query = sqlx::query(sql).bind(name.to_string()).bind(upstream.to_string());
                query.execute(&mut *transaction).await.map_err(self.write_error())?;
            }
            for sql in LEAVE {
                let query = sqlx::query(sql).bind(name.to_string());
                query.execute(&mut *transaction).await.map_err(self.write_error())?;
            }
        }
        transaction.commit().await.map_err(self.write_error())?;
        Ok(moved)
    }
}
