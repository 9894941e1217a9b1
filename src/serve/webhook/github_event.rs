//! GitHub's events ("Webhook events and payloads").

use serde::Deserialize;

use super::{News, Unusable, read};
use crate::domain::plan::HOLD_LABEL;
use crate::domain::pull_request::BRANCH_PREFIX;

const BRANCH_REF: &str = "refs/heads/";

#[derive(Deserialize)]
struct Repository {
    full_name: String,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Push {
    #[serde(rename = "ref")]
    reference: String,
    #[serde(default)]
    deleted: bool,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequestEvent {
    action: String,
    label: Option<Named>,
    pull_request: PullRequest,
    repository: Repository,
}

#[derive(Deserialize)]
struct PullRequest {
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<Repository>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

/// `check_suite`, `check_run` and `workflow_run`: one of them is there.
#[derive(Deserialize)]
struct CheckEvent {
    action: String,
    check_suite: Option<CheckSuite>,
    check_run: Option<CheckRun>,
    workflow_run: Option<CheckSuite>,
    repository: Repository,
}

#[derive(Deserialize)]
struct CheckRun {
    check_suite: CheckSuite,
}

#[derive(Deserialize)]
struct CheckSuite {
    head_branch: Option<String>,
}

#[derive(Deserialize)]
struct Status {
    state: String,
    #[serde(default)]
    branches: Vec<Named>,
    repository: Repository,
}

#[derive(Deserialize)]
struct PackageEvent {
    action: String,
    #[serde(alias = "registry_package")]
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    namespace: String,
    package_type: String,
}

/// Reads an event by its name in `X-GitHub-Event`.
///
/// Our own pushes and openings tell nothing new, and wake nobody: branches of ours count when their pull request is
/// closed, reopened or held, and when their checks end.
pub fn parse(event: &str, body: &[u8]) -> Result<News, Unusable> {
    match event {
        "push" => read(body).map(push),
        "pull_request" => read(body).map(pull_request),
        "check_suite" | "check_run" | "workflow_run" => read(body).map(check),
        "status" => read(body).map(status),
        "installation" | "installation_repositories" => Ok(News::Fleet),
        "package" | "registry_package" => read(body).map(package),
        "ping" => Ok(News::Nothing),
        _ => Err(Unusable::UnknownEvent),
    }
}

fn push(push: Push) -> News {
    match push.reference.strip_prefix(BRANCH_REF) {
        Some(branch) if !push.deleted && !is_ours(branch) => News::Branch {
            branch: branch.to_owned(),
            default_branch: push.repository.default_branch,
            repository: push.repository.full_name,
        },
        Some(_) | None => News::Nothing,
    }
}

fn pull_request(event: PullRequestEvent) -> News {
    let head = event.pull_request.head;
    // A fork may have a branch of that name, too.
    let is_own = head.repo.is_some_and(|repo| repo.full_name == event.repository.full_name);
    let matters = match event.action.as_str() {
        "closed" | "reopened" | "auto_merge_disabled" => true,
        "labeled" | "unlabeled" => event.label.is_some_and(|label| label.name == HOLD_LABEL),
        _ => false,
    };
    let is_news = is_own && matters && is_ours(&head.branch);
    if is_news { News::Repository(event.repository.full_name) } else { News::Nothing }
}

fn check(event: CheckEvent) -> News {
    let suite = event.check_suite.or(event.workflow_run).or(event.check_run.map(|run| run.check_suite));
    let branch = suite.and_then(|suite| suite.head_branch);
    let is_news = event.action == "completed" && branch.is_some_and(|branch| is_ours(&branch));
    if is_news { News::Repository(event.repository.full_name) } else { News::Nothing }
}

fn status(status: Status) -> News {
    let is_news = status.state != "pending" && status.branches.iter().any(|branch| is_ours(&branch.name));
    if is_news { News::Repository(status.repository.full_name) } else { News::Nothing }
}

fn package(event: PackageEvent) -> News {
    let Package { name, namespace, package_type } = event.package;
    let is_image = package_type.eq_ignore_ascii_case("container");
    let is_news = is_image && matches!(event.action.as_str(), "published" | "updated");
    // Registries know lower case alone; GitHub keeps an owner's capitals.
    if is_news { News::Package(format!("{namespace}/{name}").to_ascii_lowercase()) } else { News::Nothing }
}

pub(super) fn is_ours(branch: &str) -> bool {
    branch.starts_with(BRANCH_PREFIX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(event: &str, payload: Value) -> Result<News, Unusable> {
        parse(event, payload.to_string().as_bytes())
    }

    fn repository() -> Value {
        json!({ "id": 186_853_002, "full_name": "Codertocat/Hello-World", "private": false, "default_branch": "main" })
    }

    fn of_repository() -> Result<News, Unusable> {
        Ok(News::Repository("Codertocat/Hello-World".to_owned()))
    }

    fn pull_request(action: &str, branch: &str, label: &str) -> Value {
        json!({
            "action": action, "number": 2, "repository": repository(), "label": { "name": label, "color": "d73a4a" },
            "pull_request": { "number": 2, "state": "closed", "merged": true,
                "head": { "ref": branch, "sha": "ec26c3e57ca3a959ca5aad62de7213c562f8c821", "repo": repository() } },
        })
    }

    #[test]
    fn a_push_tells_of_its_branch() {
        let push = |reference: &str, deleted: bool| {
            told(
                "push",
                json!({
                    "ref": reference, "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
                    "after": "0000000000000000000000000000000000000000", "created": false, "deleted": deleted,
                    "repository": repository(), "pusher": { "name": "Codertocat" }, "commits": [], "head_commit": null,
                }),
            )
        };
        let branch = |branch: &str| {
            Ok(News::Branch {
                repository: "Codertocat/Hello-World".to_owned(),
                branch: branch.to_owned(),
                default_branch: Some("main".to_owned()),
            })
        };
        assert_eq!(push("refs/heads/main", false), branch("main"));
        assert_eq!(push("refs/heads/release/1", false), branch("release/1"));
        for (reference, deleted) in
            [("refs/heads/refrom/base-images", false), ("refs/heads/old", true), ("refs/tags/v1", false)]
        {
            assert_eq!(push(reference, deleted), Ok(News::Nothing), "{reference}");
        }
    }

    #[test]
    fn our_pull_requests_tell_when_people_did_something_to_them() {
        for (action, label, expected) in [
            ("closed", "", of_repository()),
            ("reopened", "", of_repository()),
            ("labeled", "refrom:hold", of_repository()),
            ("unlabeled", "refrom:hold", of_repository()),
            ("labeled", "base-image", Ok(News::Nothing)),
            ("opened", "", Ok(News::Nothing)),
            ("synchronize", "", Ok(News::Nothing)),
        ] {
            let payload = pull_request(action, "refrom/base-images", label);
            assert_eq!(told("pull_request", payload), expected, "{action} {label}");
        }
        assert_eq!(told("pull_request", pull_request("closed", "feature", "")), Ok(News::Nothing));
        let mut of_fork = pull_request("closed", "refrom/base-images", "");
        of_fork["pull_request"]["head"]["repo"]["full_name"] = json!("mallory/Hello-World");
        assert_eq!(told("pull_request", of_fork), Ok(News::Nothing));
    }

    #[test]
    fn checks_tell_when_they_end_on_a_branch_of_ours() {
        let suite = |action: &str, branch: Value| {
            let suite = json!({ "id": 118_578_147, "head_branch": branch, "conclusion": "success" });
            [
                ("check_suite", json!({ "action": action, "check_suite": suite, "repository": repository() })),
                (
                    "check_run",
                    json!({ "action": action, "repository": repository(),
                    "check_run": { "id": 128_620_228, "check_suite": suite } }),
                ),
                ("workflow_run", json!({ "action": action, "workflow_run": suite, "repository": repository() })),
            ]
        };
        for (event, payload) in suite("completed", json!("refrom/base-images")) {
            assert_eq!(told(event, payload), of_repository(), "{event}");
        }
        let others = [("requested", json!("refrom/x")), ("completed", json!("main")), ("completed", Value::Null)];
        for (event, payload) in others.into_iter().flat_map(|(action, branch)| suite(action, branch)) {
            assert_eq!(told(event, payload), Ok(News::Nothing), "{event}");
        }
        let status = |state: &str, branch: &str| {
            told(
                "status",
                json!({ "state": state, "context": "ci", "branches": [{ "name": "main" }, { "name": branch }],
                "repository": repository() }),
            )
        };
        assert_eq!(status("success", "refrom/base-images"), of_repository());
        assert_eq!(status("pending", "refrom/base-images"), Ok(News::Nothing));
        assert_eq!(status("failure", "feature"), Ok(News::Nothing));
    }

    #[test]
    fn packages_tell_of_images() {
        let package = |action: &str, package_type: &str| {
            json!({ "id": 1, "name": "Hello", "namespace": "Codertocat", "ecosystem": "CONTAINER",
                "package_type": package_type, "action": action,
                "package_version": { "container_metadata": { "tag": { "name": "latest", "digest": "sha256:00" } } } })
        };
        for (event, key) in [("package", "package"), ("registry_package", "registry_package")] {
            let payload = |action: &str, kind: &str| json!({ "action": action, key: package(action, kind) });
            let expected = Ok(News::Package("codertocat/hello".to_owned()));
            assert_eq!(told(event, payload("published", "CONTAINER")), expected);
            assert_eq!(told(event, payload("updated", "container")), expected);
            assert_eq!(told(event, payload("published", "npm")), Ok(News::Nothing));
            assert_eq!(told(event, payload("deleted", "CONTAINER")), Ok(News::Nothing));
        }
    }

    #[test]
    fn installations_tell_of_the_fleet_and_what_nobody_asked_for_is_unknown() {
        for event in ["installation", "installation_repositories"] {
            assert_eq!(told(event, json!({ "action": "created", "installation": { "id": 2 } })), Ok(News::Fleet));
        }
        assert_eq!(told("ping", json!({ "zen": "Keep it logically awesome." })), Ok(News::Nothing));
        assert_eq!(told("issues", json!({})), Err(Unusable::UnknownEvent));
        assert_eq!(told("push", json!({ "ref": 1 })), Err(Unusable::Malformed));
        assert_eq!(parse("push", b"payload=%7B%7D"), Err(Unusable::Malformed));
    }
}
