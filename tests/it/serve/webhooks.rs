//! Webhooks over HTTP: what wakes, what is ignored, what is refused.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use refrom::serve::Outcome;
use serde_json::{Value, json};

use super::house::{House, answer, sign};
use crate::cycle::world::{WEBHOOK_SECRET, World, nginx};

const WEB: &str = "acme/web";
const REGISTRIES: &str = "serve:
  listen: 127.0.0.1:0
  webhooks:
    - { name: harbor, kind: harbor, registry: dhi.io, secret: { env: WEBHOOK_SECRET } }
    - { name: hub, kind: docker_hub, secret: { env: WEBHOOK_SECRET } }
    - { name: quay, kind: quay, registry: dhi.io, secret: { env: WEBHOOK_SECRET } }
    - { name: packages, kind: github_packages, registry: dhi.io, secret: { env: WEBHOOK_SECRET } }
    - { name: chainguard, kind: chainguard, registry: dhi.io, secret: { env: WEBHOOK_SECRET } }";

async fn house() -> House {
    let mut world = World::new().await;
    let digest = world.release("dhi.io/acme/nginx", "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &format!("FROM dhi.io/acme/nginx:1.27@{digest}\n"))]);
    world.setting(REGISTRIES);
    world.takes_webhooks();
    House::open(world).await
}

fn push(repository: &str) -> Value {
    json!({ "ref": "refs/heads/main", "repository": { "full_name": repository, "default_branch": "main" } })
}

#[tokio::test]
async fn every_registry_wakes_in_its_own_way_and_the_moved_tag_is_proposed() {
    let secret = WEBHOOK_SECRET;
    let harbor = json!({ "type": "PUSH_ARTIFACT", "event_data": { "repository": { "repo_full_name": "acme/nginx" } } });
    let quay = json!({ "repository": "acme/nginx", "updated_tags": ["1.27"] });
    let package = json!({ "action": "published", "package": { "name": "nginx", "namespace": "acme", "package_type": "CONTAINER" } });
    let chainguard = json!({ "actor": {}, "body": { "repository": "acme/nginx", "tag": "1.27", "type": "manifest" } });
    let house = house().await;
    let requests = [
        house.post("/webhooks/registries/harbor").header("authorization", secret).body(harbor.to_string()),
        house.post(&format!("/webhooks/registries/quay/{secret}")).body(quay.to_string()),
        house
            .post("/webhooks/registries/packages")
            .header("x-hub-signature-256", sign(package.to_string().as_bytes()))
            .header("x-github-event", "package")
            .body(package.to_string()),
        house
            .post(&format!("/webhooks/registries/chainguard/{secret}"))
            .header("ce-type", "dev.chainguard.registry.push.v1")
            .header("ce-id", "1")
            .body(chainguard.to_string()),
    ];
    for (index, request) in requests.into_iter().enumerate() {
        let build = (index + 2).to_string();
        let digest = house.world.release("dhi.io/acme/nginx", "1.27", &build);
        assert_eq!(answer(request).await, (202, "woken: it is looked up now\n".to_owned()), "{index}");
        house.reach(60 * (i64::try_from(index).unwrap() + 1)).await;
        house.cycles(index + 2).await;
        house.idle().await;
        house.world.expect_proposal(WEB, 1, &format!("FROM dhi.io/acme/nginx:1.27@{digest}\n"));
    }
    house.finish().await;
}

#[tokio::test]
async fn a_wrong_or_missing_proof_is_refused_whatever_the_body_says() {
    let house = house().await;
    let body = push(WEB).to_string();
    let unsigned = || house.post("/webhooks/github").header("x-github-event", "push").body(body.clone());
    for request in [
        unsigned(),
        unsigned().header("x-hub-signature-256", sign(b"another body")),
        unsigned().header("x-hub-signature-256", "sha256="),
        unsigned().header("x-gitlab-token", "wrong"),
        house.post("/webhooks/registries/harbor").body(body.clone()),
        house.post("/webhooks/registries/harbor").header("authorization", "wrong").body(body.clone()),
        house.post(&format!("/webhooks/registries/harbor/{WEBHOOK_SECRET}")).body(body.clone()),
        house.post("/webhooks/registries/hub").header("authorization", WEBHOOK_SECRET).body(body.clone()),
        house.post("/webhooks/registries/hub/wrong").body(body.clone()),
        house.post("/webhooks/registries/quay").body(body.clone()),
        house.post("/webhooks/registries/packages").header("authorization", WEBHOOK_SECRET).body(body.clone()),
        house.post("/webhooks/registries/chainguard").bearer_auth("e30.e30.").body(body.clone()),
    ] {
        assert_eq!(answer(request).await, (401, "the signature or the secret is wrong or missing\n".to_owned()));
    }
    for path in ["/webhooks/nobody", "/webhooks/registries/nobody", "/webhooks/registries/nobody/secret"] {
        assert_eq!(answer(house.post(path).body(body.clone())).await.0, 404, "{path}");
    }
    assert_eq!((house.webhooks("github", Outcome::Refused), house.webhooks("unknown", Outcome::NotFound)), (4, 3));
    assert_eq!(house.idle().await, 15 * 60);
    house.finish().await;
}

#[tokio::test]
async fn what_came_before_wakes_nobody_under_whatever_id() {
    let house = house().await;
    let body = push(WEB).to_string();
    let delivery = |id: &'static str| {
        let request = house.post("/webhooks/github").header("x-github-event", "push").header("x-github-delivery", id);
        answer(request.header("x-hub-signature-256", sign(body.as_bytes())).body(body.clone()))
    };
    assert_eq!(delivery("1").await.0, 202);
    assert_eq!(delivery("1").await, (200, "ignored: it came before\n".to_owned()));
    assert_eq!(delivery("2").await, (200, "ignored: it came before\n".to_owned()));
    let pipeline = json!({ "object_kind": "pipeline", "object_attributes": { "ref": "refrom/x", "status": "success" },
        "project": { "path_with_namespace": WEB } });
    let gitlab = |key: &'static str| {
        let request = house.post("/webhooks/github").header("x-gitlab-token", WEBHOOK_SECRET);
        answer(request.header("idempotency-key", key).body(pipeline.to_string()))
    };
    assert_eq!((gitlab("a").await.0, gitlab("a").await.0, gitlab("b").await.0), (202, 200, 202));
    assert_eq!(house.webhooks("github", Outcome::Replayed), 3);
    house.finish().await;
}

#[tokio::test]
async fn what_the_configuration_does_not_select_is_ignored() {
    let house = house().await;
    for (event, payload, outcome) in [
        ("push", push("other/web"), Outcome::UnknownName),
        // The pattern includes it; the fleet has no such repository.
        ("push", push("acme/fork"), Outcome::UnknownName),
        ("issues", json!({}), Outcome::UnknownEvent),
        ("ping", json!({ "zen": "Design for failure." }), Outcome::Ignored),
    ] {
        let response = house.github(event, &payload).await;
        assert_eq!((response.status().as_u16(), house.webhooks("github", outcome) > 0), (200, true), "{event}");
    }
    assert_eq!(house.github("push", &json!({ "ref": 1 })).await.status(), 400);
    let hub = json!({ "repository": { "repo_name": "library/nginx" } });
    let path = format!("/webhooks/registries/hub/{WEBHOOK_SECRET}");
    let (status, _) = answer(house.post(&path).body(hub.to_string())).await;
    // An image that nobody pins.
    assert_eq!((status, house.webhooks("hub", Outcome::UnknownName)), (200, 1));
    assert_eq!(house.idle().await, 15 * 60);
    house.finish().await;
}

#[tokio::test]
async fn a_huge_body_is_refused() {
    let house = house().await;
    let huge = vec![b' '; (4 << 20) + 1];
    let request = house.post("/webhooks/github").header("x-hub-signature-256", sign(&huge)).body(huge);
    assert_eq!(answer(request).await, (413, "the body is too large\n".to_owned()));
    assert_eq!(house.webhooks("github", Outcome::TooLarge), 1);
    house.finish().await;
}

#[tokio::test]
async fn a_forge_without_a_secret_takes_no_webhook() {
    let mut world = World::new().await;
    let digest = world.release("dhi.io/nginx", "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &digest))]);
    world.setting("serve: { listen: '127.0.0.1:0' }");
    let house = House::open(world).await;
    let response = house.github("push", &push(WEB)).await;
    assert_eq!((response.status().as_u16(), house.webhooks("github", Outcome::NotConfigured)), (403, 1));
    house.finish().await;
}

#[tokio::test]
async fn no_body_breaks_it_and_none_wakes_without_its_proof() {
    let house = house().await;
    let mut runner = TestRunner::deterministic();
    let field = prop_oneof!["[a-z_]{1,12}", Just("ref".to_owned()), Just("repository".to_owned())];
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        "\\PC{0,20}".prop_map(Value::from),
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(json!("refs/heads/main")),
    ];
    let json = leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field.clone(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let bodies =
        prop_oneof![json.prop_map(|value| value.to_string().into_bytes()), prop::collection::vec(any::<u8>(), 0..64),];
    let events = ["push", "pull_request", "check_run", "status", "package", "installation", "\u{7f}"];
    for round in 0..96 {
        let body = bodies.new_tree(&mut runner).unwrap().current();
        let event = events[round % events.len()];
        let request = |path: &str| house.post(path).body(body.clone());
        let github = |signature: String| {
            let request = request("/webhooks/github").header("x-hub-signature-256", signature);
            answer(
                request.header(
                    "x-github-event",
                    reqwest::header::HeaderValue::from_bytes(event.as_bytes())
                        .unwrap_or(reqwest::header::HeaderValue::from_static("push")),
                ),
            )
        };
        let (status, _) = github(sign(&body)).await;
        let is_news = event == "installation";
        assert!([200, 400].contains(&status) || (is_news && status == 202), "{status}");
        let mut other = body.clone();
        other.push(b' ');
        assert_eq!(github(sign(&other)).await.0, 401);
        for kind in ["harbor", "hub", "quay", "chainguard", "packages"] {
            assert_eq!(answer(request(&format!("/webhooks/registries/{kind}"))).await.0, 401, "{kind}");
            let (status, _) = answer(request(&format!("/webhooks/registries/{kind}/{WEBHOOK_SECRET}"))).await;
            assert!([200, 400, 401].contains(&status), "{kind}: {status}");
        }
    }
    house.finish().await;
}
