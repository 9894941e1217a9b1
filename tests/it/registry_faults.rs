//! What a registry gets wrong, and what becomes of the question.

use std::collections::BTreeMap;
use std::time::Duration;

use refrom::demo::registry::{Access, Fault, FaultKind, Form, ImageSpec, Registry};
use refrom::domain::digest::Digest;
use refrom::net::{Tally, Transient as _};
use refrom::registry::{Auth, DockerConfig, Failure, Registries, RegistryError};

use crate::registry::{RETRY, at, name, registries, registries_of, requests, tag};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

async fn stocked() -> (Registry, Digest) {
    let registry = Registry::start(Access::Open).await.unwrap();
    let digest = registry.publish("a", "1", &ImageSpec::index(&["linux/amd64"], "one"));
    registry.publish("a", "2", &ImageSpec::index(&["linux/amd64"], "two"));
    (registry, digest)
}

fn limited(headers: &[(&str, &str)]) -> FaultKind {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    FaultKind::Status { status: 429, headers, body: String::new() }
}

/// The tag's digest with this fault, and the requests for manifests that it took.
async fn digest_with(fault: Fault) -> (Digest, Result<Digest, RegistryError>, Vec<String>) {
    let (registry, digest) = stocked().await;
    registry.inject(fault);
    let found = registries_of(&registry).session().digest(&tag(&registry.host(), "a", "1")).await;
    let asked = requests(registry.traffic()).into_iter().filter(|line| line.contains("manifests")).collect();
    (digest, found, asked)
}

/// The image with this fault.
async fn image_with(fault: Fault) -> Result<Digest, RegistryError> {
    let (registry, digest) = stocked().await;
    registry.inject(fault);
    let session = registries_of(&registry).session();
    session.image(&name(&registry.host(), "a"), &digest).await.map(|image| image.digest)
}

#[tokio::test]
async fn a_passing_fault_is_asked_again() {
    let overloaded = Fault::on("HEAD", limited(&[("retry-after", "0")])).times(2);
    for fault in [overloaded, Fault::status("HEAD", 503).times(2), Fault::status("GET /v2/", 500).times(1)] {
        let (digest, found, _) = digest_with(fault).await;
        assert_eq!(found.unwrap(), digest);
    }
}

#[tokio::test]
async fn a_lasting_fault_ends_with_the_attempts() {
    let (_, found, asked) = digest_with(Fault::status("HEAD", 502)).await;
    assert!(matches!(found.unwrap_err().failure, Failure::Unavailable { .. }));
    assert_eq!(asked.len(), RETRY.attempts);
}

#[tokio::test]
async fn a_host_that_limits_is_left_alone_for_the_rest_of_the_session_and_others_are_asked() {
    for headers in [&[("retry-after", "3600")][..], &[("ratelimit-remaining", "0;w=21600")]] {
        let (registry, _) = stocked().await;
        let (other, digest) = stocked().await;
        registry.inject(Fault::on("HEAD", limited(headers)));
        let hosts = [&registry, &other].map(|registry| (registry.host(), at(&registry.url(), Auth::Anonymous)));
        let registries = registries(hosts);
        let session = registries.session();
        for wanted in ["1", "2"] {
            let error = session.digest(&tag(&registry.host(), "a", wanted)).await.unwrap_err();
            assert!(error.is_transient() && error.retry_after() >= Some(Duration::from_secs(300)), "{error}");
            assert!(error.image.ends_with(wanted), "{error}");
        }
        assert_eq!(requests(registry.traffic()), ["GET /v2/", "HEAD /v2/a/manifests/1"]);
        assert_eq!(session.digest(&tag(&other.host(), "a", "1")).await.unwrap(), digest);
        registry.clear_faults();
        assert_eq!(registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
    }
}

#[tokio::test]
async fn a_host_that_is_down_costs_a_bounded_number_of_attempts() {
    let (registry, digest) = stocked().await;
    registry.inject(Fault::status("HEAD", 503));
    let registries = registries_of(&registry);
    let session = registries.session();
    let tags: Vec<_> = (0..50).map(|number| tag(&registry.host(), "a", &format!("t{number}"))).collect();
    for found in futures_util::future::join_all(tags.iter().map(|tag| session.digest(tag))).await {
        assert!(matches!(found.unwrap_err().failure, Failure::Unavailable { .. }));
    }
    let asked = requests(registry.traffic()).len();
    assert!(asked <= 20, "{asked} requests");
    registry.clear_faults();
    assert_eq!(registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap(), digest);
}

#[tokio::test]
async fn a_closed_port_is_unavailable() {
    let (registry, _) = stocked().await;
    let (registries, tag) = (registries_of(&registry), tag(&registry.host(), "a", "1"));
    drop(registry);
    tokio::task::yield_now().await;
    let error = registries.session().digest(&tag).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unavailable { .. }), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[tokio::test]
async fn silence_is_a_timeout() {
    let (registry, _) = stocked().await;
    registry.inject(Fault::on("HEAD", FaultKind::Hang));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_millis(100))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let settings = BTreeMap::from([(registry.host(), at(&registry.url(), Auth::Anonymous))]);
    let registries = Registries::with_client(client, settings, DockerConfig::default(), RETRY, Tally::default());
    let error = registries.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Timeout { .. }), "{error}");
}

#[tokio::test]
async fn without_a_usable_digest_header_the_bytes_are_hashed() {
    for header in [None, Some("sha256:abc".to_owned()), Some(format!("sha512:{}", "c".repeat(128)))] {
        let (digest, found, asked) = digest_with(Fault::on("manifests", FaultKind::DigestHeader(header))).await;
        assert_eq!(found.unwrap(), digest);
        assert_eq!(asked, ["HEAD /v2/a/manifests/1", "GET /v2/a/manifests/1"]);
    }
    let (digest, found, _) = digest_with(Fault::status("HEAD", 405)).await;
    assert_eq!(found.unwrap(), digest);
}

#[tokio::test]
async fn a_login_page_is_no_manifest() {
    let html = || FaultKind::ContentType("text/html; charset=utf-8".into());
    let (_, found, _) = digest_with(Fault::on("HEAD", html())).await;
    assert!(matches!(found.unwrap_err().failure, Failure::InvalidContent { .. }));
    let page = FaultKind::OtherBody(b"<html>sign in</html>".to_vec());
    for fault in [Fault::on("GET /v2/a/manifests", html()), Fault::on("GET /v2/a/manifests", page)] {
        assert!(matches!(image_with(fault).await.unwrap_err().failure, Failure::InvalidContent { .. }));
    }
}

#[tokio::test]
async fn other_bytes_than_the_digests_are_refused() {
    for path in ["GET /v2/a/manifests", "GET /v2/a/blobs"] {
        let error = image_with(Fault::on(path, FaultKind::OtherBody(b"{}".to_vec()))).await.unwrap_err();
        assert!(error.to_string().contains("have another digest"), "{error}");
    }
}

#[tokio::test]
async fn a_huge_body_is_not_read_to_its_end() {
    for (path, what) in [("GET /v2/a/manifests", "manifest"), ("GET /v2/a/blobs", "configuration")] {
        let error = image_with(Fault::on(path, FaultKind::HugeBody(64 << 20))).await.unwrap_err();
        assert!(matches!(error.failure, Failure::TooLarge { what: found, .. } if found == what), "{error}");
    }
}

#[tokio::test]
async fn a_broken_body_is_asked_again() {
    let broken = |path: &str| Fault::on(path, FaultKind::BrokenBody);
    assert!(image_with(broken("GET /v2/a/manifests").times(1)).await.is_ok());
    let error = image_with(broken("GET /v2/a/blobs")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn a_refusals_words_are_read_and_a_cooldown_is_no_permission() {
    let words = |message: &str| FaultKind::Status {
        status: 403,
        headers: Vec::new(),
        body: format!(r#"{{"errors":[{{"code":"DENIED","message":"{message}"}}]}}"#),
    };
    let (_, found, _) = digest_with(Fault::on("manifests", words("pull denied by policy: cooldown"))).await;
    let error = found.unwrap_err();
    assert!(matches!(error.failure, Failure::DeniedByPolicy { .. }), "{error}");
    let (_, found, _) = digest_with(Fault::on("manifests", words("no pull access"))).await;
    let error = found.unwrap_err();
    assert!(matches!(error.failure, Failure::Denied { .. }) && error.to_string().contains("no pull access"), "{error}");
}

#[tokio::test]
async fn redirects_end() {
    let (registry, _) = stocked().await;
    registry.inject(Fault::on("HEAD", FaultKind::Redirect(format!("{}v2/a/manifests/1", registry.url()))));
    let error = registries_of(&registry).session().digest(&tag(&registry.host(), "a", "1")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Redirect { .. }), "{error}");
    let asked = requests(registry.traffic()).iter().filter(|line| line.starts_with("HEAD")).count();
    assert_eq!(asked, 6);
}

#[tokio::test]
async fn indexes_three_deep_are_refused() {
    let registry = Registry::start(Access::Open).await.unwrap();
    let spec = ImageSpec { form: Form::NestedIndex, ..ImageSpec::index(&["linux/amd64"], "one") };
    let nested = registry.publish("a", "1", &spec);
    let wrap = |digest: Digest| {
        format!(r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{INDEX}","digest":"{digest}","size":1}}]}}"#)
    };
    let deep = registry.publish_manifest("a", "2", INDEX, wrap(nested).as_bytes());
    let session = registries_of(&registry).session();
    let error = session.image(&name(&registry.host(), "a"), &deep).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Nested), "{error}");
}

#[tokio::test]
async fn an_index_that_holds_itself_is_refused() {
    let (registry, digest) = stocked().await;
    let cyclic =
        format!(r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{INDEX}","digest":"{digest}","size":1}}]}}"#);
    registry.inject(Fault::on("GET", FaultKind::OtherBody(cyclic.into_bytes())));
    let error = registries_of(&registry).session().image(&name(&registry.host(), "a"), &digest).await.unwrap_err();
    assert!(matches!(error.failure, Failure::InvalidContent { .. }), "{error}");
    assert!(requests(registry.traffic()).len() <= 2);
}

#[tokio::test]
async fn a_part_that_is_missing_does_not_make_the_image_gone() {
    let registry = Registry::start(Access::Open).await.unwrap();
    let content = ImageSpec::index(&["linux/amd64"], "one").build();
    let child = content.manifests.first().unwrap().digest;
    let digest = registry.publish_content("a", "1", content);
    registry.delete_manifest("a", &child);
    let error = registries_of(&registry).session().image(&name(&registry.host(), "a"), &digest).await.unwrap_err();
    assert!(matches!(error.failure, Failure::InvalidContent { .. }), "{error}");
    let error = image_with(Fault::status("GET /v2/a/blobs", 404)).await.unwrap_err();
    assert!(matches!(error.failure, Failure::InvalidContent { .. }), "{error}");
}

/// A digest that is not there, with these faults: where nothing else was asked for, where a tag was before, and where one
/// was in an earlier session.
async fn missing_with(faults: impl IntoIterator<Item = Fault>) -> [Result<bool, RegistryError>; 3] {
    let (registry, _) = stocked().await;
    let [alone, after_a_tag, known] = [(); 3].map(|()| registries_of(&registry).session());
    known.knows([name(&registry.host(), "a")]);
    after_a_tag.digest(&tag(&registry.host(), "a", "1")).await.unwrap();
    for fault in faults {
        registry.inject(fault);
    }
    let (name, digest) = (name(&registry.host(), "a"), Digest::of(b"gone"));
    [alone.exists(&name, &digest).await, after_a_tag.exists(&name, &digest).await, known.exists(&name, &digest).await]
}

fn answer(status: u16, body: &str) -> FaultKind {
    FaultKind::Status { status, headers: Vec::new(), body: body.to_owned() }
}

fn coded(status: u16, code: &str) -> FaultKind {
    answer(status, &format!(r#"{{"errors":[{{"code":"{code}","message":"no"}}]}}"#))
}

#[tokio::test]
async fn a_404_is_gone_only_where_the_registry_shows_that_it_has_the_repository() {
    let (manifest, list) = ("GET /v2/a/manifests", "GET /v2/a/tags/list");
    let unclear = || Fault::status(manifest, 404);
    for (faults, case) in [
        (vec![], "by its code"),
        (vec![unclear()], "without a word, and the repository has tags"),
        (vec![Fault::on(manifest, coded(404, "NOT_FOUND"))], "as Harbor says it"),
        (vec![Fault::on(list, answer(200, r#"{"name":"a","tags":null}"#))], "by its code, without tags"),
    ] {
        for found in missing_with(faults).await {
            assert!(!found.unwrap(), "{case}");
        }
    }
    for (faults, case) in [
        (vec![Fault::status(list, 401)], "by its code, and lists are for others"),
        (vec![Fault::status(list, 403)], "by its code, and lists are for nobody"),
        (vec![Fault::status(list, 405)], "by its code, and there are no lists"),
        (vec![Fault::status(list, 404)], "a list that is not there"),
        (vec![Fault::on(list, answer(200, "<html>sign in</html>"))], "by its code, and a login page"),
    ] {
        let [alone, after_a_tag, known] = missing_with(faults).await;
        assert!(matches!(&alone, Err(error) if matches!(error.failure, Failure::Unclear { .. })), "{case}: {alone:?}");
        assert!(!after_a_tag.unwrap() && !known.unwrap(), "a tag of it answered: {case}");
    }
    for (faults, case) in [
        (vec![Fault::on(manifest, coded(404, "NAME_UNKNOWN"))], "another name"),
        (vec![Fault::on(list, coded(404, "NAME_UNKNOWN"))], "another name, as Debian's registry says it"),
        (vec![unclear(), Fault::status(list, 403)], "without a word, and lists are for nobody"),
        (vec![unclear(), Fault::on(list, answer(200, r#"{"name":"a","tags":[]}"#))], "without a word, without tags"),
        (vec![unclear(), Fault::on(list, answer(200, "<html>sign in</html>"))], "a login page"),
        (vec![Fault::status(list, 503)], "the list could not be had"),
        (vec![Fault::status("HEAD", 500)], "5xx"),
        (vec![Fault::on("manifests", coded(403, "DENIED"))], "a refusal"),
        (vec![Fault::on("manifests", coded(403, "DENIED: pull denied by policy"))], "held back"),
    ] {
        for found in missing_with(faults).await {
            assert!(found.is_err_and(|error| !error.is_not_found()), "{case}");
        }
    }
}

#[tokio::test]
async fn a_tag_is_gone_only_where_the_registry_lists_tags() {
    let (registry, _) = stocked().await;
    let session = registries_of(&registry).session();
    session.digest(&tag(&registry.host(), "a", "1")).await.unwrap();
    for fault in [
        FaultKind::Status { status: 401, headers: Vec::new(), body: String::new() },
        answer(403, ""),
        answer(405, ""),
        answer(200, "<html>sign in</html>"),
    ] {
        registry.inject(Fault::on("GET /v2/a/tags/list", fault));
        let error = registries_of(&registry).session().digest(&tag(&registry.host(), "a", "9")).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unclear { .. }), "{error}");
        registry.clear_faults();
    }
    assert!(session.digest(&tag(&registry.host(), "a", "9")).await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_storage_that_lacks_a_manifest_does_not_make_it_gone() {
    let (registry, _) = stocked().await;
    let storage = Registry::start(Access::Open).await.unwrap();
    registry.inject(Fault::on("manifests", FaultKind::Redirect(format!("{}v2/b/manifests/1", storage.url()))));
    let session = registries_of(&registry).session();
    let error = session.exists(&name(&registry.host(), "a"), &Digest::of(b"gone")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::InvalidContent { .. }), "{error}");
}

#[tokio::test]
async fn existence_is_asked_by_head_once_and_another_digest_in_the_answer_is_no_existence() {
    let (registry, digest) = stocked().await;
    let (registries, image) = (registries_of(&registry), name(&registry.host(), "a"));
    let session = registries.session();
    for _ in 0..2 {
        assert!(session.exists(&image, &digest).await.unwrap());
    }
    assert_eq!(requests(registry.traffic()), ["GET /v2/".to_owned(), format!("HEAD /v2/a/manifests/{digest}")]);
    registry.inject(Fault::status("HEAD", 405));
    assert!(registries.session().exists(&image, &digest).await.unwrap(), "by GET where there is no HEAD");
    registry.clear_faults();
    registry.inject(Fault::on("HEAD", FaultKind::DigestHeader(Some(Digest::of(b"other").to_string()))));
    let error = registries.session().exists(&image, &digest).await.unwrap_err();
    assert!(matches!(error.failure, Failure::InvalidContent { .. }), "{error}");
    registry.clear_faults();
    registry.inject(Fault::on("HEAD", FaultKind::ContentType("text/html".into())));
    let error = registries.session().exists(&image, &digest).await.unwrap_err();
    assert!(matches!(error.failure, Failure::InvalidContent { .. }), "a login page: {error}");
}

#[tokio::test]
async fn a_tag_that_is_gone_costs_one_list_for_its_repository() {
    let (registry, _) = stocked().await;
    let session = registries_of(&registry).session();
    for wanted in ["8", "9"] {
        assert!(session.digest(&tag(&registry.host(), "a", wanted)).await.unwrap_err().is_not_found());
    }
    let expected = [
        "GET /v2/",
        "HEAD /v2/a/manifests/8",
        "GET /v2/a/manifests/8",
        "GET /v2/a/tags/list?n=1",
        "HEAD /v2/a/manifests/9",
        "GET /v2/a/manifests/9",
    ];
    assert_eq!(requests(registry.traffic()), expected);
}

#[tokio::test]
async fn a_tag_or_digest_that_is_held_back_is_told_in_the_registrys_words() {
    let (registry, digest) = stocked().await;
    let image = name(&registry.host(), "a");
    registry.hold_back("a", "1", Some("pull denied by policy: cooldown of 3 days"));
    registry.hold_back("a", &digest.to_string(), Some("pull denied by policy: cooldown of 3 days"));
    let session = registries_of(&registry).session();
    let errors = [
        session.digest(&tag(&registry.host(), "a", "1")).await.unwrap_err(),
        session.image(&image, &digest).await.unwrap_err(),
        session.exists(&image, &digest).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(&error.failure, Failure::DeniedByPolicy { message } if message.contains("3 days")), "{error}");
    }
    registry.hold_back("a", "1", None);
    assert!(registries_of(&registry).session().digest(&tag(&registry.host(), "a", "1")).await.is_ok());
}

/// The tags of a repository `a` with those numbers, and the questions for them.
async fn listed_with(count: usize, faults: Vec<Fault>) -> (Result<usize, RegistryError>, Vec<String>) {
    let registry = Registry::start(Access::Open).await.unwrap();
    let digest = registry.publish("a", "0", &ImageSpec::index(&["linux/amd64"], "one"));
    for number in 1..count {
        registry.move_tag("a", &number.to_string(), digest);
    }
    registry.set_page_tags(10);
    faults.into_iter().for_each(|fault| registry.inject(fault));
    let session = registries_of(&registry).session();
    let found = session.versions(&name(&registry.host(), "a")).await;
    assert_eq!(session.versions(&name(&registry.host(), "a")).await.ok(), found.as_ref().ok().cloned(), "asked once");
    (found.map(|tags| tags.len()), requests(registry.traffic()).into_iter().skip(1).collect())
}

fn linked(to: &str, tags: &str) -> FaultKind {
    let headers = vec![("link".to_owned(), format!("<{to}>; rel=next"))];
    FaultKind::Status { status: 200, headers, body: format!(r#"{{"name":"a","tags":{tags}}}"#) }
}

#[tokio::test]
async fn pages_of_tags_are_followed_to_the_last_one() {
    let (found, asked) = listed_with(25, vec![]).await;
    assert_eq!(found.unwrap(), 25);
    let expected = ["/v2/a/tags/list?n=1000", "/v2/a/tags/list?n=10&last=17", "/v2/a/tags/list?n=10&last=4"]
        .map(|path| format!("GET {path}"));
    assert_eq!(asked, expected);
    let passing = Fault::status("GET /v2/a/tags/list?n=10&last=17", 503).times(1);
    assert_eq!(listed_with(25, vec![passing]).await.0.unwrap(), 25);
}

#[tokio::test]
async fn the_next_page_is_asked_at_the_repositorys_own_address_wherever_the_link_points() {
    for link in ["https://evil.example/v2/other/tags/list?last=0&n=10", "/v2/behind/a/tags/list?last=0&n=10"] {
        let (found, asked) = listed_with(12, vec![Fault::on("list?n=1000", linked(link, r#"["0"]"#))]).await;
        assert_eq!(found.unwrap(), 12, "{link}");
        assert_eq!(asked[1], "GET /v2/a/tags/list?last=0&n=10");
    }
    let lost = listed_with(12, vec![Fault::on("list?n=1000", linked("/v2/a/tags/list", r#"["0"]"#))]).await.0;
    assert!(matches!(lost.unwrap_err().failure, Failure::InvalidContent { .. }));
}

#[tokio::test]
async fn a_list_that_repeats_itself_ends() {
    let again = Fault::on("tags/list", linked("/v2/a/tags/list?n=1000", r#"["1"]"#));
    let (found, asked) = listed_with(5, vec![again]).await;
    assert_eq!((found.unwrap(), asked.len()), (1, 1), "the same question");
    let other = Fault::on("tags/list", linked("/v2/a/tags/list?n=1000&page=2", r#"["1"]"#));
    let (found, asked) = listed_with(5, vec![other]).await;
    assert_eq!((found.unwrap(), asked.len()), (1, 2), "another question and the same answer");
}

#[tokio::test]
async fn what_is_no_list_of_tags_is_refused_and_so_is_an_endless_one() {
    for body in ["<html>", "[]", r#"{"tags":"1"}"#] {
        let (found, _) = listed_with(5, vec![Fault::on("tags/list", answer(200, body))]).await;
        assert!(matches!(found.unwrap_err().failure, Failure::InvalidContent { .. }), "{body}");
    }
    let many: Vec<String> = (0..200_001).map(|number| number.to_string()).collect();
    let many = serde_json::json!({ "tags": many }).to_string();
    let (found, _) = listed_with(5, vec![Fault::on("tags/list", answer(200, &many))]).await;
    assert!(matches!(found.unwrap_err().failure, Failure::TooManyTags { .. }));
    let (found, _) = listed_with(5, vec![Fault::on("tags/list", FaultKind::HugeBody(64 << 20))]).await;
    assert!(matches!(found.unwrap_err().failure, Failure::TooLarge { .. }));
}

#[tokio::test]
async fn a_deleted_digest_and_a_deleted_tag_are_not_found() {
    let (registry, digest) = stocked().await;
    registry.delete_tag("a", "2");
    registry.delete_manifest("a", &digest);
    let session = registries_of(&registry).session();
    assert!(session.image(&name(&registry.host(), "a"), &digest).await.unwrap_err().is_not_found());
    assert!(session.digest(&tag(&registry.host(), "a", "2")).await.unwrap_err().is_not_found());
}
