//! Pinned digests that their registry has no more, and that no pull request leads away from: somebody has to know.

use std::collections::BTreeSet;

use super::kept::held_by;
use super::seen::Seen;
use super::{Action, Knowledge, RepositoryPlan};
use crate::domain::candidates::{self, Candidate, RepositoryFacts, UseState};
use crate::domain::freshness::{self, TagFinding};

/// Adds what is to be said of them to what is said of their tags. Nothing where the pull requests cannot be read, which
/// is said: one of them may lead away.
pub(super) fn add(plan: &mut RepositoryPlan, facts: &RepositoryFacts, knowledge: &Knowledge) {
    if knowledge.missing.is_empty() {
        return;
    }
    let stays = stays(plan);
    let pins = candidates::of_repository(facts, &knowledge.observations).into_iter().filter(stays);
    let lost: Vec<(Candidate, TagFinding)> =
        pins.filter_map(|pin| freshness::digest_gone(&pin, knowledge).map(|finding| (pin, finding))).collect();
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

/// Whether a pin waits, or is current and is not brought to a higher tag.
fn stays(plan: &RepositoryPlan) -> impl Fn(&Candidate) -> bool {
    let waiting = plan.not_proposed.iter().map(|pin| (pin.path.clone(), pin.use_index));
    let waiting: BTreeSet<(String, usize)> = waiting.collect();
    let proposals = plan.actions.iter().filter_map(|action| match action {
        Action::Open { proposal, .. } | Action::Update { proposal, .. } => Some(proposal),
        Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => None,
    });
    let pins = proposals.flat_map(|proposal| proposal.changes.values().flatten());
    let proposed: BTreeSet<(String, usize)> = pins.map(|pin| (pin.path.clone(), pin.use_index)).collect();
    move |pin| {
        let place = (pin.path.clone(), pin.use_index);
        waiting.contains(&place) || pin.state == UseState::Current && !proposed.contains(&place)
    }
}
