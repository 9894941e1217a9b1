//! A forge on loopback: GitHub's REST and GraphQL faces as an Enterprise Server has them (`/api/v3`, `/api/graphql`), or
//! GitLab's (`/api/v4`, `/api/graphql`), and git over smart HTTP beside them, on real bare repositories.
//!
//! It speaks the real protocol for exactly what the adapter uses and refuses everything else, so that the adapter
//! under the demo and the tests is the real one.

mod fault;
mod gitlab;
mod graphql;
mod http;
mod merging;
mod objects;
mod people;
mod pulls;
mod rest;
mod world;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use jiff::Timestamp;
use url::Url;

use self::http::Shared;
use self::world::{App, Bearer, Caller, Repository, World};
use super::git_repository::{BareRepository, RepositoryError};
use super::server::{Server, Traffic};
use crate::domain::pull_request::RepoName;

pub use self::fault::{Fault, FaultKind};
pub use self::people::{Flag, Origin};
pub use self::world::{HostedPullRequest, Permission};

/// The branch that new repositories start with.
const DEFAULT_BRANCH: &str = "main";

/// Whose protocols a forge speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    GitHub,
    GitLab,
}

/// A running forge. Dropping it ends it; its repositories stay in their directory.
pub struct Forge {
    world: Shared,
    server: Server,
}

/// Why the embedded forge did not do it.
#[derive(Debug, thiserror::Error)]
pub enum ForgeSetupError {
    #[error("the embedded forge cannot listen")]
    Listen(#[from] std::io::Error),
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    #[error("the app's public key is no RSA key in PEM form")]
    Key(#[source] jsonwebtoken::errors::Error),
    #[error("no such thing on the embedded forge: {what}")]
    Missing { what: String },
}

impl Forge {
    /// Serves GitHub's faces on loopback; bare repositories live in `root`.
    pub async fn start(root: PathBuf) -> Result<Self, ForgeSetupError> {
        Self::start_behind(root, Face::GitHub, |router| router).await
    }

    /// Serves GitLab's.
    pub async fn start_gitlab(root: PathBuf) -> Result<Self, ForgeSetupError> {
        Self::start_behind(root, Face::GitLab, |router| router).await
    }

    /// The same behind something that sees every request first, git's too.
    pub async fn start_behind(
        root: PathBuf,
        face: Face,
        front: impl FnOnce(Router) -> Router,
    ) -> Result<Self, ForgeSetupError> {
        let world = Arc::new(Mutex::new(World::new(root.clone())));
        let router = match face {
            Face::GitHub => http::router(&world, root),
            Face::GitLab => gitlab::router(&world, root),
        };
        let server = Server::start(front(router)).await?;
        let forge = Self { world, server };
        forge.world().url = forge.server.url();
        Ok(forge)
    }

    /// The same GitLab below a path, as `relative_url_root` puts it: `/gitlab`.
    pub async fn start_gitlab_below(root: PathBuf, path: &str) -> Result<Self, ForgeSetupError> {
        let below = |router| Router::new().nest(path, router);
        let forge = Self::start_behind(root, Face::GitLab, below).await?;
        let url = format!("{}{}/", forge.server.url(), path.trim_start_matches('/'));
        forge.world().url = url;
        Ok(forge)
    }

    /// `http://127.0.0.1:PORT/`, which is what the configuration's `url` is.
    pub fn url(&self) -> Result<Url, ForgeSetupError> {
        Url::parse(&self.world().url).map_err(|error| ForgeSetupError::Missing { what: error.to_string() })
    }

    /// What was asked so far: API and git.
    pub fn traffic(&self) -> &Traffic {
        self.server.traffic()
    }

    /// A person, or a machine's account, who signs in with a token and reaches every repository.
    pub fn add_user(&self, login: &str, token: &str) {
        let mut world = self.world();
        world.users.insert(login.to_owned());
        world.tokens.insert(token.to_owned(), Bearer { caller: Caller::User(login.to_owned()), expires: None });
    }

    /// A token that an account has, with an end, by the forge's clock.
    pub fn add_token(&self, login: &str, token: &str, expires: Timestamp) {
        let bearer = Bearer { caller: Caller::User(login.to_owned()), expires: Some(expires.as_second()) };
        self.world().tokens.insert(token.to_owned(), bearer);
    }

    /// An account that sees every repository and may change none.
    pub fn add_reader(&self, login: &str, token: &str) {
        self.add_user(login, token);
        self.world().readers.insert(login.to_owned());
    }

    /// Takes a token back.
    pub fn revoke(&self, token: &str) {
        self.world().tokens.remove(token);
    }

    /// A team of an organization: `org`, `slug`.
    pub fn add_team(&self, organization: &str, slug: &str) {
        self.world().teams.insert(format!("{organization}/{slug}"));
    }

    /// The GitHub App, with the public half of its key in PEM form.
    pub fn add_app(&self, id: u64, slug: &str, public_key: &str) -> Result<(), ForgeSetupError> {
        let key = jsonwebtoken::DecodingKey::from_rsa_pem(public_key.as_bytes()).map_err(ForgeSetupError::Key)?;
        self.world().app = Some(App { id, slug: slug.to_owned(), key });
        Ok(())
    }

    /// Installs the App at an owner, for all repositories, or at an enterprise, as `enterprises/SLUG`; the
    /// installation's id.
    pub fn install(&self, owner: &str) -> u64 {
        let mut world = self.world();
        let id = world.next_id();
        world.installations.insert(id, owner.to_owned());
        id
    }

    /// Suspends an installation, as an owner can.
    pub fn suspend(&self, installation: u64) {
        self.world().suspended.insert(installation);
    }

    /// Every installation token expires now; how many there were.
    pub fn expire_tokens(&self) -> usize {
        let mut world = self.world();
        let now = world.now();
        let minted = world.tokens.values_mut().filter(|bearer| bearer.expires.is_some());
        minted.map(|bearer| bearer.expires = Some(now)).count()
    }

    /// An empty repository with the default branch `main`.
    pub fn add_repository(&self, name: &RepoName) -> Result<BareRepository, ForgeSetupError> {
        let missing = |_| ForgeSetupError::Missing { what: format!("the branch `{DEFAULT_BRANCH}`") };
        let default_branch = DEFAULT_BRANCH.parse().map_err(missing)?;
        let mut world = self.world();
        let bare = BareRepository::create(&world.root, name, &default_branch)?;
        let id = world.next_id();
        let repository = Repository {
            name: name.clone(),
            default_branch,
            is_archived: false,
            is_disabled: false,
            is_fork: false,
            topics: Vec::new(),
            is_mergeable_unknown: false,
            is_auto_merge_allowed: true,
            are_checks_required: true,
            checks: Default::default(),
            hidden_from: BTreeSet::new(),
            pull_requests: Default::default(),
        };
        world.repositories.insert(id, repository);
        Ok(bare)
    }

    /// A repository's git side, to commit, to delete branches and to look.
    pub fn repository(&self, name: &RepoName) -> Result<BareRepository, ForgeSetupError> {
        Ok(BareRepository::open(&self.world().root, name)?)
    }

    /// The next request that this is meant for goes wrong.
    pub fn fail(&self, fault: Fault) {
        self.world().faults.push(fault);
    }

    /// Whether every fault has struck: one that did not makes its test worth nothing.
    pub fn has_no_fault_left(&self) -> bool {
        self.world().faults.is_empty()
    }

    /// Keeps every account from something.
    pub fn deny(&self, permission: Permission) {
        self.world().denied.insert(permission);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Forge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Forge").field("server", &self.server).finish_non_exhaustive()
    }
}
