//! What registries tell of pushes, each in a form of its own.

use serde::Deserialize;

use super::{News, Unusable, github_event, read};
use crate::config::WebhookKind;

/// Harbor's names for a push: in its own format, and as a CloudEvent ("Configure Webhook Notifications").
const HARBOR_PUSHES: [&str; 2] = ["PUSH_ARTIFACT", "harbor.artifact.pushed"];
/// Chainguard's ("Chainguard Events").
const CHAINGUARD_PUSH: &str = "dev.chainguard.registry.push.v1";

/// A body, and what the headers say of it.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// `X-GitHub-Event`, or `Ce-Type`.
    pub event: Option<&'a str>,
    pub body: &'a [u8],
}

#[derive(Deserialize)]
struct Harbor {
    #[serde(rename = "type")]
    kind: String,
    #[serde(alias = "data")]
    event_data: Option<HarborData>,
}

#[derive(Deserialize)]
struct HarborData {
    repository: Option<HarborRepository>,
}

#[derive(Deserialize)]
struct HarborRepository {
    repo_full_name: String,
}

/// Docker Hub has one event and does not name it ("Example webhook payload").
#[derive(Deserialize)]
struct DockerHub {
    repository: DockerHubRepository,
}

#[derive(Deserialize)]
struct DockerHubRepository {
    repo_name: String,
}

/// Quay's `repo_push` does not name itself either ("Repository Notifications"); other events have no `updated_tags`.
#[derive(Deserialize)]
struct Quay {
    repository: String,
    updated_tags: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Chainguard {
    body: ChainguardPush,
}

#[derive(Deserialize)]
struct ChainguardPush {
    repository: String,
    /// `manifest` or `blob`.
    #[serde(rename = "type")]
    kind: Option<String>,
    error: Option<ChainguardError>,
}

#[derive(Deserialize)]
struct ChainguardError {
    #[serde(default)]
    status: u32,
}

/// Reads what a registry of this kind tells.
pub fn parse(kind: WebhookKind, delivery: Delivery<'_>) -> Result<News, Unusable> {
    match kind {
        WebhookKind::Harbor => read(delivery.body).and_then(harbor),
        WebhookKind::DockerHub => read(delivery.body).map(|push: DockerHub| News::Image(push.repository.repo_name)),
        WebhookKind::Quay => read(delivery.body).and_then(quay),
        WebhookKind::GithubPackages => match delivery.event {
            Some(event @ ("package" | "registry_package" | "ping")) => github_event::parse(event, delivery.body),
            Some(_) | None => Err(Unusable::UnknownEvent),
        },
        WebhookKind::Chainguard if delivery.event == Some(CHAINGUARD_PUSH) => read(delivery.body).map(chainguard),
        WebhookKind::Chainguard => Err(Unusable::UnknownEvent),
    }
}

fn harbor(told: Harbor) -> Result<News, Unusable> {
    if !HARBOR_PUSHES.contains(&told.kind.as_str()) {
        return Err(Unusable::UnknownEvent);
    }
    let repository = told.event_data.and_then(|data| data.repository).ok_or(Unusable::Malformed)?;
    Ok(News::Image(repository.repo_full_name))
}

fn quay(told: Quay) -> Result<News, Unusable> {
    told.updated_tags.map(|_| News::Image(told.repository)).ok_or(Unusable::UnknownEvent)
}

fn chainguard(told: Chainguard) -> News {
    let push = told.body;
    let has_failed = push.error.is_some_and(|error| error.status != 0);
    let is_blob = push.kind.is_some_and(|kind| kind == "blob");
    if has_failed || is_blob { News::Nothing } else { News::Image(push.repository) }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(kind: WebhookKind, event: Option<&str>, payload: Value) -> Result<News, Unusable> {
        parse(kind, Delivery { event, body: payload.to_string().as_bytes() })
    }

    fn image(name: &str) -> Result<News, Unusable> {
        Ok(News::Image(name.to_owned()))
    }

    #[test]
    fn harbor_tells_in_both_of_its_formats() {
        let data = json!({
            "resources": [{ "digest": "sha256:954b378c375d852eb3c63ab88978f640b4348b01c1b3456a024a81536dafbbf4",
                "tag": "latest", "resource_url": "localhost/harbor/alpine:latest" }],
            "repository": { "date_created": 1_680_501_893, "name": "alpine", "namespace": "harbor",
                "repo_full_name": "harbor/alpine", "repo_type": "private" },
        });
        let own =
            |kind: &str| json!({ "type": kind, "occur_at": 1_680_501_893, "operator": "admin", "event_data": data });
        assert_eq!(told(WebhookKind::Harbor, None, own("PUSH_ARTIFACT")), image("harbor/alpine"));
        assert_eq!(told(WebhookKind::Harbor, None, own("PULL_ARTIFACT")), Err(Unusable::UnknownEvent));
        let event = json!({ "specversion": "1.0", "id": "66e18103-09c1-41f6-982f-37df223f3eeb",
            "source": "/projects/2/webhook/policies/15", "type": "harbor.artifact.pushed",
            "datacontenttype": "application/json", "time": "2023-04-03T06:04:46Z", "data": data, "operator": "admin" });
        assert_eq!(told(WebhookKind::Harbor, None, event), image("harbor/alpine"));
        assert_eq!(told(WebhookKind::Harbor, None, json!({ "type": "PUSH_ARTIFACT" })), Err(Unusable::Malformed));
    }

    #[test]
    fn docker_hub_and_quay_tell_of_pushes() {
        let hub = json!({ "callback_url": "https://registry.hub.docker.com/u/svendowideit/testhook/hook/2141/",
            "push_data": { "pushed_at": 1_417_566_161, "pusher": "trustedbuilder", "tag": "latest" },
            "repository": { "name": "testhook", "namespace": "svendowideit", "repo_name": "svendowideit/testhook" } });
        assert_eq!(told(WebhookKind::DockerHub, None, hub), image("svendowideit/testhook"));
        let push = json!({ "name": "repository", "repository": "dgangaia/test", "namespace": "dgangaia",
            "docker_url": "quay.io/dgangaia/test", "homepage": "https://quay.io/repository/dgangaia/repository",
            "updated_tags": ["latest"] });
        assert_eq!(told(WebhookKind::Quay, None, push), image("dgangaia/test"));
        let build = json!({ "build_id": "296ec063", "repository": "dgangaia/test", "docker_tags": ["master"] });
        assert_eq!(told(WebhookKind::Quay, None, build), Err(Unusable::UnknownEvent));
    }

    #[test]
    fn github_tells_of_packages_alone_here() {
        let package = json!({ "action": "published", "registry_package": { "name": "hello", "namespace": "acme",
            "package_type": "CONTAINER" } });
        let expected = Ok(News::Package("acme/hello".to_owned()));
        assert_eq!(told(WebhookKind::GithubPackages, Some("registry_package"), package), expected);
        assert_eq!(told(WebhookKind::GithubPackages, Some("push"), json!({})), Err(Unusable::UnknownEvent));
        assert_eq!(told(WebhookKind::GithubPackages, None, json!({})), Err(Unusable::UnknownEvent));
    }

    #[test]
    fn chainguard_tells_of_manifests() {
        let push = |kind: &str, status: u32| {
            json!({ "actor": { "subject": "an identity" }, "body": { "digest": "sha256:00", "location": "ColumbusOHUS",
                "error": { "code": "", "message": "", "status": status }, "repo_id": "45a0c61e/7214b8dd",
                "repository": "chainguard/nginx", "tag": "latest", "type": kind, "when": "2026-08-28T20:13:22.178791" } })
        };
        let told = |event: &str, payload| told(WebhookKind::Chainguard, Some(event), payload);
        assert_eq!(told(CHAINGUARD_PUSH, push("manifest", 0)), image("chainguard/nginx"));
        assert_eq!(told(CHAINGUARD_PUSH, push("blob", 0)), Ok(News::Nothing));
        assert_eq!(told(CHAINGUARD_PUSH, push("manifest", 500)), Ok(News::Nothing));
        let pull = "dev.chainguard.registry.pull.v1";
        assert_eq!(told(pull, push("manifest", 0)), Err(Unusable::UnknownEvent));
    }
}
