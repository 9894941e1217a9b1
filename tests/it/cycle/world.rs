//! An organization with a registry and a forge, its people, and refrom's cycles over it.

mod expectations;

use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use jiff::Timestamp;
use refrom::config::{Config, Secrets};
use refrom::cycle::{self, AssemblyError, Host, Mode, Parts, Report, Request};
use refrom::demo::forge::{Face, Forge};
use refrom::demo::git_repository::{BareRepository, Content};
use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::demo::server::Exchange;
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::pull_request::{BranchName, RepoName};

pub use crate::forge::SignIn;
use crate::forge::{APP_ID, RETRY};

use super::meddling::{self, Meddling, Meddlings};

use expectations::expect_problems;

pub const FORGE_TOKEN: &str = "ghp_aTokenThatNobodyMaySee0123456789";
pub const REGISTRY_PASSWORD: &str = "dckr_pat_aPasswordThatNobodyMaySee";
/// What the forge proves its webhooks with, and the bearer token of the service.
pub const WEBHOOK_SECRET: &str = "aWebhookSecretThatNobodyMaySee";
pub const SERVE_TOKEN: &str = "aBearerTokenThatNobodyMaySee";
const REGISTRY_USER: &str = "acme";
const APP_KEY: &str = include_str!("../keys/app_only_for_tests.pem");
const APP_PUBLIC_KEY: &str = include_str!("../keys/app_only_for_tests.pub.pem");
const HOST: &str = "dhi.io";
const OTHER_HOST: &str = "cgr.dev";
/// A mirror in front of the vendors.
pub const MIRROR_HOST: &str = "harbor.acme.internal";
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];
/// The branch of the default grouping.
pub const BRANCH: &str = "refrom/base-images";
/// 2026-11-20 08:00:00 UTC.
const START_SECONDS: i64 = 1_795_161_600;
/// What one cycle cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Costs {
    pub registry: usize,
    pub git: usize,
    pub writes: usize,
}

pub struct World {
    pub registry: Registry,
    /// Another vendor's, which anybody may ask: `cgr.dev`.
    pub other_registry: Option<Registry>,
    pub forge: Arc<Forge>,
    pub meddlings: Meddlings,
    directory: tempfile::TempDir,
    now: AtomicI64,
    face: Face,
    sign_in: SignIn,
    /// Lines of the configuration.
    include: String,
    policy: String,
    top: String,
    webhook_secret: &'static str,
    of_registries: String,
    /// Settings of the mirror, where there is one.
    mirrors: String,
    registry_host: String,
    other_host: String,
    /// Everything that was asked, and what was asked in the last cycle.
    asked: Vec<Exchange>,
    last: Vec<Exchange>,
    registry_asked: Vec<String>,
    costs: Costs,
    logs: Logs,
    _logging: tracing::subscriber::DefaultGuard,
    has_expected_problems: bool,
    is_finished: bool,
}

/// What was logged, at every level.
#[derive(Clone, Default)]
struct Logs(Arc<Mutex<Vec<u8>>>);

impl Write for Logs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

pub fn name(text: &str) -> RepoName {
    text.parse().unwrap()
}

pub fn key(forge: &str, text: &str) -> RepositoryKey {
    RepositoryKey { forge: forge.to_owned(), name: name(text) }
}

pub fn branch(text: &str) -> BranchName {
    text.parse().unwrap()
}

/// `FROM dhi.io/nginx:1.27@…` under a comment with its version.
pub fn nginx(version: &str, digest: &Digest) -> String {
    format!("# nginx {version}\nFROM dhi.io/nginx:1.27@{digest}\n")
}

impl World {
    pub async fn new() -> Self {
        Self::behind(SignIn::Token, |_, router| router).await
    }

    /// With this forge, signed in with a token.
    pub async fn on(face: Face) -> Self {
        Self::start(face, SignIn::Token, |_, router| router).await
    }

    pub async fn signed_in_as_app() -> Self {
        Self::behind(SignIn::App, |_, router| router).await
    }

    /// With something in front of the forge, which is given the folder of the bare repositories.
    pub async fn behind(sign_in: SignIn, front: impl FnOnce(PathBuf, Router) -> Router) -> Self {
        Self::start(Face::GitHub, sign_in, front).await
    }

    async fn start(face: Face, sign_in: SignIn, front: impl FnOnce(PathBuf, Router) -> Router) -> Self {
        let logs = Logs::default();
        let writer = logs.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        let logging = tracing::subscriber::set_default(subscriber);
        let directory = tempfile::tempdir().unwrap();
        let meddlings = Meddlings::default();
        let layer = axum::middleware::from_fn_with_state(meddlings.clone(), meddling::meddle);
        let root = directory.path().join("forge");
        let front = |router| front(root.clone(), router).layer(layer);
        let forge = Forge::start_behind(root.clone(), face, front).await.unwrap();
        forge.add_user("refrom", FORGE_TOKEN);
        forge.add_user("ada", "ghp_adas");
        forge.add_team("acme", "platform");
        if sign_in == SignIn::App {
            forge.add_app(APP_ID, "refrom", APP_PUBLIC_KEY).unwrap();
            forge.install("acme");
            std::fs::write(directory.path().join("app.pem"), APP_KEY).unwrap();
        }
        let registry = Registry::start(Access::bearer(REGISTRY_USER, REGISTRY_PASSWORD)).await.unwrap();
        let other = Registry::start(Access::Open).await.unwrap();
        Self {
            registry_host: registry.host(),
            registry,
            other_host: other.host(),
            other_registry: Some(other),
            forge: Arc::new(forge),
            meddlings,
            directory,
            now: AtomicI64::new(START_SECONDS),
            face,
            sign_in,
            include: "\"acme/*\"".to_owned(),
            policy: String::new(),
            top: String::new(),
            webhook_secret: "",
            of_registries: String::new(),
            mirrors: String::new(),
            asked: Vec::new(),
            last: Vec::new(),
            registry_asked: Vec::new(),
            costs: Costs::default(),
            logs,
            _logging: logging,
            has_expected_problems: false,
            is_finished: false,
        }
    }

    /// The forge's name in reports.
    pub fn forge_name(&self) -> &'static str {
        match self.face {
            Face::GitHub => "github",
            Face::GitLab => "gitlab",
        }
    }

    /// The vendor publishes a build: the tag moves to a new digest.
    pub fn release(&self, image: &str, tag: &str, build: &str) -> Digest {
        let registry = match &self.other_registry {
            Some(other) if image.starts_with(OTHER_HOST) => other,
            _ => &self.registry,
        };
        registry.publish(image, tag, &image_spec(image, tag, build))
    }

    pub fn repository(&self, repository: &str, files: &[(&str, &str)]) -> BareRepository {
        let bare = self.forge.add_repository(&name(repository)).unwrap();
        commit(&bare, "main", files);
        bare
    }

    pub fn bare(&self, repository: &str) -> BareRepository {
        self.forge.repository(&name(repository)).unwrap()
    }

    /// Somebody commits.
    pub fn commit(&self, repository: &str, branch: &str, files: &[(&str, &str)]) {
        commit(&self.bare(repository), branch, files);
    }

    /// From now on the configuration's `policy` is this.
    pub fn policy(&mut self, lines: &[&str]) {
        self.policy = lines.iter().map(|line| format!("  {line}\n")).collect();
    }

    /// From now on this stands in the configuration, too.
    pub fn setting(&mut self, line: &str) {
        self.top = format!("{line}\n");
    }

    /// From now on the forge has a secret for its webhooks.
    pub fn takes_webhooks(&mut self) {
        self.webhook_secret = "    webhook_secret: { env: WEBHOOK_SECRET }\n";
    }

    /// Errors are logged, and belong to the test.
    pub fn expect_errors(&mut self) {
        self.has_expected_problems = true;
    }

    /// From now on these repositories are selected.
    pub fn select(&mut self, include: &[&str]) {
        self.include = include.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    }

    /// From now on another registry is asked in place of the embedded one.
    pub fn use_registry(&mut self, host: String) {
        self.registry_host = host;
    }

    /// From now on this stands at both registries, too.
    pub fn use_registry_settings(&mut self, setting: &str) {
        self.of_registries = format!(", {setting}");
    }

    /// From now on [`MIRROR_HOST`] is a mirror of `dhi.io`, below `dhi/`.
    pub fn use_mirror(&mut self) {
        self.mirror_with(", mirrors: { \"dhi/\": \"dhi.io/\" }");
    }

    /// From now on [`MIRROR_HOST`] is asked as if it were any registry.
    pub fn use_unnamed_mirror(&mut self) {
        self.mirror_with("");
    }

    fn mirror_with(&mut self, setting: &str) {
        self.mirrors =
            format!("  {MIRROR_HOST}: {{ endpoint: \"http://{}/{MIRROR_HOST}\"{setting} }}\n", self.other_host);
    }

    /// The mirror catches up with this image.
    pub fn copy_to_mirror(&self, image: &str, repository: &str) {
        let mirror = self.other_registry.as_ref().unwrap();
        mirror.mirror(&format!("{MIRROR_HOST}/{repository}"), &self.registry, image);
    }

    /// Time goes by.
    pub fn wait_minutes(&self, minutes: i64) {
        self.now.fetch_add(minutes * 60, Ordering::Relaxed);
    }

    /// The state directory is lost.
    pub fn forget(&self) {
        std::fs::remove_dir_all(self.state()).unwrap();
    }

    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Writes the configuration; where it is.
    pub fn configuration(&self) -> PathBuf {
        let path = self.directory.path().join("refrom.yaml");
        std::fs::write(&path, self.yaml()).unwrap();
        path
    }

    fn yaml(&self) -> String {
        let (registry, other, of_registries) = (&self.registry_host, &self.other_host, &self.of_registries);
        let endpoints: String = [(HOST, registry), (OTHER_HOST, other)]
            .map(|(host, endpoint)| format!("  {host}: {{ endpoint: \"http://{endpoint}/{host}\"{of_registries} }}\n"))
            .concat();
        let auth = match self.sign_in {
            SignIn::Token => "{ token: { env: FORGE_TOKEN } }".to_owned(),
            SignIn::App => format!("{{ app: {{ id: {APP_ID}, private_key: {{ file: app.pem }} }} }}"),
        };
        let policy = if self.policy.is_empty() { "" } else { "policy:\n" };
        format!(
            "forges:\n  - kind: {kind}\n    url: {forge}\n    auth: {auth}\n    repositories: {{ include: [{include}] }}\n    \
             write_interval: 0s\n{secret}registries:\n{endpoints}{mirrors}  \"{registry}\": {{ auth: {{ username: {REGISTRY_USER}, \
             password: {{ env: REGISTRY_PASSWORD }} }} }}\n{top}{policy}{lines}",
            kind = self.forge_name(),
            forge = self.forge.url().unwrap(),
            include = self.include,
            secret = self.webhook_secret,
            mirrors = self.mirrors,
            top = self.top,
            lines = self.policy,
        )
    }

    pub async fn assemble(&self) -> Result<Parts, AssemblyError> {
        let config = Config::load(&self.configuration(), &environment, Secrets::Read).unwrap();
        cycle::assemble_with(config, self.time(), RETRY).await
    }

    pub fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now.load(Ordering::Relaxed)).unwrap()
    }

    /// One cycle that has nothing to complain about.
    pub async fn run(&mut self) -> Report {
        self.run_with_problems(&[]).await
    }

    /// One cycle with exactly these problems, by a part of each.
    pub async fn run_with_problems(&mut self, expected: &[&str]) -> Report {
        self.run_request_with_problems(Request::default(), expected).await
    }

    /// One cycle over these repositories alone.
    pub async fn run_only(&mut self, repositories: &[&str]) -> Report {
        let keys = |repository: &&str| ["github", "gitlab"].map(|forge| key(forge, repository));
        let repositories = repositories.iter().flat_map(keys).collect();
        self.cycle(Request { repositories, ..Request::default() }).await
    }

    pub async fn dry_run(&mut self) -> Report {
        self.cycle(Request { mode: Mode::DryRun, ..Request::default() }).await
    }

    /// One cycle with these parts, which stay.
    pub async fn run_with(&mut self, parts: &Parts) -> Report {
        let before = self.begin();
        let clock = || self.time();
        let report =
            cycle::run(parts, &Request::default(), Host { clock: &clock, watcher: &|_| {}, stopping: &|| false })
                .await
                .unwrap();
        self.end(&before);
        expect_problems(&report, &[]);
        report
    }

    /// One cycle with exactly these problems, as it is asked for.
    pub async fn run_request_with_problems(&mut self, request: Request, expected: &[&str]) -> Report {
        let report = self.cycle(request).await;
        self.has_expected_problems |= !expected.is_empty();
        expect_problems(&report, expected);
        report
    }

    pub async fn cycle(&mut self, request: Request) -> Report {
        let before = self.begin();
        let report = self.one_cycle(request).await;
        self.end(&before);
        report
    }

    async fn one_cycle(&self, request: Request) -> Report {
        let parts = self.assemble().await.unwrap();
        let clock = || self.time();
        cycle::run(&parts, &request, Host { clock: &clock, watcher: &|_| {}, stopping: &|| false }).await.unwrap()
    }

    /// A cycle that ends in the middle: when a request that is known by this arrives, or has taken effect. Whether it
    /// came to that.
    pub async fn run_until(&mut self, on: &str, kill: Meddling) -> bool {
        self.meddlings.next(on, kill);
        let before = self.begin();
        let meddlings = self.meddlings.clone();
        let was_killed = tokio::select! {
            biased;
            () = meddlings.hanging() => true,
            report = self.one_cycle(Request::default()) => {
                expect_problems(&report, &[]);
                false
            }
        };
        self.meddlings.clear();
        self.end(&before);
        was_killed
    }

    /// Cycles that are killed right after the first thing that each of them changed, until one has nothing left to
    /// change; how many were killed.
    pub async fn run_piece_by_piece(&mut self) -> usize {
        for killed in 0..40 {
            if !self.run_until("write ", Meddling::HangAfterEffect).await {
                assert_eq!(self.costs.writes, 0);
                return killed;
            }
        }
        panic!("the cycles come to no end");
    }
}

/// The environment that refrom runs in.
pub fn environment(name: &str) -> Option<String> {
    let known = [
        ("FORGE_TOKEN", FORGE_TOKEN),
        ("REGISTRY_PASSWORD", REGISTRY_PASSWORD),
        ("WEBHOOK_SECRET", WEBHOOK_SECRET),
        ("SERVE_TOKEN", SERVE_TOKEN),
    ];
    known.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(self.is_finished || std::thread::panicking(), "a test ends with `finish`");
    }
}

/// What a build of an image is like.
pub fn image_spec(image: &str, tag: &str, build: &str) -> ImageSpec {
    let mut spec = ImageSpec::index(&PLATFORMS, &format!("{image} {build}"));
    spec.version = Some(format!("{tag}.{build}"));
    spec.created = Some("2026-11-01T04:00:00Z".to_owned());
    spec
}

fn commit(bare: &BareRepository, on: &str, files: &[(&str, &str)]) {
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, Content::File(text.as_bytes()))).collect();
    bare.commit(&branch(on), &files, "a change").unwrap();
}
