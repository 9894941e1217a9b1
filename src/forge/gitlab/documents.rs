//! The GraphQL documents, each a file beside this one. Fields, arguments and their complexity as in
//! <https://docs.gitlab.com/api/graphql/reference/>.
//!
//! GitLab weighs a question before it answers: about one for a field, one more where it asks Gitaly, more for some, and
//! one per cent more for each item of a connection. 250 is the most for who is signed in
//! (<https://docs.gitlab.com/api/graphql/#limits>), and 10,000 characters.

use std::fmt::Write as _;

/// A document with one named operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The operation's name, sent as `operationName`.
    pub name: &'static str,
    pub text: String,
}

const PROJECT_PAGE: &str = include_str!("graphql/project_page.graphql");
const HEAD_PARTS: &str = include_str!("graphql/head_parts.graphql");
const CHECKED_HEAD_PARTS: &str = include_str!("graphql/checked_head_parts.graphql");
const MERGE_REQUEST_PARTS: &str = include_str!("graphql/merge_request_parts.graphql");
const OPENED_PAGE: &str = include_str!("graphql/opened_page.graphql");
const CLOSED_PAGE: &str = include_str!("graphql/closed_page.graphql");
/// How many names `projects(fullPaths:)` takes.
pub const NAMES_MAX: usize = 50;
/// How many repositories are asked for their branches at once: `branchNames` alone weighs 170.
pub const BRANCH_NAMES_FIRST: usize = 40;
/// What one branch of [`branch_heads`] weighs, in hundredths: 20, and one per cent of it for each repository.
const BRANCH_HEAD_WEIGHT: usize = 2_000;
/// What a question may weigh, in hundredths, with some room for the fields that grow heavier with a release.
const WEIGHT_MAX: usize = 24_000;

/// What is asked about the heads of default branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    Bare,
    /// With their latest pipelines.
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

/// The projects of a group or a user. Variables: `namespace`, `subgroups`, `first`, `after`.
pub fn namespace_projects(heads: Heads) -> Document {
    let query = include_str!("graphql/namespace_projects.graphql");
    document("NamespaceProjects", &[query, PROJECT_PAGE, heads.parts()])
}

/// The projects that the account is a member of. Variables: `first`, `after`.
pub fn member_projects(heads: Heads) -> Document {
    let query = include_str!("graphql/member_projects.graphql");
    document("MemberProjects", &[query, PROJECT_PAGE, heads.parts()])
}

/// Up to [`NAMES_MAX`] projects by their names. Variables: `names`, `first`.
pub fn named_projects(heads: Heads) -> Document {
    let query = include_str!("graphql/named_projects.graphql");
    document("NamedProjects", &[query, PROJECT_PAGE, heads.parts()])
}

/// The names of branches. Variables: `ids`, `first`, `pattern`, `offset`, `limit`.
pub fn branch_names() -> Document {
    document("BranchNames", &[include_str!("graphql/branch_names.graphql")])
}

/// The head of one branch with its latest pipeline. Variables: `ids` (one), `ref`.
pub fn branch_head() -> Document {
    document("BranchHead", &[include_str!("graphql/branch_head.graphql"), CHECKED_HEAD_PARTS])
}

/// How many branches one [`branch_heads`] can ask for, each of so many repositories.
pub fn branch_heads_that_fit(repositories: impl Iterator<Item = usize>) -> usize {
    let weights = repositories.map(|count| BRANCH_HEAD_WEIGHT + BRANCH_HEAD_WEIGHT / 100 * count);
    let totals = weights.scan(0, |total, weight| {
        *total += weight;
        Some(*total)
    });
    totals.take_while(|total| *total <= WEIGHT_MAX).count()
}

/// The heads of branches, each of several repositories, under the aliases `b0`, `b1`, …. Variables: `ids0`, `first0`,
/// `ref0`, ….
pub fn branch_heads(count: usize) -> Document {
    let (mut variables, mut fields) = (String::new(), String::new());
    for index in 0..count {
        let separator = if index == 0 { "" } else { ", " };
        // Writing into a string cannot fail.
        let _ = write!(variables, "{separator}$ids{index}: [ID!]!, $first{index}: Int!, $ref{index}: String!");
        let _ = writeln!(
            fields,
            "  b{index}: projects(ids: $ids{index}, first: $first{index}) {{\n    nodes {{ id fullPath repository {{ \
             tree(ref: $ref{index}) {{ lastCommit {{ sha authorEmail committerEmail }} }} }} }}\n  }}"
        );
    }
    document("BranchHeads", &[&format!("query BranchHeads({variables}) {{\n{fields}}}\n")])
}

/// The merge requests from these branches, of several repositories: open and closed ones by pages, and the last merged
/// ones. Variables: `ids`, `first`, `branches`, `author`. With 100 repositories it weighs 194.
pub fn merge_requests() -> Document {
    let query = include_str!("graphql/merge_requests.graphql");
    document("MergeRequests", &[query, OPENED_PAGE, CLOSED_PAGE, MERGE_REQUEST_PARTS])
}

/// Further pages of one repository's open ones. Variables: those of [`merge_requests`] and `after`.
pub fn more_opened() -> Document {
    document("MoreOpened", &[include_str!("graphql/more_opened.graphql"), OPENED_PAGE, MERGE_REQUEST_PARTS])
}

/// Further pages of one repository's closed ones. Variables: those of [`merge_requests`] and `after`.
pub fn more_closed() -> Document {
    document("MoreClosed", &[include_str!("graphql/more_closed.graphql"), CLOSED_PAGE, MERGE_REQUEST_PARTS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_for_heads_stays_below_what_gitlab_answers() {
        assert_eq!(branch_heads_that_fit(std::iter::repeat_n(100, 200)), 6);
        assert_eq!(branch_heads_that_fit(std::iter::repeat_n(1, 200)), 11);
        assert_eq!(branch_heads_that_fit([1, 2].into_iter()), 2);
    }
}
