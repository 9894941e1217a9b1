//! When something can change for a repository, so that it is planned then and not at every look.
//!
//! Besides the times in here a repository is planned when a tag of its images moves and when a pull request of its own is
//! merged; where waves are configured, when one of its digests is merged elsewhere; and where the hourly cap put it off, as
//! soon as there is room. All of that is seen in looks; between them a repository is planned when what waits in it is due.

use jiff::Timestamp;

use super::track::{Grid, Look, Moment, Track};
use crate::domain::cadence::Due;
use crate::domain::candidates::RepositoryFacts;
use crate::domain::plan::RepositoryPlan;
use crate::domain::proposal::Reason;
use crate::domain::waves::WaveCause;

/// The looks after this moment in which a repository has to be planned again, if nothing else happens. `turn`: when it had
/// its last turn.
pub(super) fn next<'a>(
    facts: &RepositoryFacts,
    plan: &RepositoryPlan,
    tracks: impl Iterator<Item = &'a Track>,
    (turn, moment): (Option<Timestamp>, Moment),
    grid: &Grid,
) -> Vec<Look> {
    let Moment { look, now } = moment;
    let ages = (facts.policy.min_age, facts.policy.settle);
    let has_ages = !(ages.0.is_zero() && ages.1.is_zero());
    let ripe = tracks.filter(|_| has_ages).flat_map(|track| track.ripens(look, grid, ages));
    let waits = plan.not_proposed.iter().map(|pin| &pin.reason).chain(plan.left_alone.iter().map(|left| &left.reason));
    let times = waits.filter_map(until).chain(due(facts, plan, turn, now));
    let times = times.chain(closing(facts, plan, (turn, moment), grid));
    times.map(|at| grid.look_from(at)).chain(ripe).filter(|next| *next > look).collect()
}

/// When what waits waits for its repository's time instead: in the next look where the turn is used up, else when a window
/// closes or a freeze begins.
fn closing(
    facts: &RepositoryFacts,
    plan: &RepositoryPlan,
    (turn, Moment { look, now }): (Option<Timestamp>, Moment),
    grid: &Grid,
) -> Option<Timestamp> {
    if !matches!(plan.due, Due::Now { .. }) || plan.not_proposed.is_empty() {
        return None;
    }
    if turn == Some(now) {
        return Some(grid.at(look + 1));
    }
    facts.policy.cadence.open_until(now).filter(|until| *until < Timestamp::MAX)
}

/// When what waits in a repository is due: the service wakes for that, and goes by what it knows of the tags then.
pub(super) fn between_looks(plan: &RepositoryPlan, now: Timestamp) -> Option<Timestamp> {
    plan.waits().map(|wait| wait.until.timestamp()).filter(|at| *at > now)
}

/// When its turn comes.
fn due(facts: &RepositoryFacts, plan: &RepositoryPlan, turn: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    let later = |due: &Due| match due {
        Due::Later(wait) => Some(wait.until.timestamp()),
        Due::Now { .. } => None,
    };
    match &plan.due {
        // The turn that was due may be used up now.
        Due::Now { .. } => later(&facts.policy.cadence.due(&facts.key(), turn, now)),
        due @ Due::Later(_) => later(due),
    }
}

/// Until when a reason holds.
fn until(reason: &Reason) -> Option<Timestamp> {
    match reason {
        Reason::TooYoung { from, .. } | Reason::Unsettled { from, .. } => Some(*from),
        Reason::Pair { until, .. } | Reason::MinInterval { until } => Some(*until),
        Reason::Waits(wait) => Some(wait.until.timestamp()),
        Reason::Wave(wait) => match wait.cause {
            WaveCause::Green { until } => Some(until),
            WaveCause::Merged { .. }
            | WaveCause::Pending(_)
            | WaveCause::Failed(_)
            | WaveCause::Unknown(_)
            | WaveCause::Unlisted { .. } => None,
        },
        // These change with a tag, a merge or the cap.
        Reason::Unknown(_)
        | Reason::Ambiguous
        | Reason::SinglePlatform
        | Reason::NoLongerIndex
        | Reason::PlatformsGone(_)
        | Reason::Backwards
        | Reason::Denied { .. }
        | Reason::NoWayBack { .. }
        | Reason::HeldBack(_)
        | Reason::NotInMirror { .. }
        | Reason::Unchanged(_)
        | Reason::TagGone
        | Reason::DigestGone(_)
        | Reason::TagNotEditable(_)
        | Reason::Refused(_)
        | Reason::Merged(_)
        | Reason::Hold(_)
        | Reason::ForeignCommit(_)
        | Reason::ForeignBranch(_)
        | Reason::Moved(_)
        | Reason::UnreadableMarker(..)
        | Reason::MaxOpen(_)
        | Reason::MaxNewPerHour(_)
        | Reason::TooMany => None,
    }
}
