//! Since when a pin is behind.

use jiff::Timestamp;

use super::SqliteStore;
use crate::domain::digest::Digest;
use crate::domain::reference::TagRef;
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn read_stale_since(
        &self,
        tag: &TagRef,
        pinned: &Digest,
    ) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT min(first_seen) FROM sighting WHERE image = ?1 AND tag = ?2 AND digest <> ?3
                   AND first_seen > coalesce((SELECT first_seen FROM sighting
                                              WHERE image = ?1 AND tag = ?2 AND digest = ?3), ?4)";
        let query = sqlx::query_scalar::<_, Option<i64>>(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let query = query.bind(pinned.to_string()).bind(i64::MIN);
        let since = query.fetch_one(&self.pool).await.map_err(self.read_error())?;
        since.map(|at| Timestamp::from_microsecond(at).map_err(|error| self.damaged(error))).transpose()
    }
}
