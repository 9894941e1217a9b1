//! Where pins are on their way to.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqlitePool;

use super::SqliteStore;
use super::adoption::{decode, tag_of};
use crate::domain::candidates::RepositoryKey;
use crate::domain::digest::Digest;
use crate::domain::reference::TagRef;
use crate::domain::waves::Sought;

type Row = (String, String, String, String);
/// By the tag that pins get and by digest: the tags that they leave.
type Left = BTreeMap<TagRef, BTreeMap<Digest, BTreeSet<TagRef>>>;

impl SqliteStore {
    pub(super) async fn write_sought(
        &self,
        sought: &BTreeMap<RepositoryKey, BTreeSet<Sought>>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for (key, digests) in sought {
            let query = sqlx::query("DELETE FROM sought WHERE forge = ? AND repository = ?");
            query.bind(&key.forge).bind(key.name.as_str()).execute(&mut *transaction).await?;
            for Sought { tag, digest, left } in digests {
                let sql = "INSERT INTO sought (forge, repository, image, tag, digest, left_tag)
                           VALUES (?, ?, ?, ?, ?, ?)";
                let query = sqlx::query(sql).bind(&key.forge).bind(key.name.as_str());
                let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str()).bind(digest.to_string());
                let query = query.bind(left.as_ref().map_or("", |left| left.tag.as_str()));
                query.execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await
    }
}

pub(super) async fn all(pool: &SqlitePool) -> Result<Left, sqlx::Error> {
    let query = sqlx::query_as::<_, Row>("SELECT DISTINCT image, tag, digest, left_tag FROM sought");
    let mut sought = Left::new();
    for (image, tag, digest, left) in query.fetch_all(pool).await? {
        let of_tag = sought.entry(tag_of(&image, &tag)?).or_default();
        let all_left = of_tag.entry(digest.parse().map_err(decode)?).or_default();
        if !left.is_empty() {
            all_left.insert(tag_of(&image, &left)?);
        }
    }
    Ok(sought)
}
