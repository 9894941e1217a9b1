//! One identity at GitHub: its tokens, their renewal, and the calls that are made with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

// The types of the `http` crate, which octocrab takes, too.
use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use octocrab::auth::AppAuth;
use octocrab::models::AppId;
use octocrab::service::middleware::auth_header::AuthHeaderLayer;
use octocrab::service::middleware::base_uri::BaseUriLayer;
use octocrab::service::middleware::reqwest_connector::ReqwestConnector;
use octocrab::{AuthState, Octocrab, OctocrabBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::answer::Answer;
use super::endpoints::Endpoints;
use crate::forge::{ForgeError, root_cause};
use crate::net::{self, CallError as _, CallFailure, Meter};
use crate::secret::Secret;

/// The largest answer that is read, in bytes: 100 repositories with 50 branches and all their topics are about 1 MiB,
/// 600 pull requests with bodies of 65,536 characters about 40 MiB.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// How long an installation token lives at most
/// (<https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app>).
const INSTALLATION_TOKEN_LIFETIME: Duration = Duration::from_secs(60 * 60);
/// How long a token has to be valid still for one call.
pub(super) const VALID_FOR_A_CALL: Duration = Duration::from_secs(2 * 60);

/// What all identities of one forge share.
#[derive(Debug)]
pub(super) struct Connection {
    pub client: reqwest::Client,
    pub endpoints: Endpoints,
    pub meter: Meter,
}

/// Which of GitHub's two faces; each has a rate limit of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Api {
    Rest,
    GraphQl,
}

/// One call. `what` names its subject in errors.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub api: Api,
    pub method: Method,
    /// Path and query below the API's base address.
    pub path: String,
    pub body: Option<Value>,
    pub what: String,
}

/// How an identity proves itself.
#[derive(Debug)]
pub(super) enum Credentials {
    Token(Secret),
    /// A GitHub App, which signs a token for each call with its key.
    App {
        id: u64,
        private_key: Secret,
    },
    /// An App in the name of one owner.
    Installation {
        app: Arc<Account>,
        id: u64,
    },
}

/// One identity. Its token is made once however many calls wait for it.
#[derive(Debug)]
pub(super) struct Account {
    connection: Arc<Connection>,
    credentials: Credentials,
    session: tokio::sync::Mutex<Option<Arc<Session>>>,
    /// Until when a face must not be asked.
    closed_until: Mutex<BTreeMap<Api, Instant>>,
}

/// The clients for one token. octocrab adds the token to addresses below its base only, and an Enterprise Server's
/// GraphQL is not below its REST: so there are two.
#[derive(Debug)]
struct Session {
    rest: Octocrab,
    graphql: Octocrab,
    /// The token, or the App's key.
    secret: SecretString,
    expires_at: Option<Instant>,
}

#[derive(Deserialize)]
struct InstallationToken {
    token: String,
    expires_at: Timestamp,
}

impl Account {
    pub fn new(connection: Arc<Connection>, credentials: Credentials) -> Self {
        Self { connection, credentials, session: Default::default(), closed_until: Default::default() }
    }

    /// The App's installation that this identity is, where it is one.
    pub fn installation(&self) -> Option<u64> {
        match &self.credentials {
            Credentials::Installation { id, .. } => Some(*id),
            Credentials::Token(_) | Credentials::App { .. } => None,
        }
    }

    /// Makes one call. A token that was refused is renewed, and the call is made once more: nothing happened yet.
    /// While a rate limit lasts, nothing is sent.
    pub async fn call(&self, call: &Call) -> Result<Answer, ForgeError> {
        self.check_limit(call.api)?;
        let session = self.session(VALID_FOR_A_CALL).await?;
        let mut answer = self.send(&session, call).await?;
        if answer.status == StatusCode::UNAUTHORIZED
            && let Some(renewed) = self.renewed(&session).await?
        {
            answer = self.send(&renewed, call).await?;
        }
        tracing::debug!(method = %call.method, path = %call.path, status = answer.status.as_u16(), "asked GitHub");
        answer.note(&self.connection.meter, call.api, self.installation());
        if let Some(wait) = answer.rate_limit().or_else(|| answer.used_up()) {
            self.close(call.api, wait);
        }
        let result = answer.into_result(&call.what);
        self.connection.meter.outcome(&result);
        result
    }

    /// Notes an error that stands in the body of a good answer.
    pub fn note(&self, error: &ForgeError) {
        if let Some(failure) = error.failure() {
            self.connection.meter.failed(failure);
        }
    }

    /// Sends nothing to this face for so long.
    pub fn close(&self, api: Api, wait: Duration) {
        let mut closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        closed_until.insert(api, Instant::now() + wait);
    }

    /// A token for git, valid for at least `validity`.
    pub async fn token(&self, validity: Duration) -> Result<SecretString, ForgeError> {
        match &self.credentials {
            // Read anew: git's refusal of a token that was replaced is not seen here.
            Credentials::Token(secret) => Ok(secret.read()?),
            Credentials::App { .. } | Credentials::Installation { .. } => {
                Ok(self.session(validity).await?.secret.clone())
            }
        }
    }

    fn check_limit(&self, api: Api) -> Result<(), ForgeError> {
        let closed_until = self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = closed_until.get(&api).map(|until| until.saturating_duration_since(Instant::now()));
        match wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(ForgeError::RateLimited { retry_after: Some(wait) }),
            None => Ok(()),
        }
    }

    async fn session(&self, validity: Duration) -> Result<Arc<Session>, ForgeError> {
        let mut current = self.session.lock().await;
        let is_valid = |session: &&Arc<Session>| session.expires_at.is_none_or(|at| Instant::now() + validity < at);
        if let Some(session) = current.as_ref().filter(is_valid) {
            return Ok(Arc::clone(session));
        }
        let session = Arc::new(self.new_session().await?);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    /// Another session than the refused one, or `None` where the secret is the same as before.
    async fn renewed(&self, refused: &Arc<Session>) -> Result<Option<Arc<Session>>, ForgeError> {
        let mut current = self.session.lock().await;
        if let Some(session) = current.as_ref().filter(|session| !Arc::ptr_eq(session, refused)) {
            return Ok(Some(Arc::clone(session)));
        }
        let session = Arc::new(self.new_session().await?);
        let is_other = session.secret.expose_secret() != refused.secret.expose_secret();
        *current = Some(Arc::clone(&session));
        Ok(is_other.then_some(session))
    }

    async fn new_session(&self) -> Result<Session, ForgeError> {
        let (secret, expires_at) = match &self.credentials {
            Credentials::Token(secret) => (secret.read()?, None),
            Credentials::App { private_key, .. } => (private_key.read()?, None),
            Credentials::Installation { app, id } => {
                let (token, lifetime) = app.mint(*id).await?;
                (token, Some(Instant::now() + lifetime))
            }
        };
        let endpoints = &self.connection.endpoints;
        let (rest, graphql) = (self.client(&endpoints.rest, &secret)?, self.client(&endpoints.graphql, &secret)?);
        Ok(Session { rest, graphql, secret, expires_at })
    }

    /// octocrab over our own HTTP client, from its layers: its ready-made stack names itself in `User-Agent`, which is
    /// refrom's, and is added by the HTTP client.
    fn client(&self, base: &str, secret: &SecretString) -> Result<Octocrab, ForgeError> {
        let refused = |message: &str| ForgeError::Unauthorized { message: message.to_owned() };
        let base: Uri =
            base.parse().map_err(|_| ForgeError::Protocol { message: format!("`{base}` is no address") })?;
        let (header, state) = match &self.credentials {
            Credentials::App { id, .. } => {
                let key = jsonwebtoken::EncodingKey::from_rsa_pem(secret.expose_secret().as_bytes())
                    .map_err(|_| refused("the app's private key is no RSA key in PEM form"))?;
                (None, AuthState::App(AppAuth { app_id: AppId(*id), key }))
            }
            Credentials::Token(_) | Credentials::Installation { .. } => {
                let mut header = HeaderValue::from_str(&format!("Bearer {}", secret.expose_secret()))
                    .map_err(|_| refused("the token has characters that no header can carry"))?;
                header.set_sensitive(true);
                (Some(header), AuthState::None)
            }
        };
        let built = OctocrabBuilder::new_empty()
            .with_service(ReqwestConnector::new(self.connection.client.clone()))
            .with_layer(&BaseUriLayer::new(base.clone()))
            .with_layer(&AuthHeaderLayer::new(header, base.clone(), base))
            .with_auth(state)
            .build();
        built.map_err(|never| match never {})
    }

    /// A new token for an installation, and how long it lives. Boxed, because an installation's call waits for a call
    /// of its App.
    fn mint(&self, installation: u64) -> BoxFuture<'_, Result<(SecretString, Duration), ForgeError>> {
        Box::pin(async move {
            let what = format!("the app's installation {installation}");
            let path = format!("/app/installations/{installation}/access_tokens");
            let call = Call { api: Api::Rest, method: Method::POST, path, body: None, what: what.clone() };
            let answer = self.call(&call).await?;
            let minted: InstallationToken = answer.json(&what)?;
            let left = answer.time().map(|now| minted.expires_at.duration_since(now));
            let left = left.and_then(|left| Duration::try_from(left).ok()).unwrap_or(INSTALLATION_TOKEN_LIFETIME);
            Ok((SecretString::from(minted.token), left.min(INSTALLATION_TOKEN_LIFETIME)))
        })
    }

    async fn send(&self, session: &Session, call: &Call) -> Result<Answer, ForgeError> {
        let client = match call.api {
            Api::Rest => &session.rest,
            Api::GraphQl => &session.graphql,
        };
        let failed = |error: &(dyn std::error::Error + 'static)| {
            let failure = if net::is_timeout(error) { CallFailure::Timeout } else { CallFailure::Unavailable };
            self.connection.meter.failed(failure);
            ForgeError::Unavailable { message: root_cause(error) }
        };
        let request = axum::http::Request::builder().method(call.method.clone()).uri(call.path.as_str());
        let request = client
            .build_request(request, call.body.as_ref())
            .map_err(|error| ForgeError::Protocol { message: root_cause(&error) })?;
        self.connection.meter.request();
        let (head, body) = client.execute(request).await.map_err(|error| failed(&error))?.into_parts();
        let body = axum::body::to_bytes(Body::new(body), ANSWER_BYTES_MAX).await.map_err(|error| failed(&error))?;
        Ok(Answer { status: head.status, headers: head.headers, body: body.to_vec() })
    }
}
