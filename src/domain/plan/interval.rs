//! `min_interval`: the least time between two openings of pull requests in one repository.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::caps::{keep, openings, turn};
use super::decide::{Decided, place};
use super::together::{self, Together};
use super::{Action, Proposal};
use crate::domain::cadence::CadenceMode;
use crate::domain::candidates::RepositoryFacts;
use crate::domain::proposal::Reason;
use crate::domain::pull_request::BranchName;

/// The interval of a repository.
#[derive(Debug, Clone, Copy)]
pub(super) struct Interval {
    length: SignedDuration,
    /// When the next pull request may be opened.
    next: Timestamp,
}

impl Interval {
    /// `None`: there is none, or nobody waits.
    pub(super) fn of(
        facts: &RepositoryFacts,
        last_opened: Option<Timestamp>,
        mode: CadenceMode,
        now: Timestamp,
    ) -> Option<Self> {
        let length = facts.policy.min_interval;
        if mode == CadenceMode::Ignore || length <= SignedDuration::ZERO {
            return None;
        }
        // An opening in the future was noted by a clock that was wrong.
        let next = last_opened.map_or(Timestamp::MIN, |last| after(last.min(now), length));
        Some(Self { length, next })
    }
}

/// Lets one pull request through where the interval has passed, or the two of a pair, and none where it has not. What is
/// urgent passes, and what takes the place of another one is not new. Which one it is changes with the hour, so that none
/// is last for ever.
pub(super) fn apply(decided: &mut Decided, now: Timestamp) {
    let Some(Interval { length, next }) = decided.interval else { return };
    let replaced = &decided.replaced;
    let takes_a_place =
        |opened: &Proposal| opened.changes.values().flatten().any(|pin| replaced.contains(&place(&pin.marked())));
    let passes: BTreeSet<BranchName> = decided
        .plan
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Open { proposal, replaces }
                if replaces.is_some() || takes_a_place(proposal) || proposal.is_urgent() =>
            {
                Some(proposal.branch.clone())
            }
            _ => None,
        })
        .collect();
    let is_free = next <= now && !openings(&decided.plan).any(|opened| opened.is_urgent());
    let ordinary = openings(&decided.plan).map(|opened| &opened.branch).filter(|it| is_free && !passes.contains(it));
    let first = ordinary.min_by_key(|branch| turn(branch, now));
    let together = together::openings(decided, usize::MAX);
    let is_kept = |branches: &&Together| branches.iter().any(|branch| passes.contains(branch) || first == Some(branch));
    let kept: BTreeSet<BranchName> = together.iter().filter(is_kept).flatten().cloned().collect();
    let until = if next <= now { after(now, length) } else { next };
    keep(&mut decided.plan, &Reason::MinInterval { until }, |opened| kept.contains(&opened.branch));
}

fn after(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.saturating_add(length).unwrap_or(Timestamp::MAX)
}
