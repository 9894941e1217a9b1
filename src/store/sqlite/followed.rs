//! Which images anybody pins.

use super::SqliteStore;
use crate::domain::reference::ImageName;
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn has_sightings(&self, image: &ImageName) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM sighting WHERE image = ?)";
        let query = sqlx::query_scalar::<_, bool>(sql).bind(image.to_string());
        query.fetch_one(&self.pool).await.map_err(self.read_error())
    }
}
