//! The page and the same as JSON, over HTTP. Who may see them is decided before.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRef, Query as Pairs, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use serde_json::json;

use super::{Page, PageError, Query, message, render};
use crate::domain::status::FleetStatus;
use crate::serve::clock::Clock;
use crate::serve::record::StatusRecord;
use crate::serve::waves::{Rollout, WavesRecord};
use crate::store::{Store, StoreError};

/// What the routes need of the service.
#[derive(Debug, Clone)]
pub struct StatusState {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub rollout: Rollout,
    /// What is to be said of the service itself.
    pub notices: Vec<String>,
}

/// `GET /`, `GET /api/v1/status` and `GET /api/v1/waves`.
pub fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    StatusState: FromRef<S>,
{
    Router::new().route("/", get(page)).route("/api/v1/status", get(record)).route("/api/v1/waves", get(waves))
}

async fn page(State(state): State<StatusState>, Pairs(pairs): Pairs<BTreeMap<String, String>>) -> Response {
    let query = match Query::read(&pairs) {
        Ok(query) => query,
        Err(error) => return html(StatusCode::BAD_REQUEST, message("No such filter", &sentence(&error))),
    };
    let now = state.clock.now();
    match fleet(&state, now).await {
        Ok(fleet) => html(StatusCode::OK, render(&fleet, &state.notices, &query, now)),
        Err(error) => html(unavailable(&error), message("The store does not answer", &sentence(&error))),
    }
}

async fn record(State(state): State<StatusState>, Pairs(pairs): Pairs<BTreeMap<String, String>>) -> Response {
    let filter = match Query::read(&pairs) {
        Ok(query) => query.filter,
        Err(error) => return refusal(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    match state.store.status().await {
        Ok(fleet) => (headers(), Json(StatusRecord::new(&fleet, &filter, state.clock.now()))).into_response(),
        Err(error) => refusal(unavailable(&error), &error.to_string()),
    }
}

async fn waves(State(state): State<StatusState>) -> Response {
    let now = state.clock.now();
    match state.rollout.under_way(state.store.as_ref(), now).await {
        Ok(under_way) => (headers(), Json(WavesRecord::new(state.rollout.names(), &under_way, now))).into_response(),
        Err(error) => refusal(unavailable(&error), &error.to_string()),
    }
}

/// The fleet with the waves of its digests.
async fn fleet(state: &StatusState, now: Timestamp) -> Result<FleetStatus, StoreError> {
    let waves = state.rollout.under_way(state.store.as_ref(), now).await?;
    Ok(FleetStatus { waves, ..state.store.status().await? })
}

/// Notes why; what is said to whoever asked.
fn unavailable(error: &StoreError) -> StatusCode {
    tracing::error!(%error, "the status cannot be read");
    StatusCode::SERVICE_UNAVAILABLE
}

fn refusal(status: StatusCode, error: &str) -> Response {
    (status, headers(), Json(json!({ "error": error }))).into_response()
}

fn headers() -> [(&'static str, &'static str); 2] {
    [("x-content-type-options", "nosniff"), ("cache-control", "no-store")]
}

fn html(status: StatusCode, page: Result<Page, PageError>) -> Response {
    match page {
        Ok(Page { html, headers }) => {
            let mut response = (status, html).into_response();
            for (name, value) in headers {
                if let Ok(value) = value.parse() {
                    response.headers_mut().insert(name, value);
                }
            }
            response
        }
        Err(error) => {
            tracing::error!(error = ?error, "the status page cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An error as people read it on a page.
fn sentence(error: &impl fmt::Display) -> String {
    let text = error.to_string().replace('`', "");
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>() + ".").unwrap_or_default()
}
