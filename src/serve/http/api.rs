//! `POST /api/v1/repositories/{name}/run`: wakes one repository.
//!
//! Its tags are asked for however short ago that was done, because whoever asks wants to know how it stands now. When it
//! may be proposed to, its schedule, window and freezes say as ever: `refrom run --now` is for who may pass over them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::answer;
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::RepoName;
use crate::serve::service::Service;
use crate::serve::wake::Wake;

/// `rest` is `acme/web/run`: a name has slashes. `forge=NAME` says which of several forges is meant.
pub async fn run(
    State(service): State<Arc<Service>>,
    Path(rest): Path<String>,
    Query(choice): Query<BTreeMap<String, String>>,
    uri: Uri,
) -> Response {
    let Some(name) = rest.strip_suffix("/run") else { return answer::not_found(uri).await };
    let forges = match name.parse::<RepoName>() {
        Ok(name) => wake(&service, &name, choice.get("forge").map(String::as_str)),
        Err(_) => Vec::new(),
    };
    if forges.is_empty() {
        return answer::error(&uri, StatusCode::NOT_FOUND, "no forge of the configuration selects this repository");
    }
    tracing::info!(repo = name, "woken by hand");
    (StatusCode::ACCEPTED, Json(json!({ "repository": name, "forges": forges }))).into_response()
}

/// Wakes it at every forge that selects it, or at the one that is meant; answers their names.
fn wake(service: &Service, name: &RepoName, forge: Option<&str>) -> Vec<String> {
    let parts = service.parts();
    let forges = parts.config.forges.iter().filter(|config| forge.is_none_or(|forge| forge == config.name));
    let forges: Vec<String> =
        forges.filter(|config| config.selection.names(name)).map(|config| config.name.clone()).collect();
    for forge in &forges {
        service.wakes.wake(Wake::ByHand(RepositoryKey { forge: forge.clone(), name: name.clone() }));
    }
    forges
}
