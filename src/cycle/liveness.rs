//! Whether pinned digests still are at their registry: what is built on one that is gone cannot be built any more.
//!
//! Asked about pins that the last cycle left waiting, when their tag is asked: what is current is there, and what stands in
//! a pull request is on its way. A registry that does not answer, or refuses, or does not know the name, changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;

use super::Parts;
use super::poll::Pinned;
use crate::domain::candidates::{self, Observations, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::digest::Digest;
use crate::domain::plan::Missing;
use crate::domain::reference::{ImageName, TagRef};
use crate::domain::status::PinState;
use crate::registry::Session;
use crate::store::{Reach, StoreError};

/// Questions under way at once, over all registries; each registry has a limit of its own.
const CONCURRENCY: usize = 16;

/// A digest by the name that is written: that is what builds pull.
type Place = (ImageName, Digest);

/// What a cycle has seen so far.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    pub fleet: &'a [RepositoryFacts],
    pub observations: &'a Observations,
    /// The tags that were asked for in this cycle.
    pub asked: &'a Pinned,
}

/// The pinned digests that were missing in the last looks, this one included.
pub async fn missing(
    parts: &Parts,
    session: &Session,
    reach: Reach,
    looked: Looked<'_>,
    now: Timestamp,
) -> Result<BTreeMap<Place, Missing>, StoreError> {
    let store = parts.store.as_ref();
    let behind = behind(&looked);
    let waiting = if behind.is_empty() { BTreeSet::new() } else { waiting(parts).await? };
    let is_wanted = |(key, tag, digest, asked): &Pin| {
        looked.asked.contains_key(asked) && waiting.contains(&(key.clone(), tag.clone(), *digest))
    };
    let wanted: BTreeSet<Place> =
        behind.iter().filter(|pin| is_wanted(pin)).map(|(_, tag, digest, _)| (tag.image.clone(), *digest)).collect();
    let (mut gone, mut forgotten) = (Vec::new(), Vec::new());
    let answers = stream::iter(wanted).map(|(name, digest)| async move {
        let answer = session.exists(&name, &digest).await;
        ((name, digest), answer)
    });
    let mut answers = answers.buffer_unordered(CONCURRENCY);
    while let Some((place, answer)) = answers.next().await {
        match answer {
            Ok(false) => gone.push(place),
            Ok(true) => forgotten.push(place),
            Err(error) => tracing::info!(%error, "it cannot be told whether a pinned digest still is there"),
        }
    }
    store.record_missing(&gone, now).await?;
    if reach == Reach::Fleet {
        let pinned = not_current(&looked);
        forgotten.extend(store.missing().await?.into_keys().filter(|place| !pinned.contains(place)));
    }
    store.forget_missing(&forgotten).await?;
    store.missing().await
}

/// A pin: its repository, its tag as written, its digest, and its tag as asked.
type Pin = (RepositoryKey, TagRef, Digest, TagRef);

fn behind(looked: &Looked<'_>) -> Vec<Pin> {
    let pins = looked.fleet.iter().flat_map(|facts| {
        let pins = candidates::behind(facts, looked.observations).pins.into_iter();
        pins.filter_map(|pin| match pin.state {
            UseState::Behind { .. } => Some((facts.key(), pin.tag, pin.old?, pin.asked)),
            _ => None,
        })
    });
    pins.collect()
}

/// What pins have that may be missing still: all but what their tag points to. A tag that does not answer says nothing.
fn not_current(looked: &Looked<'_>) -> BTreeSet<Place> {
    let pins = looked.fleet.iter().flat_map(|facts| candidates::behind(facts, looked.observations).pins);
    let others = pins.filter(|pin| pin.state != UseState::Current);
    others.filter_map(|pin| Some((pin.tag.image.clone(), pin.old?))).collect()
}

/// The pins that the last cycle left waiting.
async fn waiting(parts: &Parts) -> Result<BTreeSet<(RepositoryKey, TagRef, Digest)>, StoreError> {
    let fleet = parts.store.status().await?;
    let pins = fleet.repositories.into_iter().flat_map(|it| {
        let waiting = it.pins.into_iter().filter(|pin| matches!(pin.state, PinState::Behind { waits: Some(_), .. }));
        waiting.filter_map(move |pin| Some((it.repository.clone(), pin.tag, pin.digest?)))
    });
    Ok(pins.collect())
}
