//! The routes over HTTP, with the store behind them.

use std::sync::Arc;

use refrom::demo::forge::Face;
use refrom::demo::server::Server;
use refrom::net::{self, Network, Redirects};
use refrom::serve::page::{StatusState, routes};
use refrom::serve::waves::Rollout;
use refrom::store::{SqliteStore, Store as _};
use serde_json::{Value, json};

use crate::cycle::world::{World, nginx};
use crate::page::{Still, fleet, now};

struct Service {
    server: Server,
    _directory: tempfile::TempDir,
}

impl Service {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("refrom.db"), now()).await.unwrap();
        let fleet = fleet();
        store.put_status(&fleet.repositories, fleet.cycle.as_ref()).await.unwrap();
        let (clock, rollout) = (Arc::new(Still(now())), Rollout::default());
        let state = StatusState { store: Arc::new(store), clock, rollout, notices: Vec::new() };
        Self { server: Server::start(routes().with_state(state)).await.unwrap(), _directory: directory }
    }

    async fn get(&self, path: &str) -> (u16, reqwest::header::HeaderMap, String) {
        let client = net::client(&Network::default(), Redirects::Manual).unwrap();
        let answer = client.get(format!("{}{path}", self.server.url())).send().await.unwrap();
        (answer.status().as_u16(), answer.headers().clone(), answer.text().await.unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).await.2).unwrap()
    }
}

#[tokio::test]
async fn the_page_is_sent_with_its_policy_and_is_kept_by_nobody() {
    let service = Service::start().await;
    let (status, headers, html) = service.get("").await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'; style-src 'sha256-"));
    assert_eq!(
        (&headers["cache-control"], &headers["x-content-type-options"]),
        (&"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
    );
    assert!(html.contains("All 20 repositories"), "{html}");
    let (_, _, html) = service.get("?state=attention&forge=github&sort=name&q=web").await;
    assert!(html.contains("1 of 20 repositories"), "{html}");
}

#[tokio::test]
async fn a_wrong_filter_is_said_and_not_guessed() {
    let service = Service::start().await;
    let (status, headers, html) = service.get("?state=%3Cscript%3E").await;
    assert_eq!(status, 400);
    assert!(headers.contains_key("content-security-policy") && !html.contains("<script>"), "{html}");
    assert!(html.contains("There is no state &lt;script&gt;: choose one of attention, behind"), "{html}");
    let (status, _, text) = service.get("api/v1/status?sort=best").await;
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &error),
        (400, &json!({ "error": "there is no order `best`: choose one of urgency, oldest, name, due" }))
    );
}

#[tokio::test]
async fn the_json_is_filtered_and_its_figures_are_of_the_whole_fleet() {
    let service = Service::start().await;
    let all = service.json("api/v1/status").await;
    assert_eq!(all["repositories"].as_array().unwrap().len(), 20);
    let some = service.json("api/v1/status?state=failed").await;
    assert_eq!(some["repositories"].as_array().unwrap().len(), 1);
    assert_eq!(some["figures"], all["figures"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&some).unwrap());
    let (_, headers, _) = service.get("api/v1/status").await;
    assert_eq!(
        (&headers["content-type"], &headers["cache-control"]),
        (&"application/json".parse().unwrap(), &"no-store".parse().unwrap())
    );
}

#[tokio::test]
async fn what_a_cycle_did_is_on_the_page_with_numbers_as_its_forge_writes_them() {
    for (face, sigil) in [(Face::GitHub, '#'), (Face::GitLab, '!')] {
        what_a_cycle_did_is_on_the_page(face, sigil).await;
    }
}

async fn what_a_cycle_did_is_on_the_page(face: Face, sigil: char) {
    let mut world = World::on(face).await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    world.repository("acme/web", &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release("dhi.io/nginx", "1.27", "2");
    world.run().await;
    let at = || "2026-11-20T11:00:00Z".parse().unwrap();
    let store = SqliteStore::open(&world.state().join("refrom.db"), at()).await.unwrap();
    let (clock, rollout) = (Arc::new(Still(at())), Rollout::default());
    let state = StatusState { store: Arc::new(store), clock, rollout, notices: Vec::new() };
    let server = Server::start(routes().with_state(state)).await.unwrap();
    let client = net::client(&Network::default(), Redirects::Manual).unwrap();
    let html = client.get(server.url()).send().await.unwrap().text().await.unwrap();
    for part in [
        "Last whole cycle <time datetime=\"2026-11-20T08:00:00Z\">3 hours ago".to_owned(),
        format!("<code title=\"{first}\">{}</code> <span class=\"version\">1.27.1</span>", first.short()),
        format!("<code title=\"{second}\">{}</code> 1.27.2,</span> in {sigil}1", second.short()),
        "behind</span> <time datetime=\"2026-11-20T08:00:00Z\">for 3 hours".to_owned(),
        format!("{sigil}1 build(deps): refresh base image"),
    ] {
        assert!(html.contains(&part), "`{part}` is not in\n{html}");
    }
    drop(server);
    world.finish();
}
