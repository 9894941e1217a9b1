//! Digests that people took back, and where pins at them go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::candidates::RepositoryKey;
use super::digest::Digest;
use super::ledger::{History, Sighting};
use super::mirror::Mirrors;
use super::reference::{ImageName, Reference, ReferenceError, Tag, TagRef};
use super::status::{FleetStatus, PinStatus, RepositoryStatus};

/// An image, all of its tags or one of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageScope {
    pub image: ImageName,
    /// `None`: all of its tags.
    pub tag: Option<Tag>,
}

/// A digest that somebody took back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// As a registry is asked for it: the upstream's name where it has mirrors.
    pub image: ImageName,
    /// `None`: all of its tags.
    pub tag: Option<Tag>,
    pub digest: Digest,
    /// Where pins at it go; `None`: to the last other one that the repository had on its base branch.
    pub to: Option<Digest>,
    /// For people.
    pub reason: String,
    pub at: Timestamp,
}

/// A denial as it was recorded, which it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDenial {
    pub denial: Denial,
    /// When the digest was allowed again; `None`: it is denied.
    pub allowed: Option<Timestamp>,
}

/// All of them that hold now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denials {
    pub denials: Vec<Denial>,
    /// The digests that pins of a repository had on its base branch, oldest first.
    pub merged: BTreeMap<(RepositoryKey, TagRef), Vec<Digest>>,
}

/// Where a pin goes whose digest was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack<'a> {
    pub denial: &'a Denial,
    /// The best first; none: nothing is known to go back to.
    pub digests: Vec<Digest>,
}

impl ImageScope {
    pub fn covers(&self, tag: &TagRef) -> bool {
        self.image == tag.image && self.tag.as_ref().is_none_or(|own| *own == tag.tag)
    }

    /// The same with the upstream's name where it is written with a mirror's.
    pub fn asked(&self, mirrors: &Mirrors) -> Self {
        let image = mirrors.upstream(&self.image).unwrap_or_else(|| self.image.clone());
        Self { image, tag: self.tag.clone() }
    }
}

impl Denial {
    pub fn scope(&self) -> ImageScope {
        ImageScope { image: self.image.clone(), tag: self.tag.clone() }
    }
}

impl Denials {
    /// The denial of a digest of this tag (as a registry is asked for it), the one that was recorded last where there are several.
    pub fn of(&self, tag: &TagRef, digest: &Digest) -> Option<&Denial> {
        let is_it = |denial: &&Denial| denial.digest == *digest && denial.scope().covers(tag);
        self.denials.iter().rfind(is_it)
    }

    /// Where a pin at a digest that was taken back goes; `None`: it was not.
    ///
    /// To the digest that was named, and to nothing else while that one is not denied itself. Else to what the repository
    /// had before, the last one first; else to what the tag had before, as far as the ledger saw it.
    pub fn way_back(
        &self,
        repository: &RepositoryKey,
        tag: &TagRef,
        pinned: &Digest,
        history: Option<&History>,
    ) -> Option<WayBack<'_>> {
        let denial = self.of(tag, pinned)?;
        let is_good = |digest: &Digest| digest != pinned && self.of(tag, digest).is_none();
        if let Some(to) = denial.to.filter(is_good) {
            return Some(WayBack { denial, digests: vec![to] });
        }
        let merged = self.merged.get(&(repository.clone(), tag.clone())).map(Vec::as_slice).unwrap_or_default();
        let last = merged.iter().rposition(|digest| digest == pinned).unwrap_or(merged.len());
        let before = merged.iter().take(last).copied().filter(is_good);
        let mut digests: Vec<Digest> = before.collect();
        digests.reverse();
        let seen = history.map(|history| seen_before(history, pinned)).unwrap_or_default();
        digests.extend(seen.into_iter().filter(is_good));
        let mut known = Vec::new();
        for digest in digests {
            if !known.contains(&digest) {
                known.push(digest);
            }
        }
        Some(WayBack { denial, digests: known })
    }
}

/// Those of the recorded ones that hold now.
pub fn in_force(recorded: Vec<RecordedDenial>) -> impl Iterator<Item = Denial> {
    recorded.into_iter().filter(|it| it.allowed.is_none()).map(|it| it.denial)
}

/// The pins of an image (as a registry is asked for it) and the repositories that they stand in.
pub fn pins_of<'a>(
    fleet: &'a FleetStatus,
    scope: &'a ImageScope,
    mirrors: &'a Mirrors,
) -> impl Iterator<Item = (&'a RepositoryStatus, &'a PinStatus)> {
    let pins =
        fleet.repositories.iter().flat_map(|repository| repository.pins.iter().map(move |pin| (repository, pin)));
    pins.filter(|(_, pin)| scope.covers(&mirrors.asked(&pin.tag)))
}

/// The repositories in which something may change when a digest of this image is taken back or allowed again.
pub fn concerned(fleet: &FleetStatus, scope: &ImageScope, mirrors: &Mirrors) -> BTreeSet<RepositoryKey> {
    // Whatever their tag is: an open pull request may move them to the one that this is about.
    let image = ImageScope { image: scope.image.clone(), tag: None };
    pins_of(fleet, &image, mirrors).map(|(repository, _)| repository.repository.clone()).collect()
}

/// What the tag had before a digest and did not go back from, the newest first.
fn seen_before(history: &History, pinned: &Digest) -> Vec<Digest> {
    let Some(since) = history.known_since(pinned) else { return Vec::new() };
    let is_before = |seen: &&Sighting| seen.first_seen < since && !history.is_withdrawn(&seen.digest);
    history.sightings().iter().rev().filter(is_before).map(|seen| seen.digest).collect()
}

impl FromStr for ImageScope {
    type Err = ReferenceError;

    /// `dhi.io/nginx` or `dhi.io/nginx:1.27`.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let Reference { image, tag, digest, .. } = text.parse()?;
        if digest.is_some() { Err(ReferenceError::Malformed) } else { Ok(Self { image, tag }) }
    }
}

impl fmt::Display for ImageScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.image.familiar())?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(letter: char) -> Digest {
        Digest::of(letter.to_string().as_bytes())
    }

    fn tag(text: &str) -> TagRef {
        TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: text.parse().unwrap() }
    }

    fn web() -> RepositoryKey {
        RepositoryKey { forge: "github".to_owned(), name: "acme/web".parse().unwrap() }
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn denial(scope: &str, letter: char) -> Denial {
        let ImageScope { image, tag } = scope.parse().unwrap();
        Denial { image, tag, digest: digest(letter), to: None, reason: "it is slow".to_owned(), at: second(9) }
    }

    fn denials(denials: &[Denial], merged: &str) -> Denials {
        let merged = [((web(), tag("1.27")), merged.chars().map(digest).collect())].into();
        Denials { denials: denials.to_vec(), merged }
    }

    /// The tag pointed to these in this order, one each second.
    fn history(letters: &str) -> History {
        let seen = (1..).zip(letters.chars());
        let sightings =
            seen.map(|(at, letter)| Sighting { digest: digest(letter), first_seen: second(at), last_seen: second(at) });
        History::new(sightings, BTreeMap::new())
    }

    fn ways(denials: &Denials, pinned: char, history: Option<&History>) -> Option<String> {
        let way = denials.way_back(&web(), &tag("1.27"), &digest(pinned), history)?;
        let letter = |digest: &Digest| ('a'..='z').find(|letter| self::digest(*letter) == *digest).unwrap();
        Some(way.digests.iter().map(letter).collect())
    }

    #[test]
    fn a_denial_is_of_one_tag_or_of_all_of_an_image() {
        let of_all = denials(&[denial("dhi.io/nginx", 'c')], "");
        let of_one = denials(&[denial("dhi.io/nginx:1.27", 'c')], "");
        assert!(of_all.of(&tag("1.27"), &digest('c')).is_some() && of_all.of(&tag("1.28"), &digest('c')).is_some());
        assert!(of_one.of(&tag("1.27"), &digest('c')).is_some() && of_one.of(&tag("1.28"), &digest('c')).is_none());
        assert!(of_all.of(&tag("1.27"), &digest('b')).is_none());
        let other = TagRef { image: "dhi.io/node".parse().unwrap(), tag: "1.27".parse().unwrap() };
        assert!(of_all.of(&other, &digest('c')).is_none());
    }

    #[test]
    fn a_pin_goes_back_to_what_its_repository_had_and_then_to_what_the_tag_had() {
        let seen = history("abcd");
        let denied = [denial("dhi.io/nginx", 'd')];
        assert_eq!(ways(&denials(&denied, "abd"), 'd', Some(&seen)).as_deref(), Some("bac"));
        assert_eq!(ways(&denials(&denied, ""), 'd', Some(&seen)).as_deref(), Some("cba"));
        assert_eq!(ways(&denials(&denied, "d"), 'd', None).as_deref(), Some(""));
        assert_eq!(ways(&denials(&denied, "ab"), 'c', Some(&seen)), None, "it was not taken back");
    }

    #[test]
    fn nothing_goes_back_to_what_was_denied_withdrawn_or_came_later() {
        let two = [denial("dhi.io/nginx", 'c'), denial("dhi.io/nginx:1.27", 'b')];
        assert_eq!(ways(&denials(&two, "abc"), 'c', Some(&history("abcd"))).as_deref(), Some("a"));
        assert_eq!(ways(&denials(&two, "abcb"), 'b', Some(&history("abcd"))).as_deref(), Some("a"));
        assert_eq!(ways(&denials(&two[..1], ""), 'c', Some(&history("abac"))).as_deref(), Some("a"));
    }

    #[test]
    fn a_pin_that_the_tag_never_had_goes_back_to_what_was_there_before_it() {
        let pinned = [(digest('p'), second(3))].into();
        let history = History::new(history("abcd").sightings().iter().copied(), pinned);
        assert_eq!(ways(&denials(&[denial("dhi.io/nginx", 'p')], ""), 'p', Some(&history)).as_deref(), Some("ba"));
    }

    #[test]
    fn the_named_digest_is_the_only_way_until_it_is_denied_itself() {
        let named = Denial { to: Some(digest('a')), ..denial("dhi.io/nginx", 'c') };
        let both = [named.clone(), denial("dhi.io/nginx", 'a')];
        assert_eq!(ways(&denials(&[named], "abc"), 'c', None).as_deref(), Some("a"));
        assert_eq!(ways(&denials(&both, "abc"), 'c', None).as_deref(), Some("b"));
    }

    #[test]
    fn of_two_denials_the_one_that_was_recorded_last_counts() {
        let older = Denial { to: Some(digest('a')), at: second(1), ..denial("dhi.io/nginx", 'c') };
        let newer = Denial { to: Some(digest('b')), at: second(2), ..denial("dhi.io/nginx", 'c') };
        assert_eq!(ways(&denials(&[older.clone(), newer.clone()], ""), 'c', None).as_deref(), Some("b"));
        // The clock was set back in between.
        assert_eq!(ways(&denials(&[newer, older], ""), 'c', None).as_deref(), Some("a"));
    }

    #[test]
    fn a_mirrors_name_means_its_upstream() {
        let mut mirrors = Mirrors::default();
        mirrors.insert("harbor.acme.internal", "dhi/", "dhi.io/");
        let scope: ImageScope = "harbor.acme.internal/dhi/nginx:1.27".parse().unwrap();
        assert_eq!(scope.asked(&mirrors).to_string(), "dhi.io/nginx:1.27");
        assert_eq!("nginx".parse::<ImageScope>().unwrap().asked(&mirrors).to_string(), "nginx");
        assert!(format!("nginx@{}", digest('a')).parse::<ImageScope>().is_err());
    }
}
