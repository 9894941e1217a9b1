//! A project as GitLab describes it, and as the domain sees it.

use serde::Deserialize;

use super::pipeline::Latest;
use super::protocol;
use crate::domain::pull_request::{Pipeline, RepositoryHead};
use crate::forge::ForgeError;

/// What stands for the default branch of a repository that has none, because nothing was pushed yet.
const DEFAULT_BRANCH_OF_EMPTY: &str = "main";

/// `ProjectPage` of the documents.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProjectParts {
    /// `gid://gitlab/Project/81`
    id: String,
    full_path: String,
    archived: Option<bool>,
    is_forked: Option<bool>,
    topics: Option<Vec<String>>,
    /// `null` where the repository is switched off, or not for this account.
    repository: Option<RepositoryParts>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryParts {
    root_ref: Option<String>,
    empty: bool,
    tree: Option<Tree>,
}

/// A tree is asked for because it knows its last commit: that of the root is the branch's head.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tree {
    pub last_commit: Option<LastCommit>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LastCommit {
    pub sha: String,
    #[serde(default)]
    pub author_email: Option<String>,
    #[serde(default)]
    pub committer_email: Option<String>,
    /// `None`: not asked for, or not for this account.
    #[serde(default)]
    pipelines: Option<Latest>,
}

impl LastCommit {
    pub fn pipeline(&self) -> Pipeline {
        self.pipelines.as_ref().map_or(Pipeline::Unknown, Latest::pipeline)
    }
}

impl ProjectParts {
    /// The domain's value, without branches.
    pub fn into_head(self) -> Result<RepositoryHead, ForgeError> {
        let is_disabled = self.repository.is_none();
        let repository = self.repository.filter(|repository| !repository.empty);
        let (root_ref, tree) = repository.map(|it| (it.root_ref, it.tree)).unzip();
        let head = tree.flatten().and_then(|tree| tree.last_commit);
        let default_branch = root_ref.flatten().unwrap_or_else(|| DEFAULT_BRANCH_OF_EMPTY.to_owned());
        Ok(RepositoryHead {
            name: self.full_path.parse().map_err(protocol)?,
            id: self.id,
            default_branch: default_branch.parse().map_err(protocol)?,
            pipeline: head.as_ref().map_or(Pipeline::Unknown, LastCommit::pipeline),
            head: head.map(|commit| commit.sha.parse().map_err(protocol)).transpose()?,
            is_archived: self.archived.unwrap_or_default(),
            is_disabled,
            is_fork: self.is_forked.unwrap_or_default(),
            topics: self.topics.unwrap_or_default(),
            bot_branches: Vec::new(),
        })
    }
}
