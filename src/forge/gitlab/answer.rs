//! One answer of GitLab, and what it means to the caller: by status code and documented header, not by text
//! (<https://docs.gitlab.com/api/rest/troubleshooting/#status-codes>).

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use crate::forge::ForgeError;

/// How long to wait after a rate limit that names no time: GitLab's are per minute
/// (<https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/>).
const UNNAMED_WAIT: Duration = Duration::from_secs(60);
/// What a limit may ask us to wait. A longer time is a fault of something between.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a message of the other side is quoted, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// The error that the status stands for. `what` was asked about. A redirect is [`ForgeError::Renamed`] with the
    /// new address: GitLab redirects only what was moved
    /// (<https://docs.gitlab.com/api/rest/#redirects>).
    pub fn into_result(self, what: &str) -> Result<Self, ForgeError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let what = what.to_owned();
        let message = self.message();
        Err(match self.status.as_u16() {
            301 | 302 | 307 | 308 => {
                ForgeError::Renamed { what, now: self.header(header::LOCATION.as_str()).unwrap_or_default().to_owned() }
            }
            401 => ForgeError::Unauthorized { message },
            403 | 405 => ForgeError::Denied { message: format!("{what}: {message}") },
            404 | 410 => ForgeError::NotFound { what },
            400 | 409 | 413 | 422 => ForgeError::Invalid { message },
            429 => ForgeError::RateLimited { retry_after: self.rate_limit() },
            status @ (502 | 504) => ForgeError::GaveUp { message: format!("HTTP {status}: {message}") },
            status @ (408 | 500..=599) => ForgeError::Unavailable { message: format!("HTTP {status}: {message}") },
            status => ForgeError::Protocol { message: format!("HTTP {status} about {what}: {message}") },
        })
    }

    /// How long nothing may be asked, where this answer refuses for a rate limit: `Retry-After`, or until
    /// `RateLimit-Reset`
    /// (<https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers>).
    pub fn rate_limit(&self) -> Option<Duration> {
        let retry_after = || self.header(header::RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        (self.status == StatusCode::TOO_MANY_REQUESTS)
            .then(|| retry_after().map_or_else(|| self.until_reset(), Duration::from_secs).min(LIMIT_WAIT_MAX))
    }

    /// How long until the limit is renewed, where this answer used the last of it.
    pub fn used_up(&self) -> Option<Duration> {
        (self.header("ratelimit-remaining") == Some("0")).then(|| self.until_reset())
    }

    /// From the answer's own time to `RateLimit-Reset`: no clock of ours can be wrong about it.
    fn until_reset(&self) -> Duration {
        let reset = self.header("ratelimit-reset").and_then(|text| text.parse::<i64>().ok());
        let now = self.time().map(Timestamp::as_second);
        let seconds = reset.zip(now).map(|(reset, now)| reset.saturating_sub(now).max(1));
        let wait = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        wait.map_or(UNNAMED_WAIT, |wait| wait.min(LIMIT_WAIT_MAX))
    }

    fn time(&self) -> Option<Timestamp> {
        let date = self.header(header::DATE.as_str())?;
        jiff::fmt::rfc2822::parse(date).ok().map(|zoned| zoned.timestamp())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// `message` is a text, a list, or lists by field; where it is missing, `error` and `error_description` are there.
    fn message(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let parts = ["message", "error", "error_description", "errors"].into_iter().filter_map(|name| body.get(name));
        let message = parts.flat_map(texts).collect::<Vec<_>>().join(": ");
        let reason = || self.status.canonical_reason().unwrap_or("no reason given").to_owned();
        let message = if message.is_empty() { reason() } else { message };
        message.chars().take(MESSAGE_CHARACTERS_MAX).collect()
    }
}

/// The texts in a message of any form; those of a field after its name.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) if fields.contains_key("message") => fields.get("message").map(texts).unwrap_or_default(),
        Value::Object(fields) => {
            let of_field = |(name, value): (&String, &Value)| format!("`{name}` {}", texts(value).join(", "));
            fields.iter().map(of_field).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> ForgeError {
        let headers = headers.iter().map(|(name, value)| {
            (axum::http::HeaderName::from_static(name), axum::http::HeaderValue::from_str(value).unwrap())
        });
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: headers.collect(), body: body.into() }.into_result("`acme/web`").unwrap_err()
    }

    fn wait(error: ForgeError) -> Option<u64> {
        match error {
            ForgeError::RateLimited { retry_after } => retry_after.map(|wait| wait.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_limit_is_waited_for_as_long_as_gitlab_says() {
        assert_eq!(wait(answer(429, &[("retry-after", "7")], "")), Some(7));
        let reset = [("ratelimit-reset", "1700000300"), ("date", "Tue, 14 Nov 2023 22:13:20 GMT")];
        assert_eq!(wait(answer(429, &reset, "Retry later")), Some(300));
        assert_eq!(wait(answer(429, &[], "")), Some(60));
        assert_eq!(wait(answer(429, &[("retry-after", "18446744073709551615")], "")), Some(86_400));
    }

    #[test]
    fn every_form_of_a_message_is_read() {
        for (body, expected) in [
            (r#"{"message":"403 Forbidden"}"#, "refused: 403 Forbidden"),
            (r#"{"message":["one","two"]}"#, "refused: one: two"),
            (r#"{"message":{"title":["is too long"]}}"#, "refused: `title` is too long"),
            (
                r#"{"error":"insufficient_scope","error_description":"needs api"}"#,
                "refused: insufficient_scope: needs api",
            ),
            (r#"{"errors":[{"message":"Query has complexity of 251"}]}"#, "refused: Query has complexity of 251"),
            ("<html>", "refused: Unprocessable Entity"),
        ] {
            assert_eq!(answer(422, &[], body).to_string(), expected);
        }
    }

    #[test]
    fn a_status_stands_for_its_error() {
        assert!(matches!(answer(405, &[], "{}"), ForgeError::Denied { .. }));
        assert!(matches!(answer(502, &[], "<html>"), ForgeError::GaveUp { .. }));
        assert!(matches!(answer(503, &[], "<html>"), ForgeError::Unavailable { .. }));
        assert!(matches!(answer(404, &[], "{}"), ForgeError::NotFound { what } if what == "`acme/web`"));
        let moved = answer(301, &[("location", "https://gitlab.com/api/v4/projects/81")], "");
        assert!(matches!(moved, ForgeError::Renamed { now, .. } if now.ends_with("/projects/81")));
    }
}
