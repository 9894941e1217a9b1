//! What would be opened or updated, and is not, because it is not the repository's time.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decide::{Decision, Place, content, marker_pins, place};
use super::seen::Seen;
use crate::domain::cadence::{CadenceMode, Due};
use crate::domain::candidates::RepositoryFacts;
use crate::domain::digest::Digest;
use crate::domain::marker::MarkerPin;
use crate::domain::proposal::{Pin, Reason, Urgency};
use crate::domain::pull_request::BranchName;

/// When something may be opened or updated in a repository that had its last turn then.
pub(super) fn due(facts: &RepositoryFacts, last_turn: Option<Timestamp>, mode: CadenceMode, now: Timestamp) -> Due {
    match mode {
        CadenceMode::Honour => facts.policy.cadence.due(&facts.key(), last_turn, now),
        CadenceMode::Ignore => Due::Now { because: "its cadence is ignored".to_owned() },
    }
}

/// Whether pins of a branch may be written now.
pub(super) enum Turn {
    Now(Vec<Pin>),
    Later(Vec<Pin>, Reason),
}

impl Decision<'_> {
    /// What of a branch may be written now: everything at the repository's turn, and at any time what is urgent, and what
    /// its open pull request, `current`, holds already. The others wait, with the reason.
    pub(super) fn turn(&mut self, current: Option<&Seen<'_>>, pins: Vec<Pin>) -> Turn {
        let Some(reason) = self.time_to_wait().filter(|_| !current.is_some_and(|seen| self.is_same(seen, &pins)))
        else {
            return Turn::Now(pins);
        };
        let held: BTreeSet<MarkerPin> = marker_pins(current).map(content).collect();
        let ways: BTreeSet<(Place, Option<Digest>)> = held.iter().map(|pin| (place(pin), pin.old)).collect();
        let is_mergeable = !current.is_some_and(|seen| self.proposes_denied(seen));
        let is_news = |pin: &Pin| match pin.urgency {
            // Whatever its pull request leads to, it leads away from what is gone: something newer can wait. Nobody
            // shall merge one with something denied in it, whatever else is in there.
            Some(Urgency::Gone) => !is_mergeable || !ways.contains(&(place(&pin.marked()), pin.old)),
            Some(Urgency::RolledBack(_)) => !held.contains(&content(&pin.marked())),
            None => false,
        };
        if !pins.iter().any(is_news) {
            return Turn::Later(pins, reason);
        }
        let places: BTreeSet<Place> = held.iter().map(place).collect();
        let goes = |pin: &Pin| pin.urgency.is_some() || places.contains(&place(&pin.marked()));
        let (going, waiting): (Vec<Pin>, Vec<Pin>) = pins.into_iter().partition(goes);
        self.plan.not_proposed.extend(waiting.into_iter().map(|pin| pin.refused(reason.clone())));
        match self.facts.policy.cadence.due_urgently(&self.facts.key(), self.now) {
            Due::Now { .. } => Turn::Now(going),
            Due::Later(wait) => Turn::Later(going, Reason::Waits(wait)),
        }
    }

    /// Why nothing may be opened or updated now.
    pub(super) fn time_to_wait(&self) -> Option<Reason> {
        match &self.plan.due {
            Due::Now { .. } => None,
            Due::Later(wait) => Some(Reason::Waits(wait.clone())),
        }
    }

    /// Leaves a branch and its pull requests as they are until it is time. The pins that they hold already do not wait.
    pub(super) fn put_off(&mut self, branch: &BranchName, open: &[&Seen<'_>], pins: Vec<Pin>, reason: &Reason) {
        self.waiting.insert(branch.clone());
        let held: BTreeSet<MarkerPin> = open.iter().flat_map(|seen| marker_pins(Some(seen))).map(content).collect();
        let waiting = pins.into_iter().filter(|pin| !held.contains(&content(&pin.marked())));
        self.leave_alone(open, waiting.collect(), reason);
    }
}
