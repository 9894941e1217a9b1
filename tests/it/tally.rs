//! What adapters note of their calls, seen through the real ones.

use std::collections::BTreeMap;
use std::time::Duration;

use refrom::demo::forge::{Fault as ForgeFault, FaultKind};
use refrom::demo::registry::{Access, Fault, ImageSpec, Registry};
use refrom::forge::Forge as _;
use refrom::forge::github::{Auth, GitHub, Settings};
use refrom::net::{CallFailure, Calls, Credential, Network, Tally, TargetKind};
use refrom::registry::{self, DockerConfig, Registries};
use refrom::secret::Secret;

use crate::forge::{Hosted, SignIn, TOKEN, select, settings};
use crate::registry::{RETRY, at, basic, tag};

const ACCEPTED: Option<Credential> = Some(Credential { is_refused: false, expires_at: None });
const REFUSED: Option<Credential> = Some(Credential { is_refused: true, expires_at: None });

/// Asks a registry for this repository's tag `1`; what was noted of it.
async fn asked(registry: &Registry, auth: registry::Auth, repository: &str) -> Calls {
    let tally = Tally::default();
    let settings = BTreeMap::from([(registry.host(), at(&registry.url(), auth))]);
    let docker = DockerConfig::default();
    let registries = Registries::new(&Network::default(), settings, docker, RETRY, tally.clone()).unwrap();
    let _ = registries.session().digest(&tag(&registry.host(), repository, "1")).await;
    let (target, calls) = tally.snapshot().into_iter().next().unwrap();
    assert_eq!((target.kind, target.name), (TargetKind::Registry, registry.host()));
    assert_eq!(calls.requests, registry.traffic().take().len() as u64, "every request is counted, and nothing else");
    calls
}

async fn stocked(access: Access) -> Registry {
    let registry = Registry::start(access).await.unwrap();
    registry.publish("a", "1", &ImageSpec::index(&["linux/amd64"], "one"));
    registry
}

#[tokio::test]
async fn credentials_are_noted_by_whoever_looks_at_them() {
    let users = BTreeMap::from([("me".to_owned(), "right".to_owned())]);
    for access in [Access::bearer("me", "right"), Access::Basic(users)] {
        let registry = stocked(access).await;
        let right = asked(&registry, basic("me", "right"), "a").await;
        assert_eq!((right.credential, right.failures.len()), (ACCEPTED, 0));
        let wrong = asked(&registry, basic("me", "wrong"), "a").await;
        assert_eq!(wrong.credential, REFUSED);
        assert_eq!(wrong.failures, BTreeMap::from([(CallFailure::Refused, 1)]));
    }
}

#[tokio::test]
async fn who_presents_nothing_has_no_credential_and_what_is_not_there_is_an_answer() {
    let registry = stocked(Access::Open).await;
    let calls = asked(&registry, registry::Auth::Anonymous, "nowhere").await;
    assert_eq!((calls.credential, calls.failures.len()), (None, 0));
}

#[tokio::test]
async fn failures_are_noted_by_kind_each_attempt() {
    let registry = stocked(Access::Open).await;
    let attempts = RETRY.attempts as u64;
    for (status, failure) in [(503, CallFailure::Unavailable), (403, CallFailure::Refused)] {
        let path = "/v2/a/manifests/1";
        for _ in 0..attempts * 2 {
            registry.inject(Fault::status(path, status));
        }
        let calls = asked(&registry, registry::Auth::Anonymous, "a").await;
        let expected = if status == 503 { attempts } else { 1 };
        assert_eq!(calls.failures, BTreeMap::from([(failure, expected)]), "{status}");
        registry.clear_faults();
    }
}

fn of_forge(tally: &Tally) -> Calls {
    tally.snapshot().into_values().next().unwrap()
}

#[tokio::test]
async fn a_forges_calls_failures_and_credentials_are_noted() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository("acme/web");
    let connect = |token: &str| {
        let tally = Tally::default();
        let settings = settings(&hosted.embedded, Auth::Token(Secret::from(token)));
        (GitHub::new(Settings { tally: tally.clone(), ..settings }).unwrap(), tally)
    };
    let (github, tally) = connect(TOKEN);
    hosted.embedded.fail(ForgeFault::next("POST /graphql", FaultKind::Status(503)));
    hosted.embedded.fail(ForgeFault::next("POST /graphql", FaultKind::LostAnswer));
    github.repositories(&select(&["acme/web"])).await.unwrap();
    let calls = of_forge(&tally);
    assert_eq!(calls.failures, BTreeMap::from([(CallFailure::Unavailable, 2)]));
    assert_eq!(calls.credential, ACCEPTED);
    assert!(calls.requests >= 3);

    let (github, tally) = connect("ghp_wrong");
    let _ = github.repositories(&select(&["acme/web"])).await;
    let calls = of_forge(&tally);
    assert_eq!(calls.credential, REFUSED);
    assert!(calls.failures.contains_key(&CallFailure::Refused), "{calls:?}");
}

#[tokio::test]
async fn a_limit_that_stands_in_a_good_answer_is_a_failure_and_waiting_for_it_is_none() {
    let hosted = Hosted::github(SignIn::Token).await;
    hosted.repository("acme/web");
    let tally = Tally::default();
    let settings = settings(&hosted.embedded, Auth::Token(Secret::from(TOKEN)));
    let github = GitHub::new(Settings { tally: tally.clone(), ..settings }).unwrap();
    hosted.embedded.fail(ForgeFault::next("POST /graphql", FaultKind::GraphQlLimit));
    for _ in 0..3 {
        let _ = github.repositories(&select(&["acme/web"])).await;
    }
    let calls = of_forge(&tally);
    assert_eq!((calls.requests, calls.failures), (1, BTreeMap::from([(CallFailure::RateLimited, 1)])));
}

#[tokio::test]
async fn a_server_that_is_silent_is_a_timeout() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = refrom_client(Duration::from_millis(50));
    let error = client.get(&url).send().await.unwrap_err();
    assert!(refrom::net::is_timeout(&error));
    let refused = client.get("http://127.0.0.1:1/").send().await.unwrap_err();
    assert!(!refrom::net::is_timeout(&refused));
}

fn refrom_client(timeout: Duration) -> reqwest::Client {
    reqwest::Client::builder().timeout(timeout).no_proxy().build().unwrap()
}
