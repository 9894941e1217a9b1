//! Finding pull requests: by branch, never by title.
//!
//! Of the merged ones only the last of a branch is read: it tells whether the branch may go. A repository that is
//! followed for years has one for every update, and they refuse nothing. Its labels say nothing any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::checks::Rollup;
use super::documents;
use super::graph::{Graph, fields};
use super::repository::{PageInfo, protocol};
use super::{GitHub, owner_and_name};
use crate::domain::pull_request::{BranchName, Mergeable, Pipeline, PullRequest, PullRequestState, RepoName};
use crate::forge::github::account::Account;
use crate::forge::portion::Portion;
use crate::forge::{ForgeError, PULL_REQUESTS_PER_BRANCH_MAX};

/// How many pages are read per branch. A fork's branch of the same name is among them, and anybody can open pull requests
/// from one: more than these are an error, because ours may be behind them.
const BRANCH_PAGES_MAX: usize = 40;
/// How many further pages of 100 labels are read of one pull request; GitHub allows no more than 100 labels.
const LABEL_PAGES_MAX: usize = 10;

/// `PullRequestParts` of the documents. States are texts here: a value that is new to us spoils its pull request, not
/// the page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PullRequestParts {
    id: String,
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
    is_draft: bool,
    created_at: Timestamp,
    merged_at: Option<Timestamp>,
    auto_merge_request: Option<IgnoredAny>,
    /// Asked for where it was not merged.
    labels: Option<LabelPage>,
    /// The last one. Asked for where it was not merged.
    commits: Option<Commits>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LabelPage {
    page_info: PageInfo,
    nodes: Vec<Label>,
}

#[derive(Debug, Deserialize)]
struct Label {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Commits {
    nodes: Vec<CommitNode>,
}

#[derive(Debug, Deserialize)]
struct CommitNode {
    commit: Commit,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Commit {
    status_check_rollup: Rollup,
}

#[derive(Debug, Deserialize)]
struct PullRequestNodes {
    nodes: Vec<PullRequestParts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PullRequestPage {
    page_info: PageInfo,
    nodes: Vec<PullRequestParts>,
}

/// What one alias asks for: a branch of a repository, from a page on.
#[derive(Debug)]
struct Branch<'a> {
    repository: &'a RepoName,
    /// The repository's id, which GraphQL is asked by.
    id: &'a str,
    branch: &'a BranchName,
    after: Option<String>,
    /// How many of ours, not merged, the pages before had.
    ours: usize,
}

/// By repository and number.
type Found = BTreeMap<RepoName, Result<BTreeMap<u64, PullRequest>, ForgeError>>;

impl PullRequestParts {
    /// **Invariant** of [`PullRequest`]: from the repository itself, and by our own account.
    pub fn is_ours(&self) -> bool {
        self.viewer_did_author && !self.is_cross_repository
    }

    /// Whether it comes from a branch of the repository itself.
    pub fn is_internal(&self) -> bool {
        !self.is_cross_repository
    }

    async fn into_pull_request(self, github: &GitHub, account: &Account) -> Result<PullRequest, ForgeError> {
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
        let pipeline = self.commits.map_or(Pipeline::Unknown, Commits::pipeline);
        let labels = all_labels(github, account, &self.id, self.labels).await?;
        Ok(PullRequest {
            number: self.number,
            url: self.url,
            state,
            branch: self.head_ref_name.parse().map_err(protocol)?,
            base: self.base_ref_name.parse().map_err(protocol)?,
            head: self.head_ref_oid.parse().map_err(protocol)?,
            title: self.title,
            body: self.body,
            labels,
            mergeable,
            is_draft: self.is_draft,
            pipeline,
            is_auto_merging: self.auto_merge_request.is_some(),
            opened_at: Some(self.created_at),
            merged_at: self.merged_at,
        })
    }
}

impl Commits {
    /// How the checks of the last commit stand.
    fn pipeline(self) -> Pipeline {
        self.nodes.last().map_or(Pipeline::Unknown, |last| last.commit.status_check_rollup.pipeline())
    }
}

/// The names of all labels: one that is not seen may be the one that says hands off.
async fn all_labels(
    github: &GitHub,
    account: &Account,
    id: &str,
    first: Option<LabelPage>,
) -> Result<Vec<String>, ForgeError> {
    let mut names = Vec::new();
    let mut page = first;
    for _ in 0..=LABEL_PAGES_MAX {
        let Some(LabelPage { page_info, nodes }) = page else { return Ok(names) };
        names.extend(nodes.into_iter().map(|label| label.name));
        let Some(after) = page_info.next() else { return Ok(names) };
        let what = "the labels of a pull request";
        let variables = json!({ "id": id, "after": after });
        let graph = github.query(account, &documents::pull_request_labels(), &variables, what).await?;
        page = Some(graph.value(&fields(&["node", "labels"]), what)?);
    }
    Err(ForgeError::Protocol { message: "the labels of a pull request have no end".to_owned() })
}

/// The pull requests of ours from these branches: one request per 100 branches of one identity, and further ones for
/// those branches only that have more.
pub(super) async fn of_branches(
    github: &GitHub,
    wanted: &BTreeMap<RepoName, (String, BTreeSet<BranchName>)>,
) -> BTreeMap<RepoName, Result<Vec<PullRequest>, ForgeError>> {
    let mut found: Found = wanted.keys().map(|name| (name.clone(), Ok(BTreeMap::new()))).collect();
    let mut accounts: BTreeMap<String, Result<Arc<Account>, ForgeError>> = BTreeMap::new();
    // One request serves one identity: by installation for an App, all at once for a token.
    let mut questions: BTreeMap<Option<u64>, (Arc<Account>, Vec<Branch>)> = BTreeMap::new();
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
        let (_, asked) = questions.entry(account.installation()).or_insert_with(|| (Arc::clone(account), Vec::new()));
        asked.extend(branches.iter().map(|branch| Branch { repository: name, id, branch, after: None, ours: 0 }));
    }
    for (account, branches) in questions.into_values() {
        of_account(github, &account, branches, &mut found).await;
    }
    found.into_iter().map(|(name, all)| (name, all.map(|all| all.into_values().rev().collect()))).collect()
}

async fn of_account(github: &GitHub, account: &Account, mut branches: Vec<Branch<'_>>, found: &mut Found) {
    let mut portion = Portion::full();
    for _ in 0..BRANCH_PAGES_MAX {
        let mut with_more = Vec::new();
        let mut rest = branches.as_slice();
        while !rest.is_empty() {
            let (asked, later) = portion.of(rest);
            match ask(github, account, asked, &mut portion).await {
                Ok(None) => continue,
                Ok(Some(graph)) => {
                    for (index, branch) in asked.iter().enumerate() {
                        match branch.read(github, account, &graph, index).await {
                            Ok((page, next)) => {
                                if let Some(Ok(all)) = found.get_mut(branch.repository) {
                                    all.extend(page.into_iter().map(|it| (it.number, it)));
                                }
                                with_more.extend(next);
                            }
                            Err(error) => drop(found.insert(branch.repository.clone(), Err(error))),
                        }
                    }
                }
                Err(error) => {
                    let failed = asked.iter().map(|branch| (branch.repository.clone(), Err(error.for_another())));
                    found.extend(failed);
                }
            }
            rest = later;
        }
        branches = with_more;
    }
    for Branch { repository, branch, .. } in branches {
        let message = format!("too many pull requests from branches that are named `{branch}`");
        found.insert(repository.clone(), Err(ForgeError::Protocol { message }));
    }
}

async fn ask(
    github: &GitHub,
    account: &Account,
    branches: &[Branch<'_>],
    portion: &mut Portion,
) -> Result<Option<Graph>, ForgeError> {
    let mut variables = serde_json::Map::new();
    for (index, Branch { id, branch, after, .. }) in branches.iter().enumerate() {
        variables.insert(format!("id{index}"), Value::from(*id));
        variables.insert(format!("branch{index}"), Value::from(branch.as_str()));
        variables.insert(format!("after{index}"), Value::from(after.as_deref()));
    }
    let what = format!("the pull requests from {} branches", branches.len());
    let document = documents::pull_requests(branches.len());
    github.query_portion(account, (&document, &Value::from(variables)), &what, portion).await
}

impl Branch<'_> {
    /// Our own pull requests of the answer's page, and the next page, where one is needed.
    async fn read(
        &self,
        github: &GitHub,
        account: &Account,
        graph: &Graph,
        index: usize,
    ) -> Result<(Vec<PullRequest>, Option<Self>), ForgeError> {
        let (alias, what) = (format!("p{index}"), format!("`{}`", self.repository));
        let unmerged: PullRequestPage = graph.value(&fields(&[&alias, "unmerged"]), &what)?;
        let merged: PullRequestNodes = graph.value(&fields(&[&alias, "merged"]), &what)?;
        let mut ours = Vec::new();
        for parts in unmerged.nodes.into_iter().chain(merged.nodes).filter(PullRequestParts::is_ours) {
            ours.push(parts.into_pull_request(github, account).await?);
        }
        let count = self.ours + ours.iter().filter(|it| it.state != PullRequestState::Merged).count();
        let after = unmerged.page_info.next().filter(|_| count < PULL_REQUESTS_PER_BRANCH_MAX);
        Ok((ours, after.map(|after| Self { after: Some(after), ours: count, ..*self })))
    }
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
