//! Pull requests with their times, and the figures that are made of them.
//!
//! A row is kept for ever, some 150 bytes of it: figures that forget would fall, and what falls looks like a restart to
//! those who watch them.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::{BranchName, RepoName};
use crate::store::{Ending, PullRequestTimes, StoreError, StoreFacts};

impl SqliteStore {
    pub(super) async fn read_pull_request(
        &self,
        key: &RepositoryKey,
        number: u64,
    ) -> Result<Option<PullRequestTimes>, StoreError> {
        let sql = "SELECT branch, first_seen, opened, merged, closed FROM pull_request
                   WHERE forge = ? AND repository = ? AND number = ?";
        let query = sqlx::query(sql).bind(&key.forge).bind(key.name.as_str()).bind(self.number(number)?);
        let row = query.fetch_optional(&self.pool).await.map_err(self.read_error())?;
        row.map(|row| self.times(&row, number)).transpose()
    }

    pub(super) async fn write_pull_request(
        &self,
        key: &RepositoryKey,
        times: &PullRequestTimes,
    ) -> Result<(), StoreError> {
        let (merged, closed) = match times.ended {
            None => (None, None),
            Some(Ending::Merged(at)) => (Some(at.as_microsecond()), None),
            Some(Ending::Closed(at)) => (None, Some(at.as_microsecond())),
        };
        let sql = "INSERT INTO pull_request (forge, repository, number, branch, first_seen, opened, merged, closed)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                   ON CONFLICT DO UPDATE SET merged = excluded.merged, closed = excluded.closed";
        let query = sqlx::query(sql).bind(&key.forge).bind(key.name.as_str()).bind(self.number(times.number)?);
        let query = query.bind(times.branch.as_str()).bind(times.first_seen.as_microsecond());
        let query = query.bind(times.opened.as_microsecond()).bind(merged).bind(closed);
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }

    pub(super) async fn read_open_pull_requests(
        &self,
    ) -> Result<BTreeMap<RepositoryKey, BTreeMap<u64, BranchName>>, StoreError> {
        let sql = "SELECT forge, repository, number, branch FROM pull_request
                   WHERE merged IS NULL AND closed IS NULL";
        let query = sqlx::query_as::<_, (String, String, i64, String)>(sql);
        let mut open: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for (forge, name, number, branch) in query.fetch_all(&self.pool).await.map_err(self.read_error())? {
            let name: RepoName = name.parse().map_err(|error| self.damaged(error))?;
            let branch: BranchName = branch.parse().map_err(|error| self.damaged(error))?;
            let number = u64::try_from(number).map_err(|error| self.damaged(error))?;
            open.entry(RepositoryKey { forge, name }).or_default().insert(number, branch);
        }
        Ok(open)
    }

    pub(super) async fn read_facts(&self) -> Result<StoreFacts, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM sighting),
                          (SELECT count(*) FROM pull_request WHERE closed IS NOT NULL)";
        let query = sqlx::query_as::<_, (i64, i64)>(sql);
        let (digests, closed) = query.fetch_one(&self.pool).await.map_err(self.read_error())?;
        let sql = "SELECT opened - first_seen, merged - first_seen FROM pull_request";
        let query = sqlx::query_as::<_, (i64, Option<i64>)>(sql);
        let times = query.fetch_all(&self.pool).await.map_err(self.read_error())?;
        let duration = |microseconds: i64| SignedDuration::from_micros(microseconds.max(0));
        Ok(StoreFacts {
            digests_seen: u64::try_from(digests).map_err(|error| self.damaged(error))?,
            closed: u64::try_from(closed).map_err(|error| self.damaged(error))?,
            to_opened: times.iter().map(|(opened, _)| duration(*opened)).collect(),
            to_merged: times.iter().filter_map(|(_, merged)| merged.map(duration)).collect(),
        })
    }

    fn times(&self, row: &SqliteRow, number: u64) -> Result<PullRequestTimes, StoreError> {
        let at = |column: &str| -> Result<Option<Timestamp>, StoreError> {
            let microseconds: Option<i64> = row.try_get(column).map_err(|error| self.damaged(error))?;
            microseconds.map(Timestamp::from_microsecond).transpose().map_err(|error| self.damaged(error))
        };
        let branch: String = row.try_get("branch").map_err(|error| self.damaged(error))?;
        Ok(PullRequestTimes {
            number,
            branch: branch.parse().map_err(|error| self.damaged(error))?,
            first_seen: at("first_seen")?.unwrap_or_default(),
            opened: at("opened")?.unwrap_or_default(),
            ended: match (at("merged")?, at("closed")?) {
                (Some(merged), _) => Some(Ending::Merged(merged)),
                (None, Some(closed)) => Some(Ending::Closed(closed)),
                (None, None) => None,
            },
        })
    }

    fn number(&self, number: u64) -> Result<i64, StoreError> {
        i64::try_from(number).map_err(|error| self.damaged(error))
    }
}
