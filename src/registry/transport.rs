//! One request and its answer: redirects by hand, bodies with a limit, statuses as failures.

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION,
};
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use url::Url;

use super::error::Failure;
use super::retry_after::{pulls_left, retry_after};
use crate::net::Meter;

/// Redirects in a row: a registry, a CDN, its storage.
const REDIRECTS_MAX: usize = 5;
/// What is read of an error's body, in bytes; a login page says nothing more after that.
const ERROR_BYTES_MAX: usize = 16 << 10;
/// What is shown of a registry's words, in characters.
const MESSAGE_LENGTH_MAX: usize = 200;

/// A request that is safe to repeat.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub method: Method,
    pub url: Url,
    pub accept: &'static str,
    pub authorization: Option<HeaderValue>,
}

/// An answer, and whose it is.
#[derive(Debug)]
pub(super) struct Answer {
    pub response: Response,
    /// A redirect led to another origin: its challenges are not ours to answer.
    pub is_foreign: bool,
}

/// Asks, and follows redirects, each of which is a request in `meter`. **Invariant**: `Authorization` reaches no other
/// origin than the question's.
pub(super) async fn ask(client: &Client, meter: &Meter, question: Question) -> Result<Answer, Failure> {
    let Question { method, mut url, accept, mut authorization } = question;
    let origin = url.origin();
    for _ in 0..=REDIRECTS_MAX {
        let host = host_of(&url);
        let mut request = client.request(method.clone(), url.clone()).header(ACCEPT, accept);
        // The bytes are hashed as they are sent; some registries compress blobs unless they are told not to.
        request = request.header(ACCEPT_ENCODING, "identity");
        if let Some(value) = &authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        meter.request();
        let response = request.send().await.map_err(|error| Failure::of_client(&host, error))?;
        meter.room("pull", 0, pulls_left(response.headers()));
        // The path alone: a CDN's query holds a signature.
        tracing::debug!(%method, host, path = url.path(), status = response.status().as_u16(), "asked a registry");
        let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if !is_redirect {
            return Ok(Answer { response, is_foreign: url.origin() != origin });
        }
        url = redirect_target(&url, response.headers())?;
        if url.origin() != origin {
            authorization = None;
        }
    }
    Err(Failure::Redirect { host: host_of(&url), message: format!("more than {REDIRECTS_MAX} in a row") })
}

fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, Failure> {
    let refuse = |message: &str| Failure::Redirect { host: host_of(from), message: message.to_owned() };
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|text| from.join(text).ok()).ok_or_else(|| refuse("it leads nowhere"))?;
    match (from.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(to),
        _ => Err(refuse("it leads away from https")),
    }
}

/// Host and port, for messages.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The failure of a status that is no success; reads the body for the registry's own words.
pub(super) async fn failure_of(response: Response) -> Failure {
    let (status, headers, host) = (response.status(), response.headers().clone(), host_of(response.url()));
    let body = body(response, ERROR_BYTES_MAX, "error").await.unwrap_or_default();
    let (code, message) = words_of(status, &body);
    match status.as_u16() {
        401 => Failure::Unauthorized { message },
        // No code of the specification tells a policy from a permission: the words do. They only soften the report.
        403 if message.to_ascii_lowercase().contains("denied by policy") => Failure::DeniedByPolicy { message },
        // Harbor's, where a project lets no vulnerable or unsigned image out. No question here has a precondition.
        412 => Failure::DeniedByPolicy { message },
        403 => Failure::Denied { message },
        404 | 410 => match code.as_str() {
            "MANIFEST_UNKNOWN" => Failure::NotFound,
            "NAME_UNKNOWN" => Failure::NoRepository,
            _ => Failure::Unclear { host, message },
        },
        408 => Failure::Timeout { host },
        429 => Failure::RateLimited { host, retry_after: retry_after(&headers) },
        500..=599 => Failure::Unavailable { host, message, source: None },
        _ => Failure::invalid(format!("`{host}` answered {message}")),
    }
}

/// The registry's code, empty where it gives none, and its words (distribution specification, "Error codes"), else the
/// status's.
fn words_of(status: StatusCode, body: &[u8]) -> (String, String) {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<Reported>,
    }
    #[derive(Deserialize, Default)]
    struct Reported {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let errors = serde_json::from_slice::<Errors>(body).map(|body| body.errors).unwrap_or_default();
    let Reported { code, message } = errors.into_iter().next().unwrap_or_default();
    let said = format!("{code} {message}");
    let said: String = said.chars().filter(|c| !c.is_control()).take(MESSAGE_LENGTH_MAX).collect();
    let said = said.trim();
    (code, if said.is_empty() { format!("HTTP {}", status.as_u16()) } else { said.to_owned() })
}

/// The body, at most `limit_bytes` of it; `what` it is, for the message.
pub(super) async fn body(mut response: Response, limit_bytes: usize, what: &'static str) -> Result<Vec<u8>, Failure> {
    let too_large = || Failure::TooLarge { what, limit_bytes };
    let host = host_of(response.url());
    let is_compressed = response.headers().get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
    if is_compressed {
        return Err(Failure::invalid(format!("`{host}` compressed the {what} although it was told not to")));
    }
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    if announced > limit_bytes {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(|error| Failure::of_client(&host, error))? {
        if bytes.len() + chunk.len() > limit_bytes {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The media type without its parameters, in lower case.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_never_leaves_https() {
        let target = |from: &str, to: &str| {
            let headers = HeaderMap::from_iter([(LOCATION, to.parse().unwrap())]);
            redirect_target(&from.parse().unwrap(), &headers).ok().map(|url| url.to_string())
        };
        assert_eq!(target("https://a.example/x", "/y").as_deref(), Some("https://a.example/y"));
        assert_eq!(target("https://a.example/x", "http://a.example/y"), None);
        assert_eq!(target("http://127.0.0.1/x", "http://b.example/y").as_deref(), Some("http://b.example/y"));
        assert_eq!(target("http://127.0.0.1/x", "file:///etc/passwd"), None);
    }

    #[test]
    fn a_registrys_words_are_shortened_and_pages_are_not_shown() {
        let body = br#"{"errors":[{"code":"DENIED","message":"pull denied by policy: cooldown\u001b[0m"}]}"#;
        assert_eq!(words_of(StatusCode::FORBIDDEN, body).1, "DENIED pull denied by policy: cooldown[0m");
        assert_eq!(words_of(StatusCode::FORBIDDEN, b"<html>sign in</html>").1, "HTTP 403");
        let long = format!(r#"{{"errors":[{{"message":"{}"}}]}}"#, "a".repeat(5000));
        assert_eq!(words_of(StatusCode::FORBIDDEN, long.as_bytes()).1.len(), MESSAGE_LENGTH_MAX - 1);
    }
}
