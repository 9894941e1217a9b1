//! Values as both faces show them.

use serde_json::{Value, json};

use crate::demo::forge::world::{HostedPullRequest, Repository, World, iso};
use crate::demo::git_repository::RepositoryError;
use crate::domain::pull_request::{CommitId, Mergeable, Pipeline, PullRequestState};

/// What a fork's number is more than its origin's.
const FORK: u64 = 1_000_000;

/// `UserBasic` of REST.
pub(super) fn user(world: &World, login: &str) -> Value {
    json!({
        "id": world.account(login).0,
        "username": login,
        "name": login,
        "state": "active",
        "avatar_url": null,
        "web_url": format!("{}{login}", world.url),
    })
}

/// The project that a merge request comes from.
pub(super) fn source_project(id: u64, it: &HostedPullRequest) -> u64 {
    if it.from_fork { id + FORK } else { id }
}

/// A draft is a part of the title.
pub(super) fn title(it: &HostedPullRequest) -> String {
    format!("{}{}", if it.is_draft { "Draft: " } else { "" }, it.title)
}

pub(super) fn url(world: &World, repository: &Repository, it: &HostedPullRequest) -> String {
    format!("{}{}/-/merge_requests/{}", world.url, repository.name, it.number)
}

pub(super) fn state(it: &HostedPullRequest) -> &'static str {
    match it.state {
        PullRequestState::Open => "opened",
        PullRequestState::Merged => "merged",
        PullRequestState::Closed => "closed",
    }
}

/// As REST writes it; GraphQL has it in capitals.
pub(super) fn merge_status(world: &World, id: u64, it: &HostedPullRequest) -> Result<&'static str, RepositoryError> {
    Ok(match world.mergeable(id, it)? {
        Mergeable::Clean => "can_be_merged",
        Mergeable::Conflicting => "cannot_be_merged",
        Mergeable::Unknown => "unchecked",
    })
}

/// As REST writes it; `None` where there is no pipeline.
pub(super) fn pipeline(repository: &Repository, head: &CommitId) -> Option<&'static str> {
    match repository.checks.get(head)? {
        Pipeline::Absent | Pipeline::Unknown => None,
        Pipeline::Pending => Some("running"),
        Pipeline::Passed => Some("success"),
        Pipeline::Failed => Some("failed"),
    }
}

/// A merge request of REST.
pub(super) fn merge_request(world: &World, (id, number): (u64, u64)) -> Result<Option<Value>, RepositoryError> {
    let Some(repository) = world.repositories.get(&id) else { return Ok(None) };
    let Some(it) = repository.pull_requests.get(&number) else { return Ok(None) };
    let users =
        |logins: &std::collections::BTreeSet<String>| logins.iter().map(|login| user(world, login)).collect::<Value>();
    Ok(Some(json!({
        "id": id * FORK + number,
        "iid": number,
        "project_id": id,
        "title": title(it),
        "description": it.body,
        "state": state(it),
        "created_at": iso(it.created),
        "merged_at": it.merged.map(iso),
        "target_branch": it.base.as_str(),
        "source_branch": it.branch.as_str(),
        "author": user(world, &it.author),
        "assignees": users(&it.assignees),
        "reviewers": users(&it.reviewers),
        "source_project_id": source_project(id, it),
        "target_project_id": id,
        "labels": it.labels.iter().collect::<Vec<_>>(),
        "draft": it.is_draft,
        "merge_when_pipeline_succeeds": it.is_auto_merging,
        "merge_status": merge_status(world, id, it)?,
        "sha": it.head.as_str(),
        "force_remove_source_branch": it.removes_branch,
        "web_url": url(world, repository, it),
        "squash": false,
    })))
}
