//! With what to sign in at a registry: the configuration's credentials, or Docker's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::docker_config::{DockerConfigFile, HelperQuestion};
use super::error::Failure;
use super::helper::{self, HELPER_TIMEOUT};
use super::settings::{Auth, DockerConfig};
use crate::secret::Secret;

/// What signs in. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub(super) enum Credentials {
    Anonymous,
    Basic {
        username: String,
        password: SecretString,
    },
    /// A refresh token, for a token service's OAuth2 form.
    Identity(SecretString),
    /// A bearer token that the registry takes as it is.
    Token(SecretString),
}

/// The credentials of all registries. Files are read at each use, so that a rotated secret is picked up; what helpers
/// said is kept until it is refused.
#[derive(Debug)]
pub(super) struct CredentialSource {
    docker: DockerConfig,
    helpers: Mutex<BTreeMap<HelperQuestion, Arc<OnceCell<Option<Credentials>>>>>,
}

impl CredentialSource {
    pub(super) fn new(docker: DockerConfig) -> Self {
        Self { docker, helpers: Mutex::default() }
    }

    /// The credentials for a repository at a host.
    pub(super) async fn find(&self, auth: &Auth, host: &str, repository: &str) -> Result<Credentials, Failure> {
        let read = |secret: &Secret| {
            secret.read().map_err(|error| Failure::Secret { host: host.to_owned(), source: Arc::new(error) })
        };
        match auth {
            Auth::Anonymous => Ok(Credentials::Anonymous),
            Auth::Basic { username, password } => {
                Ok(Credentials::Basic { username: username.clone(), password: read(password)? })
            }
            Auth::Token(token) => Ok(Credentials::Token(read(token)?)),
            Auth::Docker => self.find_in_docker(host, repository).await,
        }
    }

    /// Forgets what helpers said about a host: it was refused.
    pub(super) fn forget(&self, host: &str) {
        let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
        helpers.retain(|question, _| !question.server.contains(host));
    }

    async fn find_in_docker(&self, host: &str, repository: &str) -> Result<Credentials, Failure> {
        for path in &self.docker.files {
            let Some(config) = DockerConfigFile::read(path)? else { continue };
            if let Some(question) = config.helper(host)
                && let Some(credentials) = self.ask(question).await?
            {
                return Ok(credentials);
            }
            if let Some(credentials) = config.credentials(host, repository) {
                let failure = |message: &str| Failure::DockerConfig {
                    path: path.display().to_string(),
                    message: format!("{message}, for `{host}`"),
                };
                return credentials.map_err(failure);
            }
        }
        Ok(Credentials::Anonymous)
    }

    /// Each helper is asked once about a server, whoever needs the answer.
    async fn ask(&self, question: HelperQuestion) -> Result<Option<Credentials>, Failure> {
        let cell = {
            let mut helpers = self.helpers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(helpers.entry(question.clone()).or_default())
        };
        let directory = self.docker.helper_directory.as_deref();
        cell.get_or_try_init(|| helper::ask(&question, directory, HELPER_TIMEOUT)).await.cloned()
    }
}
