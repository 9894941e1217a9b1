//! What is to be said of a tag that is followed: that it is gone, that its vendor stops, that it does not move any more.
//! "No new digest" is not "fresh".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};

use super::candidates::{Candidate, UseState};
use super::digest::Digest;
use super::ledger::{History, Sighting};
use super::plan::{Knowledge, turn};
use super::reference::{DOCKER_HUB, ImageName, TagRef};

/// How many days before its end of life a tag is told: a quarter, in which another version can be planned and tried.
const END_OF_LIFE_NOTICE_DAYS: i64 = 90;

/// How long a tag stands still before somebody looks up whether it is at the end of its life. One that its vendor rebuilds
/// moves within days and is looked up when that is proposed; one at its end moves no more, and nothing is ever proposed.
const STANDS_STILL: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Something to be said of a tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TagFinding {
    /// As it is written.
    pub tag: TagRef,
    pub trouble: TagTrouble,
}

/// What is the matter with a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TagTrouble {
    /// Its registry has no such tag any more.
    Gone,
    /// Its registry has no longer had the digest that is pinned since then, and no pull request leads away from it.
    DigestGone { digest: Digest, since: Timestamp },
    /// Its vendor has stopped to rebuild it, since this day.
    EndedLife { on: Date },
    /// Its vendor stops to rebuild it on this day.
    EndsLife { on: Date },
    /// It has not moved since then, for longer than the policy's `stale_after`.
    Stale { since: Timestamp },
}

impl TagTrouble {
    /// The words in JSON and metrics.
    pub const WORDS: [&'static str; 4] = ["gone", "digest-gone", "end-of-life", "stale"];

    /// The word in JSON and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::DigestGone { .. } => "digest-gone",
            Self::EndedLife { .. } | Self::EndsLife { .. } => "end-of-life",
            Self::Stale { .. } => "stale",
        }
    }

    /// Whether it stays so until somebody chooses another tag or digest.
    pub fn needs_person(self) -> bool {
        match self {
            Self::Gone | Self::DigestGone { .. } | Self::EndedLife { .. } => true,
            Self::EndsLife { .. } | Self::Stale { .. } => false,
        }
    }
}

/// These digests in an order that changes with the hour: where not all are looked up in one cycle, none is last for ever.
pub fn in_turn(digests: BTreeSet<(ImageName, Digest)>, now: Timestamp) -> Vec<(ImageName, Digest)> {
    let mut digests: Vec<_> = digests.into_iter().collect();
    digests.sort_by_cached_key(|(name, digest)| turn(format_args!("{name}@{digest}"), now));
    digests
}

/// Whether an image may say when its life ends. Docker Hub counts each look as a pull, and there hardened images have it in
/// their name.
pub fn may_tell_its_end(image: &ImageName) -> bool {
    image.registry() != DOCKER_HUB || image.last_segment().starts_with("dhi-")
}

/// Whether a tag has not moved for so long that it may be at the end of its life.
pub fn stands_still(history: &History, now: Timestamp) -> bool {
    history.head().is_some_and(|head| now.duration_since(came(history, head)) >= STANDS_STILL)
}

/// When a tag came to its head, as far as it was seen: where it came back to it, when it was last seen elsewhere.
fn came(history: &History, head: &Sighting) -> Timestamp {
    let elsewhere = history.sightings().iter().filter(|it| it.digest != head.digest).map(|it| it.last_seen);
    elsewhere.fold(head.first_seen, Timestamp::max)
}

/// Whether a pinned digest may be gone although its tag answers. What the tag points to is where that was asked, and
/// nothing shows that the mirror has it still which the pin is written with.
pub fn may_be_gone(pin: &Candidate) -> bool {
    match pin.state {
        UseState::Behind { .. } => true,
        UseState::Current => pin.tag.image != pin.asked.image,
        UseState::TagGone | UseState::HeldBack(_) | UseState::Unknown(_) | UseState::Ambiguous => false,
    }
}

/// What is to be said of a pin whose digest is gone from its registry; `None`: nothing is known of that.
pub fn digest_gone(pin: &Candidate, knowledge: &Knowledge) -> Option<TagFinding> {
    let digest = pin.old.filter(|_| may_be_gone(pin))?;
    let missing = knowledge.missing.get(&(pin.tag.image.clone(), digest)).filter(|missing| missing.is_gone())?;
    Some(TagFinding { tag: pin.tag.clone(), trouble: TagTrouble::DigestGone { digest, since: missing.since } })
}

/// What is to be said of the tags of these pins, by tag, each thing once.
pub fn findings(
    pins: &[Candidate],
    knowledge: &Knowledge,
    stale_after: Option<SignedDuration>,
    now: Timestamp,
) -> Vec<TagFinding> {
    let tags: BTreeMap<&TagRef, &Candidate> = pins.iter().map(|pin| (&pin.tag, pin)).collect();
    let troubles = tags.into_iter().flat_map(|(tag, pin)| {
        let is_gone = pin.state == UseState::TagGone;
        let stale = stale_after.filter(|_| is_answered(pin)).and_then(|after| stale(pin, knowledge, after, now));
        let troubles = [is_gone.then_some(TagTrouble::Gone), end_of_life(pin, knowledge, now), stale];
        troubles.into_iter().flatten().map(|trouble| TagFinding { tag: tag.clone(), trouble })
    });
    troubles.collect()
}

fn is_answered(pin: &Candidate) -> bool {
    matches!(pin.state, UseState::Current | UseState::Behind { .. } | UseState::Ambiguous)
}

/// The head's day where it is known: a newer build of a tag may have a later one.
fn end_of_life(pin: &Candidate, knowledge: &Knowledge, now: Timestamp) -> Option<TagTrouble> {
    let newest = match pin.state {
        UseState::Behind { new } => Some(new),
        _ => None,
    };
    let known = newest.into_iter().chain(pin.old).find_map(|digest| {
        let of_digest = knowledge.images.get(&(pin.asked.image.clone(), digest));
        of_digest?.end_of_life
    });
    let (on, today) = (known?, now.to_zoned(TimeZone::UTC).date());
    let is_near = || today.saturating_add(END_OF_LIFE_NOTICE_DAYS.days()) >= on;
    match on <= today {
        true => Some(TagTrouble::EndedLife { on }),
        false => is_near().then_some(TagTrouble::EndsLife { on }),
    }
}

/// Since when the tag's digest is there, where that is too long ago: since it was seen first, or since it was built, by its
/// own word, where no other one was seen before; where the tag came back to it, since it was last seen elsewhere.
fn stale(pin: &Candidate, knowledge: &Knowledge, after: SignedDuration, now: Timestamp) -> Option<TagTrouble> {
    let history = knowledge.ledger.history(&pin.asked)?;
    let head = history.head()?;
    let image = knowledge.images.get(&(pin.asked.image.clone(), head.digest));
    // Where the tag was seen to move to it, that is when it came, whatever date it bears.
    let came = came(history, head);
    let is_first = history.sightings().first().is_some_and(|first| first.digest == head.digest);
    let created = image.and_then(|image| image.created).filter(|_| is_first && came == head.first_seen);
    let since = created.map_or(came, |created| created.min(came));
    (now.duration_since(since) >= after).then_some(TagTrouble::Stale { since })
}

impl fmt::Display for TagTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("its registry has no such tag any more"),
            Self::DigestGone { digest, since } => write!(
                f,
                "the pinned digest {} is gone from its registry since {}: what is built on it cannot be built",
                digest.short(),
                since.strftime("%Y-%m-%d")
            ),
            Self::EndedLife { on } => write!(f, "end of life: its vendor has stopped to rebuild it on {on}"),
            Self::EndsLife { on } => write!(f, "end of life: its vendor stops to rebuild it on {on}"),
            Self::Stale { since } => {
                write!(f, "`stale_after`: no new digest since {}", since.strftime("%Y-%m-%d"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pull_of_docker_hubs_is_used_up_for_images_that_are_not_hardened() {
        for (name, expected) in [
            ("dhi.io/nginx", true),
            ("acme/dhi-nginx", true),
            ("harbor.acme.internal/dhi/nginx", true),
            ("nginx", false),
            ("acme/app", false),
        ] {
            assert_eq!(may_tell_its_end(&name.parse().unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn every_digest_comes_first_some_hour() {
        let name: ImageName = "dhi.io/nginx".parse().unwrap();
        let digests: BTreeSet<_> = (0..40_u8).map(|n| (name.clone(), Digest::of(&[n]))).collect();
        let at = |hour: i64| Timestamp::from_second(hour * 3600).unwrap();
        let mut first = BTreeSet::new();
        for hour in 0..24 {
            let turn = in_turn(digests.clone(), at(hour));
            assert_eq!(turn.iter().cloned().collect::<BTreeSet<_>>(), digests);
            assert_eq!(turn, in_turn(digests.clone(), at(hour)));
            first.extend(turn.into_iter().take(20));
        }
        assert_eq!(first, digests);
    }
}
