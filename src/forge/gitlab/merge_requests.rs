//! Finding merge requests: by branch, never by title.
//!
//! One question serves up to 100 repositories and all their branches; those that have more pages are asked for them one
//! by one. Of the merged ones, the last of each branch is told, as far as it is among the repository's last 20: it says
//! whether a branch that is still there may go, and that is looked at in the first cycle after the merge.

use std::collections::{BTreeMap, BTreeSet};

use gitlab::api::merge_requests::{MergeRequestScope, MergeRequestState, MergeRequests};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::documents::{self, Document};
use super::graph::PageInfo;
use super::merge_request::MergeRequestParts;
use super::{GitLab, built, people};
use crate::domain::pull_request::{BranchName, PullRequest, PullRequestState, RepoName};
use crate::forge::portion::Portion;
use crate::forge::{ForgeError, PULL_REQUESTS_PER_BRANCH_MAX};

/// How many further pages of 100 are read of one repository. More are an error, because what is behind them may matter.
const PAGES_MAX: usize = 40;
/// How many open merge requests of ours are made to be looked at again at once.
const RECHECKED_MAX: usize = 1_000;

#[derive(Debug, Deserialize)]
struct OfProject {
    opened: Page,
    closed: Page,
    merged: Nodes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    page_info: PageInfo,
    nodes: Vec<MergeRequestParts>,
}

#[derive(Debug, Deserialize)]
struct Nodes {
    nodes: Vec<MergeRequestParts>,
}

#[derive(Debug, Deserialize)]
struct MoreOf {
    #[serde(alias = "opened", alias = "closed")]
    page: Page,
}

/// What is asked of one repository.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    repository: &'a RepoName,
    /// `gid://gitlab/Project/81`
    id: &'a str,
    branches: &'a BTreeSet<BranchName>,
}

/// How many were read that were not merged, by branch.
type Counts = BTreeMap<String, usize>;

/// Reads of one account.
struct Reader<'a> {
    gitlab: &'a GitLab,
    me: &'a str,
}

/// The merge requests of ours from these branches.
pub(super) async fn of_branches(
    gitlab: &GitLab,
    wanted: &BTreeMap<RepoName, (String, BTreeSet<BranchName>)>,
) -> BTreeMap<RepoName, Result<Vec<PullRequest>, ForgeError>> {
    let mut found: BTreeMap<_, _> = wanted.keys().map(|name| (name.clone(), Ok(Vec::new()))).collect();
    let asked = wanted.iter().filter(|(_, (_, branches))| !branches.is_empty());
    let asked: Vec<Asked> = asked.map(|(repository, (id, branches))| Asked { repository, id, branches }).collect();
    if asked.is_empty() {
        return found;
    }
    let me = match people::me(gitlab).await {
        Ok(me) => &me.username,
        Err(error) => {
            found.values_mut().for_each(|found| *found = Err(error.for_another()));
            return found;
        }
    };
    let reader = Reader { gitlab, me };
    let (mut rest, mut portion, mut is_unchecked) = (asked.as_slice(), Portion::full(), false);
    while !rest.is_empty() {
        let (asked, later) = portion.of(rest);
        match reader.ask(asked, &mut portion).await {
            Ok(None) => continue,
            Ok(Some(mut projects)) => {
                for it in asked {
                    let of_project = projects.remove(it.id).unwrap_or_else(|| Err(missing(it)));
                    is_unchecked |= of_project.as_ref().is_ok_and(OfProject::is_unchecked);
                    let read = match of_project {
                        Ok(of_project) => reader.read(it, of_project).await,
                        Err(ForgeError::NotFound { .. }) => Err(missing(it)),
                        Err(error) => Err(error),
                    };
                    found.insert(it.repository.clone(), read);
                }
            }
            Err(error) => found.extend(asked.iter().map(|it| (it.repository.clone(), Err(error.for_another())))),
        }
        rest = later;
    }
    if is_unchecked {
        recheck(gitlab).await;
    }
    found
}

fn missing(asked: &Asked<'_>) -> ForgeError {
    ForgeError::NotFound { what: format!("`{}`", asked.repository) }
}

/// GitLab looks whether something can be merged when somebody asks with this wish, not when its base moves; the answer
/// is there in the next cycle (<https://docs.gitlab.com/api/merge_requests/#list-merge-requests>,
/// `with_merge_status_recheck`).
async fn recheck(gitlab: &GitLab) {
    let mut endpoint = MergeRequests::builder();
    endpoint.scope(MergeRequestScope::CreatedByMe).state(MergeRequestState::Opened).with_merge_status_recheck(true);
    let what = "our open merge requests";
    let asked = async || {
        let endpoint = built(endpoint.build())?;
        gitlab.account.pages::<IgnoredAny>(&endpoint, RECHECKED_MAX, what).await
    };
    if let Err(error) = gitlab.retry.run(asked).await {
        tracing::warn!(%error, "cannot ask GitLab to look again what can be merged");
    }
}

impl OfProject {
    fn is_unchecked(&self) -> bool {
        self.opened.nodes.iter().any(MergeRequestParts::is_unchecked)
    }
}

impl Reader<'_> {
    async fn ask(
        &self,
        asked: &[Asked<'_>],
        portion: &mut Portion,
    ) -> Result<Option<BTreeMap<String, Result<OfProject, ForgeError>>>, ForgeError> {
        let ids: Vec<&str> = asked.iter().map(|it| it.id).collect();
        let branches: BTreeSet<&str> = asked.iter().flat_map(|it| it.branches).map(BranchName::as_str).collect();
        let variables = json!({ "ids": ids, "first": ids.len(), "branches": branches, "author": self.me });
        let what = format!("the merge requests of {} repositories", ids.len());
        let question = (&documents::merge_requests(), variables);
        let Some(graph) = self.gitlab.query_portion(question, &what, portion).await? else { return Ok(None) };
        Ok(Some(graph.projects(&["projects"], &what)?.by_id(&ids)))
    }

    /// Our own merge requests of one repository, newest first.
    async fn read(&self, asked: &Asked<'_>, of_project: OfProject) -> Result<Vec<PullRequest>, ForgeError> {
        let (mut all, mut counts) = (Vec::new(), Counts::new());
        let OfProject { opened, closed, merged } = of_project;
        let pages = [
            (PullRequestState::Open, opened, documents::more_opened()),
            (PullRequestState::Closed, closed, documents::more_closed()),
        ];
        for (state, page, more) in pages {
            for parts in self.whole(asked, page, &more, &mut counts).await? {
                all.push(parts.into_pull_request(self.gitlab, asked.repository, state).await?);
            }
        }
        let mut seen = BTreeSet::new();
        for parts in merged.nodes {
            if self.is_wanted(asked, &parts) && seen.insert(parts.source_branch.clone()) {
                all.push(parts.into_pull_request(self.gitlab, asked.repository, PullRequestState::Merged).await?);
            }
        }
        all.sort_by_key(|it| std::cmp::Reverse(it.number));
        Ok(all)
    }

    fn is_wanted(&self, asked: &Asked<'_>, parts: &MergeRequestParts) -> bool {
        let is_from = |branch: &BranchName| branch.as_str() == parts.source_branch;
        parts.is_ours(asked.id, self.me) && asked.branches.iter().any(is_from)
    }

    /// The wanted ones of a page and, while a branch may have more than is looked at, of those after it.
    async fn whole(
        &self,
        asked: &Asked<'_>,
        first: Page,
        more: &Document,
        counts: &mut Counts,
    ) -> Result<Vec<MergeRequestParts>, ForgeError> {
        let what = format!("the merge requests of `{}`", asked.repository);
        let (mut all, mut page) = (Vec::new(), first);
        for _ in 0..=PAGES_MAX {
            for parts in page.nodes.into_iter().filter(|parts| self.is_wanted(asked, parts)) {
                let count = counts.entry(parts.source_branch.clone()).or_default();
                *count += 1;
                if *count <= PULL_REQUESTS_PER_BRANCH_MAX {
                    all.push(parts);
                }
            }
            let is_full = |branch: &BranchName| {
                counts.get(branch.as_str()).is_some_and(|count| *count >= PULL_REQUESTS_PER_BRANCH_MAX)
            };
            let next = page.page_info.next();
            let Some(after) = next.filter(|_| !asked.branches.iter().all(is_full)) else { return Ok(all) };
            let variables = json!({
                "ids": [asked.id],
                "first": 1,
                "branches": asked.branches.iter().map(BranchName::as_str).collect::<Vec<_>>(),
                "author": self.me,
                "after": after,
            });
            let graph = self.gitlab.query(more, variables, &what).await?;
            let mut found = graph.projects(&["projects"], &what)?.by_id::<MoreOf>(&[asked.id]);
            page = found.remove(asked.id).unwrap_or_else(|| Err(missing(asked)))?.page;
        }
        Err(ForgeError::Protocol { message: format!("{what} have no end") })
    }
}
