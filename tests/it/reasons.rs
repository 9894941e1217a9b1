//! What holds of every reason why something waits: it reads well, it is told apart, and it is known who has to act.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use refrom::domain::cadence::{Wait as CadenceWait, WaitCause};
use refrom::domain::candidates::{RepositoryKey, Unknown};
use refrom::domain::digest::Digest;
use refrom::domain::marker::MarkerError;
use refrom::domain::policy::Unchanged;
use refrom::domain::proposal::Reason;
use refrom::domain::pull_request::Vocabulary;
use refrom::domain::reference::TagRef;
use refrom::domain::status::Wait;
use refrom::domain::waves::{WaveCause, WaveWait};

/// Whose it is to end a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    ByItself,
    /// Somebody wants it so.
    Wanted,
    ByAPerson,
}

fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().unwrap()
}

fn reasons() -> Vec<Reason> {
    let digest = Digest::of(b"b");
    let later = now() + SignedDuration::from_hours(30);
    let other = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1.27-dev".parse().unwrap() };
    let wave = |cause| Reason::Wave(WaveWait { wave: "canary".to_owned(), digest, cause });
    let repository = || RepositoryKey { forge: "github".to_owned(), name: "acme/web".parse().unwrap() };
    let until = later.to_zoned(TimeZone::UTC);
    vec![
        Reason::Unknown(Unknown { reason: "HTTP 503".to_owned() }),
        Reason::Ambiguous,
        Reason::SinglePlatform,
        Reason::NoLongerIndex,
        Reason::PlatformsGone(vec!["linux/arm64".to_owned()]),
        Reason::Backwards,
        Reason::TooYoung { digest, from: later },
        Reason::Unsettled { digest, from: later },
        Reason::Denied { digest, reason: None },
        Reason::Denied { digest, reason: Some("breaks the login".to_owned()) },
        Reason::NoWayBack { digest, reason: "breaks the login".to_owned() },
        Reason::HeldBack("cooldown".to_owned()),
        Reason::NotInMirror { digest, since: now() - SignedDuration::from_hours(3) },
        Reason::Unchanged(Unchanged::Platforms),
        Reason::Unchanged(Unchanged::Content),
        Reason::Pair { other, until: later },
        Reason::MinInterval { until: later },
        wave(WaveCause::Merged { have: 1, of: 3 }),
        wave(WaveCause::Pending(repository())),
        wave(WaveCause::Failed(repository())),
        Reason::TagGone,
        Reason::DigestGone(digest),
        Reason::TagNotEditable("1.28".parse().unwrap()),
        Reason::Refused(7),
        Reason::Merged(7),
        Reason::Hold(7),
        Reason::ForeignCommit(7),
        Reason::ForeignBranch("refrom/base-images".parse().unwrap()),
        Reason::Moved(7),
        Reason::UnreadableMarker(7, MarkerError::Missing),
        Reason::MaxOpen(3),
        Reason::MaxNewPerHour(3),
        Reason::TooMany,
        Reason::Waits(CadenceWait { until, cause: WaitCause::Schedule, because: "schedule `weekly`".to_owned() }),
    ]
}

/// A new reason has no place here until somebody says whose it is.
fn ends(reason: &Reason) -> Ends {
    match reason {
        Reason::Unknown(_)
        | Reason::Ambiguous
        | Reason::SinglePlatform
        | Reason::NoLongerIndex
        | Reason::PlatformsGone(_)
        | Reason::Wave(WaveWait { cause: WaveCause::Failed(_), .. })
        | Reason::TagGone
        | Reason::NoWayBack { .. }
        | Reason::TagNotEditable(_)
        | Reason::ForeignCommit(_)
        | Reason::ForeignBranch(_)
        | Reason::UnreadableMarker(..) => Ends::ByAPerson,
        Reason::Denied { .. } | Reason::Unchanged(_) | Reason::Refused(_) | Reason::Hold(_) => Ends::Wanted,
        Reason::Backwards
        | Reason::TooYoung { .. }
        | Reason::Unsettled { .. }
        | Reason::HeldBack(_)
        | Reason::NotInMirror { .. }
        | Reason::Pair { .. }
        | Reason::MinInterval { .. }
        | Reason::Wave(_)
        | Reason::DigestGone(_)
        | Reason::Merged(_)
        | Reason::Moved(_)
        | Reason::MaxOpen(_)
        | Reason::MaxNewPerHour(_)
        | Reason::TooMany
        | Reason::Waits(_) => Ends::ByItself,
    }
}

#[test]
fn every_reason_is_a_sentence_for_people_and_none_is_said_like_another() {
    let mut all = Vec::new();
    for reason in reasons() {
        let told = reason.told(Vocabulary::MergeRequest).to_string();
        assert!(!told.trim().is_empty() && !told.ends_with('.'), "{told}");
        assert!(!told.contains("T08:00") && !told.contains("T14:00"), "a time for machines: {told}");
        assert!(!told.contains("Digest(") && !told.contains("sha256:"), "for machines: {told}");
        all.push(told);
    }
    let count = all.len();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), count, "{all:#?}");
}

#[test]
fn every_reason_says_whether_somebody_has_to_act() {
    for reason in reasons() {
        let wait = Wait::new(&reason, Vocabulary::PullRequest, now());
        assert_eq!(wait.needs_person, ends(&reason) == Ends::ByAPerson, "{reason:?}");
    }
}

#[test]
fn a_mirror_that_takes_longer_than_a_day_needs_somebody() {
    let wait = |hours| {
        let reason = Reason::NotInMirror { digest: Digest::of(b"b"), since: now() - SignedDuration::from_hours(hours) };
        Wait::new(&reason, Vocabulary::PullRequest, now())
    };
    assert!(!wait(23).needs_person && wait(24).needs_person);
    let told = wait(23).told_at(now());
    assert!(told.ends_with("which was seen first at 2026-11-19 09:00 UTC, 23 hours ago"), "{told}");
}

#[test]
fn what_waits_for_a_time_says_which_and_how_far_it_is() {
    let told = |reason: Reason| Wait::new(&reason, Vocabulary::PullRequest, now()).told_at(now());
    let until = now() + SignedDuration::from_hours(30);
    assert_eq!(
        told(Reason::MinInterval { until }),
        "`min_interval`: the next pull request may be opened at 2026-11-21 14:00 UTC, in 30 hours"
    );
    assert_eq!(told(Reason::MaxOpen(3)), "cap: `max_open` is 3");
    let past = Reason::Unsettled { digest: Digest::of(b"b"), from: now() };
    assert!(told(past).ends_with("in a look after 2026-11-20 08:00 UTC"));
}
