//! What every outside call shares: the HTTP client, its limits, the one retry policy, and the tally of calls.

mod tally;

use std::path::PathBuf;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use secrecy::{ExposeSecret, SecretString};

use crate::secret::{Secret, SecretError};

pub use tally::{CallError, CallFailure, Calls, Credential, Meter, Room, SignIn, Tally, Target, TargetKind};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one call may take, from the first byte sent to the last received. Manifests and API pages are small.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the other side may stay silent.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// Idle connections kept per host; the concurrency per host is about that.
const IDLE_CONNECTIONS_PER_HOST: usize = 8;

/// Redirects in a row: a renamed repository, an organization's own name, its storage.
const REDIRECTS_MAX: usize = 5;

pub const USER_AGENT: &str = concat!("refrom/", env!("CARGO_PKG_VERSION"));

/// `network` of the configuration: for everything that talks, git included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// `http://proxy.example:3128`; no proxy of the environment is used where this is absent.
    pub proxy: Option<url::Url>,
    /// User name and password for the proxy; never part of its URL.
    pub proxy_auth: Option<(String, Secret)>,
    /// PEM certificates that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

/// How git reaches a repository.
#[derive(Debug, Clone)]
pub struct Remote {
    /// Without credentials.
    pub url: url::Url,
    /// User name and token for Basic authentication.
    pub credentials: Option<(String, SecretString)>,
}

/// Why there is no HTTP client.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    #[error("cannot read the certificates of `{path}`")]
    CaFile { path: PathBuf, source: std::io::Error },
    #[error("no PEM certificates in `{path}`")]
    Certificates { path: PathBuf, source: Option<reqwest::Error> },
    #[error("cannot use the proxy `{host}`")]
    Proxy { host: String, source: reqwest::Error },
    #[error("cannot read the proxy's password")]
    ProxyPassword(#[from] SecretError),
    #[error("cannot set up TLS: no certificate authorities of the system, and no `network.ca_file`")]
    Tls(#[source] reqwest::Error),
}

/// Whether redirects are followed by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// Up to five; `Authorization` stays behind when the origin changes.
    Follow,
    /// The caller looks at each one.
    Manual,
}

/// The HTTP client for everything that speaks HTTP: timeouts, proxy, certificate authorities, user agent.
pub fn client(network: &Network, redirects: Redirects) -> Result<reqwest::Client, NetworkError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS_PER_HOST)
        .redirect(match redirects {
            Redirects::Follow => reqwest::redirect::Policy::limited(REDIRECTS_MAX),
            Redirects::Manual => reqwest::redirect::Policy::none(),
        })
        .no_proxy();
    if let Some(proxy) = &network.proxy {
        let error = |source| NetworkError::Proxy { host: proxy.host_str().unwrap_or_default().to_owned(), source };
        let mut proxy = reqwest::Proxy::all(proxy.clone()).map_err(error)?;
        if let Some((username, password)) = &network.proxy_auth {
            proxy = proxy.basic_auth(username, password.read()?.expose_secret());
        }
        builder = builder.proxy(proxy);
    }
    if let Some(path) = &network.ca_file {
        let pem = std::fs::read(path).map_err(|source| NetworkError::CaFile { path: path.clone(), source })?;
        let error = |source| NetworkError::Certificates { path: path.clone(), source };
        let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|source| error(Some(source)))?;
        if certificates.is_empty() {
            return Err(error(None));
        }
        builder = builder.tls_certs_merge(certificates);
    }
    builder.build().map_err(NetworkError::Tls)
}

/// Whether the HTTP client gave up waiting, as an error or one of its causes says.
pub fn is_timeout(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| cause.downcast_ref::<reqwest::Error>().is_some_and(reqwest::Error::is_timeout))
}

/// What the retry policy asks of an error.
pub trait Transient {
    /// Whether the same call may succeed a little later.
    fn is_transient(&self) -> bool;
    /// What the other side said about when.
    fn retry_after(&self) -> Option<Duration>;
}

/// The one retry policy: how often, how long between, and until when. Values for tests can be small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: usize,
    pub first_delay: Duration,
    pub max_delay: Duration,
    /// What all delays together may come to. A `Retry-After` beyond it ends the attempts.
    pub deadline: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            first_delay: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
            deadline: Duration::from_secs(90),
        }
    }
}

impl RetryPolicy {
    /// Calls until it succeeds, fails for good, or the policy is used up; answers the last error. For calls that may
    /// be repeated only.
    pub async fn run<T, E, F>(&self, call: impl FnMut() -> F) -> Result<T, E>
    where
        E: Transient,
        F: Future<Output = Result<T, E>>,
    {
        let backoff = ExponentialBuilder::default()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.max_delay)
            .with_max_times(self.attempts.saturating_sub(1))
            .with_total_delay(Some(self.deadline))
            .with_jitter();
        let deadline = self.deadline;
        call.retry(backoff)
            .when(move |error: &E| error.is_transient() && error.retry_after().is_none_or(|wait| wait <= deadline))
            .adjust(|error: &E, delay| delay.map(|delay| error.retry_after().map_or(delay, |wait| wait.max(delay))))
            .await
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[derive(Debug, PartialEq)]
    struct Refused(Option<u64>, bool);

    impl Transient for Refused {
        fn is_transient(&self) -> bool {
            self.1
        }

        fn retry_after(&self) -> Option<Duration> {
            self.0.map(Duration::from_secs)
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let network = Network { ca_file: Some(file.path().to_owned()), ..Network::default() };
        for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(file.path(), text).unwrap();
            let error = client(&network, Redirects::Manual).unwrap_err();
            assert!(matches!(error, NetworkError::Certificates { .. } | NetworkError::Tls(_)), "{text}: {error:?}");
        }
    }

    async fn calls(error: Refused) -> (usize, Duration) {
        let count = Cell::new(0);
        let start = tokio::time::Instant::now();
        let result: Result<(), _> = RetryPolicy::default()
            .run(|| {
                count.set(count.get() + 1);
                std::future::ready(Err(Refused(error.0, error.1)))
            })
            .await;
        assert_eq!(result, Err(error));
        (count.get(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_error_is_not_repeated() {
        assert_eq!(calls(Refused(None, false)).await.0, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_passing_error_is_repeated_and_the_attempts_end() {
        assert_eq!(calls(Refused(None, true)).await.0, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn retry_after_is_waited_for_up_to_the_deadline() {
        let (count, waited) = calls(Refused(Some(25), true)).await;
        assert_eq!(count, 4);
        assert!(waited >= Duration::from_secs(75), "{waited:?}");
        assert_eq!(calls(Refused(Some(3600), true)).await.0, 1);
    }
}
