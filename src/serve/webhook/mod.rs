//! What forges and registries tell of: a body → the names in it. Everything else in a payload is left unread.
//!
//! Whoever sends it has proved to know the secret; that what is told is true is never assumed. A name is held against the
//! configuration ([`target`]), and what it names is looked up.

mod github_event;
mod gitlab_event;
mod registry_event;
mod target;

use serde::Deserialize;

pub use github_event::parse as parse_github;
pub use gitlab_event::parse as parse_gitlab;
pub use registry_event::{Delivery, parse as parse_registry};
pub use target::{Ignored, Targets};

/// What became of a webhook: what is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// Something will be looked at.
    Woken,
    /// Understood, and nothing that matters here.
    Ignored,
    /// It came before.
    Replayed,
    /// An event that nobody asked for.
    UnknownEvent,
    /// It names nothing that the configuration selects.
    UnknownName,
    /// No such forge or webhook in the configuration.
    NotFound,
    /// The configuration has no secret for it.
    NotConfigured,
    /// Signature, token or secret are wrong or missing.
    Refused,
    TooLarge,
    Malformed,
    /// Too many at once.
    Busy,
}

/// What a delivery tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A branch has another head.
    Branch { repository: String, branch: String, default_branch: Option<String> },
    /// Something happened to a pull request of ours, or to its checks.
    Repository(String),
    /// A tag moved in this repository of the registry.
    Image(String),
    /// A package of this owner and name at the forge's own registry moved.
    Package(String),
    /// Repositories came or went.
    Fleet,
    /// Understood, and nothing that matters here.
    Nothing,
}

/// Why a delivery tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    UnknownEvent,
    Malformed,
}

impl Outcome {
    /// The word in counters and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Woken => "woken",
            Self::Ignored => "ignored",
            Self::Replayed => "replayed",
            Self::UnknownEvent => "unknown_event",
            Self::UnknownName => "unknown_name",
            Self::NotFound => "not_found",
            Self::NotConfigured => "not_configured",
            Self::Refused => "refused",
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Busy => "busy",
        }
    }
}

/// Reads a body as far as it is wanted.
fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unusable> {
    serde_json::from_slice(body).map_err(|_| Unusable::Malformed)
}
