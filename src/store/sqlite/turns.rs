//! When repositories had their turn.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{SqliteStore, StoreError};
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::RepoName;

impl SqliteStore {
    pub(super) async fn all_turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        self.times_of_repositories("SELECT forge, repository, at FROM turn").await
    }

    pub(super) async fn read_unfinished_turns(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        self.times_of_repositories("SELECT forge, repository, since FROM unfinished_turn").await
    }

    /// Of the openings that are noted for the hourly cap some days are kept; of pull requests all are.
    pub(super) async fn read_last_opened(&self) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        let sql = "SELECT forge, repository, max(at) FROM
                   (SELECT forge, repository, at FROM opened
                    UNION ALL SELECT forge, repository, opened FROM pull_request)
                   GROUP BY forge, repository";
        self.times_of_repositories(sql).await
    }

    async fn times_of_repositories(&self, sql: &'static str) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
        let query = sqlx::query_as::<_, (String, String, i64)>(sql);
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let time = |(forge, repository, at): (String, String, i64)| {
            let name: RepoName = repository.parse().map_err(|error| self.damaged(error))?;
            let at = Timestamp::from_microsecond(at).map_err(|error| self.damaged(error))?;
            Ok((RepositoryKey { forge, name }, at))
        };
        rows.into_iter().map(time).collect()
    }

    pub(super) async fn note_turns(&self, repositories: &[RepositoryKey], at: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for repository in repositories {
            let sql = "INSERT OR REPLACE INTO turn (forge, repository, at) VALUES (?, ?, ?)";
            let query = sqlx::query(sql).bind(&repository.forge).bind(repository.name.as_str());
            let query = query.bind(at.as_microsecond());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
            let query = sqlx::query("DELETE FROM unfinished_turn WHERE forge = ? AND repository = ?");
            let query = query.bind(&repository.forge).bind(repository.name.as_str());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }

    pub(super) async fn note_unfinished_turns(
        &self,
        repositories: &[RepositoryKey],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for repository in repositories {
            let sql = "INSERT OR IGNORE INTO unfinished_turn (forge, repository, since) VALUES (?, ?, ?)";
            let query = sqlx::query(sql).bind(&repository.forge).bind(repository.name.as_str());
            let query = query.bind(at.as_microsecond());
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }
}
