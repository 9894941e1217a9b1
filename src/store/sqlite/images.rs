//! What digests hold: content never changes under one.

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::domain::digest::Digest;
use crate::domain::image::{Image, ManifestKind, Platform};
use crate::domain::reference::ImageName;
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn read_image(&self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError> {
        let sql = "SELECT kind, platforms, version, created, size_bytes FROM image WHERE name = ? AND digest = ?";
        let query = sqlx::query(sql).bind(name.to_string()).bind(digest.to_string());
        let row = query.fetch_optional(&self.pool).await.map_err(self.read_error())?;
        row.map(|row| self.image_of(&row, *digest)).transpose()
    }

    pub(super) async fn write_image(&self, name: &ImageName, image: &Image) -> Result<(), StoreError> {
        let kind = match image.kind {
            ManifestKind::Index => "index",
            ManifestKind::Image => "image",
        };
        let platforms: Vec<PlatformRow> = image.platforms.iter().map(PlatformRow::from).collect();
        let sql = "INSERT OR REPLACE INTO image (name, digest, kind, platforms, version, created, size_bytes)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(name.to_string()).bind(image.digest.to_string()).bind(kind);
        let query = query.bind(self.to_json(&platforms)?).bind(&image.version);
        let query = query.bind(image.created.map(|at| at.to_string()));
        // No image is larger than 8 EiB; a registry that says so is not believed.
        let query = query.bind(image.size_bytes.and_then(|size| i64::try_from(size).ok()));
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    fn image_of(&self, row: &SqliteRow, digest: Digest) -> Result<Image, StoreError> {
        let get = |error: sqlx::Error| self.damaged(error);
        let kind: String = row.try_get("kind").map_err(get)?;
        let platforms: Vec<PlatformRow> = self.json(row.try_get("platforms").map_err(get)?)?;
        let created: Option<String> = row.try_get("created").map_err(get)?;
        let size: Option<i64> = row.try_get("size_bytes").map_err(get)?;
        Ok(Image {
            digest,
            kind: match kind.as_str() {
                "index" => ManifestKind::Index,
                "image" => ManifestKind::Image,
                other => return Err(self.damaged(format!("manifest kind `{other}`"))),
            },
            platforms: platforms.into_iter().map(Platform::from).collect(),
            version: row.try_get("version").map_err(get)?,
            created: created.map(|text| text.parse().map_err(|error| self.damaged(error))).transpose()?,
            size_bytes: size.map(|size| u64::try_from(size).map_err(|error| self.damaged(error))).transpose()?,
        })
    }
}

#[derive(Serialize, Deserialize)]
struct PlatformRow {
    os: String,
    architecture: String,
    variant: Option<String>,
}

impl From<&Platform> for PlatformRow {
    fn from(platform: &Platform) -> Self {
        let Platform { os, architecture, variant } = platform.clone();
        Self { os, architecture, variant }
    }
}

impl From<PlatformRow> for Platform {
    fn from(row: PlatformRow) -> Self {
        Self { os: row.os, architecture: row.architecture, variant: row.variant }
    }
}
