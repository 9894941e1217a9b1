//! Looking up until the target of every pin can be told: what was seen of its tags, then the digests that it may go to.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Watcher, evidence, lookup};
use crate::domain::candidates::{self, Candidate, Move, Observations, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::plan::Knowledge;
use crate::domain::policy::{Policy, Unchanged};
use crate::domain::proposal::EvidenceByMove;
use crate::domain::reference::TagRef;
use crate::domain::target::{self, ROUNDS_MAX, Rules};
use crate::registry::Session;
use crate::store::{Store, StoreError};

/// Pins for which the same rules hold.
#[derive(Debug)]
pub struct Group<'a> {
    /// `None`: of somebody's work tree.
    pub repository: Option<RepositoryKey>,
    pub policy: &'a Policy,
    pub pins: Vec<Candidate>,
}

/// What is asked of a digest.
#[derive(Debug, Clone, Copy)]
pub enum Depth<'a> {
    /// Its kind and platforms: enough to tell whether it may follow another.
    Kinds,
    /// Everything that is shown and written of it; what the store knows is not asked again.
    Images(Option<&'a dyn Store>),
}

impl<'a> Depth<'a> {
    fn store(self) -> Option<&'a dyn Store> {
        match self {
            Self::Kinds => None,
            Self::Images(store) => store,
        }
    }
}

impl<'a> Group<'a> {
    /// The pins of a repository.
    pub fn of(facts: &'a RepositoryFacts, knowledge: &Knowledge) -> Self {
        let pins = candidates::of_repository(facts, &knowledge.observations);
        Self { repository: Some(facts.key()), policy: &facts.policy, pins }
    }

    /// What the pins of this group are chosen by.
    pub fn rules<'r>(&'r self, knowledge: &'r Knowledge, now: Timestamp) -> Rules<'r> {
        Rules { repository: self.repository.as_ref(), policy: self.policy, knowledge, now }
    }
}

/// The tags whose history decides: those of pins that are not where they should be, and higher ones that were asked for.
pub fn tags(groups: &[Group<'_>], knowledge: &Knowledge) -> BTreeSet<TagRef> {
    let is_settled = |pin: &Candidate| {
        let is_taken_back = pin.old.is_some_and(|old| knowledge.denials.of(&pin.asked, &old).is_some());
        pin.state == UseState::Current && !is_taken_back
    };
    let pins = groups.iter().flat_map(|group| &group.pins);
    let of_pins = pins.filter(|pin| !is_settled(pin)).map(|pin| pin.asked.clone());
    let is_listed = |tag: &&TagRef| matches!(knowledge.tags.get(&tag.image), Some(Ok(_)));
    of_pins.chain(knowledge.observations.keys().filter(is_listed).cloned()).collect()
}

/// Adds what was seen of these tags before, where that is not there yet.
pub async fn remember(store: &dyn Store, groups: &[Group<'_>], knowledge: &mut Knowledge) -> Result<(), StoreError> {
    for tag in tags(groups, knowledge) {
        if knowledge.ledger.history(&tag).is_none() {
            let history = store.history(&tag).await?;
            knowledge.ledger.insert(tag, history);
        }
    }
    Ok(())
}

/// Adds the evidence that the targets of these pins depend on, digest after digest where the first may not be proposed.
pub async fn look_up(
    session: &Session,
    depth: Depth<'_>,
    groups: &[Group<'_>],
    (knowledge, now): (&mut Knowledge, Timestamp),
    watcher: Watcher<'_>,
) {
    // Most pins need one look or none, and a few of them many.
    let mut open: Vec<(&Group<'_>, &Candidate)> =
        groups.iter().flat_map(|group| group.pins.iter().map(move |pin| (group, pin))).collect();
    for _ in 0..ROUNDS_MAX {
        let (mut moves, mut compared) = (BTreeSet::new(), BTreeSet::new());
        open.retain(|(group, pin)| {
            let wanted = target::wanted(pin, &group.rules(knowledge, now));
            if group.policy.unchanged == Unchanged::Content {
                compared.extend(wanted.iter().map(|wanted| (wanted.clone(), pin.in_use.clone())));
            }
            let is_open = !wanted.is_empty();
            moves.extend(wanted);
            is_open
        });
        if moves.is_empty() {
            return;
        }
        moves.retain(|wanted| !knowledge.evidence.contains_key(wanted));
        let found = ask(session, depth, &moves, &knowledge.observations, watcher).await;
        knowledge.evidence.extend(found);
        evidence::add_contents(session, depth.store(), &mut knowledge.evidence, &compared).await;
    }
}

async fn ask(
    session: &Session,
    depth: Depth<'_>,
    moves: &BTreeSet<Move>,
    observed: &Observations,
    watcher: Watcher<'_>,
) -> EvidenceByMove {
    match depth {
        Depth::Kinds => lookup::kinds(session, moves, watcher).await,
        Depth::Images(store) => lookup::evidence(session, store, moves, observed, watcher).await,
    }
}
