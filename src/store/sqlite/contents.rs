//! What the manifests of single platforms are made of.

use super::SqliteStore;
use crate::domain::digest::Digest;
use crate::domain::image::Content;
use crate::domain::reference::ImageName;
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn read_content(&self, name: &ImageName, digest: &Digest) -> Result<Option<Content>, StoreError> {
        let sql = "SELECT config, layers FROM content WHERE name = ? AND digest = ?";
        let query = sqlx::query_as::<_, (String, String)>(sql).bind(name.to_string()).bind(digest.to_string());
        let row = query.fetch_optional(&self.pool).await.map_err(self.read_error())?;
        row.map(|(config, layers)| {
            let layers: Vec<String> = self.json(&layers)?;
            let layers = layers.iter().map(|layer| self.digest(layer)).collect::<Result<_, _>>()?;
            Ok(Content { config: self.digest(&config)?, layers })
        })
        .transpose()
    }

    pub(super) async fn write_content(
        &self,
        name: &ImageName,
        digest: &Digest,
        content: &Content,
    ) -> Result<(), StoreError> {
        let layers: Vec<String> = content.layers.iter().map(ToString::to_string).collect();
        let sql = "INSERT OR REPLACE INTO content (name, digest, config, layers) VALUES (?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(name.to_string()).bind(digest.to_string());
        let query = query.bind(content.config.to_string()).bind(self.to_json(&layers)?);
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }
}
