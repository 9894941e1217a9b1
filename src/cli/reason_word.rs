//! The words of reasons in JSON: a contract with the programs that read them.

use crate::domain::cadence::WaitCause;
use crate::domain::proposal::Reason;

/// The word of a reason; `docs/json.md` lists them.
pub fn reason_word(reason: &Reason) -> &'static str {
    match reason {
        Reason::Unknown(_) => "unknown",
        Reason::Ambiguous => "ambiguous",
        Reason::SinglePlatform => "single-platform",
        Reason::NoLongerIndex => "no-longer-index",
        Reason::PlatformsGone(_) => "platforms-gone",
        Reason::Backwards => "backwards",
        Reason::TooYoung { .. } => "min-age",
        Reason::Unsettled { .. } => "settle",
        Reason::Denied { .. } => "denied",
        Reason::NoWayBack { .. } => "no-way-back",
        Reason::HeldBack(_) => "held-back",
        Reason::NotInMirror { .. } => "not-in-mirror",
        Reason::Unchanged(_) => "unchanged",
        Reason::Pair { .. } => "pair",
        Reason::MinInterval { .. } => "min-interval",
        Reason::Wave(_) => "wave",
        Reason::TagGone => "tag-gone",
        Reason::DigestGone(_) => "digest-gone",
        Reason::TagNotEditable(_) => "tag-not-editable",
        Reason::Refused(_) => "refused",
        Reason::Merged(_) => "merged",
        Reason::Hold(_) => "hold",
        Reason::ForeignCommit(_) | Reason::ForeignBranch(_) => "foreign-commit",
        Reason::Moved(_) => "moved",
        Reason::UnreadableMarker(..) => "unreadable-marker",
        Reason::MaxOpen(_) => "max-open",
        Reason::MaxNewPerHour(_) => "max-new-per-hour",
        Reason::TooMany => "too-many",
        Reason::Waits(wait) => match wait.cause {
            WaitCause::Schedule => "not-due",
            WaitCause::Window => "window",
            WaitCause::Freeze => "freeze",
        },
    }
}
