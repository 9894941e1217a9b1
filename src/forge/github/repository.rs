//! A repository as GitHub describes it, and as the domain sees it.

use serde::Deserialize;
use serde_json::json;

use super::checks::Rollup;
use super::documents;
use super::graph::{Graph, fields};
use super::{Account, GitHub, owner_and_name};
use crate::domain::pull_request::{BotBranch, BranchHead, BranchName, NameError, Pipeline, RepoName, RepositoryHead};
use crate::forge::ForgeError;

/// What stands for the default branch of a repository that has none, because nothing was pushed yet.
const DEFAULT_BRANCH_OF_EMPTY: &str = "main";
/// How many further pages of 100 bot branches are read; refrom makes one branch per image at most.
const BRANCH_PAGES_MAX: usize = 20;

/// `full_name` of REST's repository.
#[derive(Debug, Deserialize)]
pub(super) struct FullName {
    pub full_name: String,
}

/// A repository of `GET /installation/repositories`.
#[derive(Debug, Deserialize)]
pub(super) struct ListedRepository {
    pub node_id: String,
    pub full_name: String,
}

/// `RepositoryParts` of the documents.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RepositoryParts {
    id: String,
    name_with_owner: String,
    is_archived: bool,
    is_disabled: bool,
    is_fork: bool,
    is_empty: bool,
    repository_topics: Nodes<TopicNode>,
    default_branch_ref: Option<HeadRef>,
    refs: Option<BranchPage>,
}

#[derive(Debug, Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct TopicNode {
    topic: Named,
}

#[derive(Debug, Deserialize)]
struct Named {
    name: String,
}

#[derive(Debug, Deserialize)]
struct HeadRef {
    name: String,
    target: Option<Target>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    oid: String,
    #[serde(default)]
    status_check_rollup: Rollup,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BranchPage {
    page_info: PageInfo,
    nodes: Vec<BranchNode>,
}

/// The way to a connection's next page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub has_next_page: bool,
    pub end_cursor: Option<String>,
}

#[derive(Debug, Deserialize)]
struct BranchNode {
    prefix: String,
    name: String,
    target: Option<BranchTarget>,
}

#[derive(Debug, Deserialize)]
struct BranchTarget {
    oid: String,
    #[serde(default)]
    author: Option<Signature>,
    #[serde(default)]
    committer: Option<Signature>,
}

#[derive(Debug, Deserialize)]
struct Signature {
    email: Option<String>,
}

impl PageInfo {
    /// The cursor of the next page.
    pub fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

impl RepositoryParts {
    /// The domain's value, with the rest of the bot branches where there are more than one page.
    pub async fn into_head(self, github: &GitHub, account: &Account) -> Result<RepositoryHead, ForgeError> {
        let mut bot_branches = Vec::new();
        let mut page = self.refs;
        let what = format!("the branches of `{}`", self.name_with_owner);
        for number in 0.. {
            let Some(BranchPage { page_info, nodes }) = page else { break };
            for node in nodes {
                bot_branches.extend(node.into_branch()?);
            }
            let Some(after) = page_info.next() else { break };
            if number >= BRANCH_PAGES_MAX {
                return Err(ForgeError::Protocol { message: format!("{what} have no end") });
            }
            let variables = json!({ "id": self.id, "after": after });
            let graph = github.query(account, &documents::bot_branches(), &variables, &what).await?;
            page = Some(graph.value(&fields(&["node", "refs"]), &what)?);
        }
        bot_branches.sort_by(|left: &BotBranch, right| left.name.cmp(&right.name));
        let default_branch = self.default_branch_ref.as_ref().map_or(DEFAULT_BRANCH_OF_EMPTY, |head| &head.name);
        let head = self.default_branch_ref.as_ref().and_then(|head| head.target.as_ref()).filter(|_| !self.is_empty);
        Ok(RepositoryHead {
            name: self.name_with_owner.parse().map_err(protocol)?,
            id: self.id,
            default_branch: default_branch.parse().map_err(protocol)?,
            head: head.map(|target| target.oid.parse().map_err(protocol)).transpose()?,
            pipeline: head.map_or(Pipeline::Unknown, |target| target.status_check_rollup.pipeline()),
            is_archived: self.is_archived,
            is_disabled: self.is_disabled,
            is_fork: self.is_fork,
            topics: self.repository_topics.nodes.into_iter().map(|node| node.topic.name).collect(),
            bot_branches,
        })
    }
}

impl BranchNode {
    /// `prefix` and `name` together are the full ref, wherever GitHub parts them. A branch without a commit was
    /// deleted while we asked.
    fn into_branch(self) -> Result<Option<BotBranch>, ForgeError> {
        let full = format!("{}{}", self.prefix, self.name);
        let name = full.strip_prefix("refs/heads/").unwrap_or(&full).parse().map_err(protocol)?;
        let Some(target) = self.target else { return Ok(None) };
        let email = |signature: Option<Signature>| signature.and_then(|it| it.email).unwrap_or_default();
        Ok(Some(BotBranch {
            name,
            head: target.oid.parse().map_err(protocol)?,
            author_email: email(target.author),
            committer_email: email(target.committer),
        }))
    }
}

/// The head of one branch.
pub(super) async fn branch_head(
    github: &GitHub,
    repository: &RepositoryHead,
    branch: &BranchName,
) -> Result<Option<BranchHead>, ForgeError> {
    let (owner, _) = owner_and_name(&repository.name)?;
    let account = github.account(owner).await?;
    let what = format!("the branch `{branch}` of `{}`", repository.name);
    let variables = json!({ "id": repository.id, "branch": format!("refs/heads/{branch}") });
    let graph: Graph = github.query(&account, &documents::branch_head(), &variables, &what).await?;
    // The repository has to be there; its branch need not.
    graph.value::<serde_json::Value>(&fields(&["node"]), &format!("`{}`", repository.name))?;
    match graph.value::<Target>(&fields(&["node", "ref", "target"]), &what) {
        Ok(target) => {
            let pipeline = target.status_check_rollup.pipeline();
            Ok(Some(BranchHead { commit: target.oid.parse().map_err(protocol)?, pipeline }))
        }
        Err(ForgeError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A name that GitHub gave and that cannot be one.
pub(super) fn protocol(error: NameError) -> ForgeError {
    ForgeError::Protocol { message: error.to_string() }
}

/// The name of a listed repository.
pub(super) fn name(text: &str) -> Result<RepoName, ForgeError> {
    text.parse().map_err(protocol)
}
