//! What would be opened or updated, and is not, because it is not the repository's time.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::decide::{Decision, content, marker_pins};
use super::seen::Seen;
use crate::domain::cadence::{CadenceMode, Due};
use crate::domain::candidates::RepositoryFacts;
use crate::domain::marker::MarkerPin;
use crate::domain::proposal::{Pin, Reason};
use crate::domain::pull_request::BranchName;

/// When something may be opened or updated in a repository that had its last turn then.
pub(super) fn due(facts: &RepositoryFacts, last_turn: Option<Timestamp>, mode: CadenceMode, now: Timestamp) -> Due {
    match mode {
        CadenceMode::Honour => facts.policy.cadence.due(&facts.key(), last_turn, now),
        CadenceMode::Ignore => Due::Now { because: "its cadence is ignored".to_owned() },
    }
}

impl Decision<'_> {
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
