//! What open pull requests propose that was denied since: nobody shall merge that while it waits for its turn.

use std::collections::BTreeMap;

use super::decide::{Decision, content, marker_pins};
use super::kept::held_by;
use super::seen::Seen;
use crate::domain::marker::MarkerPin;
use crate::domain::proposal::{Pin, Reason};
use crate::domain::target::{self, Considered, Rules};

/// The pins of open pull requests whose digest is denied, without their lines, each with the reason.
pub(super) fn proposed(
    pins: &[Considered],
    seen: &[Seen<'_>],
    rules: &Rules<'_>,
) -> BTreeMap<MarkerPin, Option<String>> {
    let mut denied = BTreeMap::new();
    for Considered { candidate, .. } in pins {
        for held in seen.iter().filter(|seen| seen.is_open()).filter_map(|seen| held_by(seen, candidate)) {
            let asked = target::asked(candidate, held.new_tag.as_ref());
            if let Some(Reason::Denied { reason, .. }) = rules.denied(&asked, &held.new) {
                denied.insert(content(held), reason);
            }
        }
    }
    denied
}

impl Decision<'_> {
    /// The pull request by whose closing somebody refused to go from the pinned digest to the new one.
    pub(super) fn refused_way(&self, pin: &Pin) -> Option<u64> {
        let is_way = |it: &MarkerPin| (it.old, it.new) == (pin.old, pin.new);
        let refusals = self.seen.iter().filter(|seen| seen.is_refusal());
        refusals.filter(|seen| marker_pins(Some(seen)).any(is_way)).map(|seen| seen.pull_request.number).next()
    }

    pub(super) fn proposes_denied(&self, seen: &Seen<'_>) -> bool {
        marker_pins(Some(seen)).any(|pin| self.denied.contains_key(&content(pin)))
    }
}
