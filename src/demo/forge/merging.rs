//! Checks, and merging by itself, of the GraphQL face.

use serde_json::{Map, Value, json};

use super::graphql::Question;
use super::http::Reply;
use super::world::{Caller, HostedPullRequest, Repository, World, iso};
use crate::domain::pull_request::{CommitId, Pipeline, PullRequestState};

/// How the repositories of the embedded forge merge.
const METHODS: [&str; 2] = ["MERGE", "SQUASH"];

/// `autoMergeRequest`
pub(super) fn request(it: &HostedPullRequest) -> Value {
    if it.is_auto_merging { json!({ "enabledAt": iso(it.created) }) } else { Value::Null }
}

/// `commits(last: 1)`
pub(super) fn last_commit(found: &Repository, it: &HostedPullRequest) -> Value {
    json!({ "nodes": [{ "commit": { "statusCheckRollup": rollup(found, &it.head) } }] })
}

/// A commit with its checks.
pub(super) fn checked(found: &Repository, head: &CommitId) -> Value {
    json!({ "oid": head.as_str(), "statusCheckRollup": rollup(found, head) })
}

fn rollup(found: &Repository, commit: &CommitId) -> Option<Value> {
    let state = found.checks.get(commit).and_then(|checks| match checks {
        Pipeline::Absent | Pipeline::Unknown => None,
        Pipeline::Pending => Some("PENDING"),
        Pipeline::Passed => Some("SUCCESS"),
        Pipeline::Failed => Some("FAILURE"),
    });
    state.map(|state| json!({ "state": state }))
}

/// An answer as an account sees it that may not read checks: `null`, and an error for each.
pub(super) fn hide_checks(value: &mut Value, path: &mut Vec<Value>, errors: &mut Vec<Value>) {
    let items: Vec<(Value, &mut Value)> = match value {
        Value::Object(fields) => fields.iter_mut().map(|(name, value)| (json!(name), value)).collect(),
        Value::Array(items) => items.iter_mut().enumerate().map(|(index, value)| (json!(index), value)).collect(),
        _ => Vec::new(),
    };
    for (step, value) in items {
        path.push(step);
        if path.last() == Some(&json!("statusCheckRollup")) {
            *value = Value::Null;
            let message = "Resource not accessible by integration";
            errors.push(json!({ "type": "FORBIDDEN", "path": path, "message": message }));
        } else {
            hide_checks(value, path, errors);
        }
        path.pop();
    }
}

impl Question<'_> {
    /// How a repository merges, and one of its pull requests.
    pub(super) fn merge_settings(&mut self) -> Value {
        let full = format!("{}/{}", self.text("owner"), self.text("name"));
        let number = self.variables.get("number").and_then(Value::as_u64).unwrap_or_default();
        let Some((id, found)) = self.visible(&full) else {
            self.not_found(json!(["repository"]), &format!("a Repository with the name '{full}'"));
            return json!({ "repository": null });
        };
        let it = found.pull_requests.get(&number).map(|it| {
            let node_id = HostedPullRequest::node_id(id, it.number);
            json!({ "id": node_id, "headRefOid": it.head.as_str(), "autoMergeRequest": request(it) })
        });
        let is_allowed = found.is_auto_merge_allowed;
        if it.is_none() {
            self.not_found(json!(["repository", "pullRequest"]), &format!("a PullRequest with the number of {number}"));
        }
        json!({ "repository": {
            "autoMergeAllowed": is_allowed,
            "viewerDefaultMergeMethod": "REBASE",
            "mergeCommitAllowed": METHODS.contains(&"MERGE"),
            "squashMergeAllowed": METHODS.contains(&"SQUASH"),
            "rebaseMergeAllowed": METHODS.contains(&"REBASE"),
            "pullRequest": it,
        } })
    }
}

/// `enablePullRequestAutoMerge`, and its refusals in GitHub's words.
pub(super) fn enable(world: &mut World, caller: &Caller, variables: &Map<String, Value>) -> Reply {
    let text = |name: &str| variables.get(name).and_then(Value::as_str).unwrap_or_default();
    let is_writer = !world.is_reader(caller);
    let seen: Vec<u64> =
        world.repositories.iter().filter(|(_, it)| world.sees(caller, it)).map(|(id, _)| *id).collect();
    let place = seen.into_iter().find_map(|id| {
        let numbers = world.repositories.get(&id)?.pull_requests.keys().copied();
        numbers.map(|number| (id, number)).find(|(id, number)| HostedPullRequest::node_id(*id, *number) == text("id"))
    });
    let found = place.and_then(|(id, number)| Some((world.repositories.get_mut(&id)?, number)));
    let Some((repository, number)) = found else {
        return refused("NOT_FOUND", &format!("Could not resolve to a node with the global id of '{}'", text("id")));
    };
    let is_allowed = repository.is_auto_merge_allowed && METHODS.contains(&text("method"));
    let is_required = repository.are_checks_required;
    let checks = &repository.checks;
    let Some(it) = repository.pull_requests.get_mut(&number) else { return refused("NOT_FOUND", "") };
    let is_clean = !is_required || checks.get(&it.head) == Some(&Pipeline::Passed);
    let refusal = match it.state {
        _ if !is_writer => Some(("FORBIDDEN", "Resource not accessible by personal access token")),
        PullRequestState::Merged | PullRequestState::Closed => Some(("UNPROCESSABLE", "Pull request is closed")),
        PullRequestState::Open if !is_allowed => {
            Some(("UNPROCESSABLE", "Pull request Auto merge is not allowed for this repository"))
        }
        PullRequestState::Open if it.is_draft => Some(("UNPROCESSABLE", "Pull request Pull request is in draft state")),
        PullRequestState::Open if it.head.as_str() != text("head") => {
            Some(("UNPROCESSABLE", "Head sha didn't match expected head oid."))
        }
        PullRequestState::Open if is_clean => Some(("UNPROCESSABLE", "Pull request Pull request is in clean status")),
        PullRequestState::Open => None,
    };
    if let Some((kind, message)) = refusal {
        return refused(kind, message);
    }
    it.is_auto_merging = true;
    let data = json!({ "enablePullRequestAutoMerge": { "pullRequest": { "autoMergeRequest": request(it) } } });
    Reply::new(200, json!({ "data": data }))
}

fn refused(kind: &str, message: &str) -> Reply {
    let error = json!({ "type": kind, "path": ["enablePullRequestAutoMerge"], "message": message });
    Reply::new(200, json!({ "data": { "enablePullRequestAutoMerge": null }, "errors": [error] }))
}
