//! The door of both faces: who asks, what goes wrong, and the headers that GitHub always sends.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fault::{self, FaultKind};
use super::world::{App, Caller, World};
use super::{graphql, rest};
use crate::demo::git_repository::RepositoryError;
use crate::demo::git_server::{self, Access, Authorize, Service};

/// The largest request body, in bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;
/// The requests per hour that GitHub grants a token.
const LIMIT: u64 = 5_000;

pub(super) type Shared = Arc<Mutex<World>>;

/// An answer, or in `Err` a refusal.
#[derive(Debug)]
pub(super) struct Reply {
    pub status: u16,
    pub body: Value,
    pub headers: Vec<(&'static str, String)>,
}

/// One request of the API, below `/api/v3`, or `/graphql`.
#[derive(Debug)]
pub(super) struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub body: Value,
    pub caller: Caller,
}

impl Reply {
    pub fn new(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    /// GitHub's error body.
    pub fn error(status: u16, message: impl Into<String>) -> Self {
        let documentation_url = "https://docs.github.com/rest";
        let body = json!({
            "message": message.into(),
            "documentation_url": documentation_url,
            "status": status.to_string(),
        });
        Self::new(status, body)
    }

    /// 422 with GitHub's list of what is wrong.
    pub fn invalid(errors: Value) -> Self {
        let mut reply = Self::error(422, "Validation Failed");
        if let Some(body) = reply.body.as_object_mut() {
            body.insert("errors".to_owned(), errors);
        }
        reply
    }

    /// With the headers of a limit that is used up.
    fn used_up(mut self, reset: i64) -> Self {
        self.headers.push(("x-ratelimit-remaining", "0".to_owned()));
        self.headers.push(("x-ratelimit-reset", reset.to_string()));
        self
    }

    pub fn not_found() -> Self {
        Self::error(404, "Not Found")
    }
}

impl From<RepositoryError> for Reply {
    fn from(error: RepositoryError) -> Self {
        Self::error(500, error.to_string())
    }
}

/// Both faces, and git beside them.
pub(super) fn router(shared: &Shared, root: std::path::PathBuf) -> Router {
    let faces = Router::new()
        .route("/api/v3/{*path}", any(serve))
        .route("/api/graphql", any(serve))
        .with_state(Arc::clone(shared));
    faces.merge(git_server::router(root, authorize(shared)))
}

/// Git is for the same callers: the token is the password.
pub(super) fn authorize(shared: &Shared) -> Authorize {
    let shared = Arc::clone(shared);
    Arc::new(move |name, credentials, service| {
        let world = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let caller =
            credentials.and_then(|credentials| world.bearer(&credentials.password)).map(|bearer| bearer.caller.clone());
        let Some(caller) = caller else { return Access::SignIn };
        match world.find(name.as_str()) {
            Some((_, repository)) if world.sees(&caller, repository) => {
                let is_writable = !repository.is_archived && !world.is_reader(&caller);
                let is_refused = !is_writable && service == Service::ReceivePack;
                if is_refused { Access::Denied } else { Access::Allowed }
            }
            _ => Access::Missing,
        }
    })
}

async fn serve(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await.unwrap_or_default();
    let mut world = shared.lock().unwrap_or_else(PoisonError::into_inner);
    world.tick();
    let path = head.uri.path().trim_start_matches("/api").trim_start_matches("/v3").to_owned();
    let parsed = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let operation = parsed.get("operationName").and_then(Value::as_str);
    let known_by = format!("{} {path}{}", head.method, operation.map_or(String::new(), |name| format!("#{name}")));
    let fault = fault::take(&mut world.faults, &known_by);
    if let Some(reply) = fault.as_ref().and_then(|fault| refusal(fault, world.now())) {
        return response(reply, world.now());
    }
    let reply = answer(&mut world, (head.method, path, head.uri.query().unwrap_or_default()), (&head.headers, &body));
    let mut reply = reply.unwrap_or_else(|refusal| refusal);
    match fault {
        Some(FaultKind::LostAnswer) => return lost(reply.status),
        Some(FaultKind::LastOne { reset_in }) => reply = reply.used_up(world.now() + reset_in),
        Some(FaultKind::PartialError { repository, kind }) => fault::spoil(&mut reply.body, &repository, &kind),
        _ => {}
    }
    response(reply, world.now())
}

fn answer(
    world: &mut World,
    (method, path, query): (Method, String, &str),
    (headers, body): (&HeaderMap, &Bytes),
) -> Result<Reply, Reply> {
    let caller = authenticate(world, headers)?;
    if headers.get(header::USER_AGENT).is_none() {
        return Err(Reply::error(403, "Request forbidden by administrative rules."));
    }
    let body = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(body).map_err(|_| Reply::error(400, "Problems parsing JSON"))?,
    };
    let asked = Asked { method, path, query: query.to_owned(), body, caller };
    if asked.path == "/graphql" { graphql::answer(world, &asked) } else { rest::answer(world, &asked) }
}

fn authenticate(world: &World, headers: &HeaderMap) -> Result<Caller, Reply> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next().and_then(|value| value.to_str().ok()), values.next());
    let Some(first) = first.filter(|_| second.is_none()) else {
        return Err(Reply::error(401, "Requires authentication"));
    };
    let token = first.strip_prefix("Bearer ").or_else(|| first.strip_prefix("token ")).unwrap_or_default();
    let caller = world.bearer(token).map(|bearer| bearer.caller.clone());
    let is_app = || world.app.as_ref().is_some_and(|app| is_signed_by(app, token));
    caller.or_else(|| is_app().then_some(Caller::App)).ok_or_else(|| Reply::error(401, "Bad credentials"))
}

#[derive(serde::Deserialize)]
struct Claims {
    iss: u64,
    iat: i64,
    exp: i64,
}

/// An App's token: signed with its key, in its name, for ten minutes at most. Its times are the caller's clock's, and
/// are compared with each other only.
fn is_signed_by(app: &App, token: &str) -> bool {
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.validate_exp = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Claims>(token, &app.key, &validation)
        .is_ok_and(|token| token.claims.iss == app.id && (1..=660).contains(&(token.claims.exp - token.claims.iat)))
}

fn refusal(fault: &FaultKind, now: i64) -> Option<Reply> {
    match fault {
        FaultKind::Status(401) => Some(Reply::error(401, "Bad credentials")),
        FaultKind::Status(status) => Some(Reply::error(*status, "Server Error")),
        FaultKind::SecondaryLimit { retry_after } => {
            let mut reply = Reply::error(403, "You have exceeded a secondary rate limit. Please wait a few minutes.");
            reply.headers.push(("retry-after", retry_after.to_string()));
            Some(reply)
        }
        FaultKind::PrimaryLimit { reset_in } => {
            Some(Reply::error(403, "API rate limit exceeded for user ID 1.").used_up(now + reset_in))
        }
        FaultKind::GraphQlLimit => {
            let error = json!({ "type": "RATE_LIMITED", "message": "API rate limit exceeded for user ID 1." });
            Some(Reply::new(200, json!({ "errors": [error] })))
        }
        FaultKind::ResourceLimit => {
            let error = json!({ "type": "RESOURCE_LIMITS_EXCEEDED", "message": "Resource limits exceeded." });
            Some(Reply::new(200, json!({ "errors": [error] })))
        }
        FaultKind::LostAnswer | FaultKind::LastOne { .. } | FaultKind::PartialError { .. } => None,
    }
}

fn response(reply: Reply, now: i64) -> Response {
    let date = Timestamp::from_second(now).unwrap_or_default();
    let date = date.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/json; charset=utf-8".to_owned()),
        (header::DATE.as_str(), date),
        ("x-github-media-type", "github.v3; format=json".to_owned()),
        ("x-ratelimit-limit", LIMIT.to_string()),
        ("x-ratelimit-remaining", (LIMIT - 1).to_string()),
        ("x-ratelimit-reset", (now + 3_600).to_string()),
    ];
    let mut response = (status, reply.body.to_string()).into_response();
    for (name, value) in headers.into_iter().chain(reply.headers) {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// The head of an answer whose body never comes.
pub(super) fn lost(status: u16) -> Response {
    let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("the connection broke"))]);
    let mut response = Body::from_stream(broken).into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response
}
