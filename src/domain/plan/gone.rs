//! Pinned digests that their registry has no more, and that no pull request leads away from: somebody has to know.

use std::collections::BTreeSet;

use super::kept::held_by;
use super::seen::Seen;
use super::{Action, Knowledge, RepositoryPlan};
use crate::domain::candidates::{self, Candidate, RepositoryFacts};
use crate::domain::freshness::{self, TagFinding};

/// Adds what is to be said of them to what is said of their tags. Nothing where the pull requests cannot be read, which
/// is said: one of them may lead away.
pub(super) fn add(plan: &mut RepositoryPlan, facts: &RepositoryFacts, knowledge: &Knowledge) {
    if knowledge.missing.is_empty() {
        return;
    }
    let waiting: BTreeSet<(&str, usize)> =
        plan.not_proposed.iter().map(|pin| (pin.path.as_str(), pin.use_index)).collect();
    let pins = candidates::of_repository(facts, &knowledge.observations).into_iter();
    let waiting = pins.filter(|pin| waiting.contains(&(pin.path.as_str(), pin.use_index)));
    let lost: Vec<(Candidate, TagFinding)> =
        waiting.filter_map(|pin| freshness::digest_gone(&pin, knowledge).map(|finding| (pin, finding))).collect();
    let read = match knowledge.pull_requests.get(&plan.repository) {
        _ if lost.is_empty() => return,
        Some(Err(_)) => return,
        Some(Ok(read)) => read.as_slice(),
        None => &[],
    };
    let is_closed = |seen: &Seen<'_>| {
        let number = seen.pull_request.number;
        plan.actions.iter().any(|action| matches!(action, Action::Close(closing) if closing.number == number))
    };
    let mut seen = Seen::all(read);
    seen.retain(|seen| seen.is_open() && !is_closed(seen));
    let is_held = |pin: &Candidate| seen.iter().any(|seen| held_by(seen, pin).is_some());
    plan.findings.extend(lost.into_iter().filter(|(pin, _)| !is_held(pin)).map(|(_, finding)| finding));
    plan.findings.sort();
    plan.findings.dedup();
}
