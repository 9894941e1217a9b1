//! A hosted forge with an adapter signed in to it, for the contract and for what is one forge's alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use refrom::demo::forge::{Face, FaultKind, Forge as Embedded};
use refrom::demo::git_repository::{BareRepository, Content};
use refrom::demo::server::Exchange;
use refrom::domain::pattern::Pattern;
use refrom::domain::pull_request::{BranchName, NewPullRequest, PullRequest, RepoName, RepositoryHead};
use refrom::forge::github::{Auth, GitHub, Settings};
use refrom::forge::gitlab::{self, GitLab};
use refrom::forge::{Forge, ForgeError, Selection};
use refrom::net::{RetryPolicy, USER_AGENT};
use refrom::secret::Secret;

pub const TOKEN: &str = "ghp_only-for-tests";
pub const APP_ID: u64 = 42;
const APP_KEY: &str = include_str!("keys/app_only_for_tests.pem");
const APP_PUBLIC_KEY: &str = include_str!("keys/app_only_for_tests.pub.pem");

/// Retries without waiting.
pub const RETRY: RetryPolicy = RetryPolicy {
    attempts: 3,
    first_delay: Duration::ZERO,
    max_delay: Duration::ZERO,
    deadline: Duration::from_secs(5),
};

/// How the adapter signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignIn {
    Token,
    App,
}

/// A kind of request, which each forge names in its own way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The listing of repositories.
    List,
    /// Reading pull requests by branch.
    Read,
    Open,
    /// Title, body and state.
    Change,
    Comment,
}

/// An embedded forge and an adapter that is signed in to it. Another adapter joins the contract as another way to make
/// one of these.
pub struct Hosted {
    pub embedded: Embedded,
    pub adapter: Box<dyn Forge>,
    pub face: Face,
    /// The account that refrom is.
    pub login: &'static str,
    _root: tempfile::TempDir,
}

impl Hosted {
    /// GitHub with the owners `acme` and `tools`.
    pub async fn github(sign_in: SignIn) -> Self {
        let auth = match sign_in {
            SignIn::Token => Auth::Token(Secret::from(TOKEN)),
            SignIn::App => Auth::App { id: APP_ID, private_key: Secret::from(APP_KEY) },
        };
        Self::github_as(auth).await
    }

    pub async fn github_as(auth: Auth) -> Self {
        let root = tempfile::tempdir().unwrap();
        let embedded = Embedded::start(root.path().to_owned()).await.unwrap();
        embedded.add_user("refrom-machine", TOKEN);
        embedded.add_user("ada", "ghp_adas");
        embedded.add_user("bob", "ghp_bobs");
        embedded.add_team("acme", "platform");
        embedded.add_app(APP_ID, "refrom", APP_PUBLIC_KEY).unwrap();
        embedded.install("acme");
        embedded.install("tools");
        let login = match auth {
            Auth::Token(_) => "refrom-machine",
            Auth::App { .. } => "refrom[bot]",
        };
        let adapter = adapter(&embedded, auth);
        Self { embedded, adapter: Box::new(adapter), face: Face::GitHub, login, _root: root }
    }

    /// GitLab with the groups `acme` and `tools`.
    pub async fn gitlab() -> Self {
        Self::gitlab_at(|root| async { Embedded::start_gitlab(root).await.unwrap() }).await
    }

    /// The same, started in another way.
    pub async fn gitlab_at<F: Future<Output = Embedded>>(start: impl FnOnce(std::path::PathBuf) -> F) -> Self {
        let root = tempfile::tempdir().unwrap();
        let embedded = start(root.path().to_owned()).await;
        for (login, token) in [("refrom-machine", TOKEN), ("ada", "glpat-adas"), ("bob", "glpat-bobs")] {
            embedded.add_user(login, token);
        }
        let adapter = GitLab::new(gitlab_settings(&embedded, Secret::from(TOKEN))).unwrap();
        Self { embedded, adapter: Box::new(adapter), face: Face::GitLab, login: "refrom-machine", _root: root }
    }

    /// What such a request is known by to faults.
    pub fn known_by(&self, kind: Kind) -> &'static str {
        known_by(self.face, kind)
    }

    /// Whether this was such a request.
    pub fn is(&self, exchange: &Exchange, kind: Kind) -> bool {
        let path = exchange.path.replace("%2F", "/").replace("/api/v3", "").replace("/api/v4", "");
        format!("{} {path}", exchange.method).starts_with(self.known_by(kind))
            && (kind == Kind::Comment || !path.ends_with("/notes"))
    }

    /// How many of these were such requests.
    pub fn count(&self, exchanges: &[Exchange], kind: Kind) -> usize {
        exchanges.iter().filter(|exchange| self.is(exchange, kind)).count()
    }

    /// How the forge writes a number.
    pub fn numbered(&self, number: u64) -> String {
        format!("{}{number}", self.adapter.vocabulary().sigil())
    }

    /// The longest body.
    pub fn body_characters_max(&self) -> usize {
        match self.face {
            Face::GitHub => refrom::forge::github::BODY_CHARACTERS_MAX,
            Face::GitLab => gitlab::BODY_CHARACTERS_MAX,
        }
    }

    /// A repository with one commit on `main`.
    pub fn repository(&self, text: &str) -> BareRepository {
        let bare = self.embedded.add_repository(&name(text)).unwrap();
        bare.commit(&branch("main"), &[("Dockerfile", Content::File(b"FROM scratch\n"))], "first").unwrap();
        bare
    }

    /// A repository with the branch `refrom/base-images` one commit ahead of `main`.
    pub fn repository_behind(&self, text: &str) -> BareRepository {
        let bare = self.repository(text);
        let head = bare.head(&branch("main")).unwrap().unwrap();
        bare.set_branch(&branch("refrom/base-images"), &head).unwrap();
        bare.commit(&branch("refrom/base-images"), &[("Dockerfile", Content::File(b"FROM a\n"))], "bump").unwrap();
        bare
    }

    /// The names that are listed, and the problems by subject.
    pub async fn listed(&self, selection: &Selection) -> (Vec<String>, BTreeMap<String, ForgeError>) {
        let listing = self.adapter.repositories(selection).await.unwrap();
        let names = listing.repositories.iter().map(|head| head.name.to_string()).collect();
        (names, listing.problems.into_iter().map(|problem| (problem.subject, problem.error)).collect())
    }

    pub async fn head(&self, text: &str) -> RepositoryHead {
        let listing = self.adapter.repositories(&select(&[text])).await.unwrap();
        assert!(listing.problems.is_empty(), "{:?}", listing.problems);
        listing.repositories.into_iter().next().unwrap()
    }

    /// The pull requests from `refrom/base-images`.
    pub async fn pull_requests(&self, text: &str) -> Result<Vec<PullRequest>, ForgeError> {
        let id = self.head(text).await.id;
        let wanted = BTreeMap::from([(name(text), (id, BTreeSet::from([branch("refrom/base-images")])))]);
        self.adapter.pull_requests(&wanted).await.remove(&name(text)).unwrap()
    }

    /// What was asked since the last time.
    pub fn requests(&self) -> Vec<Exchange> {
        self.embedded.traffic().take()
    }

    /// What every test of the contract ends with: each fault struck, each request was signed and says once who asks,
    /// and no secret is anywhere but in the header.
    pub fn finish(self) {
        assert!(self.embedded.has_no_fault_left(), "a fault did not strike");
        let shown = format!("{:?}", self.adapter);
        assert!([TOKEN, "ghs_", "PRIVATE KEY", "Bearer"].iter().all(|secret| !shown.contains(secret)), "{shown}");
        for exchange in self.requests() {
            let authorization = exchange.authorization.clone().unwrap_or_default();
            assert!(!authorization.is_empty(), "{} {} was not signed", exchange.method, exchange.path);
            assert_eq!(exchange.user_agents, [USER_AGENT], "{} {}", exchange.method, exchange.path);
            let secret = authorization.trim_start_matches("Bearer ").to_owned();
            let body = String::from_utf8_lossy(&exchange.request_body).into_owned();
            for secret in [secret.as_str(), TOKEN, "ghs_", "PRIVATE KEY"] {
                assert!(!exchange.path.contains(secret) && !body.contains(secret), "a secret in {}", exchange.path);
            }
        }
    }
}

pub fn settings(embedded: &Embedded, auth: Auth) -> Settings {
    let settings = Settings::new("test", embedded.url().unwrap(), auth);
    Settings { retry: RETRY, pacing: Duration::ZERO, ..settings }
}

pub fn adapter(embedded: &Embedded, auth: Auth) -> GitHub {
    GitHub::new(settings(embedded, auth)).unwrap()
}

pub fn gitlab_settings(embedded: &Embedded, token: Secret) -> gitlab::Settings {
    let settings = gitlab::Settings::new("test", embedded.url().unwrap(), token);
    gitlab::Settings { retry: RETRY, pacing: Duration::ZERO, ..settings }
}

/// What a request about `acme/web`, and its number 1, is known by.
pub fn known_by(face: Face, kind: Kind) -> &'static str {
    match (face, kind) {
        (Face::GitHub, Kind::List) => "Repositor",
        (Face::GitHub, Kind::Read) => "#PullRequests",
        (Face::GitHub, Kind::Open) => "POST /repos/acme/web/pulls",
        (Face::GitHub, Kind::Change) => "PATCH /repos/acme/web/pulls/1",
        (Face::GitHub, Kind::Comment) => "POST /repos/acme/web/issues/1/comments",
        (Face::GitLab, Kind::List) => "Projects",
        (Face::GitLab, Kind::Read) => "#MergeRequests",
        (Face::GitLab, Kind::Open) => "POST /projects/acme/web/merge_requests",
        (Face::GitLab, Kind::Change) => "PUT /projects/acme/web/merge_requests/1",
        (Face::GitLab, Kind::Comment) => "POST /projects/acme/web/merge_requests/1/notes",
    }
}

pub fn name(text: &str) -> RepoName {
    text.parse().unwrap()
}

pub fn branch(text: &str) -> BranchName {
    text.parse().unwrap()
}

pub fn select(include: &[&str]) -> Selection {
    let include = include.iter().map(|pattern| Pattern::new(pattern).unwrap()).collect();
    Selection { include, ..Selection::default() }
}

/// A pull request from `refrom/base-images` into `main`, without anything that goes with it.
pub fn new_pull_request() -> NewPullRequest {
    NewPullRequest {
        branch: branch("refrom/base-images"),
        base: branch("main"),
        title: "build(deps): refresh base images".into(),
        body: "what changed\n<!-- refrom {} -->".into(),
        labels: Vec::new(),
        reviewers: Vec::new(),
        assignees: Vec::new(),
        draft: false,
    }
}

/// What was asked of GraphQL: the operation and its variables.
pub fn questions(exchanges: &[Exchange]) -> Vec<(String, serde_json::Value)> {
    let asked = exchanges.iter().filter(|exchange| exchange.path.trim_end_matches('?').ends_with("/api/graphql"));
    let bodies = asked.map(|exchange| serde_json::from_slice::<serde_json::Value>(&exchange.request_body).unwrap());
    bodies.map(|body| (body["operationName"].as_str().unwrap().to_owned(), body["variables"].clone())).collect()
}

/// How many requests were made whose method and path contain this.
pub fn count(exchanges: &[Exchange], part: &str) -> usize {
    exchanges.iter().filter(|exchange| format!("{} {}", exchange.method, exchange.path).contains(part)).count()
}

/// A fault that takes no time to be over.
pub fn short_limit() -> FaultKind {
    FaultKind::SecondaryLimit { retry_after: 0 }
}
