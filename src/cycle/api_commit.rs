//! The commit of a proposal, made by the forge, so that the forge signs it.
//!
//! It has the forge's author and time, so that the same proposal gives another id each time: what a branch already is, is
//! told by parent, tree and message, as those of the commit that refrom would make itself.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, bail};

use super::build::Built;
use crate::domain::plan::Proposal;
use crate::domain::pull_request::{CommitId, RepoName};
use crate::forge::{ApiCommit, Forge};
use crate::git::{GitError, Repository};
use crate::net::Remote;

/// The proposal's commit, in the object cache, too: the head of its branch where that makes the same change, else a new
/// one, to which no branch points but [`ApiCommit::scratch`].
pub async fn make(forge: &dyn Forge, name: &RepoName, built: &Built, proposal: &Proposal) -> anyhow::Result<CommitId> {
    let repository = &built.repository;
    let remote = forge.git_access(name).await?;
    if let Some(head) = &proposal.expected
        && is_made(repository, &remote, &built.commit, head).await?
    {
        return Ok(head.clone());
    }
    let base = built.new.base.clone();
    let files = files(built).await?;
    let (message, scratch) = (built.new.full_message(), proposal.branch.scratch());
    let made = forge.commit(name, &ApiCommit { base: base.clone(), message, files, scratch }).await?;
    repository.fetch_child(&remote, &made, &base).await.context("cannot fetch the commit that the forge made")?;
    if !repository.is_same_change(&built.commit, &made).await? {
        bail!("the forge made another commit than it was asked for: `{made}`");
    }
    Ok(made)
}

/// Whether the branch's head makes the planned change. One that is not there any more does not; the push's lease finds
/// out why.
async fn is_made(
    repository: &Repository,
    remote: &Remote,
    planned: &CommitId,
    head: &CommitId,
) -> anyhow::Result<bool> {
    match repository.fetch_head(remote, head).await {
        Ok(()) => Ok(repository.is_same_change(planned, head).await?),
        Err(GitError::Failed { .. } | GitError::NotFetched { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The changed files with the modes that they have.
async fn files(built: &Built) -> anyhow::Result<BTreeMap<String, (u32, Vec<u8>)>> {
    let paths: BTreeSet<String> = built.new.changes.iter().map(|change| change.path.clone()).collect();
    let found = built.repository.files(&built.new.base, move |path| paths.contains(path)).await?;
    let modes: BTreeMap<&str, u32> = found.iter().map(|file| (file.path.as_str(), file.mode)).collect();
    let files = built.new.changes.iter().map(|change| {
        let mode = *modes.get(change.path.as_str()).with_context(|| format!("`{}` is not there", change.path))?;
        Ok((change.path.clone(), (mode, change.content.clone())))
    });
    files.collect()
}
