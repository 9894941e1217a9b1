//! What people read of waves: where the pins of a repository are on their way to, and who has proved it.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Choice, Considered, Rules, considered};
use crate::domain::candidates::{Candidate, RepositoryFacts};
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Sighting};
use crate::domain::plan::Knowledge;
use crate::domain::policy::Policy;
use crate::domain::proposal::{Reason, Urgency};
use crate::domain::reference::TagRef;
use crate::domain::waves::{Sought, WaveCandidate, WaveProof};

/// The digests that the pins of a repository are to move to: what is proposed, the newest that only has to wait, and of the
/// pin's own tag the next that will be old enough.
pub fn sought(facts: &RepositoryFacts, knowledge: &Knowledge, now: Timestamp) -> BTreeSet<Sought> {
    let key = facts.key();
    let rules = Rules { repository: Some(&key), policy: &facts.policy, knowledge, now };
    let mut sought = BTreeSet::new();
    for Considered { candidate, choice } in considered(facts, knowledge, now) {
        let to = |tag: TagRef, digest| rules.sought(&candidate, tag, digest);
        sought.extend(ripening(&candidate, &rules).into_iter().flat_map(|digest| to(candidate.asked.clone(), digest)));
        match choice {
            // Nothing new goes back.
            Choice::Propose(pin) if matches!(pin.urgency, Some(Urgency::RolledBack(_))) => {}
            Choice::Propose(pin) => sought.extend(to(pin.asked, pin.new)),
            Choice::Wait(waiting) if comes(&waiting.reason) => {
                sought.extend(waiting.new.into_iter().flat_map(|new| to(waiting.asked.clone(), new)));
            }
            Choice::Wait(_) | Choice::Nothing => {}
        }
    }
    sought
}

impl Rules<'_> {
    /// The waves that have proved a digest of this tag for a pin; what somebody takes back asks none.
    pub(in crate::domain) fn proofs(
        &self,
        candidate: &Candidate,
        asked: &TagRef,
        digest: &Digest,
        urgency: Option<&Urgency>,
    ) -> Vec<WaveProof> {
        let asks = self.repository.filter(|_| !matches!(urgency, Some(Urgency::RolledBack(_))));
        let Some(repository) = asks.filter(|_| !self.knowledge.waves.is_empty()) else { return Vec::new() };
        let history = self.history(asked);
        self.knowledge.waves.proofs(repository, self.wave_candidate(candidate, (asked, &history), digest), self.now)
    }

    pub(super) fn wave_candidate<'c>(
        &'c self,
        candidate: &'c Candidate,
        (tag, history): (&'c TagRef, &'c History),
        digest: &'c Digest,
    ) -> WaveCandidate<'c> {
        let Policy { follow, denied, .. } = self.policy;
        WaveCandidate { tag, digest, left: left(candidate, tag), follow: *follow, history: Some(history), denied }
    }

    /// A digest that a pin is to move to, once for each tag that is left for it.
    fn sought(&self, candidate: &Candidate, tag: TagRef, digest: Digest) -> Vec<Sought> {
        let history = self.history(&tag);
        let left = self.knowledge.waves.left_for(self.wave_candidate(candidate, (&tag, &history), &digest));
        let none = left.is_empty().then_some(None);
        let left = none.into_iter().chain(left.into_iter().map(Some));
        left.map(|left| Sought { tag: tag.clone(), digest, left }).collect()
    }

    /// Whether a digest is old enough for a pin that can wait.
    fn has_ripened(&self, sighting: &Sighting) -> Result<(), Reason> {
        self.is_old_enough(sighting).and_then(|()| self.has_settled(sighting))
    }
}

/// The oldest digest after the pinned one that is too young, or was not the head for long enough.
fn ripening(candidate: &Candidate, rules: &Rules<'_>) -> Option<Digest> {
    let asked = &candidate.asked;
    let history = rules.history(asked);
    let is_early =
        |sighting: &&&Sighting| rules.denied(asked, &sighting.digest).is_none() && rules.has_ripened(sighting).is_err();
    let newest_first = history.after(candidate.old.as_ref());
    let oldest = newest_first.iter().rev().find(is_early)?;
    Some(oldest.digest)
}

/// The tag that a pin leaves for this one, as a registry is asked for both.
fn left<'c>(candidate: &'c Candidate, tag: &TagRef) -> Option<&'c TagRef> {
    Some(&candidate.asked).filter(|asked| *asked != tag)
}

/// Whether a digest with this reason may still be proposed.
fn comes(reason: &Reason) -> bool {
    matches!(
        reason,
        Reason::Wave(_)
            | Reason::TooYoung { .. }
            | Reason::Unsettled { .. }
            | Reason::NotInMirror { .. }
            | Reason::HeldBack(_)
            | Reason::Unknown(_)
    )
}
