//! Pinned digests that their registry has no more, and that no pull request leads away from: somebody has to know.

use std::collections::BTreeSet;

use super::kept::held_by;
use super::seen::Seen;
use super::{Knowledge, RepositoryPlan};
use crate::domain::candidates::{self, RepositoryFacts};
use crate::domain::freshness;

/// Adds what is to be said of them to what is said of their tags.
pub(super) fn add(plan: &mut RepositoryPlan, facts: &RepositoryFacts, knowledge: &Knowledge) {
    if knowledge.missing.is_empty() {
        return;
    }
    let read = knowledge.pull_requests.get(&plan.repository).and_then(|read| read.as_ref().ok());
    let seen = Seen::all(read.map(Vec::as_slice).unwrap_or_default());
    let waiting: BTreeSet<(&str, usize)> =
        plan.not_proposed.iter().map(|pin| (pin.path.as_str(), pin.use_index)).collect();
    let pins = candidates::behind(facts, &knowledge.observations).pins.into_iter();
    let stuck = pins.filter(|pin| {
        let is_held = || seen.iter().any(|seen| seen.is_open() && held_by(seen, pin).is_some());
        waiting.contains(&(pin.path.as_str(), pin.use_index)) && !is_held()
    });
    plan.findings.extend(stuck.filter_map(|pin| freshness::digest_gone(&pin, knowledge)));
    plan.findings.sort();
    plan.findings.dedup();
}
