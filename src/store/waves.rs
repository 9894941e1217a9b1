//! What is remembered of waves.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::candidates::RepositoryKey;
use crate::domain::ledger::Ledger;
use crate::domain::waves::{AdoptionChanges, Adoptions, BasePipeline, Listings, Sought, WaveFacts};

/// Everything that the waves of digests are told from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaveBooks {
    /// Without the forges that were never listed: the configuration knows which there are.
    pub facts: WaveFacts,
    /// The forges that were ever listed as a whole, and why others were not.
    pub listings: Listings,
    /// Of each tag that somebody has pinned, or is to get: the sightings of its head and of these digests, and of those
    /// that [`Self::facts`] say were left: they tell for how long their place was taken.
    pub ledger: Ledger,
}

/// The part of [`super::Store`] that waves need: which digests the fleet has, and how its pipelines stand.
#[async_trait]
pub trait WaveStore {
    /// The adoptions that hold, and those that ended at this time or later, oldest first.
    async fn adoptions(&self, ended_since: Timestamp) -> Result<Adoptions, StoreError>;

    /// Notes what became of adoptions, as it was read at `now`, and which forges were listed as a whole or why not.
    async fn record_adoptions(
        &self,
        changes: &AdoptionChanges,
        listings: &Listings,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// The forges that were ever listed as a whole, and why they or others were not the last time.
    async fn listings(&self) -> Result<Listings, StoreError>;

    /// Replaces where the pins of these repositories are on their way to.
    async fn put_sought(&self, sought: &BTreeMap<RepositoryKey, BTreeSet<Sought>>) -> Result<(), StoreError>;

    /// How the pipelines of base branches stand.
    async fn base_pipelines(&self) -> Result<BTreeMap<RepositoryKey, BasePipeline>, StoreError>;

    /// Replaces what is known of these.
    async fn put_base_pipelines(&self, pipelines: &BTreeMap<RepositoryKey, BasePipeline>) -> Result<(), StoreError>;

    /// What the waves of digests are told from; `ended_since` as for [`WaveStore::adoptions`].
    async fn wave_books(&self, ended_since: Timestamp) -> Result<WaveBooks, StoreError>;
}
