//! What an answer says of rate limits and credentials, besides what it answers.

use jiff::Timestamp;
use jiff::fmt::strtime;

use super::account::Api;
use super::answer::Answer;
use crate::forge::tally;
use crate::net::Meter;

/// When a personal access token expires, where it does: `2026-12-01 10:00:00 UTC`
/// (<https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api>).
const TOKEN_EXPIRATION: &str = "github-authentication-token-expiration";

impl Answer {
    /// Notes room and credentials of one answer; each installation of an App has room of its own.
    pub(super) fn note(&self, meter: &Meter, api: Api, installation: Option<u64>) {
        let resource = match api {
            Api::Rest => "core",
            Api::GraphQl => "graphql",
        };
        meter.room(resource, installation.unwrap_or_default(), tally::room(&self.headers, "x-ratelimit-"));
        meter.expires(self.header(TOKEN_EXPIRATION).and_then(expiration));
        tally::sign_in(meter, self.status);
    }
}

/// GitHub writes `UTC` or an offset (`-0800`).
fn expiration(text: &str) -> Option<Timestamp> {
    let text = text.trim().replace(" UTC", " +0000");
    strtime::parse("%Y-%m-%d %H:%M:%S %z", &text).ok()?.to_timestamp().ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use axum::http::{HeaderMap, HeaderName, StatusCode};

    use super::*;
    use crate::net::{Calls, Credential, Room, Tally, TargetKind};

    fn noted(status: u16, headers: &[(&'static str, &str)]) -> Calls {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers);
        let tally = Tally::default();
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Vec::new() };
        answer.note(&tally.meter(TargetKind::Forge, "github"), Api::GraphQl, None);
        tally.snapshot().into_values().next().unwrap()
    }

    #[test]
    fn the_expiration_of_a_token_is_read_in_both_forms() {
        let at = |text| expiration(text).map(|at| at.to_string());
        assert_eq!(at("2026-12-01 10:00:00 UTC").as_deref(), Some("2026-12-01T10:00:00Z"));
        assert_eq!(at("2026-12-01 10:00:00 -0800").as_deref(), Some("2026-12-01T18:00:00Z"));
        assert_eq!(at("soon"), None);
    }

    #[test]
    fn an_answer_tells_what_is_left_and_how_the_credentials_fare() {
        let room =
            [("x-ratelimit-remaining", "17"), ("x-ratelimit-limit", "5000"), ("x-ratelimit-reset", "1700000300")];
        let calls = noted(200, &room);
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let resets_at = Timestamp::from_second(1_700_000_300).ok();
        let expected = Room { remaining: 17, limit: Some(5000), resets_at };
        assert_eq!(calls.rooms(now), BTreeMap::from([("graphql", expected)]));
        assert_eq!(calls.credential, Some(Credential { is_refused: false, expires_at: None }));
        assert!(noted(401, &[]).credential.unwrap().is_refused);
        assert_eq!(noted(503, &[]).credential, None);
    }
}
