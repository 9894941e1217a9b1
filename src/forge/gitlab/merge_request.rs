//! A merge request as GitLab describes it, and as the domain sees it.

use gitlab::api::projects::merge_requests::MergeRequest;
use jiff::Timestamp;
use serde::Deserialize;

use super::graph::PageInfo;
use super::pipeline::{PipelineParts, pipeline};
use super::{GitLab, built, protocol, subject};
use crate::domain::pull_request::{Mergeable, Pipeline, PullRequest, PullRequestState, RepoName};
use crate::forge::ForgeError;

/// What marks a draft at the start of a title (<https://docs.gitlab.com/user/project/merge_requests/drafts/>).
pub(super) const DRAFT_PREFIX: &str = "Draft: ";
/// The other ways to write it, in lower case.
const DRAFT_PREFIXES: [&str; 3] = ["draft:", "[draft]", "(draft)"];

/// `Parts` of the documents, with what each list adds. States are texts here: a value that is new to us spoils nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MergeRequestParts {
    iid: String,
    web_url: Option<String>,
    pub source_branch: String,
    target_branch: String,
    source_project_id: Option<u64>,
    author: Option<Author>,
    title: String,
    description: Option<String>,
    created_at: Option<String>,
    merged_at: Option<String>,
    /// The head of the branch now, for open ones.
    diff_head_sha: Option<String>,
    /// The commits that the diff was last made of, for the others: their branch may have moved since.
    diff_refs: Option<DiffRefs>,
    merge_status_enum: Option<String>,
    auto_merge_enabled: Option<bool>,
    head_pipeline: Option<PipelineParts>,
    labels: Option<LabelPage>,
}

#[derive(Debug, Deserialize)]
struct Author {
    username: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct DiffRefs {
    head_sha: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LabelPage {
    page_info: PageInfo,
    nodes: Vec<Label>,
}

#[derive(Debug, Deserialize)]
struct Label {
    title: String,
}

/// Of REST's merge request.
#[derive(Deserialize)]
struct Labels {
    labels: Vec<String>,
}

impl MergeRequestParts {
    /// **Invariant** of [`PullRequest`]: from the repository itself, and by our own account.
    pub fn is_ours(&self, project: &str, me: &str) -> bool {
        let is_internal = self.source_project_id.is_some_and(|id| project.rsplit('/').next() == Some(&*id.to_string()));
        is_internal && self.author.as_ref().is_some_and(|author| author.username == me)
    }

    /// Whether GitLab has not looked whether it can be merged since one of its branches moved
    /// (<https://docs.gitlab.com/api/graphql/reference/#mergestatus>).
    pub fn is_unchecked(&self) -> bool {
        matches!(self.merge_status_enum.as_deref(), Some("UNCHECKED" | "CANNOT_BE_MERGED_RECHECK"))
    }

    pub async fn into_pull_request(
        self,
        gitlab: &GitLab,
        repository: &RepoName,
        state: PullRequestState,
    ) -> Result<PullRequest, ForgeError> {
        let number = self.iid.parse().map_err(|_| ForgeError::Protocol {
            message: format!("`{}` is no number of a merge request of `{repository}`", self.iid),
        })?;
        let head = self.diff_refs.map(|refs| refs.head_sha).or(self.diff_head_sha);
        let head = head
            .ok_or_else(|| ForgeError::Protocol { message: format!("{} has no head", subject(repository, number)) })?;
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        Ok(PullRequest {
            number,
            url: self.web_url.unwrap_or_default(),
            state,
            branch: self.source_branch.parse().map_err(protocol)?,
            base: self.target_branch.parse().map_err(protocol)?,
            head: head.parse().map_err(protocol)?,
            title: without_draft(&self.title).to_owned(),
            body: self.description.unwrap_or_default(),
            labels: all_labels(gitlab, (repository, number), self.labels).await?,
            is_draft: without_draft(&self.title) != self.title,
            mergeable: mergeable(self.merge_status_enum.as_deref()),
            // It is asked for open ones only.
            pipeline: match state {
                PullRequestState::Open => pipeline(self.head_pipeline.as_ref()),
                PullRequestState::Merged | PullRequestState::Closed => Pipeline::Unknown,
            },
            is_auto_merging: self.auto_merge_enabled.unwrap_or_default(),
            opened_at: time(self.created_at),
            merged_at: time(self.merged_at),
        })
    }
}

/// The title without what marks a draft: that is no part of what it says.
pub(super) fn without_draft(title: &str) -> &str {
    let prefix = DRAFT_PREFIXES.into_iter().find(|prefix| {
        let start = title.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    });
    prefix.and_then(|prefix| title.get(prefix.len()..)).map_or(title, str::trim_start)
}

/// `MergeStatus`: whether git could merge it, not whether it may be merged.
fn mergeable(status: Option<&str>) -> Mergeable {
    match status {
        Some("CAN_BE_MERGED") => Mergeable::Clean,
        Some("CANNOT_BE_MERGED") => Mergeable::Conflicting,
        _ => Mergeable::Unknown,
    }
}

/// The names of all labels: one that is not seen may be the one that says hands off.
async fn all_labels(
    gitlab: &GitLab,
    (repository, number): (&RepoName, u64),
    first: Option<LabelPage>,
) -> Result<Vec<String>, ForgeError> {
    let Some(LabelPage { page_info, nodes }) = first else { return Ok(Vec::new()) };
    if !page_info.has_next_page {
        return Ok(nodes.into_iter().map(|label| label.title).collect());
    }
    let endpoint = MergeRequest::builder().project(repository.as_str()).merge_request(number).build();
    let all: Labels = gitlab.ask(&built(endpoint)?, &subject(repository, number)).await?;
    Ok(all.labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_no_part_of_a_title() {
        for title in ["Draft: bump", "draft:bump", "[Draft] bump", "(DRAFT)  bump", "bump"] {
            assert_eq!(without_draft(title), "bump", "{title}");
        }
        assert_eq!(without_draft("Drafting a plan"), "Drafting a plan");
        assert_eq!(without_draft("ürgent"), "ürgent");
    }
}
