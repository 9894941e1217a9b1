//! What an answer says of rate limits and credentials, besides what it answers.

use super::answer::Answer;
use crate::forge::tally;
use crate::net::Meter;

impl Answer {
    /// Notes room and credentials of one answer
    /// (<https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers>).
    pub(super) fn note(&self, meter: &Meter) {
        meter.room("api", 0, tally::room(&self.headers, "ratelimit-"));
        tally::sign_in(meter, self.status);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, HeaderName, StatusCode};
    use jiff::Timestamp;

    use super::*;
    use crate::net::{Calls, Credential, Room, Tally, TargetKind};

    fn noted(status: u16, headers: &[(&'static str, &str)]) -> Calls {
        let headers = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let headers = HeaderMap::from_iter(headers);
        let tally = Tally::default();
        let answer = Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: Default::default() };
        answer.note(&tally.meter(TargetKind::Forge, "gitlab"));
        tally.snapshot().into_values().next().unwrap()
    }

    #[test]
    fn an_answer_tells_what_is_left_and_how_the_credentials_fare() {
        let room = [("ratelimit-remaining", "17"), ("ratelimit-limit", "2000"), ("ratelimit-reset", "1700000300")];
        let calls = noted(200, &room);
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let resets_at = Timestamp::from_second(1_700_000_300).ok();
        assert_eq!(calls.rooms(now).get("api"), Some(&Room { remaining: 17, limit: Some(2000), resets_at }));
        assert_eq!(calls.credential, Some(Credential { is_refused: false, expires_at: None }));
        assert!(noted(401, &[]).credential.unwrap().is_refused);
        assert_eq!(noted(503, &[]).credential, None);
    }
}
