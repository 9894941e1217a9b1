//! What happens to single requests on their way to the forge: API and git alike.

use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use refrom::demo::server::{self, Exchange};
use tokio::sync::Notify;

/// What happens to one request.
pub enum Meddling {
    /// Somebody does something just before it is answered.
    Meanwhile(Box<dyn FnOnce() + Send>),
    /// It arrives, and nothing comes of it.
    Hang,
    /// It takes effect, and no answer comes.
    HangAfterEffect,
    /// It takes effect, and the connection breaks.
    LostAnswer,
    /// It is answered with this and has no effect.
    Status(u16),
}

/// The meddlings that are still to come.
#[derive(Clone, Default)]
pub struct Meddlings {
    waiting: Arc<Mutex<Vec<(String, usize, Meddling)>>>,
    hanging: Arc<Notify>,
}

impl Meddlings {
    /// For the next request that is known by this: a part of `write POST /repos/acme/web/pulls`,
    /// `write POST /acme/web.git/git-receive-pack` or `read POST /graphql#PullRequests refrom/base-images`.
    pub fn next(&self, on: &str, meddling: Meddling) {
        self.waiting.lock().unwrap().push((on.to_owned(), 0, meddling));
    }

    /// Waits until a request hangs.
    pub async fn hanging(&self) {
        self.hanging.notified().await;
    }

    /// Takes back what did not happen.
    pub fn clear(&self) {
        self.waiting.lock().unwrap().clear();
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.lock().unwrap().is_empty()
    }

    fn take(&self, request: &str) -> Option<Meddling> {
        let mut waiting = self.waiting.lock().unwrap();
        let index = waiting.iter().position(|(on, _, _)| request.contains(on))?;
        Some(waiting.remove(index).2)
    }
}

/// Whether a request could change something: REST's writing methods, a mutation, a push.
pub fn is_write(method: &str, path: &str, body: &[u8]) -> bool {
    let is_query = path.contains("/graphql") && !server::is_mutation(body);
    let is_fetch = path.ends_with("git-upload-pack");
    let is_sign_in = path.ends_with("/access_tokens");
    method != "GET" && method != "HEAD" && !is_query && !is_fetch && !is_sign_in
}

/// What a request is known by.
pub fn known_by(exchange: &Exchange) -> String {
    name(&exchange.method, &exchange.path, &exchange.request_body)
}

fn name(method: &str, path: &str, body: &[u8]) -> String {
    let kind = if is_write(method, path, body) { "write" } else { "read" };
    let operation = serde_json::from_slice::<serde_json::Value>(body).ok();
    let text = |pointer| operation.as_ref().and_then(|body| body.pointer(pointer)?.as_str());
    let branch = text("/variables/branch").map(|branch| format!(" {branch}")).unwrap_or_default();
    let operation = text("/operationName").map(|name| format!("#{name}{branch}")).unwrap_or_default();
    format!("{kind} {method} {}{operation}", api_path(path))
}

/// The path below the API's own; a name's slashes as they are.
fn api_path(path: &str) -> String {
    let path = path.trim_start_matches("/api").trim_start_matches("/v3").trim_start_matches("/v4");
    path.replace("%2F", "/")
}

/// The layer in front of the forge.
pub async fn meddle(State(meddlings): State<Meddlings>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let meddling = meddlings.take(&name(head.method.as_str(), &path, &body));
    let request = Request::from_parts(head, Body::from(body));
    match meddling {
        None => next.run(request).await,
        Some(Meddling::Meanwhile(act)) => {
            act();
            next.run(request).await
        }
        Some(Meddling::Hang) => {
            meddlings.hanging.notify_one();
            std::future::pending().await
        }
        Some(Meddling::HangAfterEffect) => {
            take_effect(next, request).await;
            meddlings.hanging.notify_one();
            std::future::pending().await
        }
        Some(Meddling::LostAnswer) => {
            take_effect(next, request).await;
            let broken = futures_util::stream::iter([Err::<Bytes, _>(std::io::Error::other("the connection broke"))]);
            Body::from_stream(broken).into_response()
        }
        Some(Meddling::Status(status)) => StatusCode::from_u16(status).unwrap().into_response(),
    }
}

async fn take_effect(next: Next, request: Request) {
    let response = next.run(request).await;
    let _ = axum::body::to_bytes(response.into_body(), usize::MAX).await;
}
