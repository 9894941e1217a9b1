//! What is remembered of whether pinned digests still are at their registries.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::domain::digest::Digest;
use crate::domain::plan::Missing;
use crate::domain::reference::ImageName;

/// A digest, by the name that is written.
pub type Place = (ImageName, Digest);

/// The part of [`super::Store`] that tells which pinned digests are gone.
#[async_trait]
pub trait PresenceStore {
    /// Pinned digests that their registry did not have when it was last asked.
    async fn missing(&self) -> Result<BTreeMap<Place, Missing>, StoreError>;

    /// Notes that a look did not find these digests.
    async fn record_missing(&self, digests: &[Place], at: Timestamp) -> Result<(), StoreError>;

    /// Forgets that these digests were missing: they are there, or nobody has them any more.
    async fn forget_missing(&self, digests: &[Place]) -> Result<(), StoreError>;

    /// When a registry was last asked for digests and did not say that they are missing; of the last day, at least.
    async fn not_missing(&self) -> Result<BTreeMap<Place, Timestamp>, StoreError>;

    /// Notes that a look did not find these digests missing.
    async fn record_not_missing(&self, digests: &[Place], at: Timestamp) -> Result<(), StoreError>;
}
