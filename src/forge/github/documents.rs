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
const PULL_REQUEST_PARTS: &str = include_str!("graphql/pull_request_parts.graphql");

fn document(name: &'static str, parts: &[&str]) -> Document {
    Document { name, text: parts.concat() }
}

/// All repositories of one owner, 100 per page. Variables: `owner`, `after`.
pub fn owner_repositories() -> Document {
    let query = include_str!("graphql/owner_repositories.graphql");
    document("OwnerRepositories", &[query, REPOSITORY_PARTS, BRANCH_PAGE])
}

/// All repositories that the token's account can see through a membership, 100 per page. Variable: `after`.
pub fn viewer_repositories() -> Document {
    let query = include_str!("graphql/viewer_repositories.graphql");
    document("ViewerRepositories", &[query, REPOSITORY_PARTS, BRANCH_PAGE])
}

/// Up to 100 repositories by their node ids. Variable: `ids`.
pub fn repositories_by_id() -> Document {
    let query = include_str!("graphql/repositories_by_id.graphql");
    document("RepositoriesById", &[query, REPOSITORY_PARTS, BRANCH_PAGE])
}

/// Up to 100 repositories by their names, under the aliases `r0`, `r1`, …: GraphQL has no field that takes several
/// names. Variables: `owner0`, `name0`, ….
pub fn repositories_by_name(count: usize) -> Document {
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
    document("RepositoriesByName", &[&query, REPOSITORY_PARTS, BRANCH_PAGE])
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

/// The pull requests from one branch of up to 100 repositories, newest first. Variables: `ids`, `branch`.
pub fn pull_requests() -> Document {
    document("PullRequests", &[include_str!("graphql/pull_requests.graphql"), PULL_REQUEST_PARTS])
}

/// The open pull requests from one branch into another. Variables: `owner`, `name`, `branch`, `base`.
pub fn open_pull_requests() -> Document {
    document("OpenPullRequests", &[include_str!("graphql/open_pull_requests.graphql"), PULL_REQUEST_PARTS])
}

/// The comments of a pull request, newest page first. Variables: `owner`, `name`, `number`, `before`.
pub fn own_comments() -> Document {
    document("OwnComments", &[include_str!("graphql/own_comments.graphql")])
}
