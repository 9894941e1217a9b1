//! Requests that sign in where a registry wants it.

use reqwest::header::HeaderValue;
use reqwest::{Method, Response};
use secrecy::ExposeSecret as _;
use url::Url;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::error::Failure;
use super::host::{Host, Target};
use super::realm::{self, Sender};
use super::token::{self, Freshness};
use super::transport::{self, Answer, Question};
use super::{Registries, settings::Auth};

/// What a request signs in with.
struct Authorization {
    header: Option<HeaderValue>,
    freshness: Freshness,
    sender: Sender,
    presents: Presented,
}

/// What a registry gets to see.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Presented {
    /// The credentials themselves: its answer is about them.
    Credentials,
    /// Nothing, or a token that a service gave: what became of the credentials is the service's answer.
    Token,
}

impl Authorization {
    const NONE: Self =
        Self { header: None, freshness: Freshness::Fresh, sender: Sender::Anonymous, presents: Presented::Token };

    /// Credentials as they are.
    fn direct(header: HeaderValue) -> Self {
        let (freshness, sender) = (Freshness::Cached, Sender::WithCredentials);
        Self { header: Some(header), freshness, sender, presents: Presented::Credentials }
    }
}

impl Registries {
    /// Asks, signed in as the registry wants. Where a token that was kept is refused (revoked, or the secret behind
    /// it was rotated), everything is read anew, once.
    pub(super) async fn request(
        &self,
        target: &Target,
        method: Method,
        url: Url,
        accept: &'static str,
    ) -> Result<Response, Failure> {
        let question = |header| Question { method: method.clone(), url: url.clone(), accept, authorization: header };
        let first = self.authorization(target).await?;
        let (client, meter) = (&self.inner.client, &target.host.meter);
        let answer = transport::ask(client, meter, question(first.header.clone())).await?;
        if answer.response.status() != 401 || answer.is_foreign {
            note_sign_in(&target.host, &first, &answer);
            return Ok(answer.response);
        }
        let is_news = target.host.learn(Challenge::of(answer.response.headers())).await;
        if !is_news && first.freshness == Freshness::Fresh {
            return Err(unauthorized(&target.host, first.sender));
        }
        self.forget(target, first.header.as_ref()).await;
        let second = self.authorization(target).await?;
        if second.header == first.header {
            note_sign_in(&target.host, &first, &answer);
            return Err(unauthorized(&target.host, first.sender));
        }
        let answer = transport::ask(client, meter, question(second.header.clone())).await?;
        note_sign_in(&target.host, &second, &answer);
        if answer.response.status() == 401 && !answer.is_foreign {
            return Err(unauthorized(&target.host, second.sender));
        }
        Ok(answer.response)
    }

    async fn authorization(&self, target: &Target) -> Result<Authorization, Failure> {
        let host = &target.host;
        let challenge = match host.settings.auth {
            // The registry takes it as it is: no question how to sign in.
            Auth::Token(_) => Challenge::Basic,
            Auth::Docker | Auth::Basic { .. } | Auth::Anonymous => host.challenge(&self.inner.client).await?,
        };
        if challenge == Challenge::Open {
            return Ok(Authorization::NONE);
        }
        let find = self.inner.credentials.find(&host.settings.auth, &host.name, &target.repository);
        let credentials = find.await?;
        match (&credentials, challenge) {
            (Credentials::Token(token), _) => Ok(Authorization::direct(token::bearer(token.expose_secret())?)),
            (_, Challenge::Bearer { realm, service }) => {
                self.token(target, &realm, service.as_deref(), credentials).await
            }
            (Credentials::Basic { username, password }, _) => {
                Ok(Authorization::direct(token::basic(username, password)?))
            }
            (Credentials::Anonymous | Credentials::Identity(_), _) => Ok(Authorization::NONE),
        }
    }

    async fn token(
        &self,
        target: &Target,
        realm: &str,
        service: Option<&str>,
        credentials: Credentials,
    ) -> Result<Authorization, Failure> {
        let (host, scope) = (&target.host, target.scope());
        let sender = match credentials {
            Credentials::Anonymous => Sender::Anonymous,
            Credentials::Basic { .. } | Credentials::Identity(_) | Credentials::Token(_) => Sender::WithCredentials,
        };
        let realm = realm::allowed(realm, (&host.origin, &host.name), host.settings.realm.as_ref(), sender)?;
        let fetch = token::fetch((&self.inner.client, &host.meter), &realm, (service, &scope), &credentials);
        let (header, freshness) = self.inner.tokens.get(&host.name, &scope, fetch).await?;
        Ok(Authorization { header: Some(header), freshness, sender, presents: Presented::Token })
    }

    /// Drops what was refused.
    async fn forget(&self, target: &Target, header: Option<&HeaderValue>) {
        self.inner.credentials.forget(&target.host.name);
        if let Some(header) = header {
            self.inner.tokens.forget(&target.host.name, &target.scope(), header).await;
        }
    }
}

/// What a registry's answer says of credentials that it got to see.
fn note_sign_in(host: &Host, authorization: &Authorization, answer: &Answer) {
    let status = answer.response.status().as_u16();
    if authorization.presents == Presented::Credentials && !answer.is_foreign && status != 403 {
        token::note_sign_in(&host.meter, status);
    }
}

fn unauthorized(host: &Host, sender: Sender) -> Failure {
    let name = &host.name;
    let message = match sender {
        Sender::Anonymous => format!(
            "`{name}` shows it to no anonymous client, if it is there at all; credentials for `{name}` come from \
             `registries: {{ \"{name}\": {{ auth: … }} }}` or from the Docker configuration"
        ),
        Sender::WithCredentials => format!("`{name}` refused the credentials, or they do not reach this repository"),
    };
    Failure::Unauthorized { message }
}
