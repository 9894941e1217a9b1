//! What an answer of a forge says of rate limits and credentials, besides what it answers: the same words for all.

use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use crate::net::{Meter, Room, SignIn};

/// What is left of a limit, by the headers `…remaining`, `…limit` and `…reset` with this before them, in lower case.
pub(super) fn room(headers: &HeaderMap, prefix: &str) -> Option<Room> {
    let number = |name| headers.get(format!("{prefix}{name}"))?.to_str().ok()?.parse::<u64>().ok();
    let reset = number("reset").and_then(|second| i64::try_from(second).ok());
    Some(Room {
        remaining: number("remaining")?,
        limit: number("limit"),
        resets_at: reset.and_then(|second| Timestamp::from_second(second).ok()),
    })
}

/// Notes what came of the credentials; a server that fails says nothing of them.
pub(super) fn sign_in(meter: &Meter, status: StatusCode) {
    match status {
        StatusCode::UNAUTHORIZED => meter.sign_in(SignIn::Refused),
        status if !status.is_server_error() => meter.sign_in(SignIn::Accepted),
        _ => {}
    }
}
