//! Sentences: why something waits, why something is closed.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::escape;
use crate::domain::cadence::shown_duration;
use crate::domain::freshness::TagTrouble;
use crate::domain::image::ManifestKind;
use crate::domain::marker::MarkerError;
use crate::domain::plan::{ClosingCause, DeletionCause, HOLD_LABEL};
use crate::domain::policy::Unchanged;
use crate::domain::proposal::{Reason, Urgency};
use crate::domain::pull_request::{BranchName, Vocabulary};
use crate::domain::waves::WaveProof;

macro_rules! foreign_commit {
    ($noun:literal) => {
        concat!(
            "Somebody else's commit is on this branch, so refrom leaves the branch and this ",
            $noun,
            " alone from now on. Merge it, or close it: what it proposes is then not proposed again, what comes next is."
        )
    };
}

/// Said once on a pull request whose branch has a commit of somebody else.
pub fn foreign_commit(vocabulary: Vocabulary) -> &'static str {
    match vocabulary {
        Vocabulary::PullRequest => foreign_commit!("pull request"),
        Vocabulary::MergeRequest => foreign_commit!("merge request"),
    }
}

/// What who closes a pull request refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusable {
    Digests,
    /// Some of its pins get a higher tag.
    Versions,
}

/// How to refuse or postpone, under every body that refrom writes by its default template.
pub(super) fn instructions(vocabulary: Vocabulary, refusable: Refusable) -> String {
    let noun = vocabulary.noun();
    let refused = match refusable {
        Refusable::Digests => "these digests will not be proposed in this repository again, the next ones will",
        Refusable::Versions => {
            "these versions will not be proposed in this repository again, with whatever digest, and neither will these \
             digests; the next ones will"
        }
    };
    format!(
        "**To refuse**, close this {noun}: {refused}.\n**To postpone**, add the label `{HOLD_LABEL}`: nothing here is \
         touched until the label goes.\nCommits of yours on this branch are safe: refrom then leaves it \
         alone.\n\n<sub>Written by refrom, which keeps pinned base images fresh.</sub>"
    )
}

/// Why refrom closes its own pull request, for a comment on it.
pub fn closing_sentence(cause: ClosingCause, base: &BranchName, vocabulary: Vocabulary) -> String {
    let noun = vocabulary.noun();
    let because = match cause {
        ClosingCause::NothingBehind => {
            format!("it is no longer needed: none of its pins is behind on `{base}` any more")
        }
        ClosingCause::Regrouped => {
            format!("the same pins are now proposed in other {noun}s, by the `group` of the configuration")
        }
        ClosingCause::OtherBase => format!("pins are now followed on `{base}`"),
        ClosingCause::Disabled => "it is switched off for this repository (`enabled: false`)".to_owned(),
        ClosingCause::Denied => "a digest that it proposes is denied".to_owned(),
        ClosingCause::NotProposable => "what its pins would move to now cannot be proposed".to_owned(),
    };
    format!("refrom closes this {noun}, because {because}. This refuses no digest.")
}

/// The same where somebody said why a digest that it proposes is denied.
pub fn closed_as_denied(reason: &str, vocabulary: Vocabulary) -> String {
    let (noun, reason) = (vocabulary.noun(), escape::code(reason));
    format!("refrom closes this {noun}, because a digest that it proposes is denied: {reason}. This refuses no digest.")
}

/// The first sentence of a body, about what all pins come to.
pub(super) fn summary(change: &str, pins: usize) -> String {
    match (change, pins) {
        ("pin", 1) => "A base image gets the digest that its tag points to.".to_owned(),
        ("pin", _) => format!("{pins} base images get the digests that their tags point to."),
        ("roll back", 1) => "The digest of a pinned base image was taken back.".to_owned(),
        ("roll back", _) => format!("The digests of {pins} pinned base images were taken back."),
        ("update", 1) => "There is a higher version of a pinned base image.".to_owned(),
        ("update", _) => format!("There are higher versions of {pins} pinned base images."),
        (_, 1) => "The tag of a pinned base image points to a newer digest.".to_owned(),
        _ => format!("The tags of {pins} pinned base images point to newer digests."),
    }
}

/// Under a table that had to be cut.
pub(super) fn left_out(pins: usize) -> String {
    format!("… and {pins} more, which this text has no room for; the diff and the hidden block have all of them.")
}

/// A remark about an image that cannot wait; both texts are Markdown, `why` is the reason of who took it back.
pub(super) fn urgent(urgency: &Urgency, old: &str, reference: &str) -> String {
    match urgency {
        Urgency::Gone => format!(
            "> **Urgent:** the pinned digest {old} of {reference} is gone from its registry: what is built on it cannot be \
             built any more."
        ),
        Urgency::RolledBack(reason) => {
            format!("> **Urgent:** the pinned digest {old} of {reference} was taken back: {}", escape::code(reason))
        }
    }
}

/// What an earlier wave makes of a digest; `wave` is Markdown.
pub(super) fn proved(proof: &WaveProof, wave: &str) -> String {
    let merged = moment(proof.merged);
    let green = match proof.green_for {
        SignedDuration::ZERO => "its pipelines have passed".to_owned(),
        green_for => format!("its pipelines stayed green for {}", shown_duration(green_for)),
    };
    format!("wave {wave} had merged it, or a later digest, by {merged}, and {green}.")
}

/// A remark about an image whose pinned digest is gone, or refused by its registry's policy; both texts are Markdown.
pub(super) fn old_gone(old: &str, reference: &str) -> String {
    format!(
        "> The registry no longer gives out the pinned digest {old} of {reference}, so its kind and its platforms could \
         not be compared with the new one's."
    )
}

/// A remark about an image that goes back to what has less than the pinned one, or is of another kind, each of them empty
/// where that is not so; the texts are Markdown.
pub(super) fn fewer(new: &str, reference: &str, (old_kind, new_kind): (&str, &str), platforms: &str) -> String {
    let kind = format!(" is {new_kind}, where the pinned one is {old_kind}");
    let lacks = format!(" lacks platforms that the pinned one has: {platforms}");
    let said = match (new_kind.is_empty(), platforms.is_empty()) {
        (true, _) => lacks,
        (false, true) => kind,
        (false, false) => format!("{kind}, and{lacks}"),
    };
    format!("> The digest {new} of {reference}{said}.")
}

/// What a digest is, for people.
pub(super) fn kind(kind: ManifestKind) -> &'static str {
    match kind {
        ManifestKind::Image => "one platform's manifest",
        ManifestKind::Index => "an index",
    }
}

/// Above the list of what new digests change besides.
pub(super) const HIDDEN: &str = "**The new digests change more than packages:**";

/// Above the list of which waves proved new digests.
pub(super) const PROVED: &str = "**The waves before this one have it:**";

/// One line of that list; the values are Markdown, and empty where there is none.
pub(super) fn hidden(what: &str, old: &str, new: &str) -> String {
    let value = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    match (old, new) {
        ("", "") => format!("  - {what}"),
        _ => format!("  - {what}: {} → {}", value(old), value(new)),
    }
}

/// In a title, in the place of changes that are too many for it.
pub(super) fn hidden_count(changes: usize) -> String {
    if changes == 1 { "1 hidden change".to_owned() } else { format!("{changes} hidden changes") }
}

/// A template that failed, for the log and the plan.
pub(super) fn template_failed(what: &str, error: &str) -> String {
    format!("the template `{what}` failed, the default is used: {error}")
}

/// A refusal whose digests are not known, for the plan.
pub fn unreadable_refusal(number: impl fmt::Display, error: &MarkerError) -> String {
    format!("{number} was closed without merging, and what it refused is not known: {error}")
}

/// A time by the clock of the world, to the minute.
fn moment(at: Timestamp) -> impl fmt::Display {
    at.strftime("%Y-%m-%d %H:%M UTC")
}

/// A reason in a forge's words.
struct Told<'a> {
    reason: &'a Reason,
    vocabulary: Vocabulary,
}

impl Reason {
    /// For people of a forge, which has its own way to write the number of a pull request.
    pub fn told(&self, vocabulary: Vocabulary) -> impl fmt::Display {
        Told { reason: self, vocabulary }
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let it = |number: &u64| self.vocabulary.numbered(*number);
        match self.reason {
            Reason::Unknown(unknown) => write!(f, "unknown: {unknown}"),
            Reason::Ambiguous => {
                f.write_str("ambiguous: the same bytes serve several uses that need different digests")
            }
            Reason::SinglePlatform => {
                f.write_str("the pin is a single platform's manifest, the tag is an index: pin the index to follow it")
            }
            Reason::NoLongerIndex => f.write_str("the pin is an index, the tag is a single platform's manifest now"),
            Reason::PlatformsGone(platforms) => {
                write!(f, "the new digest lacks platforms of the pinned one: {}", platforms.join(", "))
            }
            Reason::Backwards => {
                f.write_str("the tag points to an older digest than the pinned one: it was seen before it")
            }
            Reason::TooYoung { digest, from } => {
                write!(
                    f,
                    "`min_age`: {} was seen first too short ago; it may be proposed from {} on",
                    digest.short(),
                    moment(*from)
                )
            }
            Reason::Unsettled { digest, from } => {
                let (digest, from) = (digest.short(), moment(*from));
                write!(f, "`settle`: {digest} must still be the tag's digest in a look after {from}")
            }
            Reason::Denied { digest, reason: None } => write!(f, "{} is denied", digest.short()),
            Reason::Denied { digest, reason: Some(reason) } => write!(f, "{} is denied: {reason}", digest.short()),
            Reason::NoWayBack { digest, reason } => {
                write!(f, "{} was taken back ({reason}), and nothing is known to go back to", digest.short())
            }
            Reason::HeldBack(words) => write!(f, "not yet: the registry holds it back by its own policy: {words}"),
            Reason::NotInMirror { digest, since } => {
                write!(f, "not in the mirror yet: {}, which was seen first at {}", digest.short(), moment(*since))
            }
            Reason::Unchanged(Unchanged::Off | Unchanged::Platforms) => {
                f.write_str("unchanged: the platforms in use have the same manifests")
            }
            Reason::Unchanged(Unchanged::Content) => {
                f.write_str("unchanged: the platforms in use have the same configuration and layers")
            }
            Reason::Pair { other, until } => {
                write!(
                    f,
                    "`pair`: `{}:{}` has nothing to move to yet; it is waited for until {}",
                    other.image.familiar(),
                    other.tag,
                    moment(*until)
                )
            }
            Reason::MinInterval { until } => {
                let (noun, until) = (self.vocabulary.noun(), moment(*until));
                write!(f, "`min_interval`: the next {noun} may be opened at {until}")
            }
            Reason::Wave(wait) => write!(f, "{wait}"),
            Reason::TagGone => write!(f, "{}", TagTrouble::Gone),
            Reason::DigestGone(digest) => write!(f, "{} is gone from its registry again", digest.short()),
            Reason::TagNotEditable(tag) => {
                write!(
                    f,
                    "its tag stands where it cannot be changed to `{tag}`: in several parts, in the configuration, or where \
                     other uses need it"
                )
            }
            Reason::Refused(number) => write!(f, "refused by closing {}", it(number)),
            Reason::Merged(number) => write!(f, "{}, which moves it, was merged just now", it(number)),
            Reason::Hold(number) => write!(f, "held by `{HOLD_LABEL}` on {}", it(number)),
            Reason::ForeignCommit(number) => write!(f, "somebody else's commit is on the branch of {}", it(number)),
            Reason::ForeignBranch(branch) => write!(f, "somebody else's commit is on the branch `{branch}`"),
            Reason::Moved(number) => write!(f, "the branch of {} moved while it was looked at", it(number)),
            Reason::UnreadableMarker(number, error) => write!(f, "{} is left alone: {error}", it(number)),
            Reason::MaxOpen(limit) => write!(f, "cap: `max_open` is {limit}"),
            Reason::MaxNewPerHour(limit) => write!(f, "cap: `max_new_per_hour` is {limit}"),
            Reason::TooMany => {
                f.write_str("one pull request cannot hold more pins; this one follows when it is merged")
            }
            Reason::Waits(wait) => write!(f, "{wait}"),
        }
    }
}

impl fmt::Display for DeletionCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merged => "merged",
            Self::Withdrawn => "its pull request was closed by refrom",
            Self::Leftover => "no longer needed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_its_forge_writes_it() {
        let told = |reason: Reason, vocabulary| reason.told(vocabulary).to_string();
        assert_eq!(told(Reason::Hold(7), Vocabulary::PullRequest), "held by `refrom:hold` on #7");
        assert_eq!(told(Reason::Hold(7), Vocabulary::MergeRequest), "held by `refrom:hold` on !7");
        assert_eq!(told(Reason::Refused(7), Vocabulary::MergeRequest), "refused by closing !7");
    }

    #[test]
    fn what_is_shown_on_a_forge_is_in_its_own_words() {
        let base: BranchName = "main".parse().unwrap();
        let causes = [
            ClosingCause::NothingBehind,
            ClosingCause::Regrouped,
            ClosingCause::OtherBase,
            ClosingCause::Disabled,
            ClosingCause::NotProposable,
            ClosingCause::Denied,
        ];
        for (own, other) in
            [(Vocabulary::PullRequest, Vocabulary::MergeRequest), (Vocabulary::MergeRequest, Vocabulary::PullRequest)]
        {
            let closing = causes.map(|cause| closing_sentence(cause, &base, own));
            let instructions = [Refusable::Digests, Refusable::Versions].map(|it| instructions(own, it));
            for text in closing.into_iter().chain(instructions).chain([foreign_commit(own).to_owned()]) {
                assert!(text.contains(own.noun()) && !text.contains(other.noun()), "{text}");
            }
        }
    }
}
