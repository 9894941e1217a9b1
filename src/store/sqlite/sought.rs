//! Where pins are on their way to.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::SqlitePool;

use super::SqliteStore;
use super::adoption::{decode, tag_of};
use crate::domain::candidates::RepositoryKey;
use crate::domain::digest::Digest;
use crate::domain::pull_request::RepoName;
use crate::domain::reference::TagRef;

type Row = (String, String, String, String, String);
type Sought = BTreeMap<TagRef, BTreeMap<Digest, BTreeSet<RepositoryKey>>>;

impl SqliteStore {
    pub(super) async fn write_sought(
        &self,
        sought: &BTreeMap<RepositoryKey, BTreeSet<(TagRef, Digest)>>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        for (key, digests) in sought {
            let query = sqlx::query("DELETE FROM sought WHERE forge = ? AND repository = ?");
            query.bind(&key.forge).bind(key.name.as_str()).execute(&mut *transaction).await?;
            for (tag, digest) in digests {
                let sql = "INSERT INTO sought (forge, repository, image, tag, digest) VALUES (?, ?, ?, ?, ?)";
                let query = sqlx::query(sql).bind(&key.forge).bind(key.name.as_str());
                let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str()).bind(digest.to_string());
                query.execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await
    }
}

pub(super) async fn all(pool: &SqlitePool) -> Result<Sought, sqlx::Error> {
    let query = sqlx::query_as::<_, Row>("SELECT forge, repository, image, tag, digest FROM sought");
    let mut sought = Sought::new();
    for (forge, repository, image, tag, digest) in query.fetch_all(pool).await? {
        let key = RepositoryKey { forge, name: repository.parse::<RepoName>().map_err(decode)? };
        let of_tag = sought.entry(tag_of(&image, &tag)?).or_default();
        of_tag.entry(digest.parse().map_err(decode)?).or_default().insert(key);
    }
    Ok(sought)
}
