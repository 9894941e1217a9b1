//! Digests that people took back, and where pins at them go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use super::candidates::RepositoryKey;
use super::digest::Digest;
use super::follow;
use super::ledger::{History, Sighting};
use super::mirror::Mirrors;
use super::policy::Follow;
use super::reference::{ImageName, Reference, ReferenceError, Tag, TagRef};
use super::status::{FleetStatus, PinStatus, RepositoryStatus, UnfollowedStatus};
use super::waves::Adoption;

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
    pub merged: Merged,
}

/// What pins of repositories had on their base branches, by the tag as a registry is asked for it: oldest first.
pub type Merged = BTreeMap<RepositoryKey, BTreeMap<TagRef, Vec<Adoption>>>;

/// Where a pin goes whose digest was taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WayBack<'a> {
    pub denial: &'a Denial,
    /// The best first; none: nothing is known to go back to.
    pub ways: Vec<Way>,
}

/// A digest to go back to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The tag that the pin gets with it, where that is another one: the one from which it came to the tag that it has.
    pub new_tag: Option<Tag>,
    pub digest: Digest,
}

impl ImageScope {
    pub fn covers(&self, tag: &TagRef) -> bool {
        self.image == tag.image && self.tag.as_ref().is_none_or(|own| *own == tag.tag)
    }

    /// The same with the upstream's name where it is written with a mirror's.
    pub fn asked(&self, mirrors: &Mirrors) -> Self {
        Self { image: mirrors.asked_image(&self.image), tag: self.tag.clone() }
    }
}

impl Denial {
    pub fn scope(&self) -> ImageScope {
        ImageScope { image: self.image.clone(), tag: self.tag.clone() }
    }
}

impl Denials {
    /// The denial of a digest of this tag (as a registry is asked for it), the one that was recorded last where there
    /// are several.
    pub fn of(&self, tag: &TagRef, digest: &Digest) -> Option<&Denial> {
        let is_it = |denial: &&Denial| denial.digest == *digest && denial.scope().covers(tag);
        self.denials.iter().rfind(is_it)
    }

    /// Where a pin at a digest that was taken back goes; `None`: it was not.
    ///
    /// To the digest that was named, and to nothing else while that one is not denied itself; with the lower tag from which
    /// the repository came, where it had it there and this tag was never seen to have it. Else to what the repository
    /// had before, the last one first, with the tag that it had then; else to what the tag had before, as far as the
    /// ledger saw it.
    pub fn way_back(
        &self,
        repository: &RepositoryKey,
        tag: &TagRef,
        (pinned, follow): (&Digest, Follow),
        history: Option<&History>,
    ) -> Option<WayBack<'_>> {
        let denial = self.of(tag, pinned)?;
        let is_good = |way: &Way| way.digest != *pinned && self.of(&way.asked(tag), &way.digest).is_none();
        let merged = self.merged_before(repository, tag, (pinned, follow));
        if let Some(to) = denial.to.map(Way::of_own_tag).filter(is_good) {
            // With the tag that the repository had it with; who cannot get that one goes all the same.
            let is_own = history.is_some_and(|history| history.sighting(&to.digest).is_some());
            let known = merged.into_iter().find(|way| !is_own && way.digest == to.digest && is_good(way));
            let of_lower_tag = known.filter(|way| way.new_tag.is_some());
            return Some(WayBack { denial, ways: of_lower_tag.into_iter().chain([to]).collect() });
        }
        let seen = history.map(|history| seen_before(history, pinned)).unwrap_or_default();
        let all = merged.into_iter().chain(seen.into_iter().map(Way::of_own_tag));
        let mut ways = Vec::new();
        for way in all.filter(is_good) {
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        Some(WayBack { denial, ways })
    }

    /// When the newest digest of a tag was first seen that a repository had and that was taken back: what the tag had before
    /// that is no way forward for it, whatever it is at now. `None`: it had none.
    pub fn had_until(&self, repository: &RepositoryKey, tag: &TagRef, history: &History) -> Option<Timestamp> {
        let rows = self.merged.get(repository)?.get(tag)?;
        let had = |denial: &&Denial| rows.iter().any(|row| row.digest == Some(denial.digest));
        let taken_back = self.denials.iter().filter(|denial| denial.scope().covers(tag)).filter(had);
        taken_back.filter_map(|denial| history.sighting(&denial.digest)).map(|seen| seen.first_seen).max()
    }

    /// What a repository had before it came to a digest of a tag for the last time, the last one first: of this tag, and of
    /// the lower ones that it left for this one. Then what it had of lower tags when it came to this tag, and kept for a
    /// while, as far as it follows: one of its pins may have come from there, and another one stayed.
    fn merged_before(&self, repository: &RepositoryKey, tag: &TagRef, (pinned, follow): (&Digest, Follow)) -> Vec<Way> {
        let Some(tags) = self.merged.get(repository) else { return Vec::new() };
        let own = tags.get(tag).map(Vec::as_slice).unwrap_or_default();
        let last = own.iter().rposition(|row| row.digest.as_ref() == Some(pinned)).unwrap_or(own.len());
        // One merge ended the stay at the lower tag and began the one at this.
        let arrivals: BTreeSet<Timestamp> = own.iter().take(last.saturating_add(1)).map(|row| row.since).collect();
        let is_left_for_it = |row: &Adoption| row.until.is_some_and(|until| arrivals.contains(&until));
        let firsts: Vec<Timestamp> =
            arrivals.iter().copied().filter(|at| !own.iter().any(|row| held(row, *at))).collect();
        let was_there = |row: &Adoption| !is_left_for_it(row) && firsts.iter().any(|at| held(row, *at));
        let before = own.iter().take(last).filter_map(|row| Some((row.since, Way::of_own_tag(row.digest?))));
        let left = lower(tags, (tag, Follow::Major), &is_left_for_it).chain(before).collect();
        newest_first(left).chain(newest_first(lower(tags, (tag, follow), &was_there).collect())).collect()
    }
}

/// The digests of the tags that a pin of this one may have followed it from, so far, of the rows that are wanted.
fn lower<'a>(
    tags: &'a BTreeMap<TagRef, Vec<Adoption>>,
    (tag, follow): (&'a TagRef, Follow),
    is_wanted: &'a dyn Fn(&Adoption) -> bool,
) -> impl Iterator<Item = (Timestamp, Way)> + 'a {
    let is_lower = move |other: &TagRef| other.image == tag.image && follow::is_higher(&other.tag, &tag.tag, follow);
    tags.iter().filter(move |(other, _)| is_lower(other)).flat_map(move |(other, rows)| {
        let rows = rows.iter().filter(move |row| is_wanted(row));
        rows.filter_map(|row| Some((row.since, Way { new_tag: Some(other.tag.clone()), digest: row.digest? })))
    })
}

/// Whether it was there before this look, and in it still, or until it.
fn held(row: &Adoption, at: Timestamp) -> bool {
    row.since < at && row.until.is_none_or(|until| until >= at)
}

fn newest_first(mut ways: Vec<(Timestamp, Way)>) -> impl Iterator<Item = Way> {
    ways.sort_by_key(|(since, _)| *since);
    ways.into_iter().rev().map(|(_, way)| way)
}

impl WayBack<'_> {
    /// Whether a pin that goes there goes back.
    pub fn leads_to(&self, new_tag: Option<&Tag>, digest: &Digest) -> bool {
        self.ways.iter().any(|way| (way.new_tag.as_ref(), &way.digest) == (new_tag, digest))
    }
}

impl Way {
    fn of_own_tag(digest: Digest) -> Self {
        Self { new_tag: None, digest }
    }

    /// What a registry is asked for, where it is asked for this tag of the pin.
    pub fn asked(&self, tag: &TagRef) -> TagRef {
        match &self.new_tag {
            Some(new_tag) => TagRef { image: tag.image.clone(), tag: new_tag.clone() },
            None => tag.clone(),
        }
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

/// The uses of a digest of an image (as a registry is asked for it) that nobody follows, and the repositories that they
/// stand in: also without a tag, which may be the one that this is about.
pub fn unfollowed_on<'a>(
    fleet: &'a FleetStatus,
    denial: &'a Denial,
    mirrors: &'a Mirrors,
) -> impl Iterator<Item = (&'a RepositoryStatus, &'a UnfollowedStatus)> {
    let is_of = |it: &UnfollowedStatus| {
        let is_tag = it.tag.is_none() || denial.tag.is_none() || it.tag == denial.tag;
        it.digest == denial.digest && mirrors.asked_image(&it.image) == denial.image && is_tag
    };
    let all =
        fleet.repositories.iter().flat_map(|repository| repository.unfollowed.iter().map(move |it| (repository, it)));
    all.filter(move |(_, it)| is_of(it))
}

/// The repositories in which something may change when a digest of this image is taken back or allowed again: who pins
/// the image, and who could never be read. None: nobody is known to pin it, or there was no cycle over the whole fleet yet.
pub fn concerned(fleet: &FleetStatus, scope: &ImageScope, mirrors: &Mirrors) -> BTreeSet<RepositoryKey> {
    // Whatever their tag is: an open pull request may move them to the one that this is about.
    let image = ImageScope { image: scope.image.clone(), tag: None };
    let mut repositories: BTreeSet<RepositoryKey> =
        pins_of(fleet, &image, mirrors).map(|(repository, _)| repository.repository.clone()).collect();
    if fleet.cycle.is_none() || repositories.is_empty() {
        return BTreeSet::new();
    }
    let never_read = fleet.repositories.iter().filter(|it| it.looked_at.is_none());
    repositories.extend(never_read.map(|it| it.repository.clone()));
    repositories
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
        let mut all = Denials { denials: denials.to_vec(), ..Denials::default() };
        stays(&mut all, &merged.chars().map(|letter| ("1.27", letter)).collect::<Vec<_>>());
        all
    }

    /// The pin of the repository stayed at these, one after the other, a second each.
    fn stays(denials: &mut Denials, stays: &[(&str, char)]) {
        let tags = denials.merged.entry(web()).or_default();
        for (at, (name, letter)) in (1..).zip(stays) {
            let is_over = usize::try_from(at).unwrap() < stays.len();
            let row =
                Adoption { digest: Some(digest(*letter)), since: second(at), until: is_over.then(|| second(at + 1)) };
            tags.entry(tag(name)).or_default().push(row);
        }
    }

    /// The tag pointed to these in this order, one each second.
    fn history(letters: &str) -> History {
        let seen = (1..).zip(letters.chars());
        let sightings =
            seen.map(|(at, letter)| Sighting { digest: digest(letter), first_seen: second(at), last_seen: second(at) });
        History::new(sightings, BTreeMap::new())
    }

    fn ways(denials: &Denials, pinned: char, history: Option<&History>) -> Option<String> {
        let way = denials.way_back(&web(), &tag("1.27"), (&digest(pinned), Follow::Minor), history)?;
        let letter = |digest: &Digest| ('a'..='z').find(|letter| self::digest(*letter) == *digest).unwrap();
        Some(way.ways.iter().map(|way| letter(&way.digest)).collect())
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
    fn a_pin_that_followed_a_higher_tag_goes_back_to_the_tag_from_which_it_came() {
        let denied = [denial("dhi.io/nginx", 'd')];
        let seen = history("ed");
        let ways = |stays: &[(&str, char)]| {
            let mut denials = denials(&denied, "");
            self::stays(&mut denials, stays);
            let way = denials.way_back(&web(), &tag("1.28"), (&digest('d'), Follow::Digest), Some(&seen)).unwrap();
            let told = |way: &Way| {
                let letter = ('a'..='z').find(|letter| digest(*letter) == way.digest).unwrap();
                format!("{}{letter}", way.new_tag.as_ref().map(|tag| format!("{tag}@")).unwrap_or_default())
            };
            way.ways.iter().map(told).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(ways(&[("1.27", 'x'), ("1.28", 'd')]), "1.27@x e", "what it had comes before what it never had");
        assert_eq!(ways(&[("1.27", 'w'), ("1.27", 'x'), ("1.28", 'd')]), "1.27@x e");
        assert_eq!(ways(&[("1.27", 'x'), ("1.28", 'c'), ("1.28", 'd')]), "c 1.27@x e");
        assert_eq!(ways(&[("1.28", 'c'), ("1.27", 'x'), ("1.28", 'd')]), "1.27@x c e");
        assert_eq!(ways(&[("1.26", 'v'), ("1.27", 'x'), ("1.28", 'd')]), "1.27@x e", "the step before the last one");
        for (other, why) in [("1.29", "a person went down"), ("1.27-dev", "another shape"), ("latest", "no version")] {
            assert_eq!(ways(&[(other, 'x'), ("1.28", 'd')]), "e", "{why}");
        }
        assert_eq!(ways(&[("1.28", 'd'), ("1.27", 'x'), ("1.27", 'y')]), "e", "where it went from there");
    }

    #[test]
    fn the_named_digest_comes_with_the_tag_that_the_repository_had_it_with() {
        let ways = |to: char, seen: &str| {
            let mut denials = denials(&[Denial { to: Some(digest(to)), ..denial("dhi.io/nginx", 'd') }], "");
            stays(&mut denials, &[("1.27", 'x'), ("1.28", 'd')]);
            let seen = history(seen);
            let back = denials.way_back(&web(), &tag("1.28"), (&digest('d'), Follow::Digest), Some(&seen)).unwrap();
            back.ways.iter().map(|way| way.new_tag.as_ref().map(ToString::to_string)).collect::<Vec<_>>()
        };
        assert_eq!(ways('x', "ed"), [Some("1.27".to_owned()), None], "or with its own, where no tag can be written");
        assert_eq!(ways('x', "xed"), [None], "its own tag had it, too");
        assert_eq!(ways('y', "ed"), [None], "somebody knows better");
    }

    #[test]
    fn who_followed_a_higher_tag_goes_back_although_another_pin_stays_at_the_lower_one() {
        let row = |letter, since, until: Option<i64>| Adoption {
            digest: Some(digest(letter)),
            since: second(since),
            until: until.map(second),
        };
        let ways_of = |stays: &[(&str, Adoption)], follow| {
            let mut denials = denials(&[denial("dhi.io/nginx:1.28", 'd')], "");
            let tags = denials.merged.entry(web()).or_default();
            for (name, row) in stays {
                tags.entry(tag(name)).or_default().push(*row);
            }
            let way = denials.way_back(&web(), &tag("1.28"), (&digest('d'), follow), Some(&history("ed"))).unwrap();
            let told = |way: &Way| {
                let letter = ('a'..='z').find(|letter| digest(*letter) == way.digest).unwrap();
                format!("{}{letter}", way.new_tag.as_ref().map(|tag| format!("{tag}@")).unwrap_or_default())
            };
            way.ways.iter().map(told).collect::<Vec<_>>().join(" ")
        };
        let ways = |stays: &[(&str, Adoption)]| ways_of(stays, Follow::Minor);
        let came = ("1.28", row('d', 2, None));
        assert_eq!(ways(&[("1.27", row('x', 1, None)), came]), "1.27@x e", "it cannot be edited");
        assert_eq!(ways(&[("1.27", row('x', 1, Some(3))), came]), "1.27@x e", "its pull request was merged later");
        let moved = [("1.27", row('x', 1, Some(3))), ("1.27", row('y', 3, None)), came];
        assert_eq!(ways(&moved), "1.27@x e", "where the other one went later");
        let stepwise = [("1.27", row('x', 1, None)), ("1.28", row('c', 2, Some(3))), ("1.28", row('d', 3, None))];
        assert_eq!(ways(&stepwise), "c 1.27@x e", "the tag was there already when it came to the digest");
        let two = [("1.26", row('v', 1, None)), ("1.27", row('x', 1, Some(2))), came];
        assert_eq!(ways(&two), "1.27@x 1.26@v e", "what was left for it comes first");
        let beside = [("1.27", row('x', 1, None)), came];
        assert_eq!(ways_of(&beside, Follow::Patch), "e", "a pin that was new: nobody follows from there to here");
        assert_eq!(ways(&[("1.27", row('x', 2, None)), came]), "e", "they were there from the beginning");
        assert_eq!(ways(&[("1.29", row('x', 1, None)), came]), "e", "nobody followed it downwards");
    }

    #[test]
    fn nobody_goes_back_to_a_digest_of_another_tag_that_is_denied_there() {
        for (scope, is_way) in [("dhi.io/nginx:1.27", false), ("dhi.io/nginx", false), ("dhi.io/nginx:1.28", true)] {
            let mut denials = denials(&[denial("dhi.io/nginx", 'd'), denial(scope, 'x')], "");
            stays(&mut denials, &[("1.27", 'x'), ("1.28", 'd')]);
            let back = denials.way_back(&web(), &tag("1.28"), (&digest('d'), Follow::Minor), None).unwrap();
            assert_eq!(back.leads_to(Some(&tag("1.27").tag), &digest('x')), is_way, "{scope}");
            assert!(!back.leads_to(None, &digest('x')), "it was never of this tag");
        }
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
