//! Which tags there are of an image, as it was last listed.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{SqliteStore, StoreError};
use crate::domain::reference::{ImageName, Tag};

impl SqliteStore {
    pub(super) async fn read_tag_list(
        &self,
        image: &ImageName,
    ) -> Result<Option<(BTreeSet<Tag>, Timestamp)>, StoreError> {
        let query = sqlx::query_as::<_, (String, i64)>("SELECT tags, at FROM tag_list WHERE image = ?");
        let row = query.bind(image.to_string()).fetch_optional(&self.pool).await.map_err(self.read_error())?;
        let Some((tags, at)) = row else { return Ok(None) };
        let tags: Vec<String> = self.view().json(&tags)?;
        let tags = tags.iter().map(|tag| tag.parse().map_err(|error| self.damaged(error)));
        Ok(Some((tags.collect::<Result<_, _>>()?, self.view().time(at)?)))
    }

    pub(super) async fn write_tag_list(
        &self,
        image: &ImageName,
        tags: &BTreeSet<Tag>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let tags: Vec<&str> = tags.iter().map(Tag::as_str).collect();
        let query = sqlx::query("INSERT OR REPLACE INTO tag_list (image, at, tags) VALUES (?, ?, ?)");
        let query = query.bind(image.to_string()).bind(at.as_microsecond()).bind(self.to_json(&tags)?);
        query.execute(&self.pool).await.map_err(self.write_error()).map(drop)
    }
}
