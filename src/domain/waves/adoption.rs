//! Which digests repositories have on their base branches, and since when.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::candidates::RepositoryKey;
use crate::domain::digest::Digest;
use crate::domain::reference::TagRef;

/// A digest that a pin of a repository has, or had, on its base branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adoption {
    /// `None`: the pin has none yet, and shall get one (`pin: digest`).
    pub digest: Option<Digest>,
    /// When it was first read there.
    pub since: Timestamp,
    /// When it was no longer read there; `None`: it is there.
    pub until: Option<Timestamp>,
}

/// By the tag as a registry is asked for it, then by repository; oldest first.
pub type Adoptions = BTreeMap<TagRef, BTreeMap<RepositoryKey, Vec<Adoption>>>;

/// The digests of each tag, as a registry is asked for it, that the pins of repositories have now; `None` for those that
/// shall get one. A repository without tags is one that has no pins any more, or is not looked after.
pub type Pinned = BTreeMap<RepositoryKey, BTreeMap<TagRef, BTreeSet<Option<Digest>>>>;

/// What is other than it was known to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdoptionChanges {
    pub begun: Vec<(RepositoryKey, TagRef, Option<Digest>)>,
    pub ended: Vec<(RepositoryKey, TagRef, Option<Digest>)>,
}

impl Adoption {
    /// Whether it is there.
    pub fn holds(&self) -> bool {
        self.until.is_none()
    }
}

/// What became of the adoptions of these repositories. Those of all others stay as they are.
pub fn changes(before: &Adoptions, pinned: &Pinned) -> AdoptionChanges {
    let mut changes = AdoptionChanges::default();
    let held = |key: &RepositoryKey, tag: &TagRef| {
        let rows = before.get(tag).and_then(|repositories| repositories.get(key)).into_iter().flatten();
        rows.filter(|row| row.holds()).map(|row| row.digest).collect::<BTreeSet<_>>()
    };
    for (key, tags) in pinned {
        for (tag, digests) in tags {
            let new = digests.difference(&held(key, tag)).copied().collect::<Vec<_>>();
            changes.begun.extend(new.into_iter().map(|digest| (key.clone(), tag.clone(), digest)));
        }
    }
    for (tag, repositories) in before {
        for key in repositories.keys() {
            let Some(tags) = pinned.get(key) else { continue };
            let is_gone = |digest: &Option<Digest>| !tags.get(tag).is_some_and(|digests| digests.contains(digest));
            let gone = held(key, tag).into_iter().filter(is_gone);
            changes.ended.extend(gone.map(|digest| (key.clone(), tag.clone(), digest)));
        }
    }
    changes
}

impl AdoptionChanges {
    /// The adoptions with these changes, which were read at `now`.
    pub fn apply(&self, adoptions: &mut Adoptions, now: Timestamp) {
        for (key, tag, digest) in &self.ended {
            let rows = adoptions.get_mut(tag).and_then(|repositories| repositories.get_mut(key));
            for row in rows.into_iter().flatten().filter(|row| row.digest == *digest && row.holds()) {
                row.until = Some(now);
            }
        }
        for (key, tag, digest) in &self.begun {
            let rows = adoptions.entry(tag.clone()).or_default().entry(key.clone()).or_default();
            rows.push(Adoption { digest: *digest, since: now, until: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RepositoryKey {
        RepositoryKey { forge: "github".to_owned(), name: name.parse().unwrap() }
    }

    fn tag() -> TagRef {
        TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() }
    }

    #[test]
    fn a_pin_that_moves_ends_one_adoption_and_begins_another() {
        let [a, b] = [b"a", b"b"].map(|text| Some(Digest::of(text)));
        let at = |second| Timestamp::from_second(second).unwrap();
        let pins =
            |digests: &[Option<Digest>]| BTreeMap::from([(tag(), digests.iter().copied().collect::<BTreeSet<_>>())]);
        let mut adoptions = Adoptions::new();
        let mut look = |pinned: &Pinned, now| {
            let changes = changes(&adoptions, pinned);
            changes.apply(&mut adoptions, now);
            let rows = adoptions[&tag()].get(&key("acme/web")).cloned().unwrap_or_default();
            (changes.begun.len(), changes.ended.len(), rows)
        };
        let first = Adoption { digest: a, since: at(1), until: None };
        assert_eq!(look(&Pinned::from([(key("acme/web"), pins(&[a]))]), at(1)), (1, 0, vec![first]));
        assert_eq!(look(&Pinned::from([(key("acme/web"), pins(&[a]))]), at(2)), (0, 0, vec![first]));
        assert_eq!(look(&Pinned::from([(key("acme/api"), pins(&[a]))]), at(3)), (1, 0, vec![first]), "not looked at");
        let (first, second) =
            (Adoption { until: Some(at(4)), ..first }, Adoption { digest: b, since: at(4), until: None });
        assert_eq!(look(&Pinned::from([(key("acme/web"), pins(&[b]))]), at(4)), (1, 1, vec![first, second]));
        let second = Adoption { until: Some(at(5)), ..second };
        assert_eq!(look(&Pinned::from([(key("acme/web"), BTreeMap::new())]), at(5)), (0, 1, vec![first, second]));
        let again = Adoption { digest: a, since: at(6), until: None };
        assert_eq!(look(&Pinned::from([(key("acme/web"), pins(&[a]))]), at(6)), (1, 0, vec![first, second, again]));
    }
}
