//! How the pipelines of base branches stand.

use std::collections::BTreeMap;

use sqlx::SqlitePool;

use super::SqliteStore;
use super::adoption::{decode, time};
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::RepoName;
use crate::domain::waves::BasePipeline;
use crate::store::StoreError;

impl SqliteStore {
    pub(super) async fn write_base_pipelines(
        &self,
        pipelines: &BTreeMap<RepositoryKey, BasePipeline>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await.map_err(self.write_error())?;
        for (key, pipeline) in pipelines {
            let (state, since, seen) = match pipeline {
                BasePipeline::Green { since, seen } => ("green", since, Some(seen)),
                BasePipeline::Without { since, seen } => ("without", since, Some(seen)),
                BasePipeline::Failed { since } => ("failed", since, None),
                BasePipeline::Pending { since } => ("pending", since, None),
            };
            let sql = "INSERT OR REPLACE INTO base_pipeline (forge, repository, state, since, seen)
                       VALUES (?, ?, ?, ?, ?)";
            let query = sqlx::query(sql).bind(&key.forge).bind(key.name.as_str()).bind(state);
            let query = query.bind(since.as_microsecond()).bind(seen.map(|seen| seen.as_microsecond()));
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }
}

pub(super) async fn all(pool: &SqlitePool) -> Result<BTreeMap<RepositoryKey, BasePipeline>, sqlx::Error> {
    let sql = "SELECT forge, repository, state, since, seen FROM base_pipeline";
    let query = sqlx::query_as::<_, (String, String, String, i64, Option<i64>)>(sql);
    let pipeline = |(forge, repository, state, since, seen): (String, String, String, i64, Option<i64>)| {
        let key = RepositoryKey { forge, name: repository.parse::<RepoName>().map_err(decode)? };
        let since = time(since)?;
        let seen = seen.map_or(Ok(since), time)?;
        let pipeline = match state.as_str() {
            "green" => BasePipeline::Green { since, seen },
            "without" => BasePipeline::Without { since, seen },
            "failed" => BasePipeline::Failed { since },
            "pending" => BasePipeline::Pending { since },
            state => return Err(sqlx::Error::Decode(format!("no state of a pipeline: `{state}`").into())),
        };
        Ok((key, pipeline))
    };
    query.fetch_all(pool).await?.into_iter().map(pipeline).collect()
}
