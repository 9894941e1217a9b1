//! What is open and not wanted any more, or not as it is.

use std::collections::BTreeSet;

use super::decide::{Decision, Place, content, marker_pins, place};
use super::seen::Seen;
use super::{Action, Closing, ClosingCause};
use crate::domain::branch::Subject;
use crate::domain::marker::Marker;
use crate::domain::message;
use crate::domain::proposal::NotProposed;
use crate::domain::pull_request::PullRequest;

impl Decision<'_> {
    /// Closes what is open on a branch where nothing is to be proposed, unless that is not certain.
    pub(super) fn nothing_to_propose(&mut self, open: &[&Seen<'_>]) {
        if open.iter().any(|seen| self.proposes_denied(seen)) {
            return self.close(open);
        }
        let unsettled = open.iter().find_map(|seen| self.unsettled(seen).first().map(|(_, reason)| reason.clone()));
        if let Some(reason) = unsettled {
            return self.leave_alone(open, Vec::new(), &reason);
        }
        // What takes its place waits, and so does the closing.
        let is_replaced = || open.iter().any(|seen| self.cause(seen) == ClosingCause::Regrouped);
        if let Some(reason) = self.time_to_wait().filter(|_| is_replaced()) {
            return self.leave_alone(open, Vec::new(), &reason);
        }
        self.close(open);
    }

    pub(super) fn close(&mut self, open: &[&Seen<'_>]) {
        for (index, seen) in open.iter().enumerate() {
            let mut closing = self.closing(seen, self.cause(seen));
            if index + 1 == open.len() {
                closing.delete = self.branches.head(&seen.pull_request.branch);
            }
            self.plan.actions.push(Action::Close(closing));
        }
    }

    /// The places of pins whose pull request is closed because they are proposed under another branch.
    pub(super) fn replaced(&self) -> BTreeSet<Place> {
        let closed = self.plan.actions.iter().filter_map(|action| match action {
            Action::Close(Closing { number, cause: ClosingCause::Regrouped, .. }) => Some(*number),
            _ => None,
        });
        let closed: BTreeSet<u64> = closed.collect();
        let seen = self.seen.iter().filter(|seen| closed.contains(&seen.pull_request.number));
        seen.flat_map(|seen| marker_pins(Some(seen)).map(place)).collect()
    }

    fn cause(&self, seen: &Seen<'_>) -> ClosingCause {
        let places: BTreeSet<Place> = marker_pins(Some(seen)).map(place).collect();
        let waits =
            |pin: &NotProposed| places.contains(&(pin.path.clone(), pin.tag.image.clone(), pin.tag.tag.clone()));
        let is_subject =
            |pin: &Place| Subject::of(self.facts.policy.group, &pin.1, &pin.0).branch() == seen.pull_request.branch;
        if !self.facts.policy.enabled {
            ClosingCause::Disabled
        } else if self.proposes_denied(seen) {
            ClosingCause::Denied
        } else if places.iter().any(|pin| self.behind.contains(pin) && !is_subject(pin)) {
            ClosingCause::Regrouped
        } else if self.plan.not_proposed.iter().any(waits) {
            ClosingCause::NotProposable
        } else {
            ClosingCause::NothingBehind
        }
    }

    /// The closing of a pull request whose branch stays.
    pub(super) fn closing(&self, seen: &Seen<'_>, cause: ClosingCause) -> Closing {
        let PullRequest { number, url, branch, title, body, .. } = seen.pull_request.clone();
        let body = match &seen.marker {
            Ok(marker) if !marker.is_withdrawn => {
                Some(Marker { is_withdrawn: true, ..marker.clone() }.replace_in(&body))
            }
            Ok(_) | Err(_) => None,
        };
        let sentence = match marker_pins(Some(seen)).find_map(|pin| self.denied.get(&content(pin))) {
            Some(Some(reason)) if cause == ClosingCause::Denied => {
                message::closed_as_denied(reason, self.facts.vocabulary)
            }
            Some(_) | None => message::closing_sentence(cause, &self.facts.base, self.facts.vocabulary),
        };
        Closing { number, url, branch, title, body, sentence, cause, delete: None }
    }
}
