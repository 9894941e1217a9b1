//! Pins of an open pull request whose tags cannot be asked now: they stay in it as they were proposed, so that one
//! registry that is down shrinks no pull request when another pin moves.

use std::collections::BTreeSet;

use super::seen::Seen;
use crate::domain::candidates::{Candidates, Move, UseState};
use crate::domain::digest::Digest;
use crate::domain::proposal::{self, EvidenceByMove, NotProposed, Pin, Reason};
use crate::domain::pull_request::PullRequest;
use crate::domain::reference::TagRef;

/// The moves that open pull requests hold for pins about which nothing is known now. Their evidence was looked up when
/// they were proposed; with it [`super::plan`] keeps them.
pub fn held_moves(candidates: &Candidates, pull_requests: &[PullRequest]) -> BTreeSet<Move> {
    let seen = Seen::all(pull_requests);
    let unknown = candidates
        .pins
        .iter()
        .filter(|pin| matches!(pin.state, UseState::Unknown(_) | UseState::TagGone | UseState::HeldBack(_)));
    let held = unknown.flat_map(|pin| {
        let open = seen.iter().filter(|seen| seen.is_open());
        let new = open.filter_map(|seen| proposed(seen, &pin.path, &pin.tag, pin.old));
        new.map(|new| pin.move_to(new))
    });
    held.collect()
}

/// The pins that are unknown now and that the pull request proposes already, as far as there is evidence for them.
pub(super) fn kept(seen: &Seen<'_>, not_proposed: &[NotProposed], evidence: &EvidenceByMove) -> Vec<Pin> {
    let unknown = not_proposed.iter().filter(|waiting| matches!(waiting.reason, Reason::Unknown(_)));
    let kept = unknown.filter_map(|waiting| {
        let NotProposed { path, use_index, line, tag, asked, old, .. } = waiting.clone();
        let new = proposed(seen, &path, &tag, old)?;
        let wanted = Move::new(&tag, &asked, old, new);
        let (old_image, new_image) = proposal::judge(new, evidence.get(&wanted)).ok()?;
        let (new_tag, urgency) = (None, None);
        Some(Pin { path, use_index, line, tag, asked, new_tag, old, new, old_image, new_image, urgency })
    });
    kept.collect()
}

/// The digest that a pull request proposes for a pin.
fn proposed(seen: &Seen<'_>, path: &str, tag: &TagRef, old: Option<Digest>) -> Option<Digest> {
    let mut pins = seen.marker.iter().flat_map(|marker| &marker.pins);
    let pin =
        pins.find(|pin| (pin.file.as_str(), &pin.image, &pin.tag, pin.old) == (path, &tag.image, &tag.tag, old))?;
    Some(pin.new)
}
