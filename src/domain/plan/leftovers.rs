//! What is left on the forge: branches that nobody needs, refusals that nobody can read.

use std::collections::BTreeSet;

use super::decide::Decision;
use super::{Action, DeletionCause};
use crate::domain::message;
use crate::domain::proposal::Reason;
use crate::domain::pull_request::{BranchName, PullRequestState};

impl Decision<'_> {
    /// Branches of ours that nobody needs: merged, withdrawn, or pushed and then overtaken.
    pub(super) fn leftovers(&mut self) {
        let needed: BTreeSet<BranchName> = (self.open().map(|seen| seen.pull_request.branch.clone()))
            .chain(self.plan.actions.iter().filter_map(|action| match action {
                Action::Open { proposal, .. } => Some(proposal.branch.clone()),
                Action::Update { .. } | Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => {
                    None
                }
            }))
            .collect();
        let is_certain = self.facts.problems.is_empty()
            && !self.plan.not_proposed.iter().any(|pin| matches!(pin.reason, Reason::Unknown(_)));
        for there in self.branches.all().filter(|there| !needed.contains(&there.name)) {
            let last = self.branches.seen(&there.name).find(|seen| seen.pull_request.head == there.head);
            let cause = match last {
                Some(seen) if seen.pull_request.state == PullRequestState::Merged => Some(DeletionCause::Merged),
                Some(seen) if seen.is_withdrawn() => Some(DeletionCause::Withdrawn),
                // A person closed it: the branch is theirs to reopen from.
                Some(_) => None,
                None if self.waiting.contains(&there.name) => None,
                None => (is_certain && self.branches.is_own(there)).then_some(DeletionCause::Leftover),
            };
            self.plan.actions.extend(cause.map(|cause| Action::DeleteBranch {
                branch: there.name.clone(),
                lease: there.head.clone(),
                cause,
            }));
        }
    }

    /// Where something is opened, a person's refusal that cannot be read may be passed over: that is said.
    pub(super) fn unreadable_refusals(&mut self) {
        if !self.plan.actions.iter().any(|action| matches!(action, Action::Open { .. })) {
            return;
        }
        for seen in self.seen.iter().filter(|seen| seen.is_refusal()) {
            let number = self.facts.vocabulary.numbered(seen.pull_request.number);
            let warning = |error| message::unreadable_refusal(&number, error);
            self.plan.warnings.extend(seen.marker.as_ref().err().map(warning));
        }
    }
}
