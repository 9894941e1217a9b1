//! One answer of GitHub, and what it means to the caller: by status code and documented header, not by text.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::forge::ForgeError;

/// How long to wait after a secondary rate limit that names no time: "at least one minute"
/// (<https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api>).
pub(super) const SECONDARY_LIMIT_WAIT: Duration = Duration::from_secs(60);
/// What a limit may ask us to wait; GitHub's are renewed every hour. A longer time is a fault of something between.
const LIMIT_WAIT_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a message of the other side is quoted, in characters.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// An answer, read to its end.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// GitHub's error body: a message, and for a 422 what is wrong with which field.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(default)]
    message: String,
    #[serde(default)]
    documentation_url: Option<String>,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

impl Answer {
    /// The body as the documented value.
    pub fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T, ForgeError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| ForgeError::Protocol { message: format!("about {what}: {error}") })
    }

    /// The error that the status stands for. `what` was asked about. A redirect is [`ForgeError::Renamed`] with the
    /// new address: GitHub redirects only what was renamed or transferred.
    pub fn into_result(self, what: &str) -> Result<Self, ForgeError> {
        if self.status.is_success() {
            return Ok(self);
        }
        if let Some(retry_after) = self.rate_limit() {
            return Err(ForgeError::RateLimited { retry_after: Some(retry_after) });
        }
        let what = what.to_owned();
        let message = self.message();
        Err(match self.status.as_u16() {
            301 | 302 | 307 | 308 => {
                ForgeError::Renamed { what, now: self.header(header::LOCATION.as_str()).unwrap_or_default().to_owned() }
            }
            401 => ForgeError::Unauthorized { message },
            403 | 451 => ForgeError::Denied { message },
            404 | 410 => ForgeError::NotFound { what },
            400 | 409 | 422 => ForgeError::Invalid { message },
            status @ (502 | 504) => ForgeError::GaveUp { message: format!("HTTP {status}: {message}") },
            status @ (408 | 500..=599) => ForgeError::Unavailable { message: format!("HTTP {status}: {message}") },
            status => ForgeError::Protocol { message: format!("HTTP {status} about {what}: {message}") },
        })
    }

    /// How long nothing may be asked, where this answer refuses for a rate limit.
    ///
    /// Primary: `x-ratelimit-remaining: 0`, until `x-ratelimit-reset`. Secondary: `retry-after`, or a minute
    /// (<https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>).
    pub fn rate_limit(&self) -> Option<Duration> {
        if !matches!(self.status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS) {
            return None;
        }
        let retry_after = self.header(header::RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        let named = retry_after.map(Duration::from_secs).or_else(|| self.used_up());
        let wait = named.or_else(|| self.is_secondary_limit().then_some(SECONDARY_LIMIT_WAIT));
        wait.map(|wait| wait.min(LIMIT_WAIT_MAX))
    }

    /// How long until the primary limit is renewed, where this answer used the last of it.
    pub fn used_up(&self) -> Option<Duration> {
        (self.header("x-ratelimit-remaining") == Some("0")).then(|| self.until_reset())
    }

    /// From the answer's own time to `x-ratelimit-reset`: no clock of ours can be wrong about it.
    pub fn until_reset(&self) -> Duration {
        let reset = self.header("x-ratelimit-reset").and_then(|text| text.parse::<i64>().ok());
        let now = self.time().map(Timestamp::as_second);
        let seconds = reset.zip(now).map(|(reset, now)| reset.saturating_sub(now).max(1));
        let wait = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
        wait.map_or(SECONDARY_LIMIT_WAIT, |wait| wait.min(LIMIT_WAIT_MAX))
    }

    /// When the other side answered, by its own clock.
    pub fn time(&self) -> Option<Timestamp> {
        let date = self.header(header::DATE.as_str())?;
        jiff::fmt::rfc2822::parse(date).ok().map(|zoned| zoned.timestamp())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// A secondary limit without `retry-after` is told apart from a missing permission by the page that the body
    /// points to, or by its message, which is documented.
    fn is_secondary_limit(&self) -> bool {
        let body = self.error_body();
        self.status == StatusCode::TOO_MANY_REQUESTS
            || body.documentation_url.is_some_and(|url| url.contains("secondary-rate-limit"))
            || body.message.contains("secondary rate limit")
    }

    fn error_body(&self) -> ErrorBody {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    fn message(&self) -> String {
        let body = self.error_body();
        let mut message = body.message;
        for error in &body.errors {
            let field = |name| error.get(name).and_then(serde_json::Value::as_str);
            let detail = match (error.as_str().or_else(|| field("message")), field("field"), field("code")) {
                (Some(text), _, _) => text.to_owned(),
                (None, Some(name), Some(code)) => format!("`{name}` is {code}"),
                _ => continue,
            };
            message = format!("{message}: {detail}");
        }
        if message.is_empty() {
            message = self.status.canonical_reason().unwrap_or("no reason given").to_owned();
        }
        message.chars().take(MESSAGE_CHARACTERS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, headers: &[(&'static str, &str)], body: &str) -> ForgeError {
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
    fn the_primary_limit_is_waited_for_by_the_forges_own_clock() {
        let headers = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1700000300"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"),
        ];
        assert_eq!(wait(answer(403, &headers, "{}")), Some(300));
    }

    #[test]
    fn a_secondary_limit_is_known_by_header_page_or_message() {
        assert_eq!(wait(answer(403, &[("retry-after", "7")], "{}")), Some(7));
        assert_eq!(wait(answer(429, &[], "")), Some(60));
        assert_eq!(wait(answer(403, &[("retry-after", "18446744073709551615")], "{}")), Some(86_400));
        let page =
            r#"{"message":"slow","documentation_url":"https://docs.github.com/rest#about-secondary-rate-limits"}"#;
        assert_eq!(wait(answer(403, &[], page)), Some(60));
        let message = r#"{"message":"You have exceeded a secondary rate limit."}"#;
        assert_eq!(wait(answer(403, &[], message)), Some(60));
    }

    #[test]
    fn a_missing_permission_is_no_rate_limit() {
        let body = r#"{"message":"Resource not accessible by integration"}"#;
        let error = answer(403, &[("x-ratelimit-remaining", "4999")], body);
        assert!(matches!(error, ForgeError::Denied { message } if message.contains("integration")));
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        let body =
            r#"{"message":"Validation Failed","errors":[{"resource":"PullRequest","field":"base","code":"invalid"}]}"#;
        assert_eq!(answer(422, &[], body).to_string(), "refused: Validation Failed: `base` is invalid");
        assert!(matches!(answer(502, &[], "<html>"), ForgeError::GaveUp { .. }));
        assert!(matches!(answer(503, &[], "<html>"), ForgeError::Unavailable { .. }));
        assert!(matches!(answer(404, &[], "{}"), ForgeError::NotFound { what } if what == "`acme/web`"));
        let moved = answer(301, &[("location", "https://api.github.com/repositories/1")], "{}");
        assert!(matches!(moved, ForgeError::Renamed { now, .. } if now.ends_with("/repositories/1")));
    }
}
