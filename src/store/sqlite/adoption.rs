//! Which digests repositories have on their base branches, and which forges were listed as a whole.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::SqlitePool;

use super::history::COMMON_LOOK;
use super::{SqliteStore, base_pipeline, denial, sought, sql_error};
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::in_force;
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Ledger, Sighting};
use crate::domain::pull_request::RepoName;
use crate::domain::reference::TagRef;
use crate::domain::waves::{Adoption, AdoptionChanges, Adoptions, BasePipeline, Listings, Sought, WaveFacts};
use crate::store::{StoreError, WaveBooks, WaveStore};

type AdoptionRow = (String, String, String, String, String, i64, Option<i64>);
type SightingRow = (String, String, String, i64, i64);

#[async_trait]
impl WaveStore for SqliteStore {
    async fn adoptions(&self, ended_since: Timestamp) -> Result<Adoptions, StoreError> {
        adoptions(&self.pool, ended_since).await.map_err(self.read_error())
    }

    async fn wave_books(&self, ended_since: Timestamp) -> Result<WaveBooks, StoreError> {
        wave_books(&self.name, &self.pool, ended_since).await
    }

    async fn record_adoptions(
        &self,
        changes: &AdoptionChanges,
        listings: &Listings,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // Their order tells what a rollback goes back to: a clock that is behind changes nothing of it.
        let sql = "SELECT max(?1, coalesce(max(max(since, coalesce(until, since))) + 1, ?1)) FROM adoption
                   WHERE max(since, coalesce(until, since)) > ?1 + ?2";
        let query = sqlx::query_scalar::<_, i64>(sql).bind(now.as_microsecond()).bind(COMMON_LOOK);
        let at = query.fetch_one(&mut *transaction).await.map_err(self.write_error())?;
        for (key, tag, digest) in &changes.ended {
            let sql = "UPDATE adoption SET until = ? WHERE forge = ? AND repository = ? AND image = ? AND tag = ?
                       AND digest = ? AND until IS NULL";
            let query = sqlx::query(sql).bind(at).bind(&key.forge).bind(key.name.as_str());
            let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str()).bind(text(digest.as_ref()));
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        for (key, tag, digest) in &changes.begun {
            // The same look that ended one: it goes on.
            let sql = "INSERT INTO adoption (forge, repository, image, tag, digest, since) VALUES (?, ?, ?, ?, ?, ?)
                       ON CONFLICT DO UPDATE SET until = NULL";
            let query = sqlx::query(sql).bind(&key.forge).bind(key.name.as_str());
            let query = query.bind(tag.image.to_string()).bind(tag.tag.as_str()).bind(text(digest.as_ref()));
            let query = query.bind(at);
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        for forge in &listings.whole {
            let query = sqlx::query("INSERT OR REPLACE INTO listed (forge, at) VALUES (?, ?)").bind(forge);
            query.bind(now.as_microsecond()).execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        for (forge, problem) in &listings.problems {
            let sql = "INSERT INTO listed (forge, problem) VALUES (?, ?)
                       ON CONFLICT DO UPDATE SET problem = excluded.problem";
            let query = sqlx::query(sql).bind(forge).bind(problem);
            query.execute(&mut *transaction).await.map_err(self.write_error())?;
        }
        transaction.commit().await.map_err(self.write_error())
    }

    async fn listings(&self) -> Result<Listings, StoreError> {
        listings(&self.pool).await.map_err(self.read_error())
    }

    async fn put_sought(&self, sought: &BTreeMap<RepositoryKey, BTreeSet<Sought>>) -> Result<(), StoreError> {
        self.write_sought(sought).await.map_err(self.write_error())
    }

    async fn base_pipelines(&self) -> Result<BTreeMap<RepositoryKey, BasePipeline>, StoreError> {
        base_pipeline::all(&self.pool).await.map_err(self.read_error())
    }

    async fn put_base_pipelines(&self, pipelines: &BTreeMap<RepositoryKey, BasePipeline>) -> Result<(), StoreError> {
        self.write_base_pipelines(pipelines).await
    }
}

impl SqliteStore {
    /// Lets go of adoptions that ended before this time, and of the pipelines of repositories without any.
    pub(super) async fn forget_adoptions(&self, oldest: i64) -> Result<(), StoreError> {
        let query = sqlx::query("DELETE FROM adoption WHERE until < ?").bind(oldest);
        query.execute(&self.pool).await.map_err(self.write_error())?;
        let sql = "DELETE FROM base_pipeline
                   WHERE (forge, repository) NOT IN (SELECT forge, repository FROM adoption)";
        sqlx::query(sql).execute(&self.pool).await.map(drop).map_err(self.write_error())
    }
}

/// Adoptions that hold, and those that ended at this time or later.
async fn adoptions(pool: &SqlitePool, ended_since: Timestamp) -> Result<Adoptions, sqlx::Error> {
    let sql = "SELECT forge, repository, image, tag, digest, since, until FROM adoption
               WHERE until IS NULL OR until >= ? ORDER BY since, digest";
    let query = sqlx::query_as::<_, AdoptionRow>(sql).bind(ended_since.as_microsecond());
    let mut adoptions = Adoptions::new();
    for (forge, repository, image, tag, digest, since, until) in query.fetch_all(pool).await? {
        let key = RepositoryKey { forge, name: repository.parse::<RepoName>().map_err(decode)? };
        let digest = Some(digest).filter(|digest| !digest.is_empty());
        let digest = digest.map(|digest| digest.parse::<Digest>()).transpose().map_err(decode)?;
        let row = Adoption { digest, since: time(since)?, until: until.map(time).transpose()? };
        adoptions.entry(tag_of(&image, &tag)?).or_default().entry(key).or_default().push(row);
    }
    Ok(adoptions)
}

/// A digest as it stands in its column, which is empty where a pin has none yet.
fn text(digest: Option<&Digest>) -> String {
    digest.map(Digest::to_string).unwrap_or_default()
}

async fn listings(pool: &SqlitePool) -> Result<Listings, sqlx::Error> {
    let query = sqlx::query_as::<_, (String, Option<i64>, Option<String>)>("SELECT forge, at, problem FROM listed");
    let mut listings = Listings::default();
    for (forge, at, problem) in query.fetch_all(pool).await? {
        if let Some(problem) = problem {
            listings.problems.insert(forge.clone(), problem);
        }
        if at.is_some() {
            listings.whole.insert(forge);
        }
    }
    Ok(listings)
}

/// Everything that the waves of digests are told from; `store` is its name.
pub(super) async fn wave_books(
    store: &str,
    pool: &SqlitePool,
    ended_since: Timestamp,
) -> Result<WaveBooks, StoreError> {
    let error = |error| sql_error(store, "read", error);
    let facts = WaveFacts {
        adoptions: adoptions(pool, ended_since).await.map_err(error)?,
        pipelines: base_pipeline::all(pool).await.map_err(error)?,
        unlisted: BTreeMap::new(),
        denied: in_force(denial::all(store, pool).await?).collect(),
        sought: sought::all(pool).await.map_err(error)?,
    };
    let listings = listings(pool).await.map_err(error)?;
    Ok(WaveBooks { facts, listings, ledger: ledger(pool, ended_since).await.map_err(error)? })
}

/// Of each tag that somebody has pinned or had at this time or later, or is to get: the sightings of its head and of these
/// digests. What was left since then tells for how long its place was taken.
async fn ledger(pool: &SqlitePool, ended_since: Timestamp) -> Result<Ledger, sqlx::Error> {
    // Each part once: with sub-queries for each sighting it takes seconds where tags move every hour.
    let sql = "WITH held AS MATERIALIZED 
                        (SELECT image, tag, digest FROM adoption WHERE until IS NULL OR until >= ?1
                         UNION SELECT image, tag, digest FROM sought),
                    head AS MATERIALIZED
                        (SELECT image, tag, max(last_seen) AS at
                         FROM (SELECT DISTINCT image, tag FROM held) JOIN sighting USING (image, tag)
                         GROUP BY image, tag)
               SELECT image, tag, digest, first_seen, last_seen FROM head JOIN sighting USING (image, tag)
               WHERE last_seen = head.at OR (image, tag, digest) IN held";
    let mut sightings: BTreeMap<TagRef, Vec<Sighting>> = BTreeMap::new();
    let query = sqlx::query_as::<_, SightingRow>(sql).bind(ended_since.as_microsecond());
    for (image, tag, digest, first_seen, last_seen) in query.fetch_all(pool).await? {
        let digest = digest.parse::<Digest>().map_err(decode)?;
        let sighting = Sighting { digest, first_seen: time(first_seen)?, last_seen: time(last_seen)? };
        sightings.entry(tag_of(&image, &tag)?).or_default().push(sighting);
    }
    let mut ledger = Ledger::default();
    for (tag, sightings) in sightings {
        ledger.insert(tag, History::new(sightings, BTreeMap::new()));
    }
    Ok(ledger)
}

pub(super) fn tag_of(image: &str, tag: &str) -> Result<TagRef, sqlx::Error> {
    Ok(TagRef { image: image.parse().map_err(decode)?, tag: tag.parse().map_err(decode)? })
}

pub(super) fn time(microseconds: i64) -> Result<Timestamp, sqlx::Error> {
    Timestamp::from_microsecond(microseconds).map_err(decode)
}

/// What stands in a column and cannot be.
pub(super) fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}
