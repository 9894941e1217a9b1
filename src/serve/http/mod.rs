//! The service's HTTP: what is there, who may ask for it, and how much of it at once.
//!
//! | path | who |
//! |---|---|
//! | `/healthz`, `/readyz` | everybody, under any host name |
//! | `/`, `/api/v1/status`, `/metrics` | with the token, unless the service listens on loopback |
//! | `POST /api/v1/repositories/{name}/run` | with the token, always |
//! | `POST /webhooks/…` | who knows the webhook's secret |

mod answer;
mod api;
mod connections;
mod guard;
mod hooks;
mod probes;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};

use super::page::{self, StatusState};
use super::service::Service;
use super::waves::Rollout;

pub use connections::{Limits, serve};

/// The largest body of a webhook. GitHub sends up to 25 MB; a push of 2,048 commits, the most that it lists, has some
/// 3 MB, and what is larger costs a wake-up and nothing else: the next poll sees it, too. Together with the number of
/// bodies that are read at once this bounds the memory that anybody can ask for.
const BODY_BYTES_MAX: usize = 4 << 20;

/// Everything that is served. Each group has its own guard; the host is checked before all but the probes.
pub fn router(service: Arc<Service>) -> Router {
    let pages = Router::new()
        .route("/metrics", get(probes::measured))
        .merge(page::routes())
        .layer(from_fn_with_state(Arc::clone(&service), guard::page));
    let api = Router::new()
        .route("/api/v1/repositories/{*rest}", post(api::run))
        .layer(from_fn_with_state(Arc::clone(&service), guard::token));
    let hooks = Router::new()
        .route("/webhooks/{forge}", post(hooks::forge))
        .route("/webhooks/registries/{name}", post(hooks::registry))
        .route("/webhooks/registries/{name}/{secret}", post(hooks::registry_with_secret))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let room = Arc::new(guard::Room::new(service.setup.limits.requests));
    let behind_host = pages
        .merge(api)
        .merge(hooks)
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::not_allowed)
        .layer(from_fn_with_state(Arc::clone(&service), guard::host))
        .layer(from_fn_with_state(room, guard::room));
    Router::new()
        .route("/healthz", get(probes::alive))
        .route("/readyz", get(probes::ready))
        .merge(behind_host)
        .layer(from_fn_with_state(service.setup.limits, guard::in_time))
        .layer(from_fn(guard::security_headers))
        .with_state(service)
}

impl FromRef<Arc<Service>> for StatusState {
    fn from_ref(service: &Arc<Service>) -> Self {
        let (notices, parts) = (service.health().notices(), service.parts());
        let rollout = Rollout::of(&parts.config);
        Self { store: Arc::clone(&parts.store), clock: Arc::clone(&service.setup.clock), rollout, notices }
    }
}
