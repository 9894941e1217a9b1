//! Which digests a tag pointed to, and when, as far as refrom saw it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::digest::Digest;
use super::reference::TagRef;

/// A digest that a tag pointed to when it was asked for. Times are refrom's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting {
    pub digest: Digest,
    pub first_seen: Timestamp,
    /// The last look in which the tag pointed to it.
    pub last_seen: Timestamp,
}

/// What was seen of one tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// By first sight, oldest first. **Invariant**: no digest twice.
    sightings: Vec<Sighting>,
    /// Since when a followed pin has a digest, whether or not the tag was ever seen to point to it.
    pinned_since: BTreeMap<Digest, Timestamp>,
}

/// The histories of tags. What is not in it is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<TagRef, History>);

impl Sighting {
    /// Whether it was the head in two looks that were this far apart.
    pub fn has_settled(&self, settle: SignedDuration) -> bool {
        self.last_seen.duration_since(self.first_seen).max(SignedDuration::ZERO) >= settle
    }
}

impl History {
    /// A digest that is named twice counts with its first and its last sight. A clock that was set back leaves a last sight
    /// before the first one: the last looks are in their order, which tells the head.
    pub fn new(sightings: impl IntoIterator<Item = Sighting>, pinned_since: BTreeMap<Digest, Timestamp>) -> Self {
        let mut by_digest: BTreeMap<Digest, Sighting> = BTreeMap::new();
        for sighting in sightings {
            let known = by_digest.entry(sighting.digest).or_insert(sighting);
            known.first_seen = known.first_seen.min(sighting.first_seen);
            known.last_seen = known.last_seen.max(sighting.last_seen);
        }
        let mut sightings: Vec<Sighting> = by_digest.into_values().collect();
        sightings.sort_by_key(|sighting| (sighting.first_seen, sighting.last_seen));
        Self { sightings, pinned_since }
    }

    /// By first sight, oldest first.
    pub fn sightings(&self) -> &[Sighting] {
        &self.sightings
    }

    pub fn sighting(&self, digest: &Digest) -> Option<&Sighting> {
        self.sightings.iter().find(|sighting| sighting.digest == *digest)
    }

    /// What the tag pointed to in the last look.
    pub fn head(&self) -> Option<&Sighting> {
        self.sightings.iter().max_by_key(|sighting| (sighting.last_seen, sighting.first_seen))
    }

    /// Since when a digest is known: its first sight, or that of a pin at it, whichever came first.
    pub fn known_since(&self, digest: &Digest) -> Option<Timestamp> {
        let seen = self.sighting(digest).map(|sighting| sighting.first_seen);
        seen.into_iter().chain(self.pinned_since.get(digest).copied()).min()
    }

    /// Whether the tag went back from this digest to one that it had before (A→B→A, for B).
    pub fn is_withdrawn(&self, digest: &Digest) -> bool {
        let Some(it) = self.sighting(digest) else { return false };
        self.sightings.iter().any(|other| other.first_seen < it.first_seen && other.last_seen > it.last_seen)
    }

    /// The same, with a look at this time in which the tag pointed to `digest`, unless it has that look already.
    pub fn with_look(&self, digest: Digest, at: Timestamp) -> Cow<'_, Self> {
        if self.head().is_some_and(|head| head.digest == digest) {
            Cow::Borrowed(self)
        } else {
            Cow::Owned(self.looked_at(digest, at))
        }
    }

    /// The same with one more look: nothing was seen later.
    fn looked_at(&self, digest: Digest, at: Timestamp) -> Self {
        let before = at.saturating_sub(SignedDuration::from_micros(1)).unwrap_or(at);
        let known = self.sightings.iter().map(|it| Sighting { last_seen: it.last_seen.min(before), ..*it });
        // First sights are in the order in which they were noted, whatever the clock did in between.
        let last = self.sightings.last().map(|it| it.first_seen.saturating_add(SignedDuration::from_micros(1)));
        let first_seen = last.and_then(Result::ok).map_or(at, |last| last.max(at));
        let look = Sighting { digest, first_seen, last_seen: first_seen };
        Self::new(known.chain([look]), self.pinned_since.clone())
    }

    /// Where a pin of this tag may go, newest first: what came after its digest, and was not withdrawn.
    ///
    /// Where the tag was never seen at the pinned digest, that is what was seen first since a pin has it, and what the
    /// tag points to now, because nobody can tell that it is older. Without a digest yet it may go to all of them.
    pub fn after(&self, pinned: Option<&Digest>) -> Vec<&Sighting> {
        let since = pinned.and_then(|pinned| self.pinned_since.get(pinned)).copied();
        self.newest_first(pinned, |sighting, is_head| match pinned {
            None => true,
            Some(pinned) => match self.sighting(pinned) {
                Some(from) if is_head => sighting.first_seen >= from.first_seen,
                Some(from) => sighting.first_seen > from.first_seen,
                None => is_head || since.is_some_and(|since| sighting.first_seen >= since),
            },
        })
    }

    /// Where a pin of a lower tag may go, newest first: everything that was not withdrawn, and where this tag was seen at
    /// the pinned digest what came after it.
    pub fn of_higher_tag(&self, pinned: Option<&Digest>) -> Vec<&Sighting> {
        let from = pinned.and_then(|pinned| self.sighting(pinned));
        self.newest_first(pinned, |sighting, _| from.is_none_or(|from| sighting.first_seen > from.first_seen))
    }

    fn newest_first(&self, pinned: Option<&Digest>, may: impl Fn(&Sighting, bool) -> bool) -> Vec<&Sighting> {
        let head = self.head();
        let is_head = |sighting: &Sighting| head.is_some_and(|head| head.digest == sighting.digest);
        // What was seen last of everything that was seen first before: where that is later, the tag went back.
        let mut latest = Timestamp::MIN;
        let stays = self.sightings.iter().filter(|sighting| {
            let is_withdrawn = latest > sighting.last_seen;
            latest = latest.max(sighting.last_seen);
            !is_withdrawn && !is_head(sighting)
        });
        let others = stays.collect::<Vec<_>>().into_iter().rev();
        let all = head.into_iter().chain(others).filter(|sighting| pinned != Some(&sighting.digest));
        all.filter(|sighting| may(sighting, is_head(sighting))).collect()
    }

    /// Whether a move of a pin would go back: the ledger saw `new` before it saw `pinned`.
    ///
    /// With A, then B, then A again behind a tag, a pin at B stays where it is until the tag points to something that
    /// came after B. Where neither the tag nor a pin was seen at the pinned digest before, nobody can tell, and what the
    /// tag points to now may be proposed.
    pub fn is_backwards(&self, pinned: &Digest, new: &Digest) -> bool {
        let Some(to) = self.sighting(new) else { return false };
        match self.sighting(pinned) {
            Some(from) => to.first_seen < from.first_seen,
            None => false,
        }
    }
}

impl Ledger {
    pub fn insert(&mut self, tag: TagRef, history: History) {
        self.0.insert(tag, history);
    }

    pub fn history(&self, tag: &TagRef) -> Option<&History> {
        self.0.get(tag)
    }

    /// Notes that a tag pointed to a digest.
    pub fn note(&mut self, tag: TagRef, digest: Digest, at: Timestamp) {
        let history = self.0.entry(tag).or_default();
        *history = history.looked_at(digest, at);
    }

    /// [`History::is_backwards`] of this tag.
    pub fn is_backwards(&self, tag: &TagRef, pinned: &Digest, new: &Digest) -> bool {
        self.history(tag).is_some_and(|history| history.is_backwards(pinned, new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> TagRef {
        TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: text.parse().unwrap() }
    }

    #[test]
    fn what_was_seen_before_the_pin_is_backwards_and_nothing_else() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|text| Digest::of(text));
        let mut ledger = Ledger::default();
        ledger.note(tag("1"), a, Timestamp::from_second(1).unwrap());
        ledger.note(tag("1"), b, Timestamp::from_second(2).unwrap());
        assert!(ledger.is_backwards(&tag("1"), &b, &a));
        assert!(!ledger.is_backwards(&tag("1"), &a, &b));
        assert!(!ledger.is_backwards(&tag("1"), &a, &a));
        for (pinned, new) in [(c, a), (b, c)] {
            assert!(!ledger.is_backwards(&tag("1"), &pinned, &new), "an unknown digest");
        }
        assert!(!ledger.is_backwards(&tag("2"), &b, &a), "another tag");
    }

    #[test]
    fn a_flap_withdraws_the_digest_that_the_tag_went_back_from() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|text| Digest::of(text));
        let mut ledger = Ledger::default();
        for (second, digest) in [(1, a), (2, b), (3, a)] {
            ledger.note(tag("1"), digest, Timestamp::from_second(second).unwrap());
        }
        let history = |ledger: &Ledger| ledger.history(&tag("1")).unwrap().clone();
        assert_eq!(history(&ledger).head().unwrap().digest, a);
        assert!(history(&ledger).is_withdrawn(&b) && !history(&ledger).is_withdrawn(&a));
        ledger.note(tag("1"), b, Timestamp::from_second(4).unwrap());
        ledger.note(tag("1"), c, Timestamp::from_second(5).unwrap());
        assert!(!history(&ledger).is_withdrawn(&b), "the tag came back to it");
        assert_eq!(history(&ledger).sightings().len(), 3);
    }
}
