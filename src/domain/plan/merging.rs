//! Which pull requests the forge is told to merge by itself.

use super::{Action, Knowledge, MergeTarget, RepositoryPlan};
use crate::domain::candidates::RepositoryFacts;
use crate::domain::policy::AutoMerge;
use crate::domain::pull_request::{AutoMergesFrom, Pipeline, PullRequest};

/// Adds the telling to what is opened and updated, and to what stands as it should and was not told yet for its head: a
/// cycle that was ended after the opening, or a policy that is new. A forge that refuses it before there is a pipeline is
/// told by the first cycle that sees one: a refusal would stand until the next head. What is held, a draft, or has
/// somebody else's commit is left to people.
pub(super) fn add(plan: &mut RepositoryPlan, facts: &RepositoryFacts, knowledge: &Knowledge) {
    match facts.policy.automerge {
        AutoMerge::Off => return,
        AutoMerge::WhenGreen => {}
    }
    let is_early = facts.auto_merges_from == AutoMergesFrom::Opening;
    let proposed = plan.actions.iter().filter(|_| is_early).filter_map(|action| match action {
        Action::Open { proposal, .. } => (!proposal.draft).then(|| proposal.branch.clone()),
        // A forge that merges by itself goes on with the new head.
        Action::Update { proposal, pull_request: open } => {
            (!open.is_draft && !open.is_auto_merging).then(|| proposal.branch.clone())
        }
        Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => None,
    });
    let proposed = proposed.map(|branch| Action::AutoMerge { branch, target: MergeTarget::Proposed });
    let read = knowledge.pull_requests.get(&plan.repository).and_then(|read| read.as_ref().ok());
    let told = knowledge.told_to_merge.get(&plan.repository);
    let is_told = |it: &PullRequest| told.and_then(|told| told.get(&it.number)) == Some(&it.head);
    let standing = plan.up_to_date.iter().filter_map(|standing| read?.iter().find(|it| it.number == standing.number));
    let has_pipeline = |it: &PullRequest| matches!(it.pipeline, Pipeline::Pending | Pipeline::Passed);
    let standing = standing.filter(|it| is_early || has_pipeline(it));
    let standing = standing.filter(|it| !it.is_draft && !it.is_auto_merging && !is_told(it)).map(|it| {
        let (number, url, head) = (it.number, it.url.clone(), it.head.clone());
        Action::AutoMerge { branch: it.branch.clone(), target: MergeTarget::Standing { number, url, head } }
    });
    let merging: Vec<_> = proposed.chain(standing).collect();
    plan.actions.extend(merging);
}
