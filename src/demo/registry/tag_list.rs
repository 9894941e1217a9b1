//! Lists of tags (distribution specification, "Listing Tags"): in lexical order, by pages.

use std::collections::BTreeMap;
use std::ops::Bound;

use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::form_urlencoded;

use crate::domain::digest::Digest;

/// The tags after `last`, at most `n` of them (of the query), and never more than `most`.
pub(super) fn page(repository: &str, tags: &BTreeMap<String, Digest>, query: &str, most: Option<usize>) -> Response {
    let fields: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let asked = fields.get("n").and_then(|n| n.parse::<usize>().ok());
    let room = asked.into_iter().chain(most).min().unwrap_or(usize::MAX);
    let after = fields.get("last").map_or(Bound::Unbounded, |last| Bound::Excluded(last.as_str()));
    let mut rest = tags.range::<str, _>((after, Bound::Unbounded)).map(|(tag, _)| tag);
    let shown: Vec<&String> = rest.by_ref().take(room).collect();
    let next = shown.last().filter(|_| rest.next().is_some()).map(|last| {
        let query = form_urlencoded::Serializer::new(format!("n={room}")).append_pair("last", last).finish();
        [(LINK, format!("</v2/{repository}/tags/list?{query}>; rel=\"next\""))]
    });
    let body = axum::Json(json!({ "name": repository, "tags": shown }));
    match next {
        Some(link) => (link, body).into_response(),
        None => body.into_response(),
    }
}
