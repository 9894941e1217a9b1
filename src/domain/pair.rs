//! Pairs: an image and its `-dev`, of which one builds what the other one runs. Vendors publish both within minutes of
//! each other, and a pull request with one of them alone is followed by another one.

use jiff::{SignedDuration, Timestamp};

use super::reference::{Tag, TagRef};

/// How tags of development images end (Docker Hardened Images, Chainguard).
const DEVELOPMENT: &str = "-dev";

/// How much earlier than the one the other was seen for the first time, where both are of one build: a vendor's pipeline
/// publishes its variants one after the other, and tags are asked for about once an hour.
const SAME_BUILD: SignedDuration = SignedDuration::from_hours(1);

/// How long the one waits for the other, from when it could first have moved: builds of one release come within hours. What
/// has not come then may never come, and an image without its security fixes is worse than two pull requests.
pub const WAIT_MAX: SignedDuration = SignedDuration::from_hours(24);

/// What one of a pair moves to.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The resolved version, where it is known.
    pub version: Option<&'a str>,
    pub first_seen: Timestamp,
    /// When something could first have been proposed, however much came after that: a tag that moves every day waits no
    /// longer than one that moved once.
    pub proposable_from: Timestamp,
}

/// How the other one of a pair stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other<'a> {
    /// It is proposed in this cycle, or is already.
    Moves,
    /// It has what its tag points to.
    Current { version: Option<&'a str>, first_seen: Option<Timestamp> },
    /// It is behind, or nothing is known of it, and it is not proposed; or it moves to another tag than the pair's.
    Stuck,
    /// It moves to nothing for as long as people, or its registry, change nothing: no waiting brings it.
    Hopeless,
}

/// The other one's tag: `1.27-dev` for `1.27`, and the other way round. `None` where that would be no tag.
pub fn other(tag: &TagRef) -> Option<TagRef> {
    let text = tag.tag.as_str();
    let other = text.strip_suffix(DEVELOPMENT).map_or_else(|| format!("{text}{DEVELOPMENT}"), str::to_owned);
    let tag_of_other: Tag = other.parse().ok()?;
    Some(TagRef { image: tag.image.clone(), tag: tag_of_other })
}

/// Until when one of a pair waits for the other; `None`: it does not.
pub fn waits_until(target: &Target<'_>, other: &Other<'_>, now: Timestamp) -> Option<Timestamp> {
    let until = target.proposable_from.saturating_add(WAIT_MAX).unwrap_or(Timestamp::MAX);
    let waits = match other {
        Other::Moves | Other::Hopeless => false,
        Other::Current { version, first_seen } => !is_of_the_same_build(target, *version, *first_seen),
        Other::Stuck => true,
    };
    (waits && now < until).then_some(until)
}

/// Whether what the other one has was built with the target: by their versions, else by when they were seen.
fn is_of_the_same_build(target: &Target<'_>, version: Option<&str>, first_seen: Option<Timestamp>) -> bool {
    let bare = |version: &str| version.strip_suffix(DEVELOPMENT).unwrap_or(version).to_owned();
    match (target.version, version) {
        (Some(one), Some(other)) => bare(one) == bare(other),
        _ => first_seen.is_some_and(|seen| target.first_seen.duration_since(seen) <= SAME_BUILD),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3600).unwrap()
    }

    fn tag(text: &str) -> TagRef {
        TagRef { image: "dhi.io/node".parse().unwrap(), tag: text.parse().unwrap() }
    }

    #[test]
    fn a_pair_differs_in_the_last_word_of_the_tag() {
        for (one, two) in [("22", "22-dev"), ("22-debian13-fips", "22-debian13-fips-dev")] {
            assert_eq!(other(&tag(one)), Some(tag(two)));
            assert_eq!(other(&tag(two)), Some(tag(one)));
        }
        assert_eq!(other(&tag(&"1".repeat(128))), None, "a tag has at most 128 characters");
    }

    #[test]
    fn the_one_waits_for_the_other_until_a_day_after_it_could_be_proposed() {
        let target = Target { version: None, first_seen: at(10), proposable_from: at(12) };
        let wait = |other: Other<'_>, hour| waits_until(&target, &other, at(hour));
        assert_eq!(wait(Other::Stuck, 12), Some(at(36)));
        assert_eq!(wait(Other::Stuck, 36), None);
        assert_eq!(wait(Other::Moves, 12), None);
        assert_eq!(wait(Other::Hopeless, 12), None);
    }

    #[test]
    fn a_current_one_is_of_the_same_build_by_its_version_or_else_by_its_first_sight() {
        let wait = |version, other_version, seen: Option<i64>| {
            let target = Target { version, first_seen: at(10), proposable_from: at(10) };
            let other = Other::Current { version: other_version, first_seen: seen.map(at) };
            waits_until(&target, &other, at(11)).is_some()
        };
        assert!(!wait(Some("1.27.3-debian13"), Some("1.27.3-debian13-dev"), Some(0)), "the same version");
        assert!(wait(Some("1.27.3"), Some("1.27.2-dev"), Some(10)), "another version");
        for (version, other_version) in [(None, None), (Some("1.27.3"), None), (None, Some("1.27.2"))] {
            assert!(!wait(version, other_version, Some(9)), "seen an hour before");
            assert!(!wait(version, other_version, Some(11)), "seen after it");
            assert!(wait(version, other_version, Some(8)), "seen long before");
            assert!(wait(version, other_version, None), "never seen");
        }
    }
}
