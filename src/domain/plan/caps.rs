//! How many pull requests may be open and new, and who comes first where not all can.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::decide::Decided;
use super::{Action, Proposal, RepositoryPlan, interval};
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
/// Fair: what is urgent comes first, then repositories with the fewest open pull requests, one pull request each in turn;
/// among equals the order is a hash that changes with the hour, so that nobody is last for ever.
pub(super) fn apply(repositories: &mut [Decided], limits: &Limits, now: Timestamp) {
    for decided in repositories.iter_mut() {
        interval::apply(decided, now);
        if let Some(limit) = decided.max_open {
            let room = (limit as usize).saturating_sub(decided.open);
            keep_first(&mut decided.plan, room, &Reason::MaxOpen(limit));
        }
    }
    let Some(limit) = limits.max_new_per_hour else { return };
    let room = u64::from(limit).saturating_sub(limits.opened_in_last_hour);
    let mut queue: Vec<(bool, usize, String, usize)> = Vec::new();
    for (index, decided) in repositories.iter().enumerate() {
        let turn = turn(&decided.plan.repository, now);
        let openings = openings(&decided.plan).enumerate();
        queue.extend(openings.map(|(nth, opened)| (!opened.is_urgent(), decided.open + nth, turn.clone(), index)));
    }
    queue.sort();
    queue.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    let mut allowed: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, _, _, index) in queue {
        *allowed.entry(index).or_default() += 1;
    }
    for (index, decided) in repositories.iter_mut().enumerate() {
        let room = allowed.get(&index).copied().unwrap_or_default();
        keep_first(&mut decided.plan, room, &Reason::MaxNewPerHour(limit));
    }
}

/// A place among others that changes with the hour.
pub(super) fn turn(whose: impl fmt::Display, now: Timestamp) -> String {
    let hour = now.as_second().div_euclid(SECONDS_PER_HOUR);
    Digest::of(format!("{hour} {whose}").as_bytes()).hex()
}

/// What is opened, in its order: what is urgent first.
pub(super) fn openings(plan: &RepositoryPlan) -> impl Iterator<Item = &Proposal> {
    plan.actions.iter().filter_map(|action| match action {
        Action::Open { proposal, .. } => Some(proposal.as_ref()),
        Action::Update { .. } | Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => None,
    })
}

/// Keeps the first `room` openings; the pins of the others wait, with the reason.
fn keep_first(plan: &mut RepositoryPlan, room: usize, reason: &Reason) {
    let mut room = room;
    keep(plan, reason, |_| {
        let has_room = room > 0;
        room = room.saturating_sub(1);
        has_room
    });
}

/// Keeps some openings; the pins of the others wait, with the reason.
pub(super) fn keep(plan: &mut RepositoryPlan, reason: &Reason, mut is_kept: impl FnMut(&Proposal) -> bool) {
    for action in std::mem::take(&mut plan.actions) {
        match action {
            Action::Open { proposal, .. } if !is_kept(&proposal) => {
                let pins = proposal.changes.into_values().flatten();
                plan.not_proposed.extend(pins.map(|pin| pin.refused(reason.clone())));
            }
            Action::Open { .. } => plan.actions.push(action),
            Action::Update { .. } | Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => {
                plan.actions.push(action);
            }
        }
    }
}
