//! An image and its `-dev` in one repository: they move together, or wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Knowledge;
use super::decide::{Decision, content, marker_pins, place};
use super::seen::Seen;
use crate::domain::candidates::{Candidate, UseState};
use crate::domain::digest::Digest;
use crate::domain::marker::MarkerPin;
use crate::domain::pair::{self, Other, Target};
use crate::domain::policy::Pairing;
use crate::domain::proposal::{Pin, Reason};
use crate::domain::reference::TagRef;

/// A use: its file, and its index in it.
type Use<'a> = (&'a str, usize);

/// What the other ones of pairs are found in.
struct Others<'a> {
    candidates: &'a [Candidate],
    /// The uses that are proposed.
    going: BTreeSet<Use<'a>>,
    knowledge: &'a Knowledge,
}

fn use_of(pin: &Pin) -> Use<'_> {
    (&pin.path, pin.use_index)
}

impl Decision<'_> {
    /// These pins without those that wait for the other one of their pair. What is urgent waits for none, and what an open
    /// pull request holds already stays in it.
    pub(super) fn paired(&mut self, pins: Vec<Pin>, candidates: &[Candidate], knowledge: &Knowledge) -> Vec<Pin> {
        if self.facts.policy.pair == Pairing::Off {
            return pins;
        }
        let going = pins.iter().filter(|pin| self.hindrance(pin).is_none()).map(use_of).collect();
        let mut others = Others { candidates, going, knowledge };
        let mut apart: BTreeMap<(String, usize), Reason> = BTreeMap::new();
        loop {
            let waiting: Vec<(&Pin, Reason)> = (pins.iter().filter(|pin| others.going.contains(&use_of(pin))))
                .filter_map(|pin| Some((pin, self.wait_of(pin, &others)?)))
                .collect();
            // One that waits may be what another one waits for: each round takes some away, until nobody waits anew.
            if waiting.is_empty() {
                break;
            }
            for (pin, reason) in waiting {
                others.going.remove(&use_of(pin));
                apart.insert((pin.path.clone(), pin.use_index), reason);
            }
        }
        let mut together = Vec::new();
        for pin in pins {
            match apart.remove(&(pin.path.clone(), pin.use_index)) {
                Some(reason) => {
                    self.apart.insert(place(&pin.marked()), reason.clone());
                    self.plan.not_proposed.push(pin.refused(reason));
                }
                None => together.push(pin),
            }
        }
        together
    }

    /// Why open pull requests stay as they are although something newer waits for the other one of its pair: without this
    /// they would lose the pin.
    pub(super) fn stays_for_pair(&self, open: &[&Seen<'_>]) -> Option<Reason> {
        if open.iter().any(|seen| self.proposes_denied(seen)) {
            return None;
        }
        let mut held = open.iter().flat_map(|seen| marker_pins(Some(seen)));
        held.find_map(|pin| self.apart.get(&place(pin)).cloned())
    }

    fn wait_of(&self, pin: &Pin, others: &Others<'_>) -> Option<Reason> {
        let marked = content(&pin.marked());
        if pin.urgency.is_some() || self.held().any(|held| content(held) == marked) {
            return None;
        }
        let other = pair::other(&pin.tag)?;
        // Where nobody knows since when it is there, nobody could tell for how long it waits.
        let first_seen = others.first_seen(&pin.asked, &pin.new)?;
        let patience = self.facts.policy.min_age.max(self.facts.policy.settle);
        let proposable_from = first_seen.saturating_add(patience).unwrap_or(first_seen);
        let target = Target { version: pin.new_image.version.as_deref(), first_seen, proposable_from };
        let mut of_other = others.candidates.iter().filter(|it| it.tag == other);
        let until = of_other.find_map(|it| pair::waits_until(&target, &self.standing(it, others), self.now))?;
        Some(Reason::Pair { other, until })
    }

    fn standing<'o>(&self, candidate: &Candidate, others: &Others<'o>) -> Other<'o> {
        let is_it = |held: &MarkerPin| {
            (&held.file, &held.image, &held.tag, held.old)
                == (&candidate.path, &candidate.tag.image, &candidate.tag.tag, candidate.old)
        };
        if others.going.contains(&(candidate.path.as_str(), candidate.use_index)) || self.held().any(is_it) {
            return Other::Moves;
        }
        match (&candidate.state, candidate.old) {
            (UseState::Current, Some(pinned)) => Other::Current {
                version: others.version(&candidate.asked, pinned),
                first_seen: others.first_seen(&candidate.asked, &pinned),
            },
            // What changes nothing for it is no reason to wait.
            _ if self.is_unchanged(candidate) => Other::Moves,
            _ => Other::Stuck,
        }
    }

    fn is_unchanged(&self, candidate: &Candidate) -> bool {
        let mut of_use = self.plan.not_proposed.iter();
        of_use.any(|it| {
            (&it.path, it.use_index) == (&candidate.path, candidate.use_index)
                && matches!(it.reason, Reason::Unchanged(_))
        })
    }

    /// The pins of open pull requests.
    fn held(&self) -> impl Iterator<Item = &MarkerPin> {
        self.open().flat_map(|seen| marker_pins(Some(seen)))
    }
}

impl<'a> Others<'a> {
    fn first_seen(&self, tag: &TagRef, digest: &Digest) -> Option<Timestamp> {
        Some(self.knowledge.ledger.history(tag)?.sighting(digest)?.first_seen)
    }

    fn version(&self, tag: &TagRef, digest: Digest) -> Option<&'a str> {
        self.knowledge.images.get(&(tag.image.clone(), digest))?.version.as_deref()
    }
}
