//! Sightings with what is known of their digests.

use std::collections::BTreeMap;

use super::view::View;
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::reference::{ImageName, TagRef};
use crate::store::{LedgerEntry, StoreError};

impl View<'_> {
    /// Every tag that was ever seen, by name.
    pub(super) async fn tags(self) -> Result<Vec<TagRef>, StoreError> {
        let sql = "SELECT DISTINCT image, tag FROM sighting ORDER BY image, tag";
        let rows = sqlx::query_as::<_, (String, String)>(sql).fetch_all(self.pool).await.map_err(self.read_error())?;
        let tag = |(image, tag): (String, String)| {
            let image = image.parse().map_err(|error| self.damaged(error))?;
            Ok(TagRef { image, tag: tag.parse().map_err(|error| self.damaged(error))? })
        };
        rows.into_iter().map(tag).collect()
    }

    /// What was seen of a tag, by first sight, then by digest.
    pub(super) async fn entries(self, tag: &TagRef) -> Result<Vec<LedgerEntry>, StoreError> {
        let mut sightings = self.sightings(tag).await?;
        sightings.sort_by_key(|sighting| (sighting.first_seen, sighting.digest));
        let mut entries = Vec::new();
        for sighting in sightings {
            let image = self.image(&tag.image, &sighting.digest).await?;
            let contents = match &image {
                Some(image) => self.contents(&tag.image, image).await?,
                None => BTreeMap::new(),
            };
            entries.push(LedgerEntry {
                tag: tag.clone(),
                digest: sighting.digest,
                first_seen: sighting.first_seen,
                last_seen: Some(sighting.last_seen),
                image,
                contents,
            });
        }
        Ok(entries)
    }

    async fn contents(self, name: &ImageName, image: &Image) -> Result<BTreeMap<Digest, Content>, StoreError> {
        let manifests: Vec<String> = image.manifests.values().map(ToString::to_string).collect();
        let manifests = serde_json::to_string(&manifests).map_err(|error| self.damaged(error))?;
        let sql = "SELECT digest, config, layers FROM content
                   WHERE name = ? AND digest IN (SELECT value FROM json_each(?))";
        let query = sqlx::query_as::<_, (String, String, String)>(sql).bind(name.to_string()).bind(manifests);
        let rows = query.fetch_all(self.pool).await.map_err(self.read_error())?;
        let content = |(digest, config, layers): (String, String, String)| {
            let layers = self.json::<Vec<String>>(&layers)?;
            let layers = layers.iter().map(|layer| self.digest(layer)).collect::<Result<_, _>>()?;
            Ok((self.digest(&digest)?, Content { config: self.digest(&config)?, layers }))
        };
        rows.into_iter().map(content).collect()
    }
}
