//! In which order a tag pointed to its digests, as far as refrom saw it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::digest::Digest;
use super::reference::TagRef;

/// When digests were first seen for their tags. What is not in it is not known, and forbids nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<TagRef, BTreeMap<Digest, Timestamp>>);

impl Ledger {
    /// Notes a first sight.
    pub fn note(&mut self, tag: TagRef, digest: Digest, first_seen: Timestamp) {
        self.0.entry(tag).or_default().insert(digest, first_seen);
    }

    /// Whether a move of a pin would go back: the ledger saw `new` for this tag before it saw `pinned`.
    ///
    /// With A, then B, then A again behind a tag, a pin at B stays where it is until the tag points to something that
    /// came after B. Where the ledger never saw the pinned digest (an empty store, a digest that came and went between
    /// two looks) it cannot tell, and what the tag points to now may be proposed.
    pub fn is_backwards(&self, tag: &TagRef, pinned: &Digest, new: &Digest) -> bool {
        let first_seen = |digest: &Digest| self.0.get(tag)?.get(digest);
        first_seen(pinned).zip(first_seen(new)).is_some_and(|(pinned, new)| new < pinned)
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
}
