//! How many pull requests may be open and new, and who comes first where not all can.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;

use super::decide::Decided;
use super::together::{self, Together, one_by_one};
use super::{Action, Proposal, RepositoryPlan, interval};
use crate::domain::cadence::CadenceMode;
use crate::domain::digest::Digest;
use crate::domain::proposal::Reason;
use crate::domain::pull_request::BranchName;

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
/// Fair: what is urgent comes first, then repositories with the fewest open pull requests, one pull request each in turn,
/// or the two of a pair; among equals, and within a repository, the order is a hash that changes with the hour, so that
/// nobody is last for ever.
pub(super) fn apply(repositories: &mut [Decided], limits: &Limits, now: Timestamp) {
    for decided in repositories.iter_mut() {
        interval::apply(decided, now);
        if let Some(limit) = decided.max_open {
            let room = (limit as usize).saturating_sub(decided.open);
            // One by one where not all have room: room comes one by one, too, and what is open may stay so for long.
            let together = in_turn(&decided.plan, together::openings(decided, usize::MAX), now);
            let together: Vec<_> = together.into_iter().flat_map(one_by_one).collect();
            keep_first(&mut decided.plan, &together, (room, &Reason::MaxOpen(limit)));
        }
    }
    if let Some(limit) = limits.max_new_per_hour {
        let room = u64::from(limit).saturating_sub(limits.opened_in_last_hour);
        per_hour(repositories, (limit, usize::try_from(room).unwrap_or(usize::MAX)), now);
    }
}

fn per_hour(repositories: &mut [Decided], (limit, room): (u32, usize), now: Timestamp) {
    let of = |decided: &Decided| in_turn(&decided.plan, together::openings(decided, limit as usize), now);
    let together: Vec<_> = repositories.iter().map(of).collect();
    let mut queue: Vec<(bool, usize, String, usize, usize)> = Vec::new();
    for (index, (decided, together)) in repositories.iter().zip(&together).enumerate() {
        let turn = turn(&decided.plan.repository, now);
        let mut nth = decided.open;
        for branches in together {
            queue.push((!is_urgent(&decided.plan, branches), nth, turn.clone(), index, branches.len()));
            nth += branches.len();
        }
    }
    queue.sort();
    let fits = fitting(queue.iter().map(|(.., size)| *size), room);
    let mut allowed: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, _, _, index, _) in queue.into_iter().take(fits) {
        *allowed.entry(index).or_default() += 1;
    }
    for (index, (decided, together)) in repositories.iter_mut().zip(&together).enumerate() {
        let allowed = allowed.get(&index).copied().unwrap_or_default();
        keep_first(&mut decided.plan, together, (allowed, &Reason::MaxNewPerHour(limit)));
    }
}

/// What is urgent first, then in an order that changes with the hour.
fn in_turn(plan: &RepositoryPlan, mut together: Vec<Together>, now: Timestamp) -> Vec<Together> {
    together
        .sort_by_cached_key(|branches| (!is_urgent(plan, branches), branches.first().map(|branch| turn(branch, now))));
    together
}

fn is_urgent(plan: &RepositoryPlan, branches: &Together) -> bool {
    openings(plan).any(|opened| opened.is_urgent() && branches.contains(&opened.branch))
}

/// How many of these fit, one after the other. What does not fit yet is overtaken by nothing smaller: it would wait for
/// ever where there is always something small.
fn fitting(sizes: impl Iterator<Item = usize>, room: usize) -> usize {
    let filled = sizes.scan(0_usize, |filled, size| {
        *filled += size;
        Some(*filled)
    });
    filled.take_while(|filled| *filled <= room).count()
}

/// A place among others that changes with the hour.
pub(in crate::domain) fn turn(whose: impl fmt::Display, now: Timestamp) -> String {
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

/// Keeps the first so many of what is opened together; the pins of the others wait, with the reason.
fn keep_first(plan: &mut RepositoryPlan, together: &[Together], (allowed, reason): (usize, &Reason)) {
    let kept: BTreeSet<&BranchName> = together.iter().take(allowed).flatten().collect();
    keep(plan, reason, |opened| kept.contains(&opened.branch));
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
