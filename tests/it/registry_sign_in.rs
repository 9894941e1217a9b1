//! Signing in: as seldom as possible, with the right credentials, and with nobody else's.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use refrom::demo::registry::{Access, Anonymous, Fault, FaultKind, ImageSpec, Registry, TokenService};
use refrom::demo::server::Traffic;
use refrom::domain::digest::Digest;
use refrom::net::{Network, Tally};
use refrom::registry::{Auth, DockerConfig, Failure, Registries, Settings};
use refrom::secret::Secret;

use crate::registry::{RETRY, at, basic, name, registries, requests, tag};

const PASSWORD: &str = "hunter2";

fn spec(content: &str) -> ImageSpec {
    ImageSpec::index(&["linux/amd64"], content)
}

async fn stocked(access: Access) -> (Registry, Digest) {
    let registry = Registry::start(access).await.unwrap();
    let digest = registry.publish("a", "1", &spec("one"));
    registry.publish("a", "2", &spec("two"));
    registry.publish("b", "1", &spec("three"));
    (registry, digest)
}

fn bearer() -> Access {
    Access::bearer("me", PASSWORD)
}

fn count(lines: &[String], start: &str) -> usize {
    lines.iter().filter(|line| line.starts_with(start)).count()
}

/// Whether a request carried anything that comes from the password.
fn saw_credentials(traffic: &Traffic) -> bool {
    let encoded = STANDARD.encode(format!("me:{PASSWORD}"));
    traffic.exchanges().iter().any(|exchange| {
        let text = format!("{exchange:?}");
        exchange.authorization.is_some() || text.contains(&encoded) || text.contains(PASSWORD)
    })
}

#[tokio::test]
async fn twenty_askers_cost_one_head_per_tag_and_one_token_per_scope() {
    let (registry, digest) = stocked(bearer()).await;
    let session = registries([(registry.host(), at(&registry.url(), basic("me", PASSWORD)))]).session();
    let tags = [("a", "1"), ("a", "2"), ("b", "1")].map(|(repository, t)| tag(&registry.host(), repository, t));
    let askers = (0..20).flat_map(|_| &tags).map(|tag| {
        let (session, tag) = (session.clone(), tag.clone());
        tokio::spawn(async move { session.digest(&tag).await.unwrap() })
    });
    for asker in askers.collect::<Vec<_>>() {
        asker.await.unwrap();
    }
    let lines = requests(registry.traffic());
    assert_eq!((count(&lines, "GET /v2/"), count(&lines, "HEAD"), count(&lines, "GET /token")), (1, 3, 2), "{lines:?}");
    for _ in 0..2 {
        session.image(&name(&registry.host(), "a"), &digest).await.unwrap();
    }
    let lines = requests(registry.traffic());
    assert_eq!((count(&lines, "GET /v2/a/manifests"), count(&lines, "GET /v2/a/blobs"), lines.len()), (2, 1, 3));
}

#[tokio::test]
async fn a_token_that_is_about_to_expire_is_not_used_again() {
    for (lifetime_seconds, expected) in [(Some(5), 2), (None, 1), (Some(300), 1)] {
        let access = Access::Bearer(TokenService { lifetime_seconds, ..TokenService::default() });
        let (registry, _) = stocked(access).await;
        let session = registries([(registry.host(), at(&registry.url(), Auth::Anonymous))]).session();
        for wanted in ["1", "2"] {
            session.digest(&tag(&registry.host(), "a", wanted)).await.unwrap();
        }
        let lines = requests(registry.traffic());
        assert_eq!(count(&lines, "GET /token"), expected, "{lifetime_seconds:?}");
    }
}

#[tokio::test]
async fn a_revoked_token_is_replaced_once() {
    let (registry, _) = stocked(bearer()).await;
    let session = registries([(registry.host(), at(&registry.url(), basic("me", PASSWORD)))]).session();
    session.digest(&tag(&registry.host(), "a", "1")).await.unwrap();
    registry.revoke_tokens();
    registry.traffic().take();
    session.digest(&tag(&registry.host(), "a", "2")).await.unwrap();
    let expected =
        ["HEAD /v2/a/manifests/2", "GET /token?service=embedded&scope=repository%3Aa%3Apull", "HEAD /v2/a/manifests/2"];
    assert_eq!(requests(registry.traffic()), expected);
}

#[tokio::test]
async fn a_rotated_password_file_is_read_anew() {
    for access in [Access::basic, Access::bearer] {
        let (registry, digest) = stocked(access("me", "old")).await;
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "old\n").unwrap();
        let auth = Auth::Basic { username: "me".into(), password: Secret::File(file.path().to_owned()) };
        let registries = registries([(registry.host(), at(&registry.url(), auth))]);
        registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap();
        registry.set_access(access("me", "new"));
        registry.revoke_tokens();
        std::fs::write(file.path(), "new\n").unwrap();
        assert_eq!(registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
    }
}

#[tokio::test]
async fn wrong_or_missing_credentials_are_tried_once_and_never_shown() {
    for access in [Access::basic("me", "other"), Access::bearer("me", "other")] {
        for auth in [basic("me", PASSWORD), Auth::Anonymous, Auth::Token(PASSWORD.into())] {
            let (registry, _) = stocked(access.clone()).await;
            let registries = registries([(registry.host(), at(&registry.url(), auth))]);
            let error = registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap_err();
            assert!(matches!(error.failure, Failure::Unauthorized { .. }), "{error}");
            let shown = format!("{error} {error:?} {registries:?} {:?}", registries.session());
            assert!(
                !shown.contains(PASSWORD) && !shown.contains(&STANDARD.encode(format!("me:{PASSWORD}"))),
                "{shown}"
            );
            let lines = requests(registry.traffic());
            assert!(count(&lines, "HEAD") <= 1 && count(&lines, "GET /token") <= 1, "{lines:?}");
        }
    }
}

#[tokio::test]
async fn a_failing_token_service_says_nothing_about_the_image() {
    for (status, is_transient) in [(404, false), (503, true), (429, true), (302, false)] {
        let (registry, _) = stocked(bearer()).await;
        registry.inject(Fault::status("/token", status));
        let registries = registries([(registry.host(), at(&registry.url(), basic("me", PASSWORD)))]);
        let error = registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap_err();
        assert!(!error.is_not_found(), "{error}");
        assert_eq!(refrom::net::Transient::is_transient(&error), is_transient, "{error}");
        assert_eq!(count(&requests(registry.traffic()), "HEAD"), 0);
    }
}

#[tokio::test]
async fn a_token_service_elsewhere_gets_credentials_only_where_it_is_named() {
    let (other, _) = stocked(bearer()).await;
    let realm = format!("{}token", other.url());
    let access = TokenService { realm: Some(realm), anonymous: Anonymous::Refused, ..TokenService::default() };
    let (registry, _) = stocked(Access::Bearer(access)).await;
    let wanted = tag(&registry.host(), "a", "1");
    let settings = at(&registry.url(), basic("me", PASSWORD));

    let error = registries([(registry.host(), settings.clone())]).session().digest(&wanted).await.unwrap_err();
    assert!(matches!(error.failure, Failure::RealmNotAllowed { .. }), "{error}");
    assert!(error.to_string().contains(&format!("realm: \"{}\"", other.url().trim_end_matches('/'))), "{error}");
    assert_eq!(requests(other.traffic()), Vec::<String>::new());

    let named = Settings { realm: Some(other.url().parse().unwrap()), ..settings };
    // The other registry's tokens are not this one's: what counts is who was asked.
    let _ = registries([(registry.host(), named)]).session().digest(&wanted).await;
    assert!(saw_credentials(other.traffic()));
    assert_eq!(count(&requests(other.traffic()), "GET /token"), 1);
}

#[tokio::test]
async fn credentials_follow_no_redirect_to_another_origin() {
    for access in [Access::basic("me", PASSWORD), bearer()] {
        let (registry, digest) = stocked(access).await;
        let (open, _) = stocked(Access::Open).await;
        for path in ["/manifests/", "/blobs/"] {
            registry.inject(Fault::on(path, FaultKind::Redirect(format!("{}v2/a/manifests/1", open.url()))));
        }
        let registries = registries([(registry.host(), at(&registry.url(), basic("me", PASSWORD)))]);
        assert_eq!(registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
        assert!(!saw_credentials(open.traffic()));
        assert_eq!(open.traffic().take().len(), 1);
    }
}

#[tokio::test]
async fn the_challenge_of_another_origin_is_not_answered() {
    let (registry, _) = stocked(Access::Open).await;
    for access in [Access::basic("me", PASSWORD), bearer()] {
        let (greedy, _) = stocked(access).await;
        registry.clear_faults();
        registry.inject(Fault::on("/manifests/", FaultKind::Redirect(format!("{}v2/a/manifests/1", greedy.url()))));
        let registries = registries([(registry.host(), at(&registry.url(), basic("me", PASSWORD)))]);
        let error = registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unauthorized { .. }), "{error}");
        assert!(!saw_credentials(greedy.traffic()));
        assert_eq!(greedy.traffic().take().len(), 1);
    }
}

#[tokio::test]
async fn a_mirror_is_asked_under_its_prefix_with_its_own_credentials_only() {
    let mirror = Registry::start(bearer()).await.unwrap();
    let digest = mirror.publish("hub/library/nginx", "1.27", &spec("nginx"));
    let nginx = tag("docker.io", "library/nginx", "1.27");
    let hub = at(&format!("{}hub", mirror.url()), basic("me", PASSWORD));

    let error = registries([("docker.io".to_owned(), hub.clone())]).session().digest(&nginx).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unauthorized { .. }), "{error}");
    assert!(!saw_credentials(mirror.traffic()));
    mirror.traffic().take();

    let own = Settings { auth: basic("me", PASSWORD), ..Settings::default() };
    let registries = registries([("docker.io".to_owned(), hub), (mirror.host(), own)]);
    assert_eq!(registries.session().digest(&nginx).await.unwrap(), digest);
    let expected = [
        "GET /v2/",
        "GET /token?service=embedded&scope=repository%3Ahub%2Flibrary%2Fnginx%3Apull",
        "HEAD /v2/hub/library/nginx/manifests/1.27",
    ];
    assert_eq!(requests(mirror.traffic()), expected);
}

#[tokio::test]
async fn a_given_token_is_sent_as_it_is() {
    let (registry, digest) = stocked(Access::Open).await;
    let registries = registries([(registry.host(), at(&registry.url(), Auth::Token("abc".into())))]);
    assert_eq!(registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
    let sent: Vec<_> = registry.traffic().take().into_iter().map(|exchange| exchange.authorization).collect();
    assert_eq!(sent, [Some("Bearer abc".to_owned())]);
}

/// Registries that sign in by this Docker configuration.
fn docker(registry: &Registry, config: &str, directory: &std::path::Path) -> Registries {
    let path = directory.join("config.json");
    std::fs::write(&path, config.replace("HOST", &registry.host())).unwrap();
    let docker = DockerConfig {
        files: vec![directory.join("missing.json"), path],
        helper_directory: Some(directory.to_owned()),
    };
    let settings = BTreeMap::from([(registry.host(), at(&registry.url(), Auth::Docker))]);
    Registries::new(&Network::default(), settings, docker, RETRY, Tally::default()).unwrap()
}

#[tokio::test]
async fn dockers_configuration_signs_in_by_the_repositorys_path() {
    let directory = tempfile::tempdir().unwrap();
    let (registry, digest) = stocked(Access::basic("me", PASSWORD)).await;
    let config = format!(
        r#"{{"auths": {{"HOST/a": {{"auth": "{}"}}, "HOST": {{"auth": "{}"}}}}}}"#,
        STANDARD.encode(format!("me:{PASSWORD}")),
        STANDARD.encode("me:wrong")
    );
    let session = docker(&registry, &config, directory.path()).session();
    assert_eq!(session.digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
    assert!(session.digest(&tag(&registry.host(), "b", "1")).await.is_err());
}

#[tokio::test]
async fn an_identity_token_is_exchanged_by_post() {
    let directory = tempfile::tempdir().unwrap();
    let service = TokenService {
        identity_tokens: vec!["refresh".into()],
        anonymous: Anonymous::Refused,
        ..TokenService::default()
    };
    let (registry, digest) = stocked(Access::Bearer(service)).await;
    let config = r#"{"auths": {"HOST": {"identitytoken": "refresh"}}}"#;
    let session = docker(&registry, config, directory.path()).session();
    assert_eq!(session.digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
    let exchanges = registry.traffic().take();
    let post = exchanges.iter().find(|exchange| exchange.method == "POST").unwrap();
    let body = String::from_utf8(post.request_body.clone()).unwrap();
    assert_eq!(post.path, "/token");
    assert!(body.contains("grant_type=refresh_token") && body.contains("refresh_token=refresh"), "{body}");
    assert!(exchanges.iter().all(|exchange| !exchange.path.contains("refresh")));
}

#[cfg(unix)]
#[tokio::test]
async fn a_credential_helper_is_run_once_and_again_when_its_answer_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("docker-credential-fake");
    // The helper notes each call and gives the password that stands beside it.
    let script = "#!/bin/sh\nread -r server\ncd \"${0%/*}\"\necho \"$server\" >> calls\n\
                  printf '{\"Username\":\"me\",\"Secret\":\"%s\"}' \"$(cat password)\"\n";
    // Written by a child, so that no other test's fork holds it open for writing.
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "printf '%s' \"$SCRIPT\" > \"$0\""]).arg(&program).env("SCRIPT", script);
    assert!(shell.status().unwrap().success());
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(directory.path().join("password"), "old").unwrap();

    let (registry, digest) = stocked(Access::basic("me", "old")).await;
    let registries = docker(&registry, r#"{"credHelpers": {"HOST": "fake"}}"#, directory.path());
    let session = registries.session();
    let tags = [("a", "1"), ("a", "2"), ("b", "1")].map(|(repository, t)| tag(&registry.host(), repository, t));
    for found in futures_util::future::join_all(tags.iter().map(|tag| session.digest(tag))).await {
        found.unwrap();
    }
    let calls = || std::fs::read_to_string(directory.path().join("calls")).unwrap();
    assert_eq!(calls(), format!("{}\n", registry.host()));

    registry.set_access(Access::basic("me", "new"));
    std::fs::write(directory.path().join("password"), "new").unwrap();
    assert_eq!(registries.session().digest(&tags[0]).await.unwrap(), digest);
    assert_eq!(calls().lines().count(), 2);
}
