//! Bearer tokens: asked for once per host and scope, kept until shortly before they expire.
//!
//! Distribution specification, "token authentication" and its OAuth2 form.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::credentials::Credentials;
use super::error::Failure;
use super::transport::{body, failure_of, host_of};
use crate::net::{Meter, SignIn};

/// A token's answer, in bytes; tokens of clouds have some KiB.
const TOKEN_BYTES_MAX: usize = 256 << 10;
/// How long a token is valid whose answer does not say so, by the specification.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
/// No token is trusted longer than that, whatever the answer says.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// A token is renewed this long before it expires, so that it does not expire on its way.
const RENEWAL_MARGIN: Duration = Duration::from_secs(10);
/// OAuth2's `client_id`.
const CLIENT_ID: &str = "refrom";

/// A token for requests, ready as a header.
#[derive(Debug, Clone)]
pub(super) struct Token {
    header: HeaderValue,
    until: Instant,
}

/// Whether a token was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Freshness {
    Cached,
    Fresh,
}

/// The tokens by host and scope.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    slots: Mutex<BTreeMap<(String, String), Arc<Slot>>>,
}

/// One token, and the lock that lets only one request for it out.
#[derive(Debug, Default)]
struct Slot {
    /// How many requests have ended; who waited for one that failed takes its failure.
    ended: AtomicU64,
    token: tokio::sync::Mutex<Option<Result<Token, Failure>>>,
}

impl Tokens {
    /// The token for a scope at a host; `fetch` runs where there is none that is still valid.
    pub(super) async fn get(
        &self,
        host: &str,
        scope: &str,
        fetch: impl Future<Output = Result<Token, Failure>>,
    ) -> Result<(HeaderValue, Freshness), Failure> {
        let slot = self.slot(host, scope);
        let ended = slot.ended.load(Ordering::Acquire);
        let mut kept = slot.token.lock().await;
        match &*kept {
            Some(Ok(token)) if Instant::now() < token.until => return Ok((token.header.clone(), Freshness::Cached)),
            Some(Err(failure)) if slot.ended.load(Ordering::Acquire) != ended => return Err(failure.clone()),
            _ => {}
        }
        let result = fetch.await;
        *kept = Some(result.clone());
        slot.ended.fetch_add(1, Ordering::AcqRel);
        result.map(|token| (token.header, Freshness::Fresh))
    }

    /// Drops a token that was refused, unless it was replaced already.
    pub(super) async fn forget(&self, host: &str, scope: &str, refused: &HeaderValue) {
        let slot = self.slot(host, scope);
        let mut kept = slot.token.lock().await;
        if matches!(&*kept, Some(Ok(token)) if token.header == *refused) {
            *kept = None;
        }
    }

    fn slot(&self, host: &str, scope: &str) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry((host.to_owned(), scope.to_owned())).or_default())
    }
}

/// Asks a token service. Redirects are not followed: the request may carry credentials.
pub(super) async fn fetch(
    (client, meter): (&Client, &Meter),
    realm: &Url,
    (service, scope): (Option<&str>, &str),
    credentials: &Credentials,
) -> Result<Token, Failure> {
    let host = host_of(realm);
    let request = match credentials {
        Credentials::Identity(token) => post(client, realm, (service, scope), token),
        Credentials::Basic { username, password } => {
            get(client, realm, (service, scope)).header(AUTHORIZATION, basic(username, password)?)
        }
        Credentials::Anonymous | Credentials::Token(_) => get(client, realm, (service, scope)),
    };
    let asked = Instant::now();
    meter.request();
    let sent = request.header(ACCEPT, "application/json").send().await;
    let response = sent.map_err(|error| Failure::of_client(&host, error))?;
    let status = response.status().as_u16();
    if !matches!(credentials, Credentials::Anonymous) {
        note_sign_in(meter, status);
    }
    if status != 200 {
        return Err(match (status, failure_of(response).await) {
            (400 | 401 | 403, failure) => {
                Failure::Unauthorized { message: format!("the token service `{host}` refused: {failure}") }
            }
            // Its 404 says nothing about the image.
            (404 | 410, _) => Failure::invalid(format!("the token service `{host}` answered HTTP {status}")),
            (_, failure) => failure,
        });
    }
    let bytes = body(response, TOKEN_BYTES_MAX, "token").await?;
    read(&bytes, asked).ok_or_else(|| Failure::invalid(format!("the token service `{host}` answered with no token")))
}

/// Notes what a status says of the credentials that were presented: the service may also be out of order.
pub(super) fn note_sign_in(meter: &Meter, status: u16) {
    match status {
        200..=399 | 404 => meter.sign_in(SignIn::Accepted),
        400 | 401 | 403 => meter.sign_in(SignIn::Refused),
        _ => {}
    }
}

/// The header of Basic authentication.
pub(super) fn basic(username: &str, password: &SecretString) -> Result<HeaderValue, Failure> {
    header("Basic", &STANDARD.encode(format!("{username}:{}", password.expose_secret())))
}

/// The header of a bearer token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, Failure> {
    header("Bearer", token)
}

fn header(scheme: &str, secret: &str) -> Result<HeaderValue, Failure> {
    let value = HeaderValue::from_str(&format!("{scheme} {secret}"));
    let mut value = value.map_err(|_| Failure::invalid("the token has characters that no header can hold"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn get(client: &Client, realm: &Url, (service, scope): (Option<&str>, &str)) -> RequestBuilder {
    let mut url = realm.clone();
    url.query_pairs_mut().extend_pairs(service.map(|service| ("service", service))).append_pair("scope", scope);
    client.get(url)
}

fn post(
    client: &Client,
    realm: &Url,
    (service, scope): (Option<&str>, &str),
    identity: &SecretString,
) -> RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", CLIENT_ID)
        .extend_pairs(service.map(|service| ("service", service)))
        .append_pair("scope", scope)
        .append_pair("refresh_token", identity.expose_secret())
        .finish();
    client.post(realm.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form)
}

fn read(bytes: &[u8], asked: Instant) -> Option<Token> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<f64>,
    }
    let answer: Answer = serde_json::from_slice(bytes).ok()?;
    let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty())?;
    let lifetime = answer.expires_in.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    let lifetime = lifetime.unwrap_or(DEFAULT_LIFETIME).min(LIFETIME_MAX);
    Some(Token { header: bearer(&token).ok()?, until: asked + lifetime.saturating_sub(RENEWAL_MARGIN) })
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn token(text: &str) -> Token {
        read(text.as_bytes(), Instant::now()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_kept_until_shortly_before_it_expires() {
        let (tokens, fetched) = (Tokens::default(), Cell::new(0));
        let get = || {
            tokens.get("h", "s", async {
                fetched.set(fetched.get() + 1);
                Ok(token(r#"{"access_token": "t"}"#))
            })
        };
        for (advance, expected) in [(0, 1), (49, 1), (2, 2), (0, 2)] {
            tokio::time::advance(Duration::from_secs(advance)).await;
            get().await.unwrap();
            assert_eq!(fetched.get(), expected, "after {advance} s");
        }
    }

    #[tokio::test]
    async fn who_waits_for_a_request_shares_its_failure_and_the_next_one_asks_again() {
        let (tokens, fetched) = (Tokens::default(), Cell::new(0));
        let get = || {
            tokens.get("h", "s", async {
                tokio::task::yield_now().await;
                fetched.set(fetched.get() + 1);
                Err(Failure::NotFound)
            })
        };
        let (one, two, three) = tokio::join!(get(), get(), get());
        assert!(one.is_err() && two.is_err() && three.is_err());
        assert_eq!(fetched.get(), 1);
        assert!(get().await.is_err());
        assert_eq!(fetched.get(), 2);
    }

    #[tokio::test]
    async fn only_the_refused_token_is_forgotten() {
        let tokens = Tokens::default();
        let fetch = |text| tokens.get("h", "s", std::future::ready(Ok(token(text))));
        let (old, _) = fetch(r#"{"token": "old"}"#).await.unwrap();
        tokens.forget("h", "s", &bearer("other").unwrap()).await;
        assert_eq!(fetch(r#"{"token": "new"}"#).await.unwrap(), (old.clone(), Freshness::Cached));
        tokens.forget("h", "s", &old).await;
        assert_eq!(fetch(r#"{"token": "new"}"#).await.unwrap().1, Freshness::Fresh);
    }

    #[test]
    fn either_name_of_the_token_is_read_and_an_empty_one_is_none() {
        assert_eq!(token(r#"{"token": "", "access_token": "a"}"#).header, "Bearer a");
        assert_eq!(token(r#"{"token": "t", "access_token": "a"}"#).header, "Bearer t");
        for text in ["{}", "<html>", r#"{"token": ""}"#, r#"{"token": "a\nb"}"#] {
            assert!(read(text.as_bytes(), Instant::now()).is_none(), "{text}");
        }
        assert!(!format!("{:?}", token(r#"{"token": "hunter2"}"#)).contains("hunter2"));
    }
}
