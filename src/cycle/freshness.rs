//! What is known of the digests that are pinned, and of those that their tags point to, whether or not something moves:
//! for what is to be said of tags, and for pairs.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::lookup;
use super::poll::Pinned;
use crate::domain::candidates::{self, Candidate, RepositoryFacts, UseState};
use crate::domain::digest::Digest;
use crate::domain::freshness;
use crate::domain::image::Image;
use crate::domain::pair;
use crate::domain::plan::Knowledge;
use crate::domain::policy::Pairing;
use crate::domain::reference::{ImageName, TagRef};
use crate::registry::{Failure, Session};
use crate::store::{Store, StoreError};

/// Images that are looked up in one cycle only to tell their age and their end of life: registries count each as a pull.
/// What is left over has its turn in the next cycles, and what was looked up is kept while a tag points to it.
const LOOKED_UP_MAX: usize = 20;

/// A digest, by the name that a registry is asked for.
type Place = (ImageName, Digest);

/// What the store knows of them, and histories into the ledger where they are wanted and not there. Of the tags that were
/// asked for in this cycle a few of the images that nobody knows are looked up: where the policy wants to know what is
/// stale, and where the tag may be at the end of its life.
pub async fn remember(
    session: &Session,
    store: &dyn Store,
    (fleet, asked): (&[RepositoryFacts], &Pinned),
    (knowledge, now): (&mut Knowledge, Timestamp),
) -> Result<(), StoreError> {
    let (mut tags, mut digests) = (BTreeSet::new(), BTreeSet::new());
    let (mut aged, mut heads) = (BTreeSet::new(), BTreeMap::new());
    for facts in fleet {
        let pins = candidates::of_repository(facts, &knowledge.observations);
        let is_aged = facts.policy.stale_after.is_some();
        tags.extend(pins.iter().filter(|_| is_aged).map(|pin| pin.asked.clone()));
        if facts.policy.pair == Pairing::Together {
            tags.extend(of_pairs(&pins));
        }
        for pin in pins {
            let name = &pin.asked.image;
            digests.extend(pin.old.map(|old| (name.clone(), old)));
            let Some(head) = head(&pin).map(|head| (name.clone(), head)) else { continue };
            digests.insert(head.clone());
            aged.extend(Some(&head).filter(|_| is_aged && asked.contains_key(&pin.asked)).cloned());
            heads.insert(pin.asked, head);
        }
    }
    for tag in tags {
        if knowledge.ledger.history(&tag).is_none() {
            let history = store.history(&tag).await?;
            knowledge.ledger.insert(tag, history);
        }
    }
    for (name, digest) in digests {
        if let Some(image) = store.image(&name, &digest).await? {
            knowledge.images.insert((name, digest), image);
        }
    }
    heads.retain(|tag, head| {
        let is_unknown = asked.contains_key(tag) && !knowledge.images.contains_key(head);
        is_unknown && freshness::may_tell_its_end(&tag.image)
    });
    aged.extend(standing_still(store, heads, (knowledge, now)).await?);
    aged.retain(|of| !knowledge.images.contains_key(of));
    look_up((session, store), freshness::in_turn(aged, now), &mut knowledge.images).await;
    Ok(())
}

/// The heads of the tags that do not move. Histories are read of those alone of which nobody knows the image: each tag
/// has thousands of rows where it moves every hour.
async fn standing_still(
    store: &dyn Store,
    heads: BTreeMap<TagRef, Place>,
    (knowledge, now): (&Knowledge, Timestamp),
) -> Result<Vec<Place>, StoreError> {
    let mut standing = Vec::new();
    for (tag, head) in heads {
        let stands_still = match knowledge.ledger.history(&tag) {
            Some(history) => freshness::stands_still(history, now),
            None => freshness::stands_still(&store.history(&tag).await?, now),
        };
        standing.extend(stands_still.then_some(head));
    }
    Ok(standing)
}

/// Looks up the first of these.
async fn look_up((session, store): (&Session, &dyn Store), places: Vec<Place>, images: &mut BTreeMap<Place, Image>) {
    let (mut looked_up, mut limited) = (0, BTreeSet::new());
    for (name, digest) in places {
        if looked_up == LOOKED_UP_MAX {
            break;
        }
        // Whoever says "not so many" is asked for nothing that can wait.
        if limited.contains(name.registry()) {
            continue;
        }
        looked_up += 1;
        match lookup::image(session, Some(store), &name, &digest).await {
            Ok(image) => drop(images.insert((name, digest), image)),
            Err(error) => {
                tracing::info!(%error, "it cannot be told how old a digest is");
                if matches!(error.failure, Failure::RateLimited { .. }) {
                    limited.insert(name.registry().to_owned());
                }
            }
        }
    }
}

/// What its tag points to, where that is known.
fn head(pin: &Candidate) -> Option<Digest> {
    match pin.state {
        UseState::Behind { new } => Some(new),
        UseState::Current => pin.old,
        UseState::TagGone | UseState::HeldBack(_) | UseState::Unknown(_) | UseState::Ambiguous => None,
    }
}

/// The tags, as registries are asked for them, of pins of which the other one of the pair is there, too.
fn of_pairs(pins: &[Candidate]) -> BTreeSet<TagRef> {
    let written: BTreeSet<&TagRef> = pins.iter().map(|pin| &pin.tag).collect();
    let has_other = |pin: &&Candidate| pair::other(&pin.tag).is_some_and(|other| written.contains(&other));
    pins.iter().filter(has_other).map(|pin| pin.asked.clone()).collect()
}
