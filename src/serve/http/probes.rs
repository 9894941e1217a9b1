//! Whether it lives, whether it works, and what is counted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};

use super::answer;
use crate::serve::service::Service;

/// OpenMetrics 1.0, "Protocol Negotiation".
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
    ([(CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
