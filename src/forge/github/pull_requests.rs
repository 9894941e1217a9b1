//! Finding pull requests: by branch, never by title.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::documents;
use super::graph::{fields, item};
use super::repository::protocol;
use super::{GitHub, PAGE, owner_and_name};
use crate::domain::pull_request::{BranchName, Mergeable, PullRequest, PullRequestState, RepoName};
use crate::forge::ForgeError;
use crate::forge::github::account::Account;

/// `PullRequestParts` of the documents. States are texts here: a value that is new to us spoils its pull request, not
/// the page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullRequestParts {
    pub number: u64,
    pub url: String,
    state: String,
    head_ref_name: String,
    base_ref_name: String,
    head_ref_oid: String,
    is_cross_repository: bool,
    viewer_did_author: bool,
    title: String,
    body: String,
    mergeable: String,
    labels: Option<Labels>,
}

#[derive(Debug, Deserialize)]
struct Labels {
    nodes: Vec<Label>,
}

#[derive(Debug, Deserialize)]
struct Label {
    name: String,
}

/// A connection of pull requests.
#[derive(Debug, Deserialize)]
pub(super) struct PullRequestNodes {
    pub nodes: Vec<PullRequestParts>,
}

/// A repository with the id that GraphQL is asked by.
type Asked = (RepoName, String);
/// An identity with the repositories that it asks about.
type Question = (Arc<Account>, Vec<Asked>);

impl PullRequestParts {
    /// **Invariant** of [`PullRequest`]: from the repository itself, and by our own account.
    pub fn is_ours(&self) -> bool {
        self.viewer_did_author && !self.is_cross_repository
    }

    /// Whether it comes from a branch of the repository itself.
    pub fn is_internal(&self) -> bool {
        !self.is_cross_repository
    }

    fn into_pull_request(self) -> Result<PullRequest, ForgeError> {
        let state = match self.state.as_str() {
            "OPEN" => PullRequestState::Open,
            "MERGED" => PullRequestState::Merged,
            "CLOSED" => PullRequestState::Closed,
            state => return Err(ForgeError::Protocol { message: format!("a pull request is `{state}`") }),
        };
        let mergeable = match self.mergeable.as_str() {
            "MERGEABLE" => Mergeable::Clean,
            "CONFLICTING" => Mergeable::Conflicting,
            _ => Mergeable::Unknown,
        };
        let labels = self.labels.map(|labels| labels.nodes).unwrap_or_default();
        Ok(PullRequest {
            number: self.number,
            url: self.url,
            state,
            branch: self.head_ref_name.parse().map_err(protocol)?,
            base: self.base_ref_name.parse().map_err(protocol)?,
            head: self.head_ref_oid.parse().map_err(protocol)?,
            title: self.title,
            body: self.body,
            labels: labels.into_iter().map(|label| label.name).collect(),
            mergeable,
        })
    }
}

/// All pull requests of ours from these branches: one request per branch name and 100 repositories of one identity.
pub(super) async fn of_branches(
    github: &GitHub,
    wanted: &BTreeMap<RepoName, (String, BTreeSet<BranchName>)>,
) -> BTreeMap<RepoName, Result<Vec<PullRequest>, ForgeError>> {
    let mut found: BTreeMap<_, _> = wanted.keys().map(|name| (name.clone(), Ok(Vec::new()))).collect();
    let mut accounts: BTreeMap<String, Result<Arc<Account>, ForgeError>> = BTreeMap::new();
    // One request serves one identity: by installation for an App, all at once for a token.
    let mut questions: BTreeMap<(&BranchName, Option<u64>), Question> = BTreeMap::new();
    for (name, (id, branches)) in wanted {
        let owner = name.as_str().split('/').next().unwrap_or_default().to_owned();
        if !accounts.contains_key(&owner) {
            accounts.insert(owner.clone(), github.account(&owner).await);
        }
        let account = match accounts.get(&owner) {
            Some(Ok(account)) => account,
            Some(Err(error)) => {
                found.insert(name.clone(), Err(error.for_another()));
                continue;
            }
            None => continue,
        };
        for branch in branches {
            let question = questions.entry((branch, account.installation()));
            question.or_insert_with(|| (Arc::clone(account), Vec::new())).1.push((name.clone(), id.clone()));
        }
    }
    for ((branch, _), (account, repositories)) in questions {
        for chunk in repositories.chunks(PAGE) {
            for (name, result) in of_branch(github, &account, branch, chunk).await {
                match (found.get_mut(&name), result) {
                    (Some(Ok(all)), Ok(pull_requests)) => all.extend(pull_requests),
                    (_, Err(error)) => {
                        found.insert(name, Err(error));
                    }
                    (_, Ok(_)) => {}
                }
            }
        }
    }
    for pull_requests in found.values_mut().flatten() {
        pull_requests.sort_by_key(|pull_request| std::cmp::Reverse(pull_request.number));
    }
    found
}

async fn of_branch(
    github: &GitHub,
    account: &Account,
    branch: &BranchName,
    repositories: &[Asked],
) -> Vec<(RepoName, Result<Vec<PullRequest>, ForgeError>)> {
    let ids: Vec<&str> = repositories.iter().map(|(_, id)| id.as_str()).collect();
    let what = format!("the pull requests from `{branch}`");
    let variables = json!({ "ids": ids, "branch": branch.as_str() });
    let graph = match github.query(account, &documents::pull_requests(), &variables, &what).await {
        Ok(graph) => graph,
        Err(error) => {
            return repositories.iter().map(|(name, _)| (name.clone(), Err(error.for_another()))).collect();
        }
    };
    let read = |index: usize, name: &RepoName| {
        let mut place = item(&fields(&["nodes"]), index);
        place.extend(fields(&["pullRequests"]));
        let found: PullRequestNodes = graph.value(&place, &format!("`{name}`"))?;
        let ours = found.nodes.into_iter().filter(PullRequestParts::is_ours);
        ours.map(PullRequestParts::into_pull_request).collect()
    };
    repositories.iter().enumerate().map(|(index, (name, _))| (name.clone(), read(index, name))).collect()
}

/// What is open from a branch into a base, whoever opened it.
pub(super) async fn open_of(
    github: &GitHub,
    account: &Account,
    repository: &RepoName,
    (branch, base): (&BranchName, &BranchName),
) -> Result<Vec<PullRequestParts>, ForgeError> {
    let (owner, name) = owner_and_name(repository)?;
    let what = format!("the pull requests of `{repository}`");
    let variables = json!({ "owner": owner, "name": name, "branch": branch.as_str(), "base": base.as_str() });
    let graph = github.query(account, &documents::open_pull_requests(), &variables, &what).await?;
    let found: PullRequestNodes = graph.value(&fields(&["repository", "pullRequests"]), &what)?;
    Ok(found.nodes.into_iter().filter(PullRequestParts::is_internal).collect())
}
