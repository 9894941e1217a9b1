//! Who may ask for what, and how much.

use std::time::Duration;

use refrom::serve::http::Limits;
use reqwest::header::HOST;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::house::{House, LISTEN, answer};
use crate::cycle::world::{SERVE_TOKEN, World, nginx};

const RUN: &str = "/api/v1/repositories/acme/web/run";

async fn house(serve: &str) -> House {
    House::open(world(serve).await).await
}

async fn world(serve: &str) -> World {
    let mut world = World::new().await;
    let digest = world.release("dhi.io/nginx", "1.27", "1");
    world.repository("acme/web", &[("Dockerfile", &nginx("1.27.1", &digest))]);
    world.setting(serve);
    world
}

#[tokio::test]
async fn only_allowed_hosts_are_answered_and_probes_under_any_name() {
    let house = house(LISTEN).await;
    for host in ["localhost", "LOCALHOST:99", "127.0.0.1:8080", "[::1]"] {
        assert_eq!(answer(house.get("/metrics").header(HOST, host)).await.0, 200, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8080", "10.0.0.1"] {
        let (status, text) = answer(house.get("/metrics").header(HOST, host)).await;
        assert_eq!((status, text.as_str()), (421, "this host name is not among `serve.allowed_hosts`\n"), "{host}");
        assert_eq!(answer(house.post(RUN).header(HOST, host)).await.0, 421, "{host}");
        assert_eq!(answer(house.post("/webhooks/github").header(HOST, host)).await.0, 421, "{host}");
        assert_eq!(answer(house.get("/nowhere").header(HOST, host)).await.0, 421, "{host}");
        for probe in ["/healthz", "/readyz"] {
            assert_eq!(answer(house.get(probe).header(HOST, host)).await.0, 200, "{host} {probe}");
        }
    }
    house.finish().await;
}

#[tokio::test]
async fn without_a_token_in_the_configuration_nobody_wakes_a_repository_by_hand() {
    let house = house(LISTEN).await;
    let (status, text) = answer(house.post(RUN).bearer_auth("anything")).await;
    assert_eq!(status, 403);
    assert!(text.starts_with("{\"error\":") && text.contains("`serve.token`"), "{text}");
    house.finish().await;
}

#[tokio::test]
async fn with_the_token_a_repository_is_woken_by_hand() {
    let house = house("serve: { listen: '127.0.0.1:0', token: { env: SERVE_TOKEN } }").await;
    house.world.release("dhi.io/nginx", "1.27", "2");
    assert_eq!(answer(house.post(RUN)).await.0, 401);
    assert_eq!(answer(house.post(RUN).bearer_auth("wrong")).await.0, 401);
    assert_eq!(answer(house.post(RUN).basic_auth("me", Some(SERVE_TOKEN))).await.0, 401);
    let signed_in = |path: &str| house.post(path).bearer_auth(SERVE_TOKEN);
    for path in [
        "/api/v1/repositories/other/web/run",
        "/api/v1/repositories/web/run",
        "/api/v1/repositories/acme/web",
        "/api/v1/repositories/acme%2F..%2Fweb/run",
        "/api/v1/repositories/acme/web/run?forge=nobody",
    ] {
        let (status, text) = answer(signed_in(path)).await;
        assert_eq!(status, 404, "{path}");
        assert!(text.starts_with("{\"error\":"), "{text}");
    }
    let (status, text) = answer(signed_in("/api/v1/repositories/acme/web/run?forge=github")).await;
    assert_eq!((status, text.as_str()), (202, "{\"forges\":[\"github\"],\"repository\":\"acme/web\"}"));
    house.reach(5).await;
    assert_eq!(house.cycles(2).await, [true, false]);
    house.world.expect_pull_requests("acme/web", &["#1 open refrom/base-images -> main"]);
    house.finish().await;
}

#[tokio::test]
async fn who_wakes_a_repository_by_hand_has_its_tags_asked_for_and_its_freeze_kept() {
    let freeze = "freeze: [{ from: 2026-11-20, to: 2026-11-22, reason: trade fair }]";
    let serve = "serve: { listen: '127.0.0.1:0', token: { env: SERVE_TOKEN } }";
    let house = house(&format!("poll: 1d\n{freeze}\n{serve}")).await;
    let second = house.world.release("dhi.io/nginx", "1.27", "2");
    assert_eq!(answer(house.post(RUN).bearer_auth(SERVE_TOKEN)).await.0, 202);
    house.reach(5).await;
    assert_eq!(house.cycles(2).await, [true, false]);
    let (_, text) = answer(house.get("/api/v1/status")).await;
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    let pin = &told["repositories"][0]["pins"][0];
    assert_eq!((pin["state"].as_str(), pin["newest"].as_str()), (Some("behind"), Some(second.to_string().as_str())));
    assert!(pin["reason"].as_str().unwrap().contains("trade fair"), "{pin}");
    house.world.expect_pull_requests("acme/web", &[]);
    house.finish().await;
}

#[tokio::test]
async fn pages_need_the_token_where_others_reach_them() {
    let house = house("serve: { listen: '0.0.0.0:0', token: { env: SERVE_TOKEN } }").await;
    assert_eq!(answer(house.get("/metrics")).await, (401, "this needs the bearer token\n".to_owned()));
    for path in ["/", "/?state=behind", "/api/v1/status"] {
        assert_eq!(answer(house.get(path)).await.0, 401, "{path}");
        assert_eq!(answer(house.get(path).basic_auth("me", Some(SERVE_TOKEN))).await.0, 200, "{path}");
        assert_eq!(answer(house.get(path).bearer_auth(SERVE_TOKEN)).await.0, 200, "{path}");
    }
    assert_eq!(answer(house.get("/metrics").bearer_auth("wrong")).await.0, 401);
    assert_eq!(answer(house.get("/metrics").bearer_auth(SERVE_TOKEN)).await.0, 200);
    // What a browser can do.
    assert_eq!(answer(house.get("/metrics").basic_auth("me", Some(SERVE_TOKEN))).await.0, 200);
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(answer(house.get(probe)).await.0, 200, "{probe}");
    }
    house.finish().await;
}

#[tokio::test]
async fn the_page_and_its_json_show_what_the_last_cycle_found() {
    let house = house(LISTEN).await;
    let response = house.get("/").send().await.unwrap();
    let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    let text = response.text().await.unwrap().replace("<wbr>", "");
    let body = text.split("</style>").nth(1).unwrap();
    assert!(body.contains("acme/web") && body.contains("dhi.io/nginx"), "{body}");
    let (status, text) = answer(house.get("/api/v1/status?state=behind")).await;
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, told["repositories"].as_array().map(Vec::len)), (200, Some(0)), "{told}");
    house.finish().await;
}

#[tokio::test]
async fn every_answer_forbids_what_it_does_not_need() {
    let house = house(LISTEN).await;
    for path in ["/metrics", "/", "/api/v1/status", "/healthz", "/nowhere", "/api/v1/nowhere"] {
        let response = house.get(path).send().await.unwrap();
        let header = |name: &str| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!((header("x-frame-options"), header("referrer-policy")), ("DENY".into(), "no-referrer".into()));
        assert_eq!(header("cache-control"), "no-store");
    }
    assert_eq!(answer(house.get("/nowhere")).await, (404, "there is nothing at this path\n".to_owned()));
    let (status, text) = answer(house.get(RUN)).await;
    assert_eq!((status, text.as_str()), (405, "{\"error\":\"this method is not for this path\"}"));
    house.finish().await;
}

#[tokio::test]
async fn what_is_counted_is_shown() {
    let house = house(LISTEN).await;
    assert_eq!(answer(house.post("/webhooks/nobody")).await.0, 404);
    let response = house.get("/metrics").send().await.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
    let text = response.text().await.unwrap();
    assert!(text.contains("refrom_webhooks_total{source=\"unknown\",outcome=\"not_found\"} 1\n"), "{text}");
    assert!(text.contains("refrom_cycles_total{outcome=\"done\"} 1\n") && text.ends_with("# EOF\n"), "{text}");
    house.finish().await;
}

/// What comes back on a connection until the other side closes it.
async fn exchanged(house: &House, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(house.address()).await.unwrap();
    stream.write_all(sent).await.unwrap();
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn who_trickles_is_hung_up_on() {
    let short = Duration::from_millis(50);
    let limits = Limits { head: short, request: short, ..Limits::default() };
    let mut world = world(LISTEN).await;
    world.takes_webhooks();
    let house = House::with_limits(world, limits).await;
    assert!(!exchanged(&house, b"").await.contains("200"));
    assert!(!exchanged(&house, b"GET /healthz HTTP/1.1\r\nHost: local").await.contains("200"));
    let body = b"POST /webhooks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab";
    assert!(exchanged(&house, body).await.starts_with("HTTP/1.1 408 "));
    let unknown = b"POST /webhooks/nobody HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab";
    // Nothing is waited for that nobody will read.
    assert!(exchanged(&house, unknown).await.starts_with("HTTP/1.1 404 "));
    house.finish().await;
}

#[tokio::test]
async fn a_head_that_has_no_end_is_refused() {
    let house = house(LISTEN).await;
    let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(64 << 10));
    assert!(exchanged(&house, head.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    house.finish().await;
}

#[tokio::test]
async fn connections_and_requests_have_a_number() {
    let limits = Limits { connections: 1, requests: 0, head: Duration::from_millis(50), ..Limits::default() };
    let house = House::with_limits(world(LISTEN).await, limits).await;
    // The only place is taken until its holder is hung up on; then the next one is served.
    let _silent = TcpStream::connect(house.address()).await.unwrap();
    let close = "Connection: close\r\n\r\n";
    let alive = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\n{close}");
    assert!(exchanged(&house, alive.as_bytes()).await.starts_with("HTTP/1.1 200 "));
    let metrics = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{close}");
    let busy = exchanged(&house, metrics.as_bytes()).await;
    assert!(busy.starts_with("HTTP/1.1 503 ") && busy.contains("retry-after: 1"), "{busy}");
    house.finish().await;
}

#[tokio::test]
async fn the_page_shows_what_the_first_cycle_found() {
    let house = house(LISTEN).await;
    let (status, html) = answer(house.get("/?sort=name")).await;
    assert_eq!(status, 200);
    assert!(html.contains("Last whole cycle <time") && html.contains("<h3 id=\"r0\">"), "{html}");
    let (status, text) = answer(house.get("/api/v1/status")).await;
    let record: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, record["figures"]["errors"].as_u64()), (200, Some(0)));
    assert!(!record["repositories"].as_array().unwrap().is_empty());
    assert_eq!(answer(house.get("/api/v1/status?state=bad")).await.0, 400);
    house.finish().await;
}
