//! What forges were told to merge by themselves.

use std::collections::BTreeMap;

use super::SqliteStore;
use crate::domain::pull_request::{CommitId, RepoName};
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn read_told_to_merge(
        &self,
        forge: &str,
    ) -> Result<BTreeMap<(RepoName, u64), CommitId>, StoreError> {
        let sql = "SELECT repository, number, head FROM auto_merge WHERE forge = ?";
        let query = sqlx::query_as::<_, (String, i64, String)>(sql).bind(forge);
        let rows = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let read = |(repository, number, head): (String, i64, String)| {
            let repository = repository.parse().map_err(|error| self.damaged(error))?;
            let number = u64::try_from(number).map_err(|error| self.damaged(error))?;
            Ok(((repository, number), head.parse().map_err(|error| self.damaged(error))?))
        };
        rows.into_iter().map(read).collect()
    }

    pub(super) async fn write_told_to_merge(
        &self,
        (forge, repository): (&str, &RepoName),
        number: u64,
        head: &CommitId,
    ) -> Result<(), StoreError> {
        // No forge counts as far.
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let sql = "INSERT OR REPLACE INTO auto_merge (forge, repository, number, head) VALUES (?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(forge).bind(repository.as_str()).bind(number).bind(head.as_str());
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    /// Nobody is told to merge what was merged or closed.
    pub(super) async fn forget_told_to_merge(&self) -> Result<(), StoreError> {
        let sql = "DELETE FROM auto_merge WHERE EXISTS
                   (SELECT 1 FROM pull_request AS it
                    WHERE it.forge = auto_merge.forge AND it.repository = auto_merge.repository
                    AND it.number = auto_merge.number AND (it.merged IS NOT NULL OR it.closed IS NOT NULL))";
        sqlx::query(sql).execute(&self.pool).await.map(drop).map_err(self.write_error())
    }
}
