//! GitLab's events ("Webhook events"): they name themselves in `object_kind`.

use serde::Deserialize;

use super::github_event::is_ours;
use super::{News, Unusable, read};
use crate::domain::plan::HOLD_LABEL;

const BRANCH_REF: &str = "refs/heads/";
/// What a pipeline's state is while something is still to come.
const UNFINISHED: [&str; 6] = ["created", "waiting_for_resource", "preparing", "pending", "running", "scheduled"];

#[derive(Deserialize)]
struct Kind {
    object_kind: String,
}

#[derive(Deserialize)]
struct Project {
    path_with_namespace: String,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    /// The new head; `null` where the branch was deleted.
    checkout_sha: Option<String>,
    project: Project,
}

#[derive(Deserialize)]
struct MergeRequestEvent {
    object_attributes: MergeRequest,
    project: Project,
    #[serde(default)]
    changes: Changes,
}

#[derive(Deserialize)]
struct MergeRequest {
    source_branch: String,
    source_project_id: u64,
    target_project_id: u64,
    action: Option<String>,
}

#[derive(Default, Deserialize)]
struct Changes {
    labels: Option<LabelChange>,
}

#[derive(Deserialize)]
struct LabelChange {
    #[serde(default)]
    previous: Vec<Label>,
    #[serde(default)]
    current: Vec<Label>,
}

#[derive(Deserialize)]
struct Label {
    title: String,
}

#[derive(Deserialize)]
struct PipelineEvent {
    object_attributes: Pipeline,
    /// There where the pipeline is a merge request's.
    merge_request: Option<SourceBranch>,
    project: Project,
}

#[derive(Deserialize)]
struct SourceBranch {
    source_branch: String,
}

#[derive(Deserialize)]
struct Pipeline {
    #[serde(rename = "ref")]
    branch: Option<String>,
    status: String,
}

/// Reads an event. Of our own branches only what people and pipelines did to them is news.
pub fn parse(body: &[u8]) -> Result<News, Unusable> {
    match read::<Kind>(body)?.object_kind.as_str() {
        "push" => read(body).map(push),
        "merge_request" => read(body).map(merge_request),
        "pipeline" => read(body).map(pipeline),
        _ => Err(Unusable::UnknownEvent),
    }
}

fn push(push: Push) -> News {
    match push.reference.strip_prefix(BRANCH_REF) {
        Some(branch) if push.checkout_sha.is_some() && !is_ours(branch) => News::Branch {
            branch: branch.to_owned(),
            default_branch: push.project.default_branch,
            repository: push.project.path_with_namespace,
        },
        Some(_) | None => News::Nothing,
    }
}

fn merge_request(event: MergeRequestEvent) -> News {
    let MergeRequest { source_branch, source_project_id, target_project_id, action } = event.object_attributes;
    let has_hold = |labels: &[Label]| labels.iter().any(|label| label.title == HOLD_LABEL);
    let hold_changed =
        event.changes.labels.is_some_and(|labels| has_hold(&labels.previous) != has_hold(&labels.current));
    let matters = match action.as_deref() {
        Some("merge" | "close" | "reopen") => true,
        Some("update") => hold_changed,
        Some(_) | None => false,
    };
    // A fork may have a branch of that name, too.
    let is_news = matters && source_project_id == target_project_id && is_ours(&source_branch);
    if is_news { News::Repository(event.project.path_with_namespace) } else { News::Nothing }
}

fn pipeline(event: PipelineEvent) -> News {
    let Pipeline { branch, status } = event.object_attributes;
    let branches = [branch, event.merge_request.map(|request| request.source_branch)];
    let has_ended = !UNFINISHED.contains(&status.as_str());
    let is_news = has_ended && branches.iter().flatten().any(|branch| is_ours(branch));
    if is_news { News::Repository(event.project.path_with_namespace) } else { News::Nothing }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(payload: Value) -> Result<News, Unusable> {
        parse(payload.to_string().as_bytes())
    }

    fn project() -> Value {
        json!({ "id": 15, "name": "Diaspora", "path_with_namespace": "mike/diaspora", "default_branch": "master" })
    }

    fn of_project() -> Result<News, Unusable> {
        Ok(News::Repository("mike/diaspora".to_owned()))
    }

    #[test]
    fn a_push_tells_of_its_branch() {
        let push = |reference: &str, head: Value| {
            told(json!({
                "object_kind": "push", "event_name": "push", "before": "95790bf891e76fee5e1747ab589903a6a1f80f22",
                "after": "da1560886d4f094c3e6c9ef40349f7d38b5d27d7", "ref": reference, "checkout_sha": head,
                "user_id": 4, "project": project(), "commits": [], "total_commits_count": 4,
            }))
        };
        let head = json!("da1560886d4f094c3e6c9ef40349f7d38b5d27d7");
        let expected = News::Branch {
            repository: "mike/diaspora".to_owned(),
            branch: "master".to_owned(),
            default_branch: Some("master".to_owned()),
        };
        assert_eq!(push("refs/heads/master", head.clone()), Ok(expected));
        assert_eq!(push("refs/heads/old", Value::Null), Ok(News::Nothing));
        assert_eq!(push("refs/heads/refrom/base-images", head), Ok(News::Nothing));
    }

    #[test]
    fn our_merge_requests_tell_when_people_did_something_to_them() {
        let event = |action: &str, branch: &str, source: u64, labels: Value| {
            told(json!({
                "object_kind": "merge_request", "event_type": "merge_request", "project": project(),
                "object_attributes": { "id": 99, "iid": 1, "target_branch": "master", "source_branch": branch,
                    "source_project_id": source, "target_project_id": 14, "state": "opened", "action": action },
                "changes": labels,
            }))
        };
        let ours = "refrom/base-images";
        for action in ["merge", "close", "reopen"] {
            assert_eq!(event(action, ours, 14, json!({})), of_project(), "{action}");
            assert_eq!(event(action, "ms-viewport", 14, json!({})), Ok(News::Nothing), "{action}");
            assert_eq!(event(action, ours, 15, json!({})), Ok(News::Nothing), "{action}");
        }
        let labels = |previous: &str, current: &str| json!({ "labels": { "previous": [{ "id": 205, "title": previous }], "current": [{ "id": 206, "title": current }] } });
        assert_eq!(event("update", ours, 14, labels("API", "refrom:hold")), of_project());
        assert_eq!(event("update", ours, 14, labels("refrom:hold", "API")), of_project());
        assert_eq!(event("update", ours, 14, labels("API", "Platform")), Ok(News::Nothing));
        assert_eq!(event("open", ours, 14, json!({})), Ok(News::Nothing));
    }

    #[test]
    fn pipelines_tell_when_they_end_on_a_branch_of_ours() {
        let event = |reference: &str, status: &str, merge_request: Value| {
            told(json!({
                "object_kind": "pipeline", "project": project(), "merge_request": merge_request,
                "object_attributes": { "id": 31, "iid": 3, "ref": reference, "tag": false, "status": status },
            }))
        };
        for status in ["success", "failed", "canceled", "skipped", "manual"] {
            assert_eq!(event("refrom/base-images", status, Value::Null), of_project(), "{status}");
            assert_eq!(event("master", status, Value::Null), Ok(News::Nothing), "{status}");
        }
        let request = json!({ "id": 1, "iid": 1, "source_branch": "refrom/base-images" });
        assert_eq!(event("refs/merge-requests/1/head", "success", request), of_project());
        assert_eq!(event("refrom/base-images", "running", Value::Null), Ok(News::Nothing));
    }

    #[test]
    fn what_nobody_asked_for_is_unknown() {
        assert_eq!(told(json!({ "object_kind": "note" })), Err(Unusable::UnknownEvent));
        assert_eq!(told(json!({})), Err(Unusable::Malformed));
        assert_eq!(parse(b"\xff"), Err(Unusable::Malformed));
    }
}
