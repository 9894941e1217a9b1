//! Letting GitHub merge a pull request by itself
//! (<https://docs.github.com/en/pull-requests/collaborating-with-pull-requests/incorporating-changes-from-a-pull-request/automatically-merging-a-pull-request>).

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::account::Account;
use super::graph::{self, fields};
use super::{GitHub, documents, owner_and_name};
use crate::domain::pull_request::{CommitId, RepoName};
use crate::forge::ForgeError;

/// `MergeSettings` of the documents.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    auto_merge_allowed: bool,
    /// A name that is new to us stays a text.
    viewer_default_merge_method: String,
    merge_commit_allowed: bool,
    squash_merge_allowed: bool,
    rebase_merge_allowed: bool,
    pull_request: Option<Standing>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Standing {
    id: String,
    head_ref_oid: String,
    auto_merge_request: Option<IgnoredAny>,
}

impl Settings {
    /// The default of repository and account, where the repository allows it (the last used one may be forbidden by
    /// now), else the first that it allows. A merge queue has its own, whatever is said here.
    fn method(&self) -> Option<&str> {
        let allowed = [
            ("MERGE", self.merge_commit_allowed),
            ("SQUASH", self.squash_merge_allowed),
            ("REBASE", self.rebase_merge_allowed),
        ];
        let allowed = || allowed.iter().filter(|(_, is_allowed)| *is_allowed).map(|(method, _)| *method);
        allowed().find(|method| *method == self.viewer_default_merge_method).or_else(|| allowed().next())
    }
}

/// Asks how the repository merges, then tells GitHub to. Each attempt looks first, so that an answer that got lost is no
/// refusal. GitHub refuses with [`ForgeError::Invalid`] what it could merge at once ("Pull request is in clean status"),
/// as where nothing is required of the base branch.
pub(super) async fn enable(
    github: &GitHub,
    repository: &RepoName,
    number: u64,
    head: &CommitId,
) -> Result<(), ForgeError> {
    let account = github.account(owner_and_name(repository)?.0).await?;
    github.retry.run(|| attempt(github, &account, repository, (number, head))).await
}

async fn attempt(
    github: &GitHub,
    account: &Account,
    repository: &RepoName,
    (number, head): (u64, &CommitId),
) -> Result<(), ForgeError> {
    let (owner, name) = owner_and_name(repository)?;
    let what = format!("pull request #{number} of `{repository}`");
    let variables = json!({ "owner": owner, "name": name, "number": number });
    let graph = graph::query(account, &documents::merge_settings(), &variables, &what).await?;
    let settings: Settings = graph.value(&fields(&["repository"]), &what)?;
    let method = settings.method().map(ToOwned::to_owned);
    let Some(standing) = settings.pull_request else { return Err(ForgeError::NotFound { what }) };
    if standing.auto_merge_request.is_some() {
        return Ok(());
    }
    let Some(method) = method.filter(|_| settings.auto_merge_allowed) else {
        return Err(ForgeError::Denied { message: format!("`{repository}` does not allow auto-merge") });
    };
    if standing.head_ref_oid != head.as_str() {
        return Err(ForgeError::Invalid { message: format!("the head of {what} is not `{head}` any more") });
    }
    let variables = json!({ "id": standing.id, "head": head.as_str(), "method": method });
    let telling = documents::enable_auto_merge();
    let graph = github.pace.take_turn(graph::query(account, &telling, &variables, &what)).await?;
    graph.value::<Value>(&fields(&["enablePullRequestAutoMerge"]), &what).map(drop)
}
