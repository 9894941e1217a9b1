//! What digests hold: content never changes under one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Row as _, Sqlite};

use super::SqliteStore;
use super::view::View;
use crate::domain::digest::{Digest, DigestError};
use crate::domain::image::{Configuration, Image, ManifestKind, Platform};
use crate::domain::reference::ImageName;
use crate::store::StoreError;

/// A statement that writes an image.
pub(super) type ImageQuery<'a> = Query<'a, Sqlite, SqliteArguments>;

macro_rules! image_columns {
    () => {
        "image (name, digest, kind, media_type, manifests, version, created, size_bytes, end_of_life, configuration)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    };
}

impl SqliteStore {
    pub(super) async fn read_image(&self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError> {
        self.view().image(name, digest).await
    }

    pub(super) async fn write_image(&self, name: &ImageName, image: &Image) -> Result<(), StoreError> {
        let query = self.image_row(concat!("INSERT OR REPLACE INTO ", image_columns!()), name, image)?;
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    /// Writes an image of which nothing is known yet.
    pub(super) fn new_image<'a>(&self, name: &ImageName, image: &'a Image) -> Result<ImageQuery<'a>, StoreError> {
        self.image_row(concat!("INSERT OR IGNORE INTO ", image_columns!()), name, image)
    }

    fn image_row<'a>(
        &self,
        sql: &'static str,
        name: &ImageName,
        image: &'a Image,
    ) -> Result<ImageQuery<'a>, StoreError> {
        let kind = match image.kind {
            ManifestKind::Index => "index",
            ManifestKind::Image => "image",
        };
        let manifests: Vec<ManifestRow> = image.manifests.iter().map(ManifestRow::from).collect();
        let query = sqlx::query(sql).bind(name.to_string()).bind(image.digest.to_string()).bind(kind);
        let query = query.bind(&image.media_type).bind(self.to_json(&manifests)?).bind(&image.version);
        let query = query.bind(image.created.map(|at| at.to_string()));
        // No image is larger than 8 EiB; a registry that says so is not believed.
        let query = query.bind(image.size_bytes.and_then(|size| i64::try_from(size).ok()));
        let configuration = image.configuration.as_ref().map(ConfigurationRow::from);
        let query = query.bind(image.end_of_life.map(|day| day.to_string()));
        Ok(query.bind(configuration.map(|it| self.to_json(&it)).transpose()?))
    }
}

impl View<'_> {
    pub(super) async fn image(self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError> {
        let sql = "SELECT kind, media_type, manifests, version, created, size_bytes, end_of_life, configuration
                   FROM image WHERE name = ? AND digest = ?";
        let query = sqlx::query(sql).bind(name.to_string()).bind(digest.to_string());
        let row = query.fetch_optional(self.pool).await.map_err(self.read_error())?;
        row.map(|row| self.image_of(&row, *digest)).transpose()
    }

    /// The image of these columns.
    pub(super) fn image_of(self, row: &SqliteRow, digest: Digest) -> Result<Image, StoreError> {
        let get = |error: sqlx::Error| self.damaged(error);
        let kind: String = row.try_get("kind").map_err(get)?;
        let manifests: Vec<ManifestRow> = self.json(row.try_get("manifests").map_err(get)?)?;
        let manifests = manifests.into_iter().map(|row| row.manifest().map_err(|error| self.damaged(error)));
        let end_of_life: Option<String> = row.try_get("end_of_life").map_err(get)?;
        let configuration: Option<String> = row.try_get("configuration").map_err(get)?;
        let configuration: Option<ConfigurationRow> = configuration.map(|text| self.json(&text)).transpose()?;
        let created: Option<String> = row.try_get("created").map_err(get)?;
        let size: Option<i64> = row.try_get("size_bytes").map_err(get)?;
        Ok(Image {
            digest,
            kind: match kind.as_str() {
                "index" => ManifestKind::Index,
                "image" => ManifestKind::Image,
                other => return Err(self.damaged(format!("manifest kind `{other}`"))),
            },
            media_type: row.try_get("media_type").map_err(get)?,
            manifests: manifests.collect::<Result<_, _>>()?,
            version: row.try_get("version").map_err(get)?,
            created: created.map(|text| text.parse().map_err(|error| self.damaged(error))).transpose()?,
            size_bytes: size.map(|size| u64::try_from(size).map_err(|error| self.damaged(error))).transpose()?,
            end_of_life: end_of_life.map(|text| text.parse().map_err(|error| self.damaged(error))).transpose()?,
            configuration: configuration.map(Configuration::from),
        })
    }
}

#[derive(Serialize, Deserialize)]
struct ManifestRow {
    os: String,
    architecture: String,
    variant: Option<String>,
    digest: String,
}

#[derive(Serialize, Deserialize)]
struct ConfigurationRow {
    user: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
    working_directory: String,
    environment: BTreeMap<String, String>,
    ports: BTreeSet<String>,
    distribution: Option<String>,
}

impl From<(&Platform, &Digest)> for ManifestRow {
    fn from((platform, digest): (&Platform, &Digest)) -> Self {
        let Platform { os, architecture, variant } = platform.clone();
        Self { os, architecture, variant, digest: digest.to_string() }
    }
}

impl ManifestRow {
    fn manifest(self) -> Result<(Platform, Digest), DigestError> {
        let Self { os, architecture, variant, digest } = self;
        Ok((Platform { os, architecture, variant }, digest.parse()?))
    }
}

impl From<&Configuration> for ConfigurationRow {
    fn from(configuration: &Configuration) -> Self {
        let Configuration { user, entrypoint, command, working_directory, environment, ports, distribution } =
            configuration.clone();
        Self { user, entrypoint, command, working_directory, environment, ports, distribution }
    }
}

impl From<ConfigurationRow> for Configuration {
    fn from(row: ConfigurationRow) -> Self {
        let ConfigurationRow { user, entrypoint, command, working_directory, environment, ports, distribution } = row;
        Self { user, entrypoint, command, working_directory, environment, ports, distribution }
    }
}
