//! The configuration's values → the adapters.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::Parts;
use crate::config::{Config, ForgeAuth, ForgeConfig, ForgeKind, RegistryAuth, RegistryConfig};
use crate::forge::Forge;
use crate::forge::github::{self, GitHub};
use crate::forge::gitlab::{self, GitLab};
use crate::git::{self, Git, GitError};
use crate::net::{NetworkError, RetryPolicy, Tally};
use crate::registry::{self, DockerConfig, Registries};
use crate::store::{SqliteStore, Store, StoreError};

/// The object caches, below the state directory.
const CACHE_DIRECTORY: &str = "git";

/// Why a cycle cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyError {
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("cannot make the state directory `{path}`")]
    StateDirectory { path: String, source: std::io::Error },
}

/// Takes the store, looks for git, and makes the clients. Asks no network.
pub async fn assemble(config: Config, now: Timestamp) -> Result<Parts, AssemblyError> {
    assemble_with(config, now, RetryPolicy::default()).await
}

/// The same with a retry policy of the caller's, for all outside calls.
pub async fn assemble_with(config: Config, now: Timestamp, retry: RetryPolicy) -> Result<Parts, AssemblyError> {
    let store = open_store(&config, now).await?;
    assemble_over(config, (store, Tally::default()), retry).await
}

/// Takes the store: from here on no other process can.
pub async fn open_store(config: &Config, now: Timestamp) -> Result<Arc<dyn Store>, AssemblyError> {
    Ok(Arc::new(open_sqlite(config, now).await?))
}

/// The same as what it is, for those who move ledgers.
pub async fn open_sqlite(config: &Config, now: Timestamp) -> Result<SqliteStore, AssemblyError> {
    let state = &config.state_dir;
    let failed = |source| AssemblyError::StateDirectory { path: state.display().to_string(), source };
    std::fs::create_dir_all(state).map_err(failed)?;
    Ok(SqliteStore::open_keeping(&config.store, config.retention, now).await?)
}

/// Everything else, over a store that is held already, and a tally that goes on.
pub async fn assemble_over(
    config: Config,
    (store, tally): (Arc<dyn Store>, Tally),
    retry: RetryPolicy,
) -> Result<Parts, AssemblyError> {
    let git = git::Settings::new(config.state_dir.join(CACHE_DIRECTORY), config.network.clone());
    let git = Git::new(git::Settings { retry, tally: tally.clone(), ..git }).await?;
    let connect = |forge| connect(forge, &config, retry, &tally);
    let forges = config.forges.iter().map(connect).collect::<Result<_, _>>()?;
    let registries = registries_with(&config, retry, &tally)?;
    Ok(Parts { forges, registries, git, store, config, tally })
}

/// The registries of a configuration, for those who need nothing else.
pub fn registries(config: &Config) -> Result<Registries, NetworkError> {
    registries_with(config, RetryPolicy::default(), &Tally::default())
}

fn registries_with(config: &Config, retry: RetryPolicy, tally: &Tally) -> Result<Registries, NetworkError> {
    let settings: BTreeMap<String, registry::Settings> =
        config.registries.iter().map(|(host, registry)| (host.clone(), registry_settings(registry))).collect();
    let files = config.docker_config_dir.iter().map(|directory| directory.join("config.json")).collect();
    let docker = DockerConfig { files, helper_directory: None };
    Registries::new(&config.network, settings, docker, retry, tally.clone())
}

fn registry_settings(config: &RegistryConfig) -> registry::Settings {
    let auth = match &config.auth {
        RegistryAuth::Docker => registry::Auth::Docker,
        RegistryAuth::Anonymous => registry::Auth::Anonymous,
        RegistryAuth::Password { username, password } => {
            registry::Auth::Basic { username: username.clone(), password: password.clone() }
        }
        RegistryAuth::Token(token) => registry::Auth::Token(token.clone()),
    };
    registry::Settings { endpoint: config.endpoint.clone(), auth, realm: config.realm.clone() }
}

fn connect(
    forge: &ForgeConfig,
    config: &Config,
    retry: RetryPolicy,
    tally: &Tally,
) -> Result<Box<dyn Forge>, NetworkError> {
    match (forge.kind, &forge.auth) {
        (ForgeKind::Gitlab, ForgeAuth::Token(token)) => {
            let settings = gitlab::Settings {
                api_url: forge.api_url.clone(),
                network: config.network.clone(),
                pacing: forge.write_interval,
                retry,
                tally: tally.clone(),
                ..gitlab::Settings::new(forge.name.clone(), forge.url.clone(), token.clone())
            };
            Ok(Box::new(GitLab::new(settings)?))
        }
        // The configuration refuses an App for GitLab.
        (ForgeKind::Github, auth) | (ForgeKind::Gitlab, auth @ ForgeAuth::App { .. }) => {
            let auth = match auth {
                ForgeAuth::Token(token) => github::Auth::Token(token.clone()),
                ForgeAuth::App { id, private_key } => github::Auth::App { id: *id, private_key: private_key.clone() },
            };
            let settings = github::Settings {
                api_url: forge.api_url.clone(),
                network: config.network.clone(),
                pacing: forge.write_interval,
                retry,
                tally: tally.clone(),
                ..github::Settings::new(forge.name.clone(), forge.url.clone(), auth)
            };
            Ok(Box::new(GitHub::new(settings)?))
        }
    }
}
