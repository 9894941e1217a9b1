//! Which digest a pin moves to now, or why it stays.
//!
//! Candidates are the digests that the ledger saw after the pinned one, newest first; of a higher tag, where the policy
//! follows, before those of the pin's own. The newest that every rule lets pass is the target:
//!
//! | rule | by |
//! |---|---|
//! | never backwards, never to what the tag went back from | the ledger |
//! | not denied | the policy, and what people took back |
//! | `min_age`: seen first so long ago | the ledger |
//! | `settle`: the head in two looks so far apart | the ledger |
//! | every earlier wave has proved it | the fleet |
//! | it is there, of the same kind, with every platform | the registry |
//! | the mirror has it, where a mirror's name is written | the mirror |
//! | it changes something for the platforms in use | the registry |
//!
//! Where the registry says no to one, the next older one is tried. Where nothing is left, the reason is what stopped
//! the newest; what stays so at a higher tag until somebody acts is told last. A digest that somebody took back goes
//! back before anything else is considered, and past all rules but those of the registry. A digest that its registry
//! has no more gives way to another one of its own tag first, where one is old enough to such a one, and to no higher
//! tag with less than the policy asks.

mod back;
mod looks;
mod search;
mod sought;
mod stays;
mod stops;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::candidates::{self, Candidate, Move, RepositoryFacts, RepositoryKey};
use super::digest::Digest;
use super::plan::Knowledge;
use super::policy::Policy;
use super::proposal::{NotProposed, Pin, Reason};
use super::pull_request::BranchName;
use super::reference::{Tag, TagRef};
use search::Search;

pub use looks::{BACK_LOOKED_UP_MAX, LOOKED_UP_MAX, NOT_IN_MIRROR_MAX, ROUNDS_MAX};
pub use search::higher_tags;
pub use sought::sought;
pub use stays::stays;
pub(super) use stays::{asked, held_move, is_forbidden};

/// What holds for the pins of one repository.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// `None`: somebody's work tree, which no wave and no rollback knows.
    pub repository: Option<&'a RepositoryKey>,
    pub policy: &'a Policy,
    pub knowledge: &'a Knowledge,
    pub now: Timestamp,
}

/// What becomes of a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    Propose(Box<Pin>),
    Wait(Box<NotProposed>),
    /// It is where it should be.
    Nothing,
}

/// A pin and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    pub candidate: Candidate,
    pub choice: Choice,
}

/// What becomes of the pins of one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Targets {
    /// By file as given, then as in the file.
    pub pins: Vec<Considered>,
    /// The branches whose pull requests decide what may be proposed: the subjects of every grouping, because a digest
    /// that was refused under another one stays refused, and every branch of the bot that is there.
    pub branches: BTreeSet<BranchName>,
}

/// Chooses for every followed pin of a repository.
pub fn targets(facts: &RepositoryFacts, knowledge: &Knowledge, now: Timestamp) -> Targets {
    let pins = considered(facts, knowledge, now);
    let mut branches = candidates::behind(facts, &knowledge.observations).branches;
    for considered in pins.iter().filter(|it| matches!(it.choice, Choice::Propose(_))) {
        branches.extend(considered.candidate.subjects());
    }
    Targets { pins, branches }
}

/// The same without the branches, whose names cost more than all the rest.
pub(super) fn considered(facts: &RepositoryFacts, knowledge: &Knowledge, now: Timestamp) -> Vec<Considered> {
    let key = facts.key();
    let rules = Rules { repository: Some(&key), policy: &facts.policy, knowledge, now };
    choose_all(candidates::of_repository(facts, &knowledge.observations), &rules)
}

/// Chooses for all of these. Pins of the same bytes go to the same digest, or wait for each other.
pub fn choose_all(candidates: Vec<Candidate>, rules: &Rules<'_>) -> Vec<Considered> {
    let chosen = candidates.into_iter().map(|candidate| {
        let choice = choose(&candidate, rules);
        Considered { candidate, choice }
    });
    agreed(chosen.collect())
}

/// Chooses for one pin, as if its bytes served no other one.
pub fn choose(candidate: &Candidate, rules: &Rules<'_>) -> Choice {
    let Search { target, stops, .. } = Search::of(candidate, rules);
    match (target, stops.told(&candidate.asked)) {
        (Some(pin), _) => Choice::Propose(Box::new(pin)),
        (None, Some(stopped)) => Choice::Wait(Box::new(stopped.not_proposed(candidate))),
        (None, None) => Choice::Nothing,
    }
}

/// Whether nothing but somebody's doing brings a digest of this tag, as a registry is asked for it, to a pin.
pub(super) fn is_barred_from(candidate: &Candidate, tag: &TagRef, rules: &Rules<'_>) -> bool {
    Search::of(candidate, rules).stops.bar_from(tag, &candidate.asked)
}

/// What has to be looked up before [`choose`] can tell; empty where it can. One look may show that another is needed.
pub fn wanted(candidate: &Candidate, rules: &Rules<'_>) -> BTreeSet<Move> {
    Search::of(candidate, rules).missing.into_iter().collect()
}

fn agreed(mut all: Vec<Considered>) -> Vec<Considered> {
    let mut by_place: BTreeMap<(&str, usize), Vec<&Choice>> = BTreeMap::new();
    for Considered { candidate, choice } in &all {
        by_place.entry((&candidate.path, candidate.place)).or_default().push(choice);
    }
    let mut reasons: BTreeMap<(String, usize), Reason> = BTreeMap::new();
    for ((path, place), choices) in by_place {
        let goals: BTreeSet<Option<(Option<&Tag>, Digest)>> = choices.iter().map(|choice| choice.goal()).collect();
        if goals.len() > 1 {
            let waits = choices.iter().find_map(|choice| match choice {
                Choice::Wait(waiting) => Some(waiting.reason.clone()),
                Choice::Propose(_) | Choice::Nothing => None,
            });
            reasons.insert((path.to_owned(), place), waits.unwrap_or(Reason::Ambiguous));
        }
    }
    for Considered { candidate, choice } in &mut all {
        if let (Some(reason), Choice::Propose(pin)) = (reasons.get(&(candidate.path.clone(), candidate.place)), &choice)
        {
            *choice = Choice::Wait(Box::new(Pin::clone(pin).refused(reason.clone())));
        }
    }
    all
}

impl Choice {
    /// Where the pin goes: the tag that it gets, where that changes, and the digest.
    fn goal(&self) -> Option<(Option<&Tag>, Digest)> {
        match self {
            Self::Propose(pin) => Some((pin.new_tag.as_ref(), pin.new)),
            Self::Wait(_) | Self::Nothing => None,
        }
    }
}
