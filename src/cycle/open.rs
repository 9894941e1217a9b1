//! The open pull requests of ours in one repository, as a cycle left them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::{Outcome, RepositoryReport};
use crate::domain::plan::Action;
use crate::domain::pull_request::{Pipeline, PullRequest, PullRequestState};
use crate::domain::status::{PullRequestStatus, Wait};

/// Those that were open when the cycle looked, without what it closed, with what it opened; newest first.
pub fn after(report: &RepositoryReport, read: &[PullRequest], at: Timestamp) -> Vec<PullRequestStatus> {
    let ours = read.iter().filter(|it| it.state == PullRequestState::Open && it.branch.is_ours());
    let mut open: BTreeMap<u64, PullRequestStatus> = ours.map(|it| (it.number, standing(it))).collect();
    for (action, deed) in report.plan.actions.iter().zip(&report.deeds) {
        let (Outcome::Done, Some((number, url))) = (&deed.outcome, &deed.pull_request) else { continue };
        if let Action::Open { replaces: Some(closing), .. } | Action::Close(closing) = action {
            open.remove(&closing.number);
        }
        if let Action::Open { proposal, .. } | Action::Update { proposal, .. } = action {
            let before = open.remove(number);
            let status = PullRequestStatus {
                number: *number,
                url: url.clone(),
                title: proposal.title.clone(),
                branch: proposal.branch.clone(),
                // Of the new head the forge has said nothing yet.
                pipeline: Pipeline::Unknown,
                is_auto_merging: before.as_ref().is_some_and(|before| before.is_auto_merging),
                opened_at: before.map_or(Some(at), |before| before.opened_at),
                left_alone: None,
            };
            open.insert(*number, status);
        }
        if let (Action::AutoMerge { .. }, true) = (action, deed.warnings.is_empty())
            && let Some(status) = open.get_mut(number)
        {
            status.is_auto_merging = true;
        }
    }
    for left in &report.plan.left_alone {
        if let Some(status) = open.get_mut(&left.number) {
            status.left_alone = Some(Wait::new(&left.reason, report.plan.vocabulary, at));
        }
    }
    open.into_values().rev().collect()
}

fn standing(open: &PullRequest) -> PullRequestStatus {
    let PullRequest { number, url, title, branch, pipeline, is_auto_merging, opened_at, .. } = open.clone();
    PullRequestStatus { number, url, title, branch, pipeline, is_auto_merging, opened_at, left_alone: None }
}
