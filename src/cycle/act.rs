//! Carrying out a plan: commits, pushes with a lease, pull requests.
//!
//! The order within an action makes every stop in between harmless: the commit is a function of the plan, so a push
//! that was made is recognized; a pull request is found by its branch; a body says that it is withdrawn before the
//! closing could be taken for a refusal.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use futures_util::stream;
use tracing::Instrument as _;

use super::api_commit;
use super::build::{self, Built};
use super::report::{Deed, Outcome, Report, RepositoryReport};
use super::{Host, Parts, Step, patch_times};
use crate::domain::candidates::{RepositoryFacts, RepositoryKey};
use crate::domain::plan::{Action, Closing, MergeTarget, Plan, Proposal, RepositoryPlan};
use crate::domain::policy::CommitMode;
use crate::domain::pull_request::{BranchName, CommitId, NewPullRequest, PullRequest, RepoName};
use crate::forge::{Forge, ForgeError};
use crate::git::{PushOutcome, Update};

/// Repositories that are written to at once; the forge paces its writes itself.
const CONCURRENCY: usize = 4;

/// Why an action was left to the next cycle.
const STOPPING: &str = "not begun: refrom is about to end";

/// Carries out the plan of every repository; a failure stays in its repository.
pub async fn fleet(parts: &Parts, fleet: &[RepositoryFacts], plan: Plan, host: Host<'_>, report: &mut Report) {
    let facts: BTreeMap<RepositoryKey, &RepositoryFacts> = fleet.iter().map(|facts| (facts.key(), facts)).collect();
    let of = plan.repositories.iter().map(|plan| plan.actions.len()).sum();
    let mut answers = stream::iter(plan.repositories)
        .map(|plan| {
            let facts = facts.get(&plan.repository).copied();
            let span = tracing::info_span!("repository", forge = plan.repository.forge, repo = %plan.repository.name);
            async move { repository(parts, facts, plan, host).await }.instrument(span)
        })
        .buffer_unordered(CONCURRENCY);
    let mut done = 0;
    while let Some((repository, problems)) = answers.next().await {
        done += repository.deeds.len();
        if of > 0 {
            (host.watcher)(Step { what: "actions", done, of });
        }
        for message in problems {
            report.problem(repository.plan.repository.to_string(), message);
        }
        report.repositories.push(repository);
    }
}

async fn repository(
    parts: &Parts,
    facts: Option<&RepositoryFacts>,
    plan: RepositoryPlan,
    host: Host<'_>,
) -> (RepositoryReport, Vec<String>) {
    let forge = parts.forges.iter().find(|forge| forge.name() == plan.repository.forge);
    let (Some(facts), Some(forge)) = (facts, forge) else {
        let report = RepositoryReport::new(plan, Vec::new());
        return (report, vec!["it is planned for and was not gathered".to_owned()]);
    };
    let mut actor = Actor { parts, facts, forge: forge.as_ref(), host, proposed: BTreeMap::new() };
    let mut deeds = Vec::new();
    for action in &plan.actions {
        deeds.push(if (host.stopping)() { not_begun() } else { actor.act(action).await });
    }
    let mut problems = Vec::new();
    for left_alone in &plan.left_alone {
        let Some(comment) = &left_alone.comment else { continue };
        if (host.stopping)() {
            break;
        }
        let result = forge.comment_once(actor.name(), left_alone.number, comment.key, comment.text).await;
        if let Err(error) = result {
            problems.push(format!("cannot comment on {}: {error}", plan.vocabulary.numbered(left_alone.number)));
        }
    }
    (RepositoryReport::new(plan, deeds), problems)
}

fn not_begun() -> Deed {
    Deed { outcome: Outcome::Failed(STOPPING.to_owned()), pull_request: None, warnings: Vec::new() }
}

struct Actor<'a> {
    parts: &'a Parts,
    facts: &'a RepositoryFacts,
    forge: &'a dyn Forge,
    host: Host<'a>,
    /// What was opened and updated so far.
    proposed: BTreeMap<BranchName, Standing>,
}

/// An open pull request at its head.
#[derive(Clone)]
struct Standing {
    number: u64,
    url: String,
    head: CommitId,
}

impl Actor<'_> {
    fn name(&self) -> &RepoName {
        &self.facts.head.name
    }

    async fn act(&mut self, action: &Action) -> Deed {
        let mut deed = Deed { outcome: Outcome::Done, pull_request: None, warnings: Vec::new() };
        let result = match action {
            Action::Open { proposal, replaces } => self.open(proposal, replaces.as_ref(), &mut deed).await,
            Action::Update { proposal, pull_request } => self.update(proposal, pull_request, &mut deed).await,
            Action::AutoMerge { branch, target } => self.auto_merge(branch, target, &mut deed).await,
            Action::Close(closing) => self.close(closing, &mut deed).await,
            Action::DeleteBranch { branch, lease, .. } => self.delete(branch, lease, &mut deed).await,
        };
        if let Err(error) = result {
            let number = deed.pull_request.as_ref().map(|(number, _)| *number);
            tracing::error!(pr.number = number, error = format!("{error:#}"), "an action failed");
            deed.outcome = Outcome::Failed(format!("{error:#}"));
        }
        deed
    }

    async fn open(&mut self, proposal: &Proposal, replaces: Option<&Closing>, deed: &mut Deed) -> anyhow::Result<()> {
        if let Some(closing) = replaces {
            self.close(closing, &mut deed.clone()).await?;
        }
        let commit = self.push_commit(proposal, deed).await?;
        let new = new_pull_request(proposal, &commit);
        let (store, forge) = (&self.parts.store, self.forge.name());
        store.put_opening(forge, self.name(), &proposal.branch).await?;
        let opened = self.forge.open(self.name(), &new).await?;
        store.remove_opening(forge, self.name(), &proposal.branch).await?;
        tracing::info!(pr.number = opened.number, branch = %proposal.branch, "opened a pull request");
        let url = opened.url;
        deed.pull_request = Some((opened.number, url.clone()));
        deed.warnings.extend(opened.warnings);
        self.proposed.insert(proposal.branch.clone(), Standing { number: opened.number, url, head: commit });
        let now = (self.host.clock)();
        self.parts.store.record_opened(self.forge.name(), self.name(), now).await?;
        let store = self.parts.store.as_ref();
        patch_times::opened(store, &self.facts.key(), (opened.number, proposal), now).await?;
        Ok(())
    }

    async fn update(&mut self, proposal: &Proposal, open: &PullRequest, deed: &mut Deed) -> anyhow::Result<()> {
        deed.pull_request = Some((open.number, open.url.clone()));
        let commit = self.push_commit(proposal, deed).await?;
        let body = proposal.body.with_commit(&commit);
        if open.title != proposal.title || open.body != body {
            self.forge.update(self.name(), open.number, &proposal.title, &body).await?;
        }
        if proposal.finishes_opening {
            let new = new_pull_request(proposal, &commit);
            deed.warnings.extend(self.forge.finish_opening(self.name(), open.number, &new).await?);
            self.parts.store.remove_opening(self.forge.name(), self.name(), &proposal.branch).await?;
        }
        tracing::info!(pr.number = open.number, branch = %proposal.branch, "updated a pull request");
        let (number, url) = (open.number, open.url.clone());
        self.proposed.insert(proposal.branch.clone(), Standing { number, url, head: commit });
        Ok(())
    }

    /// Tells the forge to merge, and notes that it was told. A refusal is a remark: it stays one until the next head.
    async fn auto_merge(&self, branch: &BranchName, target: &MergeTarget, deed: &mut Deed) -> anyhow::Result<()> {
        let Standing { number, url, head } = match target {
            MergeTarget::Standing { number, url, head } => {
                Standing { number: *number, url: url.clone(), head: head.clone() }
            }
            MergeTarget::Proposed => {
                let proposed = self.proposed.get(branch).cloned();
                proposed.with_context(|| format!("nothing was proposed on `{branch}`"))?
            }
        };
        deed.pull_request = Some((number, url));
        match self.forge.auto_merge(self.name(), number, &head).await {
            Ok(()) => tracing::info!(pr.number = number, "the forge merges by itself"),
            Err(error @ (ForgeError::Denied { .. } | ForgeError::Invalid { .. })) => {
                tracing::warn!(pr.number = number, %error, "the forge does not merge by itself");
                deed.warnings.push(format!("the forge does not merge it by itself: {error}"));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.parts.store.put_told_to_merge(self.forge.name(), self.name(), number, &head).await?)
    }

    async fn close(&self, closing: &Closing, deed: &mut Deed) -> anyhow::Result<()> {
        deed.pull_request = Some((closing.number, closing.url.clone()));
        if let Some(body) = &closing.body {
            self.forge.update(self.name(), closing.number, &closing.title, body).await?;
        }
        self.forge.close(self.name(), closing.number, &closing.sentence).await?;
        tracing::info!(pr.number = closing.number, cause = ?closing.cause, "closed a pull request");
        match &closing.delete {
            Some(lease) => self.delete(&closing.branch, lease, deed).await,
            None => Ok(()),
        }
    }

    /// Makes the proposal's commit and pushes it, unless the branch is it already.
    async fn push_commit(&self, proposal: &Proposal, deed: &mut Deed) -> anyhow::Result<CommitId> {
        let built: Built = build::commit(self.parts, self.facts, self.forge, proposal).await?;
        let new = match self.facts.policy.commits {
            CommitMode::Git => built.commit,
            CommitMode::Api => api_commit::make(self.forge, self.name(), &built, proposal).await?,
        };
        let branch = proposal.branch.clone();
        let update = match &proposal.expected {
            Some(head) if *head == new => return Ok(new),
            Some(lease) => Update::Replace { branch, lease: lease.clone(), new: new.clone() },
            None => Update::Create { branch, new: new.clone() },
        };
        let mut updates = vec![update];
        if self.facts.policy.commits == CommitMode::Api && self.forge.leaves_scratch_branch() {
            updates.push(Update::Delete { branch: proposal.branch.scratch(), lease: new.clone() });
        }
        let mut outcomes = self.push(&updates).await?;
        let scratch = outcomes.split_off(1.min(outcomes.len()));
        written(outcomes)?;
        deed.warnings.extend(deleted(scratch)?);
        Ok(new)
    }

    async fn delete(&self, branch: &BranchName, lease: &CommitId, deed: &mut Deed) -> anyhow::Result<()> {
        let outcomes = self.push(&[Update::Delete { branch: branch.clone(), lease: lease.clone() }]).await?;
        deed.warnings.extend(deleted(outcomes)?);
        Ok(())
    }

    async fn push(&self, updates: &[Update]) -> anyhow::Result<Vec<(BranchName, PushOutcome)>> {
        let remote = self.forge.git_access(self.name()).await?;
        let repository = self.parts.git.repository(self.forge.name(), self.name());
        Ok(repository.push(&remote, updates).await?)
    }
}

fn new_pull_request(proposal: &Proposal, commit: &CommitId) -> NewPullRequest {
    NewPullRequest {
        branch: proposal.branch.clone(),
        base: proposal.base.clone(),
        title: proposal.title.clone(),
        body: proposal.body.with_commit(commit),
        labels: proposal.labels.clone(),
        reviewers: proposal.reviewers.clone(),
        assignees: proposal.assignees.clone(),
        draft: proposal.draft,
    }
}

/// Whether every branch is what it was to become.
fn written(outcomes: Vec<(BranchName, PushOutcome)>) -> anyhow::Result<()> {
    for (branch, outcome) in outcomes {
        match outcome {
            PushOutcome::Pushed | PushOutcome::UpToDate => {}
            PushOutcome::StaleLease => bail!("the branch `{branch}` moved meanwhile; the next cycle looks again"),
            PushOutcome::Rejected { reason } => bail!("the push to `{branch}` was rejected: {reason}"),
        }
    }
    Ok(())
}

/// The same for deletions, with remarks. Another head than the lease's is no failure here: a forge that deletes merged
/// branches itself was faster, or somebody works on the branch, who keeps it.
fn deleted(outcomes: Vec<(BranchName, PushOutcome)>) -> anyhow::Result<Vec<String>> {
    let (stale, others): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|(_, outcome)| *outcome == PushOutcome::StaleLease);
    written(others)?;
    Ok(stale
        .into_iter()
        .map(|(branch, _)| format!("the branch `{branch}` is gone already, or moved meanwhile"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_that_is_gone_already_is_a_remark_and_one_that_moved_stops_a_push() {
        let outcomes = |outcome| vec![("refrom/x".parse().unwrap(), outcome)];
        assert!(deleted(outcomes(PushOutcome::Pushed)).unwrap().is_empty());
        assert_eq!(deleted(outcomes(PushOutcome::StaleLease)).unwrap().len(), 1);
        assert!(written(outcomes(PushOutcome::StaleLease)).is_err());
        let rejected = || outcomes(PushOutcome::Rejected { reason: "no".to_owned() });
        assert!(written(rejected()).is_err() && deleted(rejected()).is_err());
    }
}
