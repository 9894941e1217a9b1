//! Which repositories had their turn in a cycle.

use std::collections::BTreeMap;

use super::report::{Outcome, Report, RepositoryReport};
use crate::domain::candidates::{RepositoryFacts, RepositoryKey};

/// The repositories with a schedule for which everything was decided and done, whether or not there was something to
/// propose. What failed, or could not be looked up, is tried again in the next cycle.
pub fn used(fleet: &[RepositoryFacts], report: &Report) -> Vec<RepositoryKey> {
    let facts: BTreeMap<RepositoryKey, &RepositoryFacts> = fleet.iter().map(|facts| (facts.key(), facts)).collect();
    let is_used = |it: &&RepositoryReport| {
        let has_schedule = |facts: &&RepositoryFacts| {
            facts.policy.enabled && facts.policy.cadence.schedule.is_some() && facts.problems.is_empty()
        };
        facts.get(&it.plan.repository).is_some_and(has_schedule) && it.plan.uses_turn() && is_done(it)
    };
    report.repositories.iter().filter(is_used).map(|it| it.plan.repository.clone()).collect()
}

fn is_done(repository: &RepositoryReport) -> bool {
    let is_done = |outcome: &Outcome| matches!(outcome, Outcome::Done);
    repository.deeds.len() == repository.plan.actions.len()
        && repository.deeds.iter().all(|deed| is_done(&deed.outcome))
}
