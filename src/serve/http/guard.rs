//! Who may ask, for what, and how much at once.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, REFERRER_POLICY, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use super::answer;
use super::connections::Limits;
use crate::config::ServeConfig;
use crate::serve::proof;
use crate::serve::service::Service;

/// What every answer says unless it says something else itself: nothing is loaded, framed, guessed or kept.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// How a client signs in.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"refrom\"", "Basic realm=\"refrom\", charset=\"UTF-8\""];

/// Requests that may be under way.
#[derive(Debug)]
pub struct Room(Semaphore);

/// Which ways of signing in count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Bearer,
    /// Or as the password of any user: what browsers can do. Browsers repeat it by themselves, for other sites' forms,
    /// too: for what only reads.
    BearerOrBasic,
}

impl Room {
    pub fn new(requests: usize) -> Self {
        Self(Semaphore::new(requests))
    }
}

/// Refuses what comes under a name that is not ours: a page of another site whose name was made to lead here
/// (DNS rebinding).
pub async fn host(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let parts = service.parts();
    match asked_host(request.uri(), request.headers()) {
        Some(host) if is_allowed(&parts.config.serve, &host) => next.run(request).await,
        Some(_) => {
            let message = "this host name is not among `serve.allowed_hosts`";
            answer::error(request.uri(), StatusCode::MISDIRECTED_REQUEST, message)
        }
        None => answer::error(request.uri(), StatusCode::BAD_REQUEST, "the request names no host, or several"),
    }
}

/// Pages need the token unless only this machine reaches them.
pub async fn page(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    if service.is_on_loopback {
        return next.run(request).await;
    }
    guarded(&service, Scheme::BearerOrBasic, request, next).await
}

/// What acts needs the token always.
pub async fn token(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    guarded(&service, Scheme::Bearer, request, next).await
}

/// Refuses what comes on top of all that is under way.
pub async fn room(State(room): State<Arc<Room>>, request: Request, next: Next) -> Response {
    match room.0.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => busy(request.uri()),
    }
}

/// Gives up on what takes too long: a body that trickles.
pub async fn in_time(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let answer = tokio::time::timeout(limits.request, next.run(request)).await;
    answer.unwrap_or_else(|_| answer::error(&uri, StatusCode::REQUEST_TIMEOUT, "the request took too long"))
}

pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// 503: come again.
pub fn busy(uri: &Uri) -> Response {
    let mut response = answer::error(uri, StatusCode::SERVICE_UNAVAILABLE, "too many requests are under way");
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

async fn guarded(service: &Service, scheme: Scheme, request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let parts = service.parts();
    let Some(token) = &parts.config.serve.token else {
        let message = "this needs a bearer token, and the configuration has none (`serve.token`)";
        return answer::error(&uri, StatusCode::FORBIDDEN, message);
    };
    let token = match token.read() {
        Ok(token) => token,
        Err(error) => {
            tracing::error!(error = %anyhow::Error::from(error), "the token cannot be read");
            return answer::error(&uri, StatusCode::SERVICE_UNAVAILABLE, "the token cannot be read");
        }
    };
    if is_signed_in(&token, scheme, request.headers()) {
        return next.run(request).await;
    }
    let mut response = answer::error(&uri, StatusCode::UNAUTHORIZED, "this needs the bearer token");
    let count = if scheme == Scheme::Bearer { 1 } else { CHALLENGES.len() };
    for challenge in CHALLENGES.into_iter().take(count) {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    response
}

fn is_signed_in(token: &SecretString, allowed: Scheme, headers: &HeaderMap) -> bool {
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else { return false };
    if scheme.eq_ignore_ascii_case("bearer") {
        return proof::is_secret(token, given.trim().as_bytes());
    }
    if allowed == Scheme::Bearer || !scheme.eq_ignore_ascii_case("basic") {
        return false;
    }
    let decoded = STANDARD.decode(given.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.is_some_and(|pair| {
        pair.split_once(':').is_some_and(|(_, password)| proof::is_secret(token, password.as_bytes()))
    })
}

/// The host that the request is for, in lower case and without port. An absolute address in the request line is that
/// of a proxy's client, and counts before the header (RFC 9112, 3.2.2).
fn asked_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(HOST).iter();
    let header = values.next().and_then(|value| value.to_str().ok());
    if values.next().is_some() {
        return None;
    }
    let authority = uri.authority().map_or(header, |authority| Some(authority.as_str()))?;
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(address, port)| (format!("[{address}]"), port))?,
        None => authority.split_once(':').map_or((authority.to_owned(), ""), |(host, port)| (host.to_owned(), port)),
    };
    let is_port = port.trim_start_matches(':').bytes().all(|byte| byte.is_ascii_digit());
    (is_port && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

fn is_allowed(config: &ServeConfig, host: &str) -> bool {
    // A name with its root's dot is the same name.
    config.allowed_hosts.contains(host.strip_suffix('.').unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(uri: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_str(host).unwrap());
        }
        asked_host(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn the_port_does_not_count_and_an_absolute_address_comes_first() {
        for (host, expected) in [
            ("localhost", "localhost"),
            ("LocalHost:8080", "localhost"),
            ("[::1]:8080", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:80", "127.0.0.1"),
        ] {
            assert_eq!(asked("/", &[host]).as_deref(), Some(expected), "{host}");
        }
        assert_eq!(asked("http://evil.example/", &["localhost"]).as_deref(), Some("evil.example"));
        for hosts in
            [&[][..], &["localhost", "localhost"], &["localhost:a"], &[":80"], &["[::1"], &["user@localhost:x"]]
        {
            assert_eq!(asked("/", hosts), None, "{hosts:?}");
        }
    }

    #[test]
    fn a_token_is_taken_in_the_ways_that_are_allowed() {
        let token = SecretString::from("hunter2");
        let is_signed_in = |scheme, value: &str| {
            let headers = [(AUTHORIZATION, HeaderValue::from_str(value).unwrap())].into_iter().collect();
            super::is_signed_in(&token, scheme, &headers)
        };
        let basic = format!("Basic {}", STANDARD.encode("anybody:hunter2"));
        assert!(is_signed_in(Scheme::Bearer, "Bearer hunter2") && is_signed_in(Scheme::Bearer, "bearer  hunter2"));
        assert!(is_signed_in(Scheme::BearerOrBasic, &basic) && !is_signed_in(Scheme::Bearer, &basic));
        for wrong in ["hunter2", "Bearer", "Bearer hunter", "Bearer hunter22", "Basic hunter2", "Token hunter2"] {
            assert!(!is_signed_in(Scheme::BearerOrBasic, wrong), "{wrong}");
        }
    }
}
