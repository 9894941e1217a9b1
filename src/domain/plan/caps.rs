//! How many pull requests may be open and new, and who comes first where not all can.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::decide::Decided;
use super::{Action, RepositoryPlan};
use crate::domain::cadence::CadenceMode;
use crate::domain::digest::Digest;
use crate::domain::proposal::Reason;

const SECONDS_PER_HOUR: i64 = 3600;

/// The caps of the fleet, and whether it is asked to wait at all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// How many pull requests may be opened per hour; no limit where absent.
    pub max_new_per_hour: Option<u32>,
    /// How many were opened in the hour before now.
    pub opened_in_last_hour: u64,
    /// Whether schedules, windows and freezes count.
    pub cadence: CadenceMode,
}

/// Takes back what the caps do not allow and says so.
///
/// Fair: repositories with the fewest open pull requests come first, one pull request each in turn; among equals the
/// order is a hash that changes with the hour, so that nobody is last for ever.
pub(super) fn apply(repositories: &mut [Decided], limits: &Limits, now: Timestamp) {
    for decided in repositories.iter_mut() {
        if let Some(limit) = decided.max_open {
            let room = (limit as usize).saturating_sub(decided.open);
            keep_first(&mut decided.plan, room, &Reason::MaxOpen(limit));
        }
    }
    let Some(limit) = limits.max_new_per_hour else { return };
    let room = u64::from(limit).saturating_sub(limits.opened_in_last_hour);
    let mut queue: Vec<(usize, String, usize)> = Vec::new();
    for (index, decided) in repositories.iter().enumerate() {
        let turn = turn(&decided.plan, now);
        queue.extend((0..openings(&decided.plan)).map(|nth| (decided.open + nth, turn.clone(), index)));
    }
    queue.sort();
    queue.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    let mut allowed: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, _, index) in queue {
        *allowed.entry(index).or_default() += 1;
    }
    for (index, decided) in repositories.iter_mut().enumerate() {
        let room = allowed.get(&index).copied().unwrap_or_default();
        keep_first(&mut decided.plan, room, &Reason::MaxNewPerHour(limit));
    }
}

fn turn(plan: &RepositoryPlan, now: Timestamp) -> String {
    let hour = now.as_second().div_euclid(SECONDS_PER_HOUR);
    Digest::of(format!("{hour} {}", plan.repository).as_bytes()).hex()
}

fn openings(plan: &RepositoryPlan) -> usize {
    plan.actions.iter().filter(|action| matches!(action, Action::Open { .. })).count()
}

/// Keeps the first `room` openings; the pins of the others wait, with the reason.
fn keep_first(plan: &mut RepositoryPlan, room: usize, reason: &Reason) {
    let mut room = room;
    for action in std::mem::take(&mut plan.actions) {
        match action {
            Action::Open { proposal, .. } if room == 0 => {
                let pins = proposal.changes.into_values().flatten();
                plan.not_proposed.extend(pins.map(|pin| pin.refused(reason.clone())));
            }
            Action::Open { .. } => {
                room -= 1;
                plan.actions.push(action);
            }
            Action::Update { .. } | Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => {
                plan.actions.push(action);
            }
        }
    }
}
