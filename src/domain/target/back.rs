//! Where a pin goes whose digest somebody took back: past all rules but those of the registry.

use super::Rules;
use super::looks::{BACK_LOOKED_UP_MAX, Looks};
use super::search::{Next, Search, Trail};
use crate::domain::candidates::Candidate;
use crate::domain::denial::{Way, WayBack};
use crate::domain::digest::Digest;
use crate::domain::proposal::{Compared, Reason, Urgency};

impl Search {
    /// Looks along the way back. Where there is nothing to go back to, or the last ones are all lost, the pin goes on as
    /// any other.
    pub(super) fn back(&mut self, candidate: &Candidate, rules: &Rules<'_>, back: (Digest, &WayBack<'_>)) -> Next {
        let (old, back) = back;
        let urgency = Urgency::RolledBack(back.denial.reason.clone());
        let can_go = |way: &&Way| {
            (way.new_tag.is_none() || candidate.can_change_tag)
                && rules.denied(&way.asked(&candidate.asked), &way.digest).is_none()
        };
        let mut looks = Looks::default();
        for way in back.ways.iter().filter(can_go) {
            if looks.are_used_up(BACK_LOOKED_UP_MAX) {
                break;
            }
            let trail = Trail::of(rules, way.asked(&candidate.asked), way.new_tag.clone());
            match self.look(candidate, rules, &trail, (way.digest, Some(&urgency))) {
                Next::Candidate => looks.refused += 1,
                Next::NotInMirror => looks.not_in_mirror += 1,
                Next::Trail | Next::End => return Next::End,
            }
            // What is lost is no way back; what may still come is worth waiting for.
            self.stops.forget_lost();
        }
        let reason = Reason::NoWayBack { digest: old, reason: back.denial.reason.clone() };
        self.stop(&candidate.asked, None, reason);
        Next::Trail
    }
}

impl<'a> Rules<'a> {
    /// Where a pin goes whose digest somebody took back; `None`: nobody did.
    pub(super) fn way_back(&self, candidate: &Candidate) -> Option<WayBack<'a>> {
        let (repository, old, asked) = (self.repository?, candidate.old.as_ref()?, &candidate.asked);
        self.knowledge.denials.of(asked, old)?;
        self.knowledge.denials.way_back(repository, asked, (old, self.policy.follow), Some(&self.history(asked)))
    }

    /// What a digest must have of the pinned one: whoever goes back goes to what was there before, or to what somebody
    /// chose.
    pub(super) fn compared<'c>(
        &self,
        candidate: &'c Candidate,
        digest: Digest,
        urgency: Option<&Urgency>,
    ) -> Compared<'c> {
        let is_named = || {
            let denial = candidate.old.and_then(|old| self.knowledge.denials.of(&candidate.asked, &old));
            denial.is_some_and(|denial| denial.to == Some(digest))
        };
        match urgency {
            Some(Urgency::RolledBack(_)) if is_named() => Compared::Nothing,
            Some(Urgency::RolledBack(_)) => Compared::InUse(&candidate.in_use),
            Some(Urgency::Gone) | None => Compared::Everything,
        }
    }
}
