//! Which repositories had their turn in a cycle.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::report::{Report, RepositoryReport};
use crate::domain::candidates::{RepositoryFacts, RepositoryKey};

/// How long a turn is tried in which something cannot be looked up or done. Outages are over by then, and what they held
/// up was caught up; credentials that are refused, or a branch that may not be pushed to, stay so, and a repository with
/// one of these would have no schedule.
pub const TRIED_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What became of the turns that repositories with a schedule had.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turns {
    /// Everything was decided and done, whether or not there was something to propose; or it was tried long enough.
    pub used: Vec<RepositoryKey>,
    /// Something failed, or could not be looked up: the next cycle tries again.
    pub unfinished: Vec<RepositoryKey>,
}

impl Turns {
    /// `tried`: since when turns are tried that were not finished before. What only the hourly cap, a pair or the interval
    /// puts off is neither used nor tried: its time comes, however long that takes.
    pub fn of(
        fleet: &[RepositoryFacts],
        report: &Report,
        tried: &BTreeMap<RepositoryKey, Timestamp>,
        now: Timestamp,
    ) -> Self {
        let facts: BTreeMap<RepositoryKey, &RepositoryFacts> = fleet.iter().map(|facts| (facts.key(), facts)).collect();
        let mut turns = Self::default();
        for repository in report.repositories.iter().filter(|it| it.plan.has_turn(now)) {
            let key = &repository.plan.repository;
            let Some(facts) = facts.get(key).filter(|facts| has_schedule(facts)) else { continue };
            let is_long = |since: &Timestamp| now.duration_since(*since) >= TRIED_MAX;
            let is_used = is_finished(facts, repository) || tried.get(key).is_some_and(is_long);
            if is_used { &mut turns.used } else { &mut turns.unfinished }.push(key.clone());
        }
        turns
    }
}

fn has_schedule(facts: &RepositoryFacts) -> bool {
    facts.policy.enabled && facts.policy.cadence.schedule.is_some()
}

fn is_finished(facts: &RepositoryFacts, repository: &RepositoryReport) -> bool {
    facts.problems.is_empty() && !repository.is_incomplete() && repository.deeds.len() == repository.plan.actions.len()
}
