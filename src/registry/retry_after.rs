//! What a registry says of its rate limit, and when one that refused may be asked again.

use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

use crate::net::Room;

/// Docker Hub's header: what is left of the pulls in the window, `0;w=21600`.
const RATE_LIMIT_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
/// And how many there are in it.
const RATE_LIMIT_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
/// How long to leave a registry alone whose limit is used up and that does not say until when. Docker Hub's window
/// is six hours and slides, so that a few minutes may bring a pull back; it is longer than a cycle waits.
const EXHAUSTED_WAIT: Duration = Duration::from_secs(5 * 60);

/// How long to wait by `Retry-After` (seconds, or a date, which is read against the answer's own `Date` so that no
/// clock has to agree), else by a rate limit that is used up.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: HeaderName| text(headers, name);
    if let Some(value) = text(RETRY_AFTER) {
        if let Ok(seconds) = value.parse() {
            return Some(Duration::from_secs(seconds));
        }
        let (until, now) = (rfc2822::parse(value).ok(), text(DATE).and_then(|date| rfc2822::parse(date).ok()));
        if let (Some(until), Some(now)) = (until, now) {
            let wait = until.timestamp().duration_since(now.timestamp());
            return Some(Duration::try_from(wait).unwrap_or_default());
        }
    }
    pulls_left(headers).filter(|room| room.remaining == 0).map(|_| EXHAUSTED_WAIT)
}

/// What is left of the pulls, by Docker Hub's headers
/// (<https://docs.docker.com/docker-hub/usage/pulls/#view-hourly-pull-rate-and-limit>). Its window slides: there is no
/// time at which all is there again.
pub(super) fn pulls_left(headers: &HeaderMap) -> Option<Room> {
    let count = |name| text(headers, name)?.split(';').next()?.trim().parse().ok();
    Some(Room { remaining: count(RATE_LIMIT_REMAINING)?, limit: count(RATE_LIMIT_LIMIT), resets_at: None })
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(pairs: &[(&'static str, &'static str)]) -> Option<u64> {
        let pairs = pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        retry_after(&pairs.collect()).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_read() {
        assert_eq!(wait(&[("retry-after", "17")]), Some(17));
        let date = ("date", "Fri, 20 Nov 2026 10:00:00 GMT");
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 10:01:30 GMT"), date]), Some(90));
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 09:00:00 GMT"), date]), Some(0));
    }

    #[test]
    fn a_date_without_a_date_to_compare_and_nonsense_say_nothing() {
        assert_eq!(wait(&[("retry-after", "Fri, 20 Nov 2026 10:01:30 GMT")]), None);
        assert_eq!(wait(&[("retry-after", "soon")]), None);
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn what_is_left_is_read_without_its_window() {
        let pairs = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "76;w=21600")];
        let headers = pairs.map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let room = Room { remaining: 76, limit: Some(100), resets_at: None };
        assert_eq!(pulls_left(&HeaderMap::from_iter(headers)), Some(room));
        assert_eq!(pulls_left(&HeaderMap::new()), None);
    }

    #[test]
    fn a_used_up_limit_means_minutes() {
        assert_eq!(wait(&[("ratelimit-remaining", "0;w=21600")]), Some(300));
        assert_eq!(wait(&[("ratelimit-remaining", "17;w=21600")]), None);
        assert_eq!(wait(&[("ratelimit-remaining", "0;w=21600"), ("retry-after", "3")]), Some(3));
    }
}
