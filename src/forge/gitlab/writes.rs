//! Opening, changing, closing and merging merge requests.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use gitlab::api::endpoint_prelude::{BodyError, Cow, Endpoint, FormParams, Method};
use gitlab::api::projects::merge_requests::{
    CreateMergeRequest, EditMergeRequest, MergeRequest, MergeRequestState, MergeRequestStateEvent, MergeRequests,
};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::merge_request::{DRAFT_PREFIX, without_draft};
use super::{BODY_CHARACTERS_MAX, GitLab, built, notes, people, subject};
use crate::domain::pull_request::{CommitId, NewPullRequest, RepoName};
use crate::forge::{ForgeError, Opened};

/// The key of the sentence that is said when a merge request is closed.
const CLOSING_KEY: &str = "closed";
/// The longest title, in characters.
const TITLE_CHARACTERS_MAX: usize = 255;

/// Of REST's merge request. GitLab leaves out who or what it does not take, and says so only by leaving it out.
#[derive(Debug, Deserialize)]
struct Parts {
    iid: u64,
    web_url: String,
    source_project_id: Option<u64>,
    target_project_id: Option<u64>,
    author: User,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    assignees: Vec<User>,
    #[serde(default)]
    reviewers: Vec<User>,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(default)]
    id: u64,
    username: String,
}

/// Merging once the pipeline has passed; the crate knows an older name of it only
/// (<https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request>, `auto_merge`). Where the checks have passed
/// already, it is merged at once; where there is no pipeline, it is refused.
struct AutoMerge<'a> {
    project: String,
    number: u64,
    head: &'a CommitId,
}

impl Endpoint for AutoMerge<'_> {
    fn method(&self) -> Method {
        Method::PUT
    }

    fn endpoint(&self) -> Cow<'static, str> {
        format!("projects/{}/merge_requests/{}/merge", self.project, self.number).into()
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        let mut parameters = FormParams::default();
        parameters.push("sha", self.head.as_str()).push("auto_merge", true);
        // What it is called before GitLab 17.11; each release leaves out the name that it does not know.
        parameters.push("merge_when_pipeline_succeeds", true);
        parameters.into_body()
    }
}

/// A text that GitLab would refuse is not sent.
pub(super) fn check_length(text: &str, characters_max: usize) -> Result<(), ForgeError> {
    let length = text.chars().count();
    if length > characters_max {
        return Err(ForgeError::Invalid { message: format!("the text has {length} characters of {characters_max}") });
    }
    Ok(())
}

/// Opens a merge request with all that goes with it in one request. Squashing is as the project wants it.
pub(super) async fn open(gitlab: &GitLab, repository: &RepoName, new: &NewPullRequest) -> Result<Opened, ForgeError> {
    check_length(&new.body, BODY_CHARACTERS_MAX)?;
    let (assignees, mut warnings) = people::numbers(gitlab, "assignee", &new.assignees).await;
    let (reviewers, unknown) = people::numbers(gitlab, "reviewer", &new.reviewers).await;
    warnings.extend(unknown);
    let (labels, unfit): (Vec<&str>, Vec<&str>) =
        new.labels.iter().map(String::as_str).partition(|label| !label.contains(','));
    let mut endpoint = CreateMergeRequest::builder();
    endpoint.project(repository.as_str()).source_branch(new.branch.as_str()).target_branch(new.base.as_str());
    endpoint.title(titled(&new.title, new.draft)).description(&*new.body).remove_source_branch(true);
    if !labels.is_empty() {
        endpoint.labels(labels.iter().copied());
    }
    if !assignees.is_empty() {
        endpoint.assignees(assignees.keys().copied());
    }
    if !reviewers.is_empty() {
        endpoint.reviewers(reviewers.keys().copied());
    }
    let endpoint = built(endpoint.build())?;
    let (opened, is_new) = open_as(gitlab, repository, (new, &endpoint)).await?;
    let mut refused: Vec<String> = unfit.iter().map(|label| unset("label", label)).collect();
    if is_new {
        let is_set = |label: &&&str| opened.labels.iter().any(|set| set.eq_ignore_ascii_case(label));
        refused.extend(labels.iter().filter(|label| !is_set(label)).map(|label| unset("label", label)));
        refused.extend(left_out("assignee", &assignees, &opened.assignees));
        refused.extend(left_out("reviewer", &reviewers, &opened.reviewers));
    }
    refused.extend(warnings);
    Ok(Opened { number: opened.iid, url: opened.web_url, warnings: refused })
}

/// What of labels and people is not there. All of them are in the one request that opens, so that an interrupted opening
/// leaves nothing to set: it leaves to say what GitLab did not take.
pub(super) async fn unset_of(
    gitlab: &GitLab,
    repository: &RepoName,
    number: u64,
    new: &NewPullRequest,
) -> Result<Vec<String>, ForgeError> {
    let present = present(gitlab, repository, number).await?;
    let users = |users: &[User]| users.iter().map(|user| user.username.clone()).collect::<Vec<_>>();
    let missing = |noun: &str, wanted: &[String], set: &[String]| -> Vec<String> {
        let is_missing = |name: &&str| !set.iter().any(|set| set.eq_ignore_ascii_case(name));
        let wanted = wanted.iter().map(|name| name.trim_start_matches('@'));
        wanted.filter(is_missing).map(|name| unset(noun, name)).collect()
    };
    Ok([
        missing("label", &new.labels, &present.labels),
        missing("assignee", &new.assignees, &users(&present.assignees)),
        missing("reviewer", &new.reviewers, &users(&present.reviewers)),
    ]
    .concat())
}

fn left_out(noun: &str, wanted: &BTreeMap<u64, &str>, set: &[User]) -> Vec<String> {
    let missing = wanted.iter().filter(|(number, _)| !set.iter().any(|user| user.id == **number));
    missing.map(|(_, name)| unset(noun, name)).collect()
}

fn unset(noun: &str, name: &str) -> String {
    format!("the {noun} `{name}` could not be set")
}

/// Opening is not repeated before it was looked whether it happened. Whether it is this call's own.
async fn open_as(
    gitlab: &GitLab,
    repository: &RepoName,
    (new, endpoint): (&NewPullRequest, &CreateMergeRequest<'_>),
) -> Result<(Parts, bool), ForgeError> {
    let what = format!("`{repository}`");
    let is_first = AtomicBool::new(true);
    let attempt = async || {
        if !is_first.swap(false, Ordering::Relaxed)
            && let Some(opened) = opened_before(gitlab, repository, new).await?
        {
            return Ok((opened, false));
        }
        match gitlab.write_once(repository, endpoint, &what).await {
            Ok(opened) => Ok((opened, true)),
            // That there is one already has a status of its own, which others share: looking tells.
            Err(error @ ForgeError::Invalid { .. }) => {
                opened_before(gitlab, repository, new).await?.map(|opened| (opened, false)).ok_or(error)
            }
            Err(error) => Err(error),
        }
    };
    gitlab.retry.run(attempt).await
}

/// The merge request that is open already for this branch and base. One of somebody else's is in the way.
async fn opened_before(
    gitlab: &GitLab,
    repository: &RepoName,
    new: &NewPullRequest,
) -> Result<Option<Parts>, ForgeError> {
    let what = format!("the merge requests of `{repository}`");
    let mut endpoint = MergeRequests::builder();
    endpoint.project(repository.as_str()).state(MergeRequestState::Opened);
    endpoint.source_branch(new.branch.as_str()).target_branch(new.base.as_str());
    let found: Vec<Parts> = gitlab.ask(&built(endpoint.build())?, &what).await?;
    let is_internal = |parts: &Parts| parts.source_project_id == parts.target_project_id;
    let me = &people::me(gitlab).await?.username;
    match found.into_iter().find(is_internal) {
        Some(found) if found.author.username == *me => Ok(Some(found)),
        Some(found) => Err(ForgeError::Denied {
            message: format!("somebody else opened !{} of `{repository}` from `{}`", found.iid, new.branch),
        }),
        None => Ok(None),
    }
}

/// With what marks a draft, where it is one, and not longer than GitLab takes.
fn titled(title: &str, is_draft: bool) -> String {
    let prefix = if is_draft { DRAFT_PREFIX } else { "" };
    prefix.chars().chain(without_draft(title).chars()).take(TITLE_CHARACTERS_MAX).collect()
}

/// Changes title and description. A draft stays one, whoever made it one: that is a part of the title here.
pub(super) async fn update(
    gitlab: &GitLab,
    repository: &RepoName,
    number: u64,
    title: &str,
    body: &str,
) -> Result<(), ForgeError> {
    check_length(body, BODY_CHARACTERS_MAX)?;
    let found = present(gitlab, repository, number).await?;
    let mut endpoint = EditMergeRequest::builder();
    endpoint.project(repository.as_str()).merge_request(number);
    endpoint.title(titled(title, found.draft)).description(body);
    let what = subject(repository, number);
    gitlab.write::<IgnoredAny>(repository, &built(endpoint.build())?, &what).await.map(drop)
}

async fn present(gitlab: &GitLab, repository: &RepoName, number: u64) -> Result<Parts, ForgeError> {
    let endpoint = built(MergeRequest::builder().project(repository.as_str()).merge_request(number).build())?;
    match gitlab.ask(&endpoint, &subject(repository, number)).await {
        Err(error @ (ForgeError::NotFound { .. } | ForgeError::Renamed { .. })) => {
            Err(gitlab.renamed(repository).await.unwrap_or(error))
        }
        found => found,
    }
}

/// Says why, then closes.
pub(super) async fn close(
    gitlab: &GitLab,
    repository: &RepoName,
    number: u64,
    sentence: &str,
) -> Result<(), ForgeError> {
    notes::once(gitlab, (repository, number), CLOSING_KEY, sentence).await?;
    let mut endpoint = EditMergeRequest::builder();
    endpoint.project(repository.as_str()).merge_request(number).state_event(MergeRequestStateEvent::Close);
    let what = subject(repository, number);
    gitlab.write::<IgnoredAny>(repository, &built(endpoint.build())?, &what).await.map(drop)
}

/// Lets GitLab merge it once its pipeline has passed. Who may not merge is answered 401.
pub(super) async fn auto_merge(
    gitlab: &GitLab,
    repository: &RepoName,
    number: u64,
    head: &CommitId,
) -> Result<(), ForgeError> {
    let project = repository.as_str().replace('/', "%2F");
    let what = subject(repository, number);
    let endpoint = AutoMerge { project, number, head };
    match gitlab.write::<IgnoredAny>(repository, &endpoint, &what).await {
        Err(ForgeError::Unauthorized { message }) => Err(ForgeError::Denied { message: format!("{what}: {message}") }),
        answer => answer.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_merge_request_is_read() {
        let text = include_str!("../../../tests/it/gitlab_examples/merge_request.json");
        let parts: Parts = serde_json::from_str(text).unwrap();
        assert_eq!((parts.iid, parts.author.username.as_str(), parts.draft), (1, "admin", false));
        assert_eq!((parts.source_project_id, parts.target_project_id), (Some(2), Some(3)));
        assert_eq!((parts.labels.len(), parts.assignees[0].id, parts.reviewers[0].id), (2, 12, 12));
    }

    #[test]
    fn a_title_marks_a_draft_once_and_is_no_longer_than_gitlab_takes() {
        assert_eq!(titled("bump", true), "Draft: bump");
        assert_eq!(titled("Draft: bump", true), "Draft: bump");
        assert_eq!(titled("Draft: bump", false), "bump");
        assert_eq!(titled(&"ü".repeat(300), true).chars().count(), 255);
    }
}
