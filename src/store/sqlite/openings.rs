//! Pull requests that are being opened.

use std::collections::BTreeSet;

use super::SqliteStore;
use crate::domain::pull_request::{BranchName, RepoName};
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn write_opening(
        &self,
        forge: &str,
        repository: &RepoName,
        branch: &BranchName,
    ) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO opening (forge, repository, branch) VALUES (?, ?, ?)";
        let query = sqlx::query(sql).bind(forge).bind(repository.as_str()).bind(branch.as_str());
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    pub(super) async fn delete_opening(
        &self,
        forge: &str,
        repository: &RepoName,
        branch: &BranchName,
    ) -> Result<(), StoreError> {
        let sql = "DELETE FROM opening WHERE forge = ? AND repository = ? AND branch = ?";
        let query = sqlx::query(sql).bind(forge).bind(repository.as_str()).bind(branch.as_str());
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    pub(super) async fn read_openings(&self, forge: &str) -> Result<BTreeSet<(RepoName, BranchName)>, StoreError> {
        let sql = "SELECT repository, branch FROM opening WHERE forge = ?";
        let query = sqlx::query_as::<_, (String, String)>(sql).bind(forge);
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let read = |(repository, branch): (String, String)| {
            let repository = repository.parse().map_err(|error| self.damaged(error))?;
            Ok((repository, branch.parse().map_err(|error| self.damaged(error))?))
        };
        rows.into_iter().map(read).collect()
    }
}
