//! An organization with a registry and a forge, its people, and refrom's cycles over it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use refrom::config::{Config, Secrets};
use refrom::cycle::{self, AssemblyError, Host, Mode, Outcome, Parts, Report, Request};
use refrom::demo::forge::{Forge, HostedPullRequest};
use refrom::demo::git_repository::{BareRepository, Content, SOMEBODY};
use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::demo::server::Exchange;
use refrom::domain::digest::Digest;
use refrom::domain::pull_request::{BranchName, PullRequestState, RepoName};
use refrom::net::RetryPolicy;

use super::meddling::{self, Meddling, Meddlings};

pub const FORGE_TOKEN: &str = "ghp_aTokenThatNobodyMaySee0123456789";
pub const REGISTRY_PASSWORD: &str = "dckr_pat_aPasswordThatNobodyMaySee";
const REGISTRY_USER: &str = "acme";
const APP_ID: u64 = 42;
const APP_KEY: &str = include_str!("../keys/app_only_for_tests.pem");
const APP_PUBLIC_KEY: &str = include_str!("../keys/app_only_for_tests.pub.pem");
const HOST: &str = "dhi.io";
const OTHER_HOST: &str = "cgr.dev";
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];
/// The branch of the default grouping.
pub const BRANCH: &str = "refrom/base-images";
/// 2026-11-20 08:00:00 UTC.
const START_SECONDS: i64 = 1_795_161_600;
/// Retries without waiting.
const AT_ONCE: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_delay: Duration::ZERO,
    max_delay: Duration::ZERO,
    deadline: Duration::from_secs(5),
};

/// How refrom signs in to the forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    Token,
    App,
}

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
    sign_in: SignIn,
    /// Lines of the configuration.
    include: String,
    policy: String,
    top: String,
    registry_host: String,
    other_host: String,
    /// Everything that was asked, and what was asked in the last cycle.
    asked: Vec<Exchange>,
    last: Vec<Exchange>,
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

    pub async fn signed_in_as_app() -> Self {
        Self::behind(SignIn::App, |_, router| router).await
    }

    /// With something in front of the forge, which is given the folder of the bare repositories.
    pub async fn behind(sign_in: SignIn, front: impl FnOnce(PathBuf, Router) -> Router) -> Self {
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
        let forge = Forge::start_behind(root.clone(), |router| front(root, router).layer(layer)).await.unwrap();
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
            sign_in,
            include: "\"acme/*\"".to_owned(),
            policy: String::new(),
            top: String::new(),
            asked: Vec::new(),
            last: Vec::new(),
            costs: Costs::default(),
            logs,
            _logging: logging,
            has_expected_problems: false,
            is_finished: false,
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

    /// From now on these repositories are selected.
    pub fn select(&mut self, include: &[&str]) {
        self.include = include.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    }

    /// From now on another registry is asked in place of the embedded one.
    pub fn use_registry(&mut self, host: String) {
        self.registry_host = host;
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
        let (registry, other) = (&self.registry_host, &self.other_host);
        let endpoints: String = [(HOST, registry), (OTHER_HOST, other)]
            .map(|(host, endpoint)| format!("  {host}: {{ endpoint: \"http://{endpoint}/{host}\" }}\n"))
            .concat();
        let auth = match self.sign_in {
            SignIn::Token => "{ token: { env: FORGE_TOKEN } }".to_owned(),
            SignIn::App => format!("{{ app: {{ id: {APP_ID}, private_key: {{ file: app.pem }} }} }}"),
        };
        let policy = if self.policy.is_empty() { "" } else { "policy:\n" };
        format!(
            "forges:\n  - url: {forge}\n    auth: {auth}\n    repositories: {{ include: [{include}] }}\n    \
             write_interval: 0s\nregistries:\n{endpoints}  \"{registry}\": {{ auth: {{ username: {REGISTRY_USER}, \
             password: {{ env: REGISTRY_PASSWORD }} }} }}\n{top}{policy}{lines}",
            forge = self.forge.url().unwrap(),
            include = self.include,
            top = self.top,
            lines = self.policy,
        )
    }

    pub async fn assemble(&self) -> Result<Parts, AssemblyError> {
        let environment = |name: &str| match name {
            "FORGE_TOKEN" => Some(FORGE_TOKEN.to_owned()),
            "REGISTRY_PASSWORD" => Some(REGISTRY_PASSWORD.to_owned()),
            _ => None,
        };
        let config = Config::load(&self.configuration(), &environment, Secrets::Read).unwrap();
        cycle::assemble_with(config, self.time(), AT_ONCE).await
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_second(self.now.load(Ordering::Relaxed)).unwrap()
    }

    /// One cycle that has nothing to complain about.
    pub async fn run(&mut self) -> Report {
        self.run_with_problems(&[]).await
    }

    /// One cycle with exactly these problems, by a part of each.
    pub async fn run_with_problems(&mut self, expected: &[&str]) -> Report {
        let report = self.cycle(Mode::Act).await;
        self.has_expected_problems |= !expected.is_empty();
        expect_problems(&report, expected);
        report
    }

    pub async fn dry_run(&mut self) -> Report {
        self.cycle(Mode::DryRun).await
    }

    async fn cycle(&mut self, mode: Mode) -> Report {
        let before = self.begin();
        let report = self.one_cycle(mode).await;
        self.end(&before);
        report
    }

    async fn one_cycle(&self, mode: Mode) -> Report {
        let parts = self.assemble().await.unwrap();
        let clock = || self.time();
        let request = Request { mode, ..Request::default() };
        cycle::run(&parts, &request, Host { clock: &clock, watcher: &|_| {} }).await.unwrap()
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
            report = self.one_cycle(Mode::Act) => {
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

    /// Starts to look what happens.
    pub fn begin(&mut self) -> BTreeMap<String, String> {
        self.asked.extend(self.forge.traffic().take());
        let earlier = self.take_registries();
        self.asked.extend(earlier);
        self.refs()
    }

    /// Looks what happened, and that it was nothing outside of refrom's own branches.
    pub fn end(&mut self, before: &BTreeMap<String, String>) {
        let registry = self.take_registries();
        self.last = self.forge.traffic().take();
        let is_write = |it: &&Exchange| meddling::is_write(&it.method, &it.path, &it.request_body);
        self.costs = Costs {
            registry: registry.len(),
            git: self.last.iter().filter(|exchange| exchange.path.contains(".git/")).count(),
            writes: self.last.iter().filter(is_write).count(),
        };
        self.asked.extend(self.last.iter().cloned().chain(registry));
        let by_people = |target: &str| target.ends_with(SOMEBODY.email);
        for (reference, target) in self.refs() {
            let is_ours = reference.contains(" refs/heads/refrom/");
            let is_as_before = before.get(&reference) == Some(&target) || by_people(&target);
            assert!(is_ours || is_as_before, "`{reference}` was changed to {target}");
        }
    }

    fn take_registries(&self) -> Vec<Exchange> {
        let registries = std::iter::once(&self.registry).chain(&self.other_registry);
        registries.flat_map(|registry| registry.traffic().take()).collect()
    }

    /// What the last cycle cost.
    pub fn costs(&self) -> Costs {
        self.costs
    }

    /// How many requests of the last cycle are known by this.
    pub fn asked(&self, on: &str) -> usize {
        self.last.iter().filter(|exchange| meddling::known_by(exchange).contains(on)).count()
    }

    /// All refs of all repositories, with their target and its committer.
    fn refs(&self) -> BTreeMap<String, String> {
        let mut refs = BTreeMap::new();
        for directory in self.repositories() {
            let git = git2::Repository::open_bare(&directory).unwrap();
            for reference in git.references().unwrap() {
                let reference = reference.unwrap();
                let commit = reference.peel_to_commit().unwrap();
                let committer = commit.committer();
                let target = format!("{} by {}", commit.id(), committer.email().unwrap());
                refs.insert(format!("{} {}", directory.display(), reference.name().unwrap()), target);
            }
        }
        refs
    }

    fn repositories(&self) -> Vec<PathBuf> {
        let root = self.directory.path().join("forge");
        let inside = |path: &Path| -> Vec<PathBuf> {
            std::fs::read_dir(path).map(|all| all.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
        };
        inside(&root).iter().flat_map(|owner| inside(owner)).collect()
    }

    pub fn pull_request(&self, repository: &str, number: u64) -> HostedPullRequest {
        self.forge.pull_request(&name(repository), number).unwrap()
    }

    /// Each of them as `#1 open refrom/base-images -> main`.
    pub fn expect_pull_requests(&self, repository: &str, expected: &[&str]) {
        let all = self.forge.pull_requests(&name(repository)).unwrap();
        let described: Vec<String> = all.iter().map(describe).collect();
        assert_eq!(described, expected, "{repository}");
    }

    /// The branches of refrom, by name.
    pub fn expect_branches(&self, repository: &str, expected: &[&str]) {
        let all = self.bare(repository).branches().unwrap();
        let ours: Vec<String> =
            all.iter().filter(|(name, _)| name.is_ours()).map(|(name, _)| name.to_string()).collect();
        assert_eq!(ours, expected, "{repository}");
    }

    /// A file as it is on a branch.
    pub fn file(&self, repository: &str, on: &str, path: &str) -> String {
        let bare = self.bare(repository);
        let head = bare.head(&branch(on)).unwrap().unwrap();
        String::from_utf8(bare.read(&head, path).unwrap().unwrap()).unwrap()
    }

    /// The pull request is open, and its branch is one commit of refrom on the base, with this Dockerfile.
    pub fn expect_proposal(&self, repository: &str, number: u64, dockerfile: &str) {
        let hosted = self.pull_request(repository, number);
        assert_eq!(hosted.state, PullRequestState::Open, "{repository}#{number}");
        assert_eq!(self.file(repository, hosted.branch.as_str(), "Dockerfile"), dockerfile, "{repository}#{number}");
        let git = git2::Repository::open_bare(self.bare(repository).directory()).unwrap();
        let find = |branch: &BranchName| {
            git.find_reference(&format!("refs/heads/{branch}")).unwrap().peel_to_commit().unwrap()
        };
        let (commit, base) = (find(&hosted.branch), find(&hosted.base));
        assert_eq!(commit.parent_count(), 1);
        assert!(git.merge_base(commit.id(), base.id()).unwrap() == commit.parent_id(0).unwrap());
        assert_eq!(commit.author().email().unwrap(), "refrom@refrom.invalid");
    }

    /// What every test ends with.
    pub fn finish(mut self) {
        self.is_finished = true;
        assert!(
            self.meddlings.is_empty() && self.forge.has_no_fault_left(),
            "something that was prepared did not happen"
        );
        self.begin();
        let logged = String::from_utf8_lossy(&self.logs.0.lock().unwrap()).into_owned();
        assert!(logged.contains("planned"), "nothing was logged");
        if !self.has_expected_problems {
            let errors: Vec<&str> = logged.lines().filter(|line| line.contains(" ERROR ")).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
        let secrets = self.secrets();
        let check = |place: &str, bytes: &[u8]| {
            let text = String::from_utf8_lossy(bytes);
            for secret in &secrets {
                assert!(!text.contains(secret), "the secret `{secret}` is in {place}");
            }
        };
        check("the logs", logged.as_bytes());
        for exchange in &self.asked {
            check("a request's path", exchange.path.as_bytes());
            check("a request's body", &exchange.request_body);
        }
        for directory in self.repositories() {
            let git = git2::Repository::open_bare(&directory).unwrap();
            let odb = git.odb().unwrap();
            odb.foreach(|id| {
                check("a pushed object", odb.read(*id).unwrap().data());
                true
            })
            .unwrap();
        }
        for path in files_below(&self.state()) {
            // SQLite may be removing its log just now.
            check(&path.display().to_string(), &std::fs::read(&path).unwrap_or_default());
        }
    }

    /// The secrets of the configuration, and everything that was sent to prove an identity.
    fn secrets(&self) -> Vec<String> {
        let mut secrets: Vec<String> = [FORGE_TOKEN, REGISTRY_PASSWORD, "PRIVATE KEY"].map(String::from).into();
        let sent = self.asked.iter().filter_map(|exchange| exchange.authorization.as_deref());
        secrets.extend(sent.filter_map(|value| Some(value.split_once(' ')?.1.to_owned())));
        secrets.sort();
        secrets.dedup();
        secrets
    }
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

fn describe(hosted: &HostedPullRequest) -> String {
    let state = match hosted.state {
        PullRequestState::Open => "open",
        PullRequestState::Merged => "merged",
        PullRequestState::Closed => "closed",
    };
    format!("#{} {state} {} -> {}", hosted.number, hosted.branch, hosted.base)
}

fn expect_problems(report: &Report, expected: &[&str]) {
    let problems = problems(report);
    assert_eq!(report.is_incomplete(), !problems.is_empty());
    for problem in &problems {
        assert!(expected.iter().any(|expected| problem.contains(expected)), "unexpected: {problem}");
    }
    for expected in expected {
        assert!(problems.iter().any(|problem| problem.contains(expected)), "no `{expected}` in {problems:#?}");
    }
}

/// Everything that makes a cycle incomplete, with the name of what it is about.
fn problems(report: &Report) -> Vec<String> {
    let mut problems: Vec<String> =
        report.problems.iter().map(|problem| format!("{}: {}", problem.subject, problem.message)).collect();
    for repository in &report.repositories {
        let name = &repository.plan.repository;
        problems.extend(repository.deeds.iter().filter_map(|deed| match &deed.outcome {
            Outcome::Failed(reason) => Some(format!("{name}: {reason}")),
            Outcome::Planned | Outcome::Done => None,
        }));
        problems.extend(repository.plan.problem.iter().map(|problem| format!("{name}: {problem}")));
        let waiting = repository.plan.not_proposed.iter().filter(|waiting| waiting.reason.is_incomplete());
        problems.extend(waiting.map(|waiting| format!("{name}: {}: {}", waiting.path, waiting.reason)));
        let alone = repository.plan.left_alone.iter().filter(|left| left.reason.is_incomplete());
        problems.extend(alone.map(|left| format!("{name}: #{}: {}", left.number, left.reason)));
    }
    problems
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
