//! What every registry must do for refrom: one suite over the embedded one and Debian's `docker-registry`.

use std::collections::BTreeMap;
use std::time::Duration;

use refrom::demo::registry::{Access, Form, ImageSpec, Registry};
use refrom::demo::server::Traffic;
use refrom::domain::digest::Digest;
use refrom::domain::image::ManifestKind;
use refrom::domain::reference::{ImageName, TagRef};
use refrom::net::{Network, RetryPolicy, Tally};
use refrom::registry::{Auth, DockerConfig, Failure, Registries, Settings};
use serde_json::json;

use crate::registry_debian::DebianRegistry;

/// The real policy's shape with waits that no test notices.
pub const RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_delay: Duration::from_millis(1),
    max_delay: Duration::from_millis(2),
    deadline: Duration::from_secs(1),
};

pub fn basic(username: &str, password: &str) -> Auth {
    Auth::Basic { username: username.into(), password: password.into() }
}

/// Settings that ask a host over plain http.
pub fn at(url: &str, auth: Auth) -> Settings {
    Settings { endpoint: Some(url.parse().unwrap()), auth, realm: None }
}

pub fn registries(settings: impl IntoIterator<Item = (String, Settings)>) -> Registries {
    let settings: BTreeMap<String, Settings> = settings.into_iter().collect();
    Registries::new(&Network::default(), settings, DockerConfig::default(), RETRY, Tally::default()).unwrap()
}

/// One embedded registry, anonymous.
pub fn registries_of(registry: &Registry) -> Registries {
    registries([(registry.host(), at(&registry.url(), Auth::Anonymous))])
}

pub fn name(host: &str, repository: &str) -> ImageName {
    format!("{host}/{repository}").parse().unwrap()
}

pub fn tag(host: &str, repository: &str, tag: &str) -> TagRef {
    TagRef { image: name(host, repository), tag: tag.parse().unwrap() }
}

/// `METHOD /path` of every request so far, and starts a new record.
pub fn requests(traffic: &Traffic) -> Vec<String> {
    traffic.take().into_iter().map(|exchange| format!("{} {}", exchange.method, exchange.path)).collect()
}

/// A registry that can be stocked.
enum Stocked {
    Embedded(Registry),
    Debian(DebianRegistry),
}

impl Stocked {
    fn host(&self) -> String {
        match self {
            Self::Embedded(registry) => registry.host(),
            Self::Debian(registry) => registry.host(),
        }
    }

    async fn publish(&self, repository: &str, tag: &str, spec: &ImageSpec) -> Digest {
        match self {
            Self::Embedded(registry) => registry.publish(repository, tag, spec),
            Self::Debian(registry) => registry.push(repository, tag, &spec.build()).await,
        }
    }
}

/// The suite.
async fn contract(registry: Stocked, auth: Auth) {
    let host = registry.host();
    let registries = registries([(host.clone(), at(&format!("http://{host}/"), auth))]);
    an_index_is_read_without_its_attestations(&registry, &registries).await;
    a_single_manifest_is_no_index(&registry, &registries).await;
    an_index_in_an_index_is_read(&registry, &registries).await;
    a_moved_tag_is_seen_by_the_next_session(&registry, &registries).await;
    what_is_not_there_is_not_found(&registry, &registries).await;
    a_digest_that_is_there_exists(&registry, &registries).await;
    a_manifests_content_is_its_configuration_and_layers(&registry, &registries).await;
    all_pages_of_tags_are_read(&registry, &registries).await;
    an_image_tells_how_it_runs(&registry, &registries).await;
}

async fn an_index_is_read_without_its_attestations(registry: &Stocked, registries: &Registries) {
    let labels = [("org.opencontainers.image.version", "0.0.1-label")];
    let spec = ImageSpec {
        form: Form::IndexWithAttestation,
        version: Some("1.27.3".into()),
        created: Some("2026-11-01T12:00:00Z".into()),
        labels: labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..ImageSpec::index(&["linux/arm64/v8", "linux/amd64"], "index")
    };
    let digest = registry.publish("team/index", "1.27", &spec).await;
    let session = registries.session();
    let tag = tag(&registry.host(), "team/index", "1.27");
    assert_eq!(session.digest(&tag).await.unwrap(), digest);
    let image = session.image(&tag.image, &digest).await.unwrap();
    let platforms: Vec<String> = image.platforms().iter().map(ToString::to_string).collect();
    assert_eq!((image.digest, image.kind), (digest, ManifestKind::Index));
    assert_eq!(platforms, ["linux/amd64", "linux/arm64/v8"]);
    assert_eq!(image.version.as_deref(), Some("1.27.3"));
    assert_eq!(image.created.unwrap().to_string(), "2026-11-01T12:00:00Z");
    assert!(image.size_bytes.unwrap() > 0);
    assert_eq!(session.kind(&tag.image, &digest).await.unwrap(), (ManifestKind::Index, image.manifests));
}

async fn a_single_manifest_is_no_index(registry: &Stocked, registries: &Registries) {
    let spec =
        ImageSpec { created: Some("1970-01-01T00:00:00Z".into()), ..ImageSpec::single("linux/arm/v7", "single") };
    let digest = registry.publish("single", "1", &spec).await;
    let session = registries.session();
    let name = name(&registry.host(), "single");
    let image = session.image(&name, &digest).await.unwrap();
    assert_eq!(image.kind, ManifestKind::Image);
    assert_eq!(image.platforms().iter().map(ToString::to_string).collect::<Vec<_>>(), ["linux/arm/v7"]);
    assert_eq!((image.version, image.created), (None, None));
    assert_eq!(session.kind(&name, &digest).await.unwrap(), (ManifestKind::Image, BTreeMap::new()));
}

async fn an_index_in_an_index_is_read(registry: &Stocked, registries: &Registries) {
    let spec = ImageSpec { form: Form::NestedIndex, ..ImageSpec::index(&["linux/amd64", "linux/s390x"], "nested") };
    let digest = registry.publish("nested", "1", &spec).await;
    let image = registries.session().image(&name(&registry.host(), "nested"), &digest).await.unwrap();
    let platforms: Vec<String> = image.platforms().iter().map(ToString::to_string).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/s390x"]);
}

async fn a_moved_tag_is_seen_by_the_next_session(registry: &Stocked, registries: &Registries) {
    let tag = tag(&registry.host(), "moving", "latest");
    let old = registry.publish("moving", "latest", &ImageSpec::index(&["linux/amd64"], "old")).await;
    let session = registries.session();
    assert_eq!(session.digest(&tag).await.unwrap(), old);
    let new = registry.publish("moving", "latest", &ImageSpec::index(&["linux/amd64"], "new")).await;
    assert_eq!(session.digest(&tag).await.unwrap(), old);
    assert_eq!(registries.session().digest(&tag).await.unwrap(), new);
    assert_eq!(registries.session().image(&tag.image, &old).await.unwrap().digest, old);
}

async fn what_is_not_there_is_not_found(registry: &Stocked, registries: &Registries) {
    registry.publish("known", "1", &ImageSpec::index(&["linux/amd64"], "known")).await;
    let session = registries.session();
    for (repository, wanted, said, is_gone) in
        [("known", "2", "not found", true), ("unknown", "1", "no such repository", false)]
    {
        let error = session.digest(&tag(&registry.host(), repository, wanted)).await.unwrap_err();
        assert_eq!(error.is_not_found(), is_gone, "{error}");
        assert_eq!(error.to_string(), format!("`{}/{repository}:{wanted}`: {said}", registry.host()));
    }
    let gone = Digest::of(b"gone");
    let error = session.image(&name(&registry.host(), "known"), &gone).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains(&gone.to_string()), "{error}");
}

async fn a_digest_that_is_there_exists(registry: &Stocked, registries: &Registries) {
    let spec = ImageSpec::index(&["linux/amd64"], "existing");
    let child = spec.build().manifests.first().unwrap().digest;
    let digest = registry.publish("existing", "1", &spec).await;
    let session = registries.session();
    let image = name(&registry.host(), "existing");
    assert!(session.exists(&image, &digest).await.unwrap());
    assert!(session.exists(&image, &child).await.unwrap());
    assert!(!session.exists(&image, &Digest::of(b"gone")).await.unwrap());
    let error = session.exists(&name(&registry.host(), "unknown"), &digest).await.unwrap_err();
    assert!(matches!(error.failure, Failure::NoRepository), "{error}");
}

async fn a_manifests_content_is_its_configuration_and_layers(registry: &Stocked, registries: &Registries) {
    let built = |rebuild: &str| ImageSpec {
        rebuild: Some(rebuild.into()),
        ..ImageSpec::index(&["linux/amd64", "linux/arm64"], "rebuilt")
    };
    let session = registries.session();
    let image = name(&registry.host(), "rebuilt");
    let mut contents = Vec::new();
    for rebuild in ["one", "other"] {
        let digest = registry.publish("rebuilt", rebuild, &built(rebuild)).await;
        let manifests = session.image(&image, &digest).await.unwrap().manifests;
        let manifest = *manifests.values().next().unwrap();
        contents.push((manifest, session.contents(&image, &manifest).await.unwrap()));
        let error = session.contents(&image, &digest).await.unwrap_err();
        assert!(matches!(error.failure, Failure::InvalidContent { .. }), "an index: {error}");
    }
    let [(one, content), (other, same)] = contents.as_slice() else { panic!("two") };
    assert_ne!(one, other);
    assert_eq!(content, same);
    assert_eq!(content.layers.len(), 1);
}

async fn all_pages_of_tags_are_read(registry: &Stocked, registries: &Registries) {
    let spec = ImageSpec::index(&["linux/amd64"], "tagged");
    for wanted in ["1.0", "1.1-alpine", "latest", "nonroot"] {
        registry.publish("tagged", wanted, &spec).await;
    }
    let session = registries.session();
    let tags = session.versions(&name(&registry.host(), "tagged")).await.unwrap();
    assert_eq!(tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(), ["1.0", "1.1-alpine"]);
    let error = session.versions(&name(&registry.host(), "unknown")).await.unwrap_err();
    assert!(matches!(error.failure, Failure::NoRepository), "{error}");
}

async fn an_image_tells_how_it_runs(registry: &Stocked, registries: &Registries) {
    let execution =
        [("User", json!("65532")), ("Env", json!(["PATH=/usr/bin"])), ("ExposedPorts", json!({ "80/tcp": {} }))];
    let spec = ImageSpec {
        execution: execution.map(|(key, value)| (key.to_owned(), value)).into(),
        ..ImageSpec::index(&["linux/amd64"], "running")
    };
    let digest = registry.publish("running", "1", &spec).await;
    let image = registries.session().image(&name(&registry.host(), "running"), &digest).await.unwrap();
    assert_eq!(image.media_type.as_deref(), Some("application/vnd.oci.image.index.v1+json"));
    let found = image.configuration.unwrap();
    assert_eq!((found.user.as_str(), found.environment["PATH"].as_str()), ("65532", "/usr/bin"));
    assert_eq!(found.ports, ["80/tcp".to_owned()].into());
}

#[tokio::test]
async fn the_embedded_registry_keeps_the_contract() {
    let signed_in = || basic("me", "hunter2");
    let cases = [
        (Access::Open, Auth::Docker),
        (Access::basic("me", "hunter2"), signed_in()),
        (Access::bearer("me", "hunter2"), signed_in()),
    ];
    for (access, auth) in cases {
        contract(Stocked::Embedded(Registry::start(access).await.unwrap()), auth).await;
    }
}

#[tokio::test]
async fn debians_registry_keeps_the_contract() {
    if let Some(registry) = DebianRegistry::start(None) {
        contract(Stocked::Debian(registry), Auth::Docker).await;
    }
}

#[tokio::test]
async fn debians_registry_with_passwords_keeps_the_contract() {
    if let Some(registry) = DebianRegistry::start(Some(("me", "hunter2"))) {
        let url = format!("http://{}/", registry.host());
        let wrong = registries([(registry.host(), at(&url, basic("me", "wrong")))]);
        let error = wrong.session().digest(&tag(&registry.host(), "a", "1")).await.unwrap_err();
        assert!(matches!(error.failure, Failure::Unauthorized { .. }), "{error}");
        contract(Stocked::Debian(registry), basic("me", "hunter2")).await;
    }
}
