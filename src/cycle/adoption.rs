//! Which digests the fleet has on its base branches, and how their pipelines stand: what waves are made of.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::report::Report;
use super::{Parts, Request};
use crate::domain::candidates::{self, RepositoryFacts, RepositoryKey};
use crate::domain::digest::Digest;
use crate::domain::plan::Knowledge;
use crate::domain::reference::TagRef;
use crate::domain::target;
use crate::domain::waves::{self, Adoptions, BasePipeline, Listings, Pinned, WaveFacts, Waves};
use crate::store::{Store, StoreError};

/// Notes what was read, and tells how the whole fleet stands: repositories that this cycle does not look at are as they
/// were when one last did. Digests are noted without waves, too: a rollback goes back to what was there.
pub async fn waves(
    parts: &Parts,
    request: &Request,
    fleet: &[RepositoryFacts],
    report: &Report,
    now: Timestamp,
) -> Result<Waves, StoreError> {
    let store = parts.store.as_ref();
    let mut adoptions = store.adoptions(parts.config.advance.counts_since(now)).await?;
    let changes = waves::changes(&adoptions, &pinned(request, fleet, (&adoptions, report)));
    store.record_adoptions(&changes, &listings(parts, request, report), now).await?;
    if parts.config.waves.is_empty() {
        return Ok(Waves::default());
    }
    changes.apply(&mut adoptions, now);
    let unlisted = store.listings().await?.unlisted(parts.forges.iter().map(|forge| forge.name()));
    let pipelines = pipelines(store, fleet, now).await?;
    let facts = WaveFacts { adoptions, pipelines, unlisted, ..WaveFacts::default() };
    Ok(Waves::new(parts.config.waves.clone(), parts.config.advance, facts))
}

/// Notes where the pins are on their way to, for whoever looks at the waves.
pub async fn note_sought(
    parts: &Parts,
    fleet: &[RepositoryFacts],
    knowledge: &Knowledge,
    now: Timestamp,
) -> Result<(), StoreError> {
    if parts.config.waves.is_empty() {
        return Ok(());
    }
    let sought = fleet.iter().map(|facts| (facts.key(), target::sought(facts, knowledge, now)));
    parts.store.put_sought(&sought.collect()).await
}

/// Of which forges this cycle saw every repository, or the repository's own problem; and what was wrong with the others.
fn listings(parts: &Parts, request: &Request, report: &Report) -> Listings {
    let mut listings = Listings::default();
    let forges = parts.forges.iter().map(|forge| forge.name()).filter(|_| request.repositories.is_empty());
    for forge in forges {
        match report.problems.iter().find(|problem| problem.is_of_forge(forge)) {
            Some(problem) => listings.problems.insert(forge.to_owned(), problem.told_of(forge)).is_none(),
            None => listings.whole.insert(forge.to_owned()),
        };
    }
    listings
}

/// What the repositories pin that were read, and nothing for those that are gone from a forge: that it did not list,
/// although nothing went wrong that could hold them.
fn pinned(request: &Request, fleet: &[RepositoryFacts], (before, report): (&Adoptions, &Report)) -> Pinned {
    let mut pinned = Pinned::new();
    // Those of a forge that is configured no more, too.
    for key in before.values().flat_map(BTreeMap::keys).filter(|_| request.repositories.is_empty()) {
        if !report.problems.iter().any(|problem| problem.may_hold(key)) {
            pinned.insert(key.clone(), BTreeMap::new());
        }
    }
    for facts in fleet {
        let mut tags = if facts.policy.enabled { pins(facts) } else { BTreeMap::new() };
        if !facts.problems.is_empty() {
            // A pin that was not read is not gone.
            keep(&mut tags, before, &facts.key());
        }
        pinned.insert(facts.key(), tags);
    }
    pinned
}

/// The digests of the followed pins, and of those that shall get one, by the tag as a registry is asked for it.
fn pins(facts: &RepositoryFacts) -> BTreeMap<TagRef, BTreeSet<Option<Digest>>> {
    let mut pins: BTreeMap<TagRef, BTreeSet<Option<Digest>>> = BTreeMap::new();
    for found in facts.files.iter().flat_map(|file| &file.uses) {
        if let Some(tag) = candidates::asked(found, &facts.policy) {
            pins.entry(tag).or_default().insert(found.digest);
        }
    }
    pins
}

fn keep(tags: &mut BTreeMap<TagRef, BTreeSet<Option<Digest>>>, before: &Adoptions, key: &RepositoryKey) {
    for (tag, repositories) in before {
        let held = repositories.get(key).into_iter().flatten().filter(|row| row.holds());
        let held: BTreeSet<Option<Digest>> = held.map(|row| row.digest).collect();
        if !held.is_empty() {
            tags.entry(tag.clone()).or_default().extend(held);
        }
    }
}

/// How the pipelines stand after this look.
async fn pipelines(
    store: &dyn Store,
    fleet: &[RepositoryFacts],
    now: Timestamp,
) -> Result<BTreeMap<RepositoryKey, BasePipeline>, StoreError> {
    let mut all = store.base_pipelines().await?;
    let mut changed = BTreeMap::new();
    for facts in fleet {
        let key = facts.key();
        let before = all.get(&key).copied();
        let after = BasePipeline::after(before, facts.head.pipeline, now);
        if let Some(after) = after.filter(|_| after != before) {
            changed.insert(key, after);
        }
    }
    store.put_base_pipelines(&changed).await?;
    all.extend(changed);
    Ok(all)
}
