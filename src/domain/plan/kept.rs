//! Pins of an open pull request that stay in it as they were proposed, although nothing newer may be proposed now: so one
//! registry that is down shrinks no pull request when another pin moves, and none goes back to an older digest.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Knowledge;
use super::decide::content;
use super::seen::Seen;
use crate::domain::candidates::{Candidate, Move, RepositoryFacts};
use crate::domain::marker::MarkerPin;
use crate::domain::pair;
use crate::domain::policy::Pairing;
use crate::domain::proposal::{self, Compared, EvidenceByMove, NotProposed, Pin, Reason};
use crate::domain::reference::TagRef;
use crate::domain::target::{self, Choice, Considered, Rules};
use crate::domain::waves::WaveProof;

/// The pins of a repository by what becomes of them beside its open pull requests.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) pins: Vec<Pin>,
    pub(super) standing: Vec<Standing>,
    /// With those that stand.
    pub(super) not_proposed: Vec<NotProposed>,
}

/// A pin that stays in its pull request as it was proposed.
#[derive(Debug)]
pub(super) struct Standing {
    candidate: Candidate,
    /// What the pull request holds.
    pub(super) held: MarkerPin,
    /// Why nothing newer is proposed.
    pub(super) reason: Reason,
    /// The waves that have proved what it holds.
    proofs: Vec<WaveProof>,
}

impl Sorted {
    pub(super) fn of(all: Vec<Considered>, seen: &[Seen<'_>], rules: &Rules<'_>) -> Self {
        let mut sorted = Self::default();
        for considered in all {
            match (Standing::of(&considered, seen, rules), considered.choice) {
                (Some(standing), choice) => {
                    sorted.not_proposed.push(standing.not_proposed(&choice));
                    sorted.standing.push(standing);
                }
                (None, Choice::Propose(pin)) => sorted.pins.push(*pin),
                (None, Choice::Wait(waiting)) => sorted.not_proposed.push(*waiting),
                (None, Choice::Nothing) => {}
            }
        }
        sorted
    }
}

impl Standing {
    /// The pin that stays; `None` where an open pull request does not hold it, or holds what takes it no step back.
    pub(super) fn of(considered: &Considered, seen: &[Seen<'_>], rules: &Rules<'_>) -> Option<Self> {
        let candidate = &considered.candidate;
        let held = held_by_any(seen, candidate)?;
        let reason = target::stays(considered, held, rules)?;
        Some(Self::new(candidate, held, rules, reason))
    }

    /// A pin that could move on and waits for another one; `None` where no open pull request holds it, or holds what must
    /// not be proposed any more.
    pub(super) fn waiting(
        candidate: &Candidate,
        seen: &[Seen<'_>],
        rules: &Rules<'_>,
        reason: &Reason,
    ) -> Option<Self> {
        let held = held_by_any(seen, candidate)?;
        (!target::is_forbidden(candidate, held, rules)).then(|| Self::new(candidate, held, rules, reason.clone()))
    }

    fn new(candidate: &Candidate, held: &MarkerPin, rules: &Rules<'_>, reason: Reason) -> Self {
        let proofs = rules.proofs(candidate, &target::asked(candidate, held.new_tag.as_ref()), &held.new, None);
        Self { candidate: candidate.clone(), held: held.clone(), reason, proofs }
    }

    /// What is said of it.
    pub(super) fn not_proposed(&self, choice: &Choice) -> NotProposed {
        let Candidate { path, use_index, line, tag, asked, old, .. } = self.candidate.clone();
        let (asked, new) = match choice {
            Choice::Wait(waiting) => (waiting.asked.clone(), waiting.new),
            Choice::Propose(_) | Choice::Nothing => (asked, None),
        };
        NotProposed { path, use_index, line, tag, asked, old, new, reason: self.reason.clone() }
    }

    fn pin(&self, evidence: &EvidenceByMove) -> Option<Pin> {
        let Candidate { path, use_index, line, tag, old, .. } = self.candidate.clone();
        let (new_tag, new) = (self.held.new_tag.clone(), self.held.new);
        let asked = target::asked(&self.candidate, new_tag.as_ref());
        let found = evidence.get(&target::held_move(&self.candidate, &self.held));
        let (old_image, new_image) = proposal::judge(new, found, Compared::Everything).ok()?;
        let (urgency, proofs) = (None, self.proofs.clone());
        Some(Pin { path, use_index, line, tag, asked, new_tag, old, new, old_image, new_image, urgency, proofs })
    }
}

/// The moves that open pull requests hold for pins that stay as they were proposed, or may have to wait for the other
/// one of their pair, as far as there is no evidence for them yet. It was looked up when they were proposed; with it
/// [`super::plan`] keeps them.
pub fn held_moves(facts: &RepositoryFacts, knowledge: &Knowledge, now: Timestamp) -> BTreeSet<Move> {
    let key = facts.key();
    let Some(Ok(pull_requests)) = knowledge.pull_requests.get(&key) else { return BTreeSet::new() };
    let rules = Rules { repository: Some(&key), policy: &facts.policy, knowledge, now };
    let seen = Seen::all(pull_requests);
    if !seen.iter().any(Seen::is_open) {
        return BTreeSet::new();
    }
    let pins = target::considered(facts, knowledge, now);
    let tags: BTreeSet<&TagRef> = pins.iter().map(|considered| &considered.candidate.tag).collect();
    let has_other = |tag: &TagRef| pair::other(tag).is_some_and(|other| tags.contains(&other));
    let may_wait = |Considered { candidate, choice }: &Considered| {
        facts.policy.pair == Pairing::Together && matches!(choice, Choice::Propose(_)) && has_other(&candidate.tag)
    };
    let moves = pins.iter().filter_map(|considered| {
        let held = held_by_any(&seen, &considered.candidate)?;
        let stays = may_wait(considered) || target::stays(considered, held, &rules).is_some();
        stays.then(|| target::held_move(&considered.candidate, held))
    });
    moves.filter(|wanted| !knowledge.evidence.contains_key(wanted)).collect()
}

/// The standing pins that the pull request proposes already, as far as there is evidence for them.
pub(super) fn kept(seen: &Seen<'_>, standing: &[Standing], evidence: &EvidenceByMove) -> Vec<Pin> {
    let held = standing.iter().filter(|standing| {
        held_by(seen, &standing.candidate).is_some_and(|held| content(held) == content(&standing.held))
    });
    held.filter_map(|standing| standing.pin(evidence)).collect()
}

/// What an open pull request proposes for a pin.
fn held_by_any<'s>(seen: &'s [Seen<'_>], candidate: &Candidate) -> Option<&'s MarkerPin> {
    seen.iter().filter(|seen| seen.is_open()).find_map(|seen| held_by(seen, candidate))
}

/// What a pull request proposes for a pin.
pub(super) fn held_by<'s>(seen: &'s Seen<'_>, candidate: &Candidate) -> Option<&'s MarkerPin> {
    let Candidate { path, tag, old, .. } = candidate;
    let mut pins = seen.marker.iter().flat_map(|marker| &marker.pins);
    pins.find(|pin| (&pin.file, &pin.image, &pin.tag, &pin.old) == (path, &tag.image, &tag.tag, old))
}
