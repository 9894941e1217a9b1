//! What refrom did before, as far as it is not on a pull request: whose commits are its own, and what it told forges.

use std::collections::{BTreeMap, BTreeSet};

use super::Parts;
use super::report::Report;
use crate::domain::candidates::{RepositoryFacts, RepositoryKey};
use crate::domain::policy::{AutoMerge, CommitMode};
use crate::domain::pull_request::CommitId;
use crate::store::StoreError;

/// By the forge's name: the addresses of commits that are made through its API. Asked only where such commits may be on
/// a branch. Where they are not known, such a commit counts as somebody else's, which harms nothing.
pub async fn api_emails(
    parts: &Parts,
    fleet: &[RepositoryFacts],
    report: &mut Report,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut all = BTreeMap::new();
    for forge in &parts.forges {
        let may_have_some = |facts: &RepositoryFacts| {
            facts.forge == forge.name()
                && facts.policy.commits == CommitMode::Api
                && !facts.head.bot_branches.is_empty()
        };
        if !fleet.iter().any(may_have_some) {
            continue;
        }
        match forge.commit_emails().await {
            Ok(emails) => drop(all.insert(forge.name().to_owned(), emails)),
            Err(error) => {
                let message = format!("cannot tell the commits that it makes from those of others: {error}");
                report.problem(forge.name().to_owned(), message);
            }
        }
    }
    all
}

/// What forges were told to merge by themselves, of the repositories where they are.
pub async fn told_to_merge(
    parts: &Parts,
    fleet: &[RepositoryFacts],
) -> Result<BTreeMap<RepositoryKey, BTreeMap<u64, CommitId>>, StoreError> {
    let mut all: BTreeMap<RepositoryKey, BTreeMap<u64, CommitId>> = BTreeMap::new();
    for forge in &parts.forges {
        let is_told =
            |facts: &RepositoryFacts| facts.forge == forge.name() && facts.policy.automerge == AutoMerge::WhenGreen;
        if !fleet.iter().any(is_told) {
            continue;
        }
        for ((name, number), head) in parts.store.told_to_merge(forge.name()).await? {
            let key = RepositoryKey { forge: forge.name().to_owned(), name };
            all.entry(key).or_default().insert(number, head);
        }
    }
    Ok(all)
}
