//! What an answer says of rate limits and credentials, besides what it answers.

use axum::http::StatusCode;
use jiff::Timestamp;

use super::answer::Answer;
use crate::net::{Meter, Room, SignIn};

/// GitLab has one limit for all calls of an account.
const RESOURCE: &str = "api";

impl Answer {
    /// Notes room and credentials of one answer.
    pub(super) fn note(&self, meter: &Meter) {
        meter.room(RESOURCE, 0, self.room());
        match self.status {
            StatusCode::UNAUTHORIZED => meter.sign_in(SignIn::Refused),
            status if !status.is_server_error() => meter.sign_in(SignIn::Accepted),
            _ => {}
        }
    }

    /// (<https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers>)
    fn room(&self) -> Option<Room> {
        let number = |name| self.header(name)?.parse::<u64>().ok();
        let reset = number("ratelimit-reset").and_then(|second| i64::try_from(second).ok());
        Some(Room {
            remaining: number("ratelimit-remaining")?,
            limit: number("ratelimit-limit"),
            resets_at: reset.and_then(|second| Timestamp::from_second(second).ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::net::{Calls, Tally, TargetKind};

    fn noted(status: u16, headers: &[(&'static str, &'static str)]) -> Calls {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect();
        let tally = Tally::default();
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Bytes::new() };
        answer.note(&tally.meter(TargetKind::Forge, "gitlab"));
        tally.snapshot().into_values().next().unwrap()
    }

    #[test]
    fn an_answer_tells_the_room_that_is_left() {
        let limit = [("ratelimit-remaining", "7"), ("ratelimit-limit", "600"), ("ratelimit-reset", "1795161600")];
        let resets_at = Timestamp::from_second(1_795_161_600).unwrap();
        let room = Room { remaining: 7, limit: Some(600), resets_at: Some(resets_at) };
        assert_eq!(noted(200, &limit).rooms(Timestamp::UNIX_EPOCH), [(RESOURCE, room)].into());
        assert_eq!(noted(200, &[]).rooms(Timestamp::UNIX_EPOCH), [].into());
    }

    #[test]
    fn a_refused_token_is_known_by_its_answer_and_a_broken_server_says_nothing() {
        assert!(noted(401, &[]).credential.unwrap().is_refused);
        assert!(!noted(404, &[]).credential.unwrap().is_refused);
        assert_eq!(noted(502, &[]).credential, None);
    }
}
