//! Whether it lives, whether it works, and what is counted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::answer;
use crate::serve::metrics::CONTENT_TYPE;
use crate::serve::service::Service;

/// `/healthz`: it answers.
pub async fn alive() -> Response {
    answer::text(StatusCode::OK, "alive")
}

/// `/readyz`: it works, or the reasons why not.
pub async fn ready(State(service): State<Arc<Service>>) -> Response {
    let readiness = service.readiness().await;
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness)).into_response()
}

/// `/metrics`.
pub async fn metrics(State(service): State<Arc<Service>>) -> Response {
    let (parts, now) = (service.parts(), service.setup.clock.now());
    let text = service.setup.instruments.exposition(&parts, now).await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response()
}
