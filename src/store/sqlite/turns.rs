//! When repositories had their turn.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{SqliteStore, StoreError};
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::RepoName;

impl SqliteStore {
    pub(super) async fn all_turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        let query = sqlx::query_as::<_, (String, String, i64)>("SELECT forge, repository, at FROM turn");
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let turn = |(forge, repository, at): (String, String, i64)| {
            let name: RepoName = repository.parse().map_err(|error| self.damaged(error))?;
            let at = Timestamp::from_microsecond(at).map_err(|error| self.damaged(error))?;
            Ok((RepositoryKey { forge, name }, at))
        };
        rows.into_iter().map(turn).collect()
    }

    pub(super) async fn note_turns(&self, repositories: &[RepositoryKey], at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for repository in repositories {
            let sql = "INSERT OR REPLACE INTO turn (forge, repository, at) VALUES (?, ?, ?)";
            let query = sqlx::query(sql).bind(&repository.forge).bind(repository.name.as_str());
            let query = query.bind(at.as_microsecond());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }
}
