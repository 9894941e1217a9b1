//! Why a call to a forge failed, by what the caller can do about it.

use std::time::Duration;

use crate::net::{CallError, CallFailure, Transient};

/// Why a call to a forge failed.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// Gone, never there, or hidden from this account.
    #[error("{what} was not found, or this account may not see it")]
    NotFound { what: String },
    #[error("{what} is now `{now}`")]
    Renamed { what: String, now: String },
    #[error("{what} is archived")]
    Archived { what: String },
    #[error("the credentials were refused: {message}")]
    Unauthorized { message: String },
    /// Signed in, and not allowed to do this.
    #[error("not allowed: {message}")]
    Denied { message: String },
    #[error("the rate limit is used up")]
    RateLimited { retry_after: Option<Duration> },
    /// The forge refuses the content (HTTP 422).
    #[error("refused: {message}")]
    Invalid { message: String },
    /// The forge ended its own work on the answer (HTTP 502 and 504, GraphQL's time and resource limits): a smaller
    /// question may be answered.
    #[error("not available: {message}")]
    GaveUp { message: String },
    /// Other 5xx, a broken connection, a timeout.
    #[error("not available: {message}")]
    Unavailable { message: String },
    /// An answer that is not of the documented form.
    #[error("unexpected answer: {message}")]
    Protocol { message: String },
    #[error("cannot read the credentials")]
    Secret(#[from] crate::secret::SecretError),
}

impl ForgeError {
    /// The same failure for another subject that shares it: one request serves many repositories.
    pub fn for_another(&self) -> Self {
        match self {
            Self::NotFound { what } => Self::NotFound { what: what.clone() },
            Self::Renamed { what, now } => Self::Renamed { what: what.clone(), now: now.clone() },
            Self::Archived { what } => Self::Archived { what: what.clone() },
            Self::Unauthorized { message } => Self::Unauthorized { message: message.clone() },
            Self::Denied { message } => Self::Denied { message: message.clone() },
            Self::RateLimited { retry_after } => Self::RateLimited { retry_after: *retry_after },
            Self::Invalid { message } => Self::Invalid { message: message.clone() },
            Self::GaveUp { message } => Self::GaveUp { message: message.clone() },
            Self::Unavailable { message } => Self::Unavailable { message: message.clone() },
            Self::Protocol { message } => Self::Protocol { message: message.clone() },
            // The cause is an error of the operating system, which cannot be copied.
            Self::Secret(error) => Self::Unauthorized { message: error.to_string() },
        }
    }
}

impl Transient for ForgeError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::GaveUp { .. } | Self::Unavailable { .. })
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after } => *retry_after,
            _ => None,
        }
    }
}

/// The innermost reason of an error: the outer ones only say that a request failed.
pub(super) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl CallError for ForgeError {
    fn failure(&self) -> Option<CallFailure> {
        match self {
            Self::NotFound { .. } | Self::Renamed { .. } | Self::Archived { .. } => None,
            Self::Unauthorized { .. } | Self::Denied { .. } => Some(CallFailure::Refused),
            Self::RateLimited { .. } => Some(CallFailure::RateLimited),
            Self::GaveUp { .. } | Self::Unavailable { .. } => Some(CallFailure::Unavailable),
            Self::Invalid { .. } | Self::Protocol { .. } | Self::Secret(_) => Some(CallFailure::Other),
        }
    }
}
