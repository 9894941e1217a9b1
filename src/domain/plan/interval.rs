//! `min_interval`: the least time between two openings of pull requests in one repository.

use jiff::{SignedDuration, Timestamp};

use super::caps::{keep, openings, turn};
use super::decide::Decided;
use super::{Action, Closing, ClosingCause};
use crate::domain::cadence::CadenceMode;
use crate::domain::candidates::RepositoryFacts;
use crate::domain::proposal::Reason;

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

/// Lets one pull request through where the interval has passed, and none where it has not. What is urgent passes, and what
/// takes the place of another one is not new. Which one it is changes with the hour, so that none is last for ever.
pub(super) fn apply(decided: &mut Decided, now: Timestamp) {
    let Some(Interval { length, next }) = decided.interval else { return };
    let plan = &mut decided.plan;
    let is_replacing = |action: &Action| match action {
        Action::Open { replaces, .. } => replaces.is_some(),
        Action::Close(Closing { cause, .. }) => *cause == ClosingCause::Regrouped,
        Action::Update { .. } | Action::AutoMerge { .. } | Action::DeleteBranch { .. } => false,
    };
    if plan.actions.iter().any(is_replacing) {
        return;
    }
    let is_free = next <= now && !openings(plan).any(|opened| opened.is_urgent());
    let ordinary = openings(plan).filter(|opened| is_free && !opened.is_urgent());
    let first = ordinary.map(|opened| opened.branch.clone()).min_by_key(|branch| turn(branch, now));
    let until = if next <= now { after(now, length) } else { next };
    keep(plan, &Reason::MinInterval { until }, |opened| opened.is_urgent() || first.as_ref() == Some(&opened.branch));
}

fn after(at: Timestamp, length: SignedDuration) -> Timestamp {
    at.saturating_add(length).unwrap_or(Timestamp::MAX)
}
