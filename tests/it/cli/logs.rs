//! Logs as programs read them, and traces as collectors get them.

use refrom::demo::forge::Permission;
use refrom::demo::registry::Fault;
use serde_json::Value;

use super::run::Office;
use super::{Answer, World};

const NGINX: &str = "/v2/dhi.io/nginx/manifests/1.27-alpine";

/// The lines of stderr, each of which is an object with what every line has.
#[track_caller]
fn lines(answer: &Answer) -> Vec<Value> {
    let lines = answer.stderr.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for key in ["timestamp", "level", "message"] {
            assert!(value[key].is_string(), "no `{key}` in {line}");
        }
        assert!(value["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{line}");
        assert!(value.as_object().unwrap().values().all(|field| !field.is_object()), "not flat: {line}");
        value
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_json_log_is_an_object_with_the_fields_of_its_spans() {
    let office = Office::open().await;
    office.fleet.registry.inject(Fault::status(NGINX, 403));
    let answer = office.run(&["--log", "debug,refrom=trace", "--log-format", "json"]).ended(3);
    let lines = lines(&answer);
    let with = |field: &str, value: &str| lines.iter().filter(|line| line[field] == value).count();
    assert!(with("repo", "acme/web") > 2, "{}", answer.stderr);
    assert!(with("image.tag", "dhi.io/nginx:1.27-alpine") > 1, "{}", answer.stderr);
    assert!(with("operation", "fetch") > 0 && with("operation", "push") > 0, "{}", answer.stderr);
    assert!(lines.iter().any(|line| line["image.digest"].is_string()));
    assert!(lines.iter().any(|line| line["pr.number"].is_u64() && line["message"] == "opened a pull request"));
    let in_a_cycle = |line: &&Value| line["spans"][0] == "cycle";
    assert!(lines.iter().filter(in_a_cycle).count() > 20);
    assert!(!answer.stderr.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_where_whatever_the_level() {
    for format in ["json", "text"] {
        let office = Office::open().await;
        office.fleet.forge.deny(Permission::OpenPullRequests);
        let answer = office.run(&["--repository", "acme/web", "--log-format", format]).ended(3);
        match format {
            "json" => {
                let lines = lines(&answer);
                let failure = lines.iter().find(|line| line["level"] == "ERROR").unwrap();
                let place = (&failure["repo"], &failure["forge"], &failure["spans"]);
                assert_eq!(
                    place,
                    (&"acme/web".into(), &"acme-forge".into(), &serde_json::json!(["cycle", "repository"]))
                );
            }
            _ => assert!(answer.stderr.contains("repo=acme/web"), "{}", answer.stderr),
        }
        let told = answer.stderr.lines().filter(|line| line.contains("not allowed")).count();
        assert_eq!(told, 1, "one line per failure: {}", answer.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_and_errors_are_lines_of_a_json_log_too() {
    let office = Office::open().await;
    let answer = office.run(&["--repository", "acme/nowhere", "--log-format", "json"]).ended(3);
    let found = lines(&answer);
    let [line] = found.as_slice() else { panic!("one line per failure: {}", answer.stderr) };
    assert_eq!(line["level"], "WARN");
    assert!(line["message"].as_str().unwrap().contains("acme/nowhere"));

    let world = World::new(&[]);
    let answer = world.refrom(&["--log-format", "json", "run", "--config", "nowhere.yaml"]).ended(2);
    assert_eq!(lines(&answer)[0]["level"], "ERROR");
}

#[cfg(feature = "otel")]
mod otel {
    use axum::Router;
    use axum::extract::Request;
    use axum::http::StatusCode;
    use refrom::demo::server::Server;

    use super::*;

    async fn collector(status: StatusCode) -> Server {
        Server::start(Router::new().fallback(move |_: Request| async move { status })).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn otel_spans_reach_the_collector_before_the_process_ends() {
        let (office, collector) = (Office::open().await, collector(StatusCode::OK).await);
        let endpoint = format!("http://{}", collector.host());
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=acme"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
        ];
        office.run_in(&variables, &[]).ended(0);
        let exchanges = collector.traffic().take();
        assert!(!exchanges.is_empty());
        for exchange in &exchanges {
            assert_eq!((exchange.method.as_str(), exchange.path.as_str()), ("POST", "/v1/traces"));
        }
        // Texts stand in protobuf as they are.
        let sent = exchanges.iter().map(|it| String::from_utf8_lossy(&it.request_body)).collect::<String>();
        for text in ["cycle", "repository", "acme/web", "tag", "git", "service.name", "deployment.environment.name"] {
            assert!(sent.contains(text), "no `{text}` was sent");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn otel_without_a_collector_changes_nothing() {
        let (office, refusing) = (Office::open().await, collector(StatusCode::FORBIDDEN).await);
        let endpoint = format!("http://{}", refusing.host());
        office.run_in(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)], &[]).ended(0);
        assert!(!refusing.traffic().take().is_empty());
        office.run_in(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_SDK_DISABLED", "true")], &[]).ended(0);
        assert!(refusing.traffic().take().is_empty());
    }
}
