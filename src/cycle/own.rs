//! What refrom did before, as far as it is not on a pull request: whose commits are its own, what it told forges, and
//! what it was opening when it was ended.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::report::Report;
use super::{Parts, patch_times};
use crate::domain::candidates::{RepositoryFacts, RepositoryKey};
use crate::domain::policy::{AutoMerge, CommitMode};
use crate::domain::pull_request::{BranchName, CommitId};
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

/// The branches whose pull request was being opened when a cycle was ended.
pub async fn unfinished(parts: &Parts) -> Result<BTreeMap<RepositoryKey, BTreeSet<BranchName>>, StoreError> {
    let mut all: BTreeMap<RepositoryKey, BTreeSet<BranchName>> = BTreeMap::new();
    for forge in &parts.forges {
        for (name, branch) in parts.store.openings(forge.name()).await? {
            all.entry(RepositoryKey { forge: forge.name().to_owned(), name }).or_default().insert(branch);
        }
    }
    Ok(all)
}

/// When a pull request was last opened in each repository: as far as it is noted, and as far as the forge still shows
/// it. Asked only where an interval is kept.
pub async fn last_opened(
    parts: &Parts,
    fleet: &[RepositoryFacts],
    pull_requests: &patch_times::Read,
) -> Result<BTreeMap<RepositoryKey, Timestamp>, StoreError> {
    if !fleet.iter().any(|facts| facts.policy.min_interval > SignedDuration::ZERO) {
        return Ok(BTreeMap::new());
    }
    let mut all = parts.store.last_opened().await?;
    for (key, read) in pull_requests {
        let shown = read.iter().flatten().filter(|it| it.branch.is_ours()).filter_map(|it| it.opened_at).max();
        if let Some(last) = all.get(key).copied().into_iter().chain(shown).max() {
            all.insert(key.clone(), last);
        }
    }
    Ok(all)
}
