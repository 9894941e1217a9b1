//! The registry's paths (distribution specification, "Endpoints"), for pulls.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::access::{Access, Issued};
use super::content::{Content, StoredManifest};
use super::fault::{CONTENT_DIGEST, Fault};
use super::tag_list;
use crate::domain::digest::Digest;

/// The largest form of a token request, in bytes.
const FORM_BYTES_MAX: usize = 64 << 10;

/// Everything that the registry holds.
#[derive(Debug, Default)]
pub(super) struct Shelf {
    pub own_url: String,
    pub access: Access,
    pub issued: Issued,
    pub faults: Vec<Fault>,
    pub repositories: BTreeMap<String, Repository>,
    /// How many tags a page of a list has at most; as many as are asked for where absent.
    pub page_tags: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Repository {
    pub tags: BTreeMap<String, Digest>,
    /// The words with which a tag or digest is refused for now.
    pub held_back: BTreeMap<String, String>,
    pub manifests: BTreeMap<Digest, StoredManifest>,
    pub blobs: BTreeMap<Digest, Vec<u8>>,
}

/// The shelf, shared between the server and who stocks it.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedShelf(Arc<Mutex<Shelf>>);

impl SharedShelf {
    pub(super) fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Repository {
    pub(super) fn add(&mut self, content: Content) {
        self.blobs.extend(content.blobs);
        self.manifests.extend(content.manifests.into_iter().map(|manifest| (manifest.digest, manifest)));
    }

    fn manifest(&self, reference: &str) -> Option<&StoredManifest> {
        let digest = reference.parse().ok().or_else(|| self.tags.get(reference).copied())?;
        self.manifests.get(&digest)
    }
}

pub(super) fn router(shelf: SharedShelf) -> Router {
    Router::new().fallback(serve).with_state(shelf)
}

async fn serve(State(shelf): State<SharedShelf>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let path_and_query = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let line = format!("{} {path_and_query}", head.method);
    let fault = shelf.lock().faults.iter_mut().find_map(|fault| fault.hits(&line).then(|| fault.kind.clone()));
    if let Some(response) = match &fault {
        Some(fault) => fault.instead().await,
        None => None,
    } {
        return response;
    }
    let form = axum::body::to_bytes(body, FORM_BYTES_MAX).await.unwrap_or_default();
    let path = head.uri.path();
    let response = if path == "/token" {
        let fields = if head.method == Method::POST { &form } else { head.uri.query().unwrap_or_default().as_bytes() };
        token(&mut shelf.lock(), &head.headers, fields)
    } else if head.method == Method::GET || head.method == Method::HEAD {
        pull(&shelf.lock(), &head.headers, (path, head.uri.query().unwrap_or_default()))
    } else {
        error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "pulls only")
    };
    // hyper leaves the body of an answer to HEAD away; its length stays.
    match fault {
        Some(fault) => fault.spoil(response),
        None => response,
    }
}

fn pull(shelf: &Shelf, headers: &HeaderMap, (path, query): (&str, &str)) -> Response {
    let Some(path) = path.strip_prefix("/v2/") else { return not_found("no such path") };
    let question = Question::read(path, query);
    let repository = question.as_ref().map(|question| question.repository);
    if !shelf.access.admits(headers, repository, &shelf.issued) {
        let mut response = error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "authentication required");
        if let Some(value) = shelf.access.challenge(&shelf.own_url, repository).and_then(|text| text.parse().ok()) {
            response.headers_mut().insert(WWW_AUTHENTICATE, value);
        }
        return response;
    }
    match question {
        None if path.is_empty() => ([(CONTENT_TYPE, "application/json")], "{}").into_response(),
        None => not_found("no such path"),
        Some(question) => answer(shelf, &question, headers),
    }
}

struct Question<'a> {
    repository: &'a str,
    part: &'a str,
    reference: &'a str,
    query: &'a str,
}

impl<'a> Question<'a> {
    fn read(path: &'a str, query: &'a str) -> Option<Self> {
        ["/manifests/", "/blobs/", "/tags/", "/referrers/"].into_iter().find_map(|part| {
            let (repository, reference) = path.split_once(part)?;
            Some(Self { repository, part: part.trim_matches('/'), reference, query })
        })
    }
}

fn answer(shelf: &Shelf, question: &Question<'_>, headers: &HeaderMap) -> Response {
    let Some(repository) = shelf.repositories.get(question.repository) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such repository");
    };
    if let Some(words) = repository.held_back.get(question.reference) {
        return error(StatusCode::FORBIDDEN, "DENIED", words);
    }
    match question.part {
        "manifests" => match repository.manifest(question.reference) {
            Some(manifest) if accepts(headers, &manifest.media_type) => {
                content(&manifest.media_type, &manifest.digest, &manifest.bytes)
            }
            _ => error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "no such manifest"),
        },
        "blobs" => {
            let digest = question.reference.parse::<Digest>().ok();
            match digest.and_then(|digest| Some((digest, repository.blobs.get(&digest)?))) {
                Some((digest, bytes)) => content("application/octet-stream", &digest, bytes),
                None => error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "no such blob"),
            }
        }
        "tags" if question.reference == "list" => {
            tag_list::page(question.repository, &repository.tags, question.query, shelf.page_tags)
        }
        // Like Docker Hub, it has no referrers API.
        _ => not_found("no such path"),
    }
}

/// Registries do not serve what the client does not name.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let accepted = headers.get_all(axum::http::header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|line| line.split(',')).any(|item| item.trim() == media_type)
}

fn content(media_type: &str, digest: &Digest, bytes: &[u8]) -> Response {
    let headers = [
        (CONTENT_TYPE, media_type.to_owned()),
        (CONTENT_LENGTH, bytes.len().to_string()),
        (CONTENT_DIGEST, digest.to_string()),
    ];
    (headers, bytes.to_vec()).into_response()
}

fn token(shelf: &mut Shelf, headers: &HeaderMap, fields: &[u8]) -> Response {
    let fields: BTreeMap<String, String> = url::form_urlencoded::parse(fields).into_owned().collect();
    let Access::Bearer(service) = &shelf.access else { return not_found("no token service") };
    if !service.admits(headers, &fields) {
        return error(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "incorrect username or password");
    }
    let lifetime = service.lifetime_seconds;
    let scope = fields.get("scope").map(String::as_str).unwrap_or_default();
    let name = if fields.contains_key("grant_type") { "access_token" } else { "token" };
    let mut answer = serde_json::Map::from_iter([(name.to_owned(), json!(shelf.issued.issue(scope)))]);
    answer.extend(lifetime.map(|seconds| ("expires_in".to_owned(), json!(seconds))));
    axum::Json(answer).into_response()
}

fn not_found(message: &str) -> Response {
    error(StatusCode::NOT_FOUND, "NOT_FOUND", message)
}

/// An error by the specification, "Error codes".
fn error(status: StatusCode, code: &str, message: &str) -> Response {
    (status, axum::Json(json!({ "errors": [{ "code": code, "message": message }] }))).into_response()
}
