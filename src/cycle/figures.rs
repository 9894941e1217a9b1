//! Figures of a cycle that are no part of its plan: how old what is behind is, and how open pull requests stand.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::report::{Outcome, Report, RepositoryReport};
use crate::domain::candidates::{self, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::digest::Digest;
use crate::domain::plan::{Action, Knowledge};
use crate::domain::pull_request::{Pipeline, PullRequestState};
use crate::domain::reference::TagRef;
use crate::store::{Store, StoreError};

/// How a repository stands after a cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Since when its longest stale pin is behind, by refrom's clock; `None`: nothing is, or nobody knows.
    pub stale_since: Option<Timestamp>,
    /// Open pull requests of ours by number, with how their checks stood when the cycle looked.
    pub open: BTreeMap<u64, Pipeline>,
}

/// Adds the figures to each repository of the report.
pub async fn add(
    store: &dyn Store,
    fleet: &[RepositoryFacts],
    knowledge: &Knowledge,
    report: &mut Report,
) -> Result<(), StoreError> {
    let facts: BTreeMap<RepositoryKey, &RepositoryFacts> = fleet.iter().map(|facts| (facts.key(), facts)).collect();
    let mut known: BTreeMap<(TagRef, Digest), Option<Timestamp>> = BTreeMap::new();
    for repository in &mut report.repositories {
        let mut stale_since: Option<Timestamp> = None;
        if let Some(facts) = facts.get(&repository.plan.repository) {
            for pin in candidates::behind(facts, &knowledge.observations).pins {
                if !matches!(pin.state, UseState::Behind { .. }) {
                    continue;
                }
                let key = (pin.tag, pin.old);
                let since = match known.get(&key) {
                    Some(since) => *since,
                    None => store.stale_since(&key.0, &key.1).await?,
                };
                known.insert(key, since);
                stale_since = stale_since.into_iter().chain(since).min();
            }
        }
        repository.figures = Figures { stale_since, open: open(repository, knowledge) };
    }
    Ok(())
}

/// Those that were open, without what was closed, with what was opened.
fn open(repository: &RepositoryReport, knowledge: &Knowledge) -> BTreeMap<u64, Pipeline> {
    let read = knowledge.pull_requests.get(&repository.plan.repository).and_then(|read| read.as_ref().ok());
    let was_open = read.into_iter().flatten().filter(|it| it.state == PullRequestState::Open && it.branch.is_ours());
    let mut open: BTreeMap<u64, Pipeline> = was_open.map(|it| (it.number, it.pipeline)).collect();
    for (action, deed) in repository.plan.actions.iter().zip(&repository.deeds) {
        let Some((number, _)) = deed.pull_request.as_ref().filter(|_| deed.outcome == Outcome::Done) else { continue };
        match action {
            Action::Open { replaces, .. } => {
                if let Some(closed) = replaces {
                    open.remove(&closed.number);
                }
                open.insert(*number, Pipeline::Unknown);
            }
            // A new commit: its checks have just begun.
            Action::Update { .. } => drop(open.insert(*number, Pipeline::Unknown)),
            Action::Close(_) => drop(open.remove(number)),
            Action::AutoMerge { .. } | Action::DeleteBranch { .. } => {}
        }
    }
    open
}
