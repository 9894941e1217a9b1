//! Figures of a cycle that are no part of its plan: how old what is behind is, and how open pull requests stand.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::open;
use super::report::Report;
use crate::domain::candidates::{self, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::digest::Digest;
use crate::domain::plan::Knowledge;
use crate::domain::pull_request::Pipeline;
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

/// Adds the figures to each repository of the report of a cycle that ends now.
pub async fn add(
    store: &dyn Store,
    fleet: &[RepositoryFacts],
    knowledge: &Knowledge,
    report: &mut Report,
    at: Timestamp,
) -> Result<(), StoreError> {
    let facts: BTreeMap<RepositoryKey, &RepositoryFacts> = fleet.iter().map(|facts| (facts.key(), facts)).collect();
    let mut known: BTreeMap<(TagRef, Digest), Option<Timestamp>> = BTreeMap::new();
    for repository in &mut report.repositories {
        let mut stale_since: Option<Timestamp> = None;
        if let Some(facts) = facts.get(&repository.plan.repository) {
            for pin in candidates::of_repository(facts, &knowledge.observations) {
                if !matches!(pin.state, UseState::Behind { .. }) {
                    continue;
                }
                let Some(old) = pin.old else { continue };
                let key = (pin.asked, old);
                let since = match known.get(&key) {
                    Some(since) => *since,
                    None => store.stale_since(&key.0, &key.1).await?,
                };
                known.insert(key, since);
                stale_since = stale_since.into_iter().chain(since).min();
            }
        }
        let read = knowledge.pull_requests.get(&repository.plan.repository).and_then(|read| read.as_ref().ok());
        let open = open::after(repository, read.map(Vec::as_slice).unwrap_or_default(), at);
        let open = open.into_iter().map(|it| (it.number, it.pipeline)).collect();
        repository.figures = Figures { stale_since, open };
    }
    Ok(())
}
