//! Why a registry's answer could not be had, by what the caller can do about it.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::net::{CallError, CallFailure, Transient};
use crate::secret::SecretError;

/// Why a question was not answered, and which image it was about.
#[derive(Debug, Clone)]
pub struct RegistryError {
    /// The image as it was asked for: `dhi.io/nginx:1.27`, or with a digest.
    pub image: String,
    pub failure: Failure,
}

/// The causes. Cloned freely: one question may have many askers.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Failure {
    /// The registry has the repository, and no such tag or digest in it.
    #[error("not found")]
    NotFound,
    /// The registry knows no repository of this name, or shows it to nobody like us: says nothing about the tag or digest.
    #[error("no such repository")]
    NoRepository,
    /// 404 without a word about what is missing, or without a sign that the repository is there: neither the tag or digest
    /// nor the repository is known to be gone.
    #[error("`{host}` answered 404, and it is not clear what it has not: {message}")]
    Unclear { host: String, message: String },
    /// Credentials are needed and there are none, or they were refused.
    #[error("not signed in: {message}")]
    Unauthorized { message: String },
    /// Signed in (or anonymous), and not allowed to pull.
    #[error("pulling is not allowed: {message}")]
    Denied { message: String },
    /// A policy of the registry holds the image back for now (Chainguard's cooldown): not yet, rather than an error.
    #[error("held back by a policy of the registry: {message}")]
    DeniedByPolicy { message: String },
    #[error("the rate limit of `{host}` is used up")]
    RateLimited { host: String, retry_after: Option<Duration> },
    /// 5xx or a broken connection.
    #[error("`{host}` is not available: {message}")]
    Unavailable { host: String, message: String, source: Option<Arc<dyn Error + Send + Sync>> },
    #[error("`{host}` did not answer in time")]
    Timeout { host: String },
    /// An answer that is no manifest, configuration or token, or not the one that was asked for.
    #[error("unusable answer: {message}")]
    InvalidContent { message: String },
    #[error("the {what} is larger than {limit_bytes} bytes")]
    TooLarge { what: &'static str, limit_bytes: usize },
    /// More than anybody follows; also pages that do not end.
    #[error("its repository has more than {limit} tags, or lists them in more pages than are read")]
    TooManyTags { limit: usize },
    /// Indexes within indexes, deeper than an index of indexes or more than can be asked for.
    #[error("its index is nested too deeply or has too many entries")]
    Nested,
    /// A redirect that is not followed.
    #[error("refused to follow a redirect of `{host}`: {message}")]
    Redirect { host: String, message: String },
    /// The registry sends its clients to a token service elsewhere, and nobody said that it may have the credentials.
    #[error(
        "`{host}` asks to send its credentials to `{realm}`, which is not known to be its token service; where it \
         is, write `registries: {{ \"{host}\": {{ auth: {{ realm: \"{realm}\" }} }} }}`"
    )]
    RealmNotAllowed { host: String, realm: String },
    #[error("the credential helper `{helper}` {message}")]
    CredentialHelper { helper: String, message: String },
    #[error("cannot use the Docker configuration `{path}`: {message}")]
    DockerConfig { path: String, message: String },
    #[error("cannot read the credentials for `{host}`")]
    Secret { host: String, source: Arc<SecretError> },
}

impl Failure {
    /// An answer that cannot be used.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidContent { message: message.into() }
    }

    /// The same for a question about this image.
    pub(super) fn about(self, image: impl fmt::Display) -> RegistryError {
        RegistryError { image: image.to_string(), failure: self }
    }

    /// What the HTTP client says, without the URL: a redirect's may hold a signature.
    pub(super) fn of_client(host: &str, error: reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout { host: host.to_owned() };
        }
        let message = if error.is_connect() { "no connection" } else { "the connection broke" }.to_owned();
        Self::Unavailable { host: host.to_owned(), message, source: Some(Arc::new(error.without_url())) }
    }

    /// Whether the host as a whole seems to be out of order, rather than one of its repositories.
    pub(super) fn is_of_the_host(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Timeout { .. })
    }
}

impl Transient for Failure {
    fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. } | Self::Timeout { .. })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl CallError for Failure {
    fn failure(&self) -> Option<CallFailure> {
        match self {
            Self::NotFound | Self::NoRepository | Self::Unclear { .. } | Self::DeniedByPolicy { .. } => None,
            Self::Unauthorized { .. } | Self::Denied { .. } => Some(CallFailure::Refused),
            Self::RateLimited { .. } => Some(CallFailure::RateLimited),
            Self::Unavailable { .. } => Some(CallFailure::Unavailable),
            Self::Timeout { .. } => Some(CallFailure::Timeout),
            Self::InvalidContent { .. }
            | Self::TooLarge { .. }
            | Self::TooManyTags { .. }
            | Self::Nested
            | Self::Redirect { .. }
            | Self::RealmNotAllowed { .. }
            | Self::CredentialHelper { .. }
            | Self::DockerConfig { .. }
            | Self::Secret { .. } => Some(CallFailure::Other),
        }
    }
}

impl RegistryError {
    /// Whether the registry said that there is no such tag or digest in a repository that it has; never true where it
    /// could not be asked, or does not know the repository.
    pub fn is_not_found(&self) -> bool {
        matches!(self.failure, Failure::NotFound)
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`: {}", self.image, self.failure)
    }
}

impl Error for RegistryError {
    /// The failure's own cause: the failure is already part of the message.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.failure.source()
    }
}

impl Transient for RegistryError {
    fn is_transient(&self) -> bool {
        self.failure.is_transient()
    }

    fn retry_after(&self) -> Option<Duration> {
        self.failure.retry_after()
    }
}
