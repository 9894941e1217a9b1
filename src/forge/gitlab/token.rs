//! When the token ends
//! (<https://docs.gitlab.com/api/personal_access_tokens/#retrieve-details-on-a-personal-access-token>; project and group
//! tokens are personal access tokens of their bots).

use std::sync::{Mutex, PoisonError};

use gitlab::api::personal_access_tokens::PersonalAccessTokenSelf;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use super::{GitLab, built};
use crate::forge::ForgeError;
use crate::net::Transient as _;

/// The token that was asked about last: a file with another one is another question.
#[derive(Debug, Default)]
pub(super) struct KnownToken(Mutex<Option<SecretString>>);

#[derive(Debug, Deserialize)]
struct Token {
    /// The first day on which it does not work any more, in UTC; `None`: it has no end.
    expires_at: Option<Date>,
}

impl KnownToken {
    /// Whether this is another token than before, which it is not from now on.
    fn is_new(&self, token: &SecretString) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = known.as_ref().is_none_or(|known| known.expose_secret() != token.expose_secret());
        *known = Some(token.clone());
        is_new
    }

    fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Token {
    fn end(&self) -> Option<Timestamp> {
        Some(self.expires_at?.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }
}

/// Notes when the token ends, once for each token. An answer that refuses says nothing of it, and is no error: not every
/// kind of token may ask.
pub(super) async fn note_end(gitlab: &GitLab) {
    if !gitlab.account.token().is_ok_and(|token| gitlab.known_token.is_new(&token)) {
        return;
    }
    match end(gitlab).await {
        Ok(end) => gitlab.account.meter.ends(end),
        Err(error) => {
            if error.is_transient() {
                gitlab.known_token.forget();
            }
            tracing::debug!(%error, "GitLab does not say when the token ends");
        }
    }
}

async fn end(gitlab: &GitLab) -> Result<Option<Timestamp>, ForgeError> {
    let endpoint = built(PersonalAccessTokenSelf::builder().build())?;
    let token: Token = gitlab.account.ask(&endpoint, "the token").await?;
    Ok(token.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_token_is_read_and_ends_at_midnight() {
        let text = include_str!("../../../tests/it/gitlab_examples/personal_access_token.json");
        assert_eq!(serde_json::from_str::<Token>(text).unwrap().end(), None);
        let token: Token = serde_json::from_str(r#"{ "expires_at": "2026-12-31" }"#).unwrap();
        assert_eq!(token.end().unwrap().to_string(), "2026-12-31T00:00:00Z");
    }

    #[test]
    fn each_token_is_new_once() {
        let known = KnownToken::default();
        let seen = ["a", "a", "b", "a"].map(|token| known.is_new(&SecretString::from(token)));
        assert_eq!(seen, [true, false, true, true]);
        known.forget();
        assert!(known.is_new(&SecretString::from("a")));
    }
}
