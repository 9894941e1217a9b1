//! GitLab's faces: REST at `/api/v4`, GraphQL at `/api/graphql`
//! (<https://docs.gitlab.com/api/rest/>, <https://docs.gitlab.com/api/graphql/>).

mod commits;
mod graphql;
mod merge_requests;
mod merging;
mod rest;
mod shown;
mod weight;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fault::{self, FaultKind};
use super::http::{Reply, Shared, authorize, lost};
use super::world::{Bearer, Caller, World};
use crate::demo::git_server;

/// The largest request body, in bytes: the longest description, of which each byte may take three in a form.
const REQUEST_BYTES_MAX: usize = 16 << 20;
/// The requests per minute that gitlab.com grants a token.
const LIMIT: u64 = 2_000;
/// How soon the limit is renewed, in seconds.
const LIMIT_SECONDS: i64 = 60;

/// One request of REST, below `/api/v4`.
struct Asked {
    method: Method,
    /// Of the path, with `/` where it says `%2F`.
    segments: Vec<String>,
    /// Of the query and of the form in the body, in their order.
    parameters: Vec<(String, String)>,
    caller: Caller,
    /// When the caller's token ends, in seconds since 1970.
    expires: Option<i64>,
}

impl Asked {
    /// The value of a parameter, the last one where there are several.
    fn text(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Reply> {
        self.text(name).ok_or_else(|| Reply::new(400, json!({ "error": format!("{name} is missing") })))
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    /// All values of a list.
    fn numbers(&self, name: &str) -> Vec<u64> {
        let meant = self.parameters.iter().filter(|(key, _)| key == name);
        meant.filter_map(|(_, value)| value.parse().ok()).collect()
    }
}

/// GitLab's error body.
fn refusal(status: u16, message: impl Into<Value>) -> Reply {
    Reply::new(status, json!({ "message": message.into() }))
}

fn forbidden() -> Reply {
    refusal(403, "403 Forbidden")
}

fn not_found(what: &str) -> Reply {
    refusal(404, format!("404 {what} Not Found"))
}

/// Both faces, and git beside them.
pub(super) fn router(shared: &Shared, root: PathBuf) -> Router {
    let faces = Router::new()
        .route("/api/v4/{*path}", any(serve))
        .route("/api/graphql", any(serve))
        .with_state(Arc::clone(shared));
    faces.merge(git_server::router(root, authorize(shared)))
}

async fn serve(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default();
    let mut world = shared.lock().unwrap_or_else(PoisonError::into_inner);
    world.tick();
    let path = head.uri.path().trim_start_matches("/api").trim_start_matches("/v4").to_owned();
    let parsed = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let operation = parsed.get("operationName").and_then(Value::as_str);
    let known_by = format!("{} {path}{}", head.method, operation.map_or(String::new(), |name| format!("#{name}")));
    let fault = fault::take(&mut world.faults, &known_by.replace("%2F", "/"));
    if let Some(reply) = fault.as_ref().and_then(|fault| faulty(fault, world.now())) {
        return response(reply, world.now());
    }
    let query = head.uri.query().unwrap_or_default();
    let reply = answer(&mut world, (head.method, &path, query), (&head.headers, &body));
    let mut reply = reply.unwrap_or_else(|refusal| refusal);
    match fault {
        Some(FaultKind::LostAnswer) => return lost(reply.status),
        Some(FaultKind::LastOne { reset_in }) => reply = used_up(reply, world.now() + reset_in),
        Some(FaultKind::PartialError { repository, .. }) => graphql::spoil(&mut reply.body, &repository),
        _ => {}
    }
    response(reply, world.now())
}

fn answer(
    world: &mut World,
    (method, path, query): (Method, &str, &str),
    (headers, body): (&HeaderMap, &Bytes),
) -> Result<Reply, Reply> {
    let Bearer { caller, expires } = authenticate(world, headers)?.clone();
    if path == "/graphql" {
        let body = serde_json::from_slice(body).map_err(|_| refusal(400, "the body is no JSON"))?;
        return graphql::answer(world, &caller, &body);
    }
    let segments = path.trim_matches('/').split('/').map(|segment| segment.replace("%2F", "/")).collect();
    let pairs = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
    let mut parameters = pairs(query.as_bytes());
    parameters.extend(pairs(body));
    rest::answer(world, &Asked { method, segments, parameters, caller, expires })
}

/// Exactly one token in the header that personal, project and group tokens go into.
fn authenticate<'a>(world: &'a World, headers: &HeaderMap) -> Result<&'a Bearer, Reply> {
    let mut values = headers.get_all("private-token").iter();
    let (first, second) = (values.next().and_then(|value| value.to_str().ok()), values.next());
    let bearer = first.filter(|_| second.is_none()).and_then(|token| world.bearer(token));
    bearer.ok_or_else(|| refusal(401, "401 Unauthorized"))
}

fn faulty(fault: &FaultKind, now: i64) -> Option<Reply> {
    match fault {
        FaultKind::Status(401) => Some(refusal(401, "401 Unauthorized")),
        FaultKind::Status(status) => Some(refusal(*status, "Server Error")),
        FaultKind::SecondaryLimit { retry_after } => {
            let mut reply = refusal(429, "This endpoint has been requested too many times. Try again later.");
            reply.headers.push(("retry-after", retry_after.to_string()));
            Some(reply)
        }
        FaultKind::PrimaryLimit { reset_in } => Some(used_up(refusal(429, "Retry later"), now + reset_in)),
        FaultKind::GraphQlLimit => Some(used_up(refusal(429, "Retry later"), now + LIMIT_SECONDS)),
        FaultKind::ResourceLimit => {
            let error = json!({ "message": "Query has complexity of 251, which exceeds max complexity of 250" });
            Some(Reply::new(200, json!({ "errors": [error] })))
        }
        FaultKind::LostAnswer | FaultKind::LastOne { .. } | FaultKind::PartialError { .. } => None,
    }
}

/// With the headers of a limit that is used up.
fn used_up(mut reply: Reply, reset: i64) -> Reply {
    reply.headers.push(("ratelimit-remaining", "0".to_owned()));
    reply.headers.push(("ratelimit-reset", reset.to_string()));
    reply
}

fn response(reply: Reply, now: i64) -> Response {
    let date = Timestamp::from_second(now).unwrap_or_default();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/json".to_owned()),
        (header::DATE.as_str(), date),
        ("ratelimit-name", "throttle_authenticated_api".to_owned()),
        ("ratelimit-limit", LIMIT.to_string()),
        ("ratelimit-observed", "1".to_owned()),
        ("ratelimit-remaining", (LIMIT - 1).to_string()),
        ("ratelimit-reset", (now + LIMIT_SECONDS).to_string()),
    ];
    let mut response = (status, reply.body.to_string()).into_response();
    for (name, value) in headers.into_iter().chain(reply.headers) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
