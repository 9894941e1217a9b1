//! An image and its `-dev` in one repository: they move together, or wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::decide::{Decision, content, marker_pins};
use super::kept::{Standing, held_by};
use super::seen::Seen;
use crate::domain::candidates::{Candidate, UseState};
use crate::domain::digest::Digest;
use crate::domain::marker::MarkerPin;
use crate::domain::pair::{self, Other, Target};
use crate::domain::policy::Pairing;
use crate::domain::proposal::{NotProposed, Pin, Reason};
use crate::domain::reference::TagRef;
use crate::domain::target::{self, Rules};

/// A use: its file, and its index in it.
type Use<'a> = (&'a str, usize);

/// What the other ones of pairs are found in.
struct Others<'a> {
    candidates: &'a [Candidate],
    /// The uses that may be proposed: what an open pull request holds for one of them stays in it if it does not move on.
    free: BTreeSet<Use<'a>>,
    /// The uses that are proposed, each with the tag that it gets.
    going: BTreeMap<Use<'a>, &'a TagRef>,
    /// The uses that people, or open pull requests that must not be touched, keep from being proposed.
    hindered: BTreeMap<Use<'a>, Reason>,
    rules: &'a Rules<'a>,
}

fn use_of(pin: &Pin) -> Use<'_> {
    (&pin.path, pin.use_index)
}

impl Decision<'_> {
    /// These pins without those that wait for the other one of their pair. What is urgent waits for none, and what an open
    /// pull request holds already stays in it.
    pub(super) fn paired(&mut self, pins: Vec<Pin>, candidates: &[Candidate], rules: &Rules<'_>) -> Vec<Pin> {
        if self.facts.policy.pair == Pairing::Off {
            return pins;
        }
        let hindered: BTreeMap<Use<'_>, Reason> = pins
            .iter()
            .filter_map(|pin| Some((use_of(pin), self.hindrance(pin).or_else(|| self.closed_to(pin))?)))
            .collect();
        let free = pins.iter().filter(|pin| !hindered.contains_key(&use_of(pin)));
        let going: BTreeMap<Use<'_>, &TagRef> = free.map(|pin| (use_of(pin), &pin.asked)).collect();
        let mut others = Others { candidates, free: going.keys().copied().collect(), going, hindered, rules };
        let mut apart: BTreeMap<(String, usize), Reason> = BTreeMap::new();
        loop {
            let waiting: Vec<(&Pin, Reason)> = (pins.iter().filter(|pin| others.going.contains_key(&use_of(pin))))
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
            let Some(reason) = apart.remove(&(pin.path.clone(), pin.use_index)) else {
                together.push(pin);
                continue;
            };
            // Without this an open pull request would lose it as soon as something else in there moves.
            let candidate = candidates.iter().find(|it| (it.path.as_str(), it.use_index) == use_of(&pin));
            self.standing.extend(candidate.and_then(|it| Standing::waiting(it, self.seen, rules, &reason)));
            self.plan.not_proposed.push(pin.refused(reason));
        }
        together
    }

    fn wait_of(&self, pin: &Pin, others: &Others<'_>) -> Option<Reason> {
        let marked = content(&pin.marked());
        if pin.urgency.is_some() || self.held().any(|held| content(held) == marked) {
            return None;
        }
        let other = pair::other(&pin.tag)?;
        // Where nobody knows since when it is there, nobody could tell for how long it waits.
        let first_seen = others.first_seen(&pin.asked, &pin.new)?;
        let since = self.since(pin, others).map_or(first_seen, |since| since.min(first_seen));
        let patience = self.facts.policy.min_age.max(self.facts.policy.settle);
        let proposable_from = since.saturating_add(patience).unwrap_or(since);
        let target = Target { version: pin.new_image.version.as_deref(), first_seen, proposable_from };
        let mut of_other = others.candidates.iter().filter(|it| it.tag == other);
        let until = of_other.find_map(|it| pair::waits_until(&target, &self.standing(it, pin, others), self.now))?;
        Some(Reason::Pair { other, until })
    }

    /// Since when there is something for a pin to move to: after what an open pull request holds for it, else after what it
    /// has. What was denied or refused was no way to go.
    fn since(&self, pin: &Pin, others: &Others<'_>) -> Option<Timestamp> {
        let history = others.rules.knowledge.ledger.history(&pin.asked)?;
        let marked = pin.marked();
        let is_held = |held: &&MarkerPin| **held == MarkerPin { line: held.line, new: held.new, ..marked.clone() };
        let held = self.held().find(is_held).map(|held| &held.new).filter(|held| history.sighting(held).is_some());
        let ways = match (held, &pin.new_tag) {
            (None, Some(_)) => history.of_higher_tag(pin.old.as_ref()),
            (from, _) => history.after(from.or(pin.old.as_ref())),
        };
        let is_refused = |digest: &Digest| {
            let mut refusals = self.seen.iter().filter(|seen| seen.is_refusal());
            refusals.any(|seen| marker_pins(Some(seen)).any(|pin| pin.new == *digest))
        };
        let may_go = |digest: &Digest| others.rules.denied(&pin.asked, digest).is_none() && !is_refused(digest);
        ways.into_iter().filter(|way| may_go(&way.digest)).map(|way| way.first_seen).min()
    }

    /// How the other one of a pin's pair stands.
    fn standing<'o>(&self, candidate: &'o Candidate, pin: &Pin, others: &Others<'o>) -> Other<'o> {
        let going = others.going.get(&(candidate.path.as_str(), candidate.use_index)).map(|tag| TagRef::clone(tag));
        let held = || {
            self.open().filter(|seen| self.stays_in(seen, candidate, others)).find_map(|seen| held_by(seen, candidate))
        };
        let moves_to = going.or_else(|| held().map(|held| target::asked(candidate, held.new_tag.as_ref())));
        let is_moving = moves_to.is_some();
        // With another tag it would be no pair any more.
        let of_pair = pair::other(&pin.asked);
        let is_pair = of_pair == Some(moves_to.unwrap_or_else(|| candidate.asked.clone()));
        let reason = || self.reason_of(candidate, of_pair.as_ref(), others);
        let is_hopeless = || {
            let is_barred = |tag| target::is_barred_from(candidate, tag, others.rules);
            reason().is_some_and(Reason::is_lasting) || of_pair.as_ref().is_some_and(is_barred)
        };
        match (&candidate.state, candidate.old) {
            _ if is_moving && is_pair => Other::Moves,
            _ if !is_moving && is_hopeless() => Other::Hopeless,
            _ if !is_pair => Other::Stuck,
            (UseState::Current, Some(pinned)) => Other::Current {
                version: others.version(&candidate.asked, pinned),
                first_seen: others.first_seen(&candidate.asked, &pinned),
            },
            // What changes nothing for it is no reason to wait.
            _ if matches!(reason(), Some(Reason::Unchanged(_))) => Other::Moves,
            _ => Other::Stuck,
        }
    }

    /// Whether an open pull request goes on holding what it holds for a pin that does not move on.
    fn stays_in(&self, seen: &Seen<'_>, candidate: &Candidate, others: &Others<'_>) -> bool {
        let held = held_by(seen, candidate).map(content);
        others.free.contains(&(candidate.path.as_str(), candidate.use_index))
            || self.standing.iter().any(|standing| Some(content(&standing.held)) == held)
            || self.time_to_wait().is_some()
            || self.branches.untouchable(seen).is_some()
    }

    /// Why a use is not proposed, as far as that is known by now. What is said of another tag than its own and the pair's
    /// says nothing of the pair.
    fn reason_of<'r>(
        &'r self,
        candidate: &'r Candidate,
        of_pair: Option<&TagRef>,
        others: &'r Others<'_>,
    ) -> Option<&'r Reason> {
        let hindered = others.hindered.get(&(candidate.path.as_str(), candidate.use_index));
        let is_it = |it: &&NotProposed| (&it.path, it.use_index) == (&candidate.path, candidate.use_index);
        let is_about_pair = |it: &&NotProposed| it.asked == candidate.asked || Some(&it.asked) == of_pair;
        let mut waiting = self.plan.not_proposed.iter().filter(is_it);
        hindered.or_else(|| waiting.find(is_about_pair).map(|it| &it.reason))
    }

    /// The pins of open pull requests.
    fn held(&self) -> impl Iterator<Item = &MarkerPin> {
        self.open().flat_map(|seen| marker_pins(Some(seen)))
    }
}

impl<'a> Others<'a> {
    fn first_seen(&self, tag: &TagRef, digest: &Digest) -> Option<Timestamp> {
        Some(self.rules.knowledge.ledger.history(tag)?.sighting(digest)?.first_seen)
    }

    fn version(&self, tag: &TagRef, digest: Digest) -> Option<&'a str> {
        self.rules.knowledge.images.get(&(tag.image.clone(), digest))?.version.as_deref()
    }
}
