//! Sightings with what is known of their digests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row as _, Sqlite, Transaction};

use super::view::View;
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::reference::{ImageName, TagRef};
use crate::store::{LedgerEntry, StoreError};

/// The ledger as it was at one moment, however long it takes to read it and whoever writes meanwhile.
#[derive(Debug)]
pub struct Snapshot<'a> {
    view: View<'a>,
    /// `None`: the last cycle was an older refrom's, and nothing is told.
    transaction: Option<Transaction<'static, Sqlite>>,
}

impl<'a> View<'a> {
    /// What is there now.
    pub(super) async fn snapshot(self) -> Result<Snapshot<'a>, StoreError> {
        let transaction = Some(self.pool.begin().await.map_err(self.read_error())?);
        Ok(Snapshot { view: self, transaction })
    }

    /// Where there is nothing to tell.
    pub(super) fn no_snapshot(self) -> Snapshot<'a> {
        Snapshot { view: self, transaction: None }
    }
}

impl Snapshot<'_> {
    /// Every tag that was ever seen, by name, with how many of its digests were still seen then or later.
    pub async fn tags(&mut self, since: Option<Timestamp>) -> Result<Vec<(TagRef, u64)>, StoreError> {
        let Self { view, transaction: Some(transaction) } = self else { return Ok(Vec::new()) };
        let sql = "SELECT image, tag, sum(last_seen >= ?) FROM sighting GROUP BY image, tag ORDER BY image, tag";
        let since = since.map_or(i64::MIN, Timestamp::as_microsecond);
        let query = sqlx::query_as::<_, (String, String, i64)>(sql).bind(since);
        let rows = query.fetch_all(&mut **transaction).await.map_err(view.read_error())?;
        let tag = |(image, tag, count): (String, String, i64)| {
            let image = image.parse().map_err(|error| view.damaged(error))?;
            let tag = TagRef { image, tag: tag.parse().map_err(|error| view.damaged(error))? };
            Ok((tag, u64::try_from(count).map_err(|error| view.damaged(error))?))
        };
        rows.into_iter().map(tag).collect()
    }

    /// What was seen of a tag, with what is known of the digests: by first sight, then by digest.
    pub async fn entries(&mut self, tag: &TagRef) -> Result<Vec<LedgerEntry>, StoreError> {
        let Self { view, transaction: Some(transaction) } = self else { return Ok(Vec::new()) };
        let sql =
            "SELECT sighting.digest AS digest, first_seen, last_seen, kind, media_type, manifests, version, created,
                          size_bytes, end_of_life, configuration
                   FROM sighting LEFT JOIN image ON image.name = sighting.image AND image.digest = sighting.digest
                   WHERE sighting.image = ? AND tag = ? ORDER BY first_seen, sighting.digest";
        let query = sqlx::query(sql).bind(tag.image.to_string()).bind(tag.tag.as_str());
        let rows = query.fetch_all(&mut **transaction).await.map_err(view.read_error())?;
        let mut entries = Vec::new();
        for row in rows {
            let mut entry = view.entry(tag, &row)?;
            if let Some(image) = &entry.image {
                entry.contents = contents(*view, transaction, (&tag.image, image)).await?;
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}

impl View<'_> {
    /// A sighting with its image, and no contents yet.
    fn entry(self, tag: &TagRef, row: &SqliteRow) -> Result<LedgerEntry, StoreError> {
        let get = |error: sqlx::Error| self.damaged(error);
        let digest = self.digest(row.try_get("digest").map_err(get)?)?;
        let kind: Option<String> = row.try_get("kind").map_err(get)?;
        Ok(LedgerEntry {
            tag: tag.clone(),
            digest,
            first_seen: self.time(row.try_get("first_seen").map_err(get)?)?,
            last_seen: Some(self.time(row.try_get("last_seen").map_err(get)?)?),
            image: kind.map(|_| self.image_of(row, digest)).transpose()?,
            contents: BTreeMap::new(),
        })
    }
}

/// What the manifests of an image are made of, as far as that is known.
async fn contents(
    view: View<'_>,
    transaction: &mut Transaction<'static, Sqlite>,
    (name, image): (&ImageName, &Image),
) -> Result<BTreeMap<Digest, Content>, StoreError> {
    let manifests: Vec<String> = image.manifests.values().map(ToString::to_string).collect();
    let manifests = serde_json::to_string(&manifests).map_err(|error| view.damaged(error))?;
    let sql = "SELECT digest, config, layers FROM content
               WHERE name = ? AND digest IN (SELECT value FROM json_each(?))";
    let query = sqlx::query_as::<_, (String, String, String)>(sql).bind(name.to_string()).bind(manifests);
    let rows = query.fetch_all(&mut **transaction).await.map_err(view.read_error())?;
    let content = |(digest, config, layers): (String, String, String)| {
        let layers = view.json::<Vec<String>>(&layers)?;
        let layers = layers.iter().map(|layer| view.digest(layer)).collect::<Result<_, _>>()?;
        Ok((view.digest(&digest)?, Content { config: view.digest(&config)?, layers }))
    };
    rows.into_iter().map(content).collect()
}
