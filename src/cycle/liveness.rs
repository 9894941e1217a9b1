//! Whether pinned digests still are at their registry: what is built on one that is gone cannot be built any more.
//!
//! Asked about pins that the last cycle left waiting, and about those that are current by the upstream of the mirror that
//! they are written with, when their tag is asked and once an hour at most: what else is current is there, and what stands
//! in a pull request is on its way. A registry that does not answer, or refuses, or does not know the name, changes
//! nothing.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};

use super::poll::{self, Pinned};
use super::{Parts, Request};
use crate::domain::candidates::{self, Candidate, Observations, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::digest::Digest;
use crate::domain::freshness;
use crate::domain::plan::Missing;
use crate::domain::reference::TagRef;
use crate::domain::status::PinState;
use crate::net::Transient as _;
use crate::registry::Session;
use crate::store::{Place, Reach, StoreError};

/// Questions under way at once, over all registries; each registry has a limit of its own.
const CONCURRENCY: usize = 16;

/// How long what was not missing is not asked for again. A fleet may have hundreds of digests of one tag that wait for
/// their turn, and a build that breaks tells sooner.
const ASKED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// What a cycle has seen so far.
#[derive(Debug, Clone, Copy)]
pub struct Looked<'a> {
    pub fleet: &'a [RepositoryFacts],
    pub observations: &'a Observations,
    /// The tags that were asked for in this cycle.
    pub asked: &'a Pinned,
    pub reach: Reach,
}

/// The pinned digests that were missing in the last looks, this one included.
pub async fn missing(
    (parts, request): (&Parts, &Request),
    session: &Session,
    looked: Looked<'_>,
    now: Timestamp,
) -> Result<BTreeMap<Place, Missing>, StoreError> {
    let store = parts.store.as_ref();
    let wanted = wanted((parts, request), &looked, now).await?;
    let (mut gone, mut found, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    let answers = stream::iter(wanted).map(|(name, digest)| async move {
        let answer = session.exists(&name, &digest).await;
        ((name, digest), answer)
    });
    let mut answers = answers.buffer_unordered(CONCURRENCY);
    while let Some((place, answer)) = answers.next().await {
        match answer {
            Ok(false) => gone.push(place),
            Ok(true) => found.push(place),
            Err(error) => {
                tracing::info!(%error, "it cannot be told whether a pinned digest still is there");
                // An outage ends, a refusal rather not.
                unknown.extend((!error.is_transient()).then_some(place));
            }
        }
    }
    store.record_missing(&gone, now).await?;
    store.record_not_missing(&[found.as_slice(), &unknown].concat(), now).await?;
    let mut forgotten = found;
    if looked.reach == Reach::Fleet {
        let pinned = not_there(&looked);
        forgotten.extend(store.missing().await?.into_keys().filter(|place| !pinned.contains(place)));
    }
    store.forget_missing(&forgotten).await?;
    store.missing().await
}

/// The digests that are asked for now.
async fn wanted(
    (parts, request): (&Parts, &Request),
    looked: &Looked<'_>,
    now: Timestamp,
) -> Result<BTreeSet<Place>, StoreError> {
    let pins = doubtful(looked);
    if pins.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (waiting, missing) = (waiting(parts).await?, parts.store.missing().await?);
    let not_missing = parts.store.not_missing().await?;
    let mut wanted = BTreeSet::new();
    for (key, pin) in pins {
        let Some(digest) = pin.old else { continue };
        let place = (pin.tag.image.clone(), digest);
        let is_recent = not_missing.get(&place).is_some_and(|at| poll::is_short_ago(*at, ASKED_AGAIN_AFTER, now));
        let is_due = !is_recent || missing.contains_key(&place) || poll::is_wanted_now(request, &pin.asked.image);
        let stays = pin.state == UseState::Current || waiting.contains(&(key, pin.tag, digest));
        if is_due && stays && looked.asked.contains_key(&pin.asked) {
            wanted.insert(place);
        }
    }
    Ok(wanted)
}

/// The pins whose digest may be gone although their tag answers.
fn doubtful(looked: &Looked<'_>) -> Vec<(RepositoryKey, Candidate)> {
    let pins = looked.fleet.iter().flat_map(|facts| {
        let pins = candidates::of_repository(facts, looked.observations).into_iter();
        pins.filter(freshness::may_be_gone).map(|pin| (facts.key(), pin))
    });
    pins.collect()
}

/// What pins have that may be missing still: all but what their tag points to, where that shows that it is there. A tag
/// that does not answer says nothing.
fn not_there(looked: &Looked<'_>) -> BTreeSet<Place> {
    let pins = looked.fleet.iter().flat_map(|facts| candidates::of_repository(facts, looked.observations));
    let others = pins.filter(|pin| pin.state != UseState::Current || freshness::may_be_gone(pin));
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
