//! The GraphQL documents, each a file beside this one: what is asked of GitHub can be read, and checked, as it is
//! sent. Fields and arguments as in <https://docs.github.com/en/graphql/reference>.

use std::fmt::Write as _;

/// A document with one named operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The operation's name, sent as `operationName`.
    pub name: &'static str,
    pub text: String,
}

const BRANCH_PAGE: &str = include_str!("graphql/branch_page.graphql");
const REPOSITORY_PARTS: &str = include_str!("graphql/repository_parts.graphql");
const HEAD_PARTS: &str = include_str!("graphql/head_parts.graphql");
const CHECKED_HEAD_PARTS: &str = include_str!("graphql/checked_head_parts.graphql");
const PULL_REQUEST_PARTS: &str = include_str!("graphql/pull_request_parts.graphql");
const PULL_REQUEST_PAGE: &str = include_str!("graphql/pull_request_page.graphql");
const LABEL_PAGE: &str = include_str!("graphql/label_page.graphql");
/// How many pull requests that were not merged one page has per branch: there are rarely more. With 100 branches, the
/// last merged one of each, 20 labels and the head commit each, a page asks for 11,100 of the 500,000 nodes that GitHub
/// allows, and costs 12 of the 5,000 points of an hour: one for 100 connections, of which each branch has two and each
/// pull request that was not merged two
/// (<https://docs.github.com/en/graphql/overview/rate-limits-and-query-limits-for-the-graphql-api>).
pub const PULL_REQUESTS_FIRST: usize = 5;

/// What is asked about the heads of default branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    Bare,
    /// With how their checks stand, which no limit of GitHub's counts: there is one for each head.
    Checked,
}

impl Heads {
    pub const ALL: [Self; 2] = [Self::Bare, Self::Checked];

    fn parts(self) -> &'static str {
        match self {
            Self::Bare => HEAD_PARTS,
            Self::Checked => CHECKED_HEAD_PARTS,
        }
    }
}

fn document(name: &'static str, parts: &[&str]) -> Document {
    Document { name, text: parts.concat() }
}

/// All repositories of one owner. Variables: `owner`, `first`, `after`.
pub fn owner_repositories(heads: Heads) -> Document {
    let query = include_str!("graphql/owner_repositories.graphql");
    document("OwnerRepositories", &[query, REPOSITORY_PARTS, heads.parts(), BRANCH_PAGE])
}

/// All repositories that the token's account can see through a membership. Variables: `first`, `after`.
pub fn viewer_repositories(heads: Heads) -> Document {
    let query = include_str!("graphql/viewer_repositories.graphql");
    document("ViewerRepositories", &[query, REPOSITORY_PARTS, heads.parts(), BRANCH_PAGE])
}

/// Up to 100 repositories by their node ids. Variable: `ids`.
pub fn repositories_by_id(heads: Heads) -> Document {
    let query = include_str!("graphql/repositories_by_id.graphql");
    document("RepositoriesById", &[query, REPOSITORY_PARTS, heads.parts(), BRANCH_PAGE])
}

/// Up to 100 repositories by their names, under the aliases `r0`, `r1`, …: GraphQL has no field that takes several
/// names. Variables: `owner0`, `name0`, ….
pub fn repositories_by_name(count: usize, heads: Heads) -> Document {
    let mut variables = String::new();
    let mut fields = String::new();
    for index in 0..count {
        let separator = if index == 0 { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = write!(variables, "{separator}$owner{index}: String!, $name{index}: String!");
        let _ = writeln!(
            fields,
            "  r{index}: repository(owner: $owner{index}, name: $name{index}) {{ ...RepositoryParts }}"
        );
    }
    let query = format!("query RepositoriesByName({variables}) {{\n{fields}}}\n");
    document("RepositoriesByName", &[&query, REPOSITORY_PARTS, heads.parts(), BRANCH_PAGE])
}

/// The branches under `refrom/` of one repository, where there are more than the listing carries. Variables: `id`,
/// `after`.
pub fn bot_branches() -> Document {
    document("BotBranches", &[include_str!("graphql/bot_branches.graphql"), BRANCH_PAGE])
}

/// The head of one branch. Variables: `id`, `branch` (`refs/heads/…`).
pub fn branch_head() -> Document {
    document("BranchHead", &[include_str!("graphql/branch_head.graphql")])
}

/// The pull requests from up to 100 branches, each of one repository, under the aliases `p0`, `p1`, …, newest first:
/// those that were not merged, by pages, and the last that was. Variables: `id0`, `branch0`, `after0`, ….
pub fn pull_requests(count: usize) -> Document {
    let mut variables = String::new();
    let mut fields = String::new();
    for index in 0..count {
        let separator = if index == 0 { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = write!(variables, "{separator}$id{index}: ID!, $branch{index}: String!, $after{index}: String");
        let of_branch = format!("headRefName: $branch{index}, orderBy: {{field: CREATED_AT, direction: DESC}}");
        let _ = writeln!(
            fields,
            "  p{index}: node(id: $id{index}) {{\n    ... on Repository {{\n      \
             unmerged: pullRequests({of_branch}, states: [OPEN, CLOSED], first: {PULL_REQUESTS_FIRST}, \
             after: $after{index}) {{ ...PullRequestPage }}\n      \
             merged: pullRequests({of_branch}, states: [MERGED], first: 1) {{ nodes {{ ...PullRequestParts }} }}\n    }}\n  }}"
        );
    }
    let query = format!("query PullRequests({variables}) {{\n{fields}}}\n");
    document("PullRequests", &[&query, PULL_REQUEST_PAGE, PULL_REQUEST_PARTS, LABEL_PAGE])
}

/// The labels of a pull request, where there are more than the page of pull requests carries. Variables: `id`, `after`.
pub fn pull_request_labels() -> Document {
    document("PullRequestLabels", &[include_str!("graphql/pull_request_labels.graphql"), LABEL_PAGE])
}

/// The open pull requests from one branch into another. Variables: `owner`, `name`, `branch`, `base`.
pub fn open_pull_requests() -> Document {
    document("OpenPullRequests", &[include_str!("graphql/open_pull_requests.graphql"), PULL_REQUEST_PARTS])
}

/// The comments of a pull request, newest page first. Variables: `owner`, `name`, `number`, `before`.
pub fn own_comments() -> Document {
    document("OwnComments", &[include_str!("graphql/own_comments.graphql")])
}

/// How a repository merges, and whether one of its pull requests is to be merged by the forge. Variables: `owner`,
/// `name`, `number`.
pub fn merge_settings() -> Document {
    document("MergeSettings", &[include_str!("graphql/merge_settings.graphql")])
}

/// Lets GitHub merge a pull request by itself. Variables: `id`, `head`, `method`.
pub fn enable_auto_merge() -> Document {
    document("EnableAutoMerge", &[include_str!("graphql/enable_auto_merge.graphql")])
}

/// Who is signed in; an App's installation is its bot.
pub fn viewer() -> Document {
    document("Viewer", &[include_str!("graphql/viewer.graphql")])
}
