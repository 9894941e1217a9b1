//! What can go wrong at a registry, on demand.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// The registry's word for a digest.
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// The pieces of a huge body.
const CHUNK_BYTES: usize = 64 << 10;

/// A fault for the requests that it fits.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Part of `METHOD /path?query`.
    pub on: String,
    /// How many requests it hits; all of them where absent.
    pub times: Option<usize>,
    pub kind: FaultKind,
}

/// What goes wrong.
#[derive(Debug, Clone)]
pub enum FaultKind {
    /// This status with these headers and this body.
    Status {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// No answer.
    Hang,
    /// The connection breaks within the body.
    BrokenBody,
    /// The right body as another type.
    ContentType(String),
    /// The right answer with another digest in the header, or with none.
    DigestHeader(Option<String>),
    /// A right header over other bytes.
    OtherBody(Vec<u8>),
    /// More than anybody reads.
    HugeBody(usize),
    Redirect(String),
}

impl Fault {
    /// A fault for every request that fits.
    pub fn on(on: &str, kind: FaultKind) -> Self {
        Self { on: on.to_owned(), times: None, kind }
    }

    /// A status without anything else.
    pub fn status(on: &str, status: u16) -> Self {
        Self::on(on, FaultKind::Status { status, headers: Vec::new(), body: String::new() })
    }

    /// The same, for the first few requests only.
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    /// Whether it hits this request; counts it.
    pub(super) fn hits(&mut self, request: &str) -> bool {
        let is_hit = request.contains(&self.on) && self.times != Some(0);
        if let (true, Some(times)) = (is_hit, &mut self.times) {
            *times -= 1;
        }
        is_hit
    }
}

impl FaultKind {
    /// The answer where it takes the place of the right one.
    pub(super) async fn instead(&self) -> Option<Response> {
        match self {
            Self::Hang => std::future::pending().await,
            Self::Status { status, headers, body } => {
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = (status, body.clone()).into_response();
                for (name, value) in headers {
                    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                        response.headers_mut().append(name, value);
                    }
                }
                Some(response)
            }
            Self::Redirect(to) => Some((StatusCode::TEMPORARY_REDIRECT, [(LOCATION, to.clone())]).into_response()),
            Self::BrokenBody
            | Self::ContentType(_)
            | Self::DigestHeader(_)
            | Self::OtherBody(_)
            | Self::HugeBody(_) => None,
        }
    }

    /// The right answer, spoilt.
    pub(super) fn spoil(&self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        let mut replace = |name: HeaderName, value: &str| set(&mut head.headers, name, value);
        let body = match self {
            Self::ContentType(media_type) => {
                replace(CONTENT_TYPE, media_type);
                body
            }
            Self::DigestHeader(digest) => {
                match digest {
                    Some(digest) => replace(CONTENT_DIGEST, digest),
                    None => drop(head.headers.remove(CONTENT_DIGEST)),
                }
                body
            }
            Self::OtherBody(bytes) => {
                replace(CONTENT_LENGTH, &bytes.len().to_string());
                Body::from(bytes.clone())
            }
            Self::HugeBody(length) => {
                // Without a length beforehand: a limit must hold while the body is read.
                head.headers.remove(CONTENT_LENGTH);
                let chunks = (0..length / CHUNK_BYTES + 1).map(|_| Ok::<_, std::io::Error>(vec![b' '; CHUNK_BYTES]));
                Body::from_stream(futures_util::stream::iter(chunks))
            }
            Self::BrokenBody => {
                replace(CONTENT_LENGTH, "100000");
                let chunks = [Ok(b"{".to_vec()), Err(std::io::Error::other("broken on demand"))];
                Body::from_stream(futures_util::stream::iter(chunks))
            }
            Self::Status { .. } | Self::Hang | Self::Redirect(_) => body,
        };
        Response::from_parts(head, body)
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
