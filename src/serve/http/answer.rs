//! What requests are answered with where they fail: JSON below `/api`, text elsewhere.

use axum::Json;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

/// Text for people.
pub fn text(status: StatusCode, message: &str) -> Response {
    (status, format!("{message}\n")).into_response()
}

/// An error in the form of the path that was asked for.
pub fn error(uri: &Uri, status: StatusCode, message: &str) -> Response {
    if uri.path().starts_with("/api/") {
        (status, Json(json!({ "error": message }))).into_response()
    } else {
        text(status, message)
    }
}

pub async fn not_found(uri: Uri) -> Response {
    error(&uri, StatusCode::NOT_FOUND, "there is nothing at this path")
}

pub async fn not_allowed(uri: Uri) -> Response {
    error(&uri, StatusCode::METHOD_NOT_ALLOWED, "this method is not for this path")
}
