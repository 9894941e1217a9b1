//! GraphQL over HTTP: one document and its answer, which may be good in parts.

use axum::http::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::account::{Account, Api, Call};
use super::answer::Answer;
use super::documents::Document;
use crate::forge::ForgeError;

/// The field that an account without the permissions "Checks" and "Commit statuses" is refused, beside everything else
/// that it asked for.
const MAY_BE_HIDDEN: &str = "statusCheckRollup";

/// One step of the way to a value: a field's name (or alias), or an index.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Segment {
    Index(usize),
    Field(String),
}

/// `data` and `errors` of an answer (<https://spec.graphql.org/October2021/#sec-Response>).
#[derive(Debug, Deserialize)]
pub(super) struct Graph {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<GraphError>,
}

/// GitHub adds `type` to what the specification names.
#[derive(Debug, Deserialize)]
struct GraphError {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Option<Vec<Segment>>,
}

/// Sends a document. Errors that belong to a part of the answer stay in it; all others are this call's.
pub(super) async fn query(
    account: &Account,
    document: &Document,
    variables: &Value,
    what: &str,
) -> Result<Graph, ForgeError> {
    let body = json!({ "operationName": document.name, "query": document.text, "variables": variables });
    let (path, what) = ("/graphql".to_owned(), what.to_owned());
    let call = Call { api: Api::GraphQl, method: Method::POST, path, body: Some(body), what };
    let answer = account.call(&call).await?;
    let mut graph: Graph = answer.json(&call.what)?;
    graph.forgive();
    let is_whole =
        |error: &&GraphError| graph.data.is_null() || error.path.is_none() || error.is_rate_limit() || error.is_limit();
    match graph.errors.iter().find(is_whole) {
        Some(error) => {
            let error = error.to_error(&call.what, &answer);
            account.note(&error);
            if let ForgeError::RateLimited { retry_after: Some(wait) } = error {
                account.close(Api::GraphQl, wait);
            }
            Err(error)
        }
        None => Ok(graph),
    }
}

impl Graph {
    /// The value at a path. An error at it, above it or anywhere below it makes the whole value an error: half a
    /// repository must not look like one without branches. `null` is [`ForgeError::NotFound`].
    pub fn value<T: DeserializeOwned>(&self, path: &[Segment], what: &str) -> Result<T, ForgeError> {
        let concerns = |error: &&GraphError| {
            error.path.as_deref().is_some_and(|place| place.iter().zip(path).all(|(left, right)| left == right))
        };
        if let Some(error) = self.errors.iter().find(concerns) {
            return Err(error.to_error_about(what));
        }
        self.read(path, what)
    }

    /// The value at a path, whatever errors lie below it: a list whose items are looked at one by one.
    pub fn container<T: DeserializeOwned>(&self, path: &[Segment], what: &str) -> Result<T, ForgeError> {
        let concerns = |error: &&GraphError| error.path.as_deref().is_some_and(|place| path.starts_with(place));
        if let Some(error) = self.errors.iter().find(concerns) {
            return Err(error.to_error_about(what));
        }
        self.read(path, what)
    }

    /// Takes errors about [`MAY_BE_HIDDEN`] for an answer: a permission to see checks is not needed for anything else.
    /// The value becomes one without anything in it, which is something else than no value.
    fn forgive(&mut self) {
        let is_hidden = |error: &GraphError| {
            let last = error.path.as_deref().and_then(<[Segment]>::last);
            matches!(last, Some(Segment::Field(name)) if name == MAY_BE_HIDDEN) && error.is_denial()
        };
        let (hidden, errors) = std::mem::take(&mut self.errors).into_iter().partition(is_hidden);
        self.errors = errors;
        for path in Vec::<GraphError>::into_iter(hidden).filter_map(|error| error.path) {
            let mut place = Some(&mut self.data);
            for segment in &path {
                place = place.and_then(|value| match segment {
                    Segment::Index(index) => value.get_mut(index),
                    Segment::Field(name) => value.get_mut(name),
                });
            }
            if let Some(place) = place {
                *place = json!({});
            }
        }
    }

    /// How many items the list at a path has.
    pub fn count(&self, path: &[Segment]) -> usize {
        self.at(path).and_then(Value::as_array).map_or(0, Vec::len)
    }

    fn at(&self, path: &[Segment]) -> Option<&Value> {
        path.iter().try_fold(&self.data, |value, segment| match segment {
            Segment::Index(index) => value.get(index),
            Segment::Field(name) => value.get(name),
        })
    }

    fn read<T: DeserializeOwned>(&self, path: &[Segment], what: &str) -> Result<T, ForgeError> {
        let value = self.at(path).filter(|value| !value.is_null());
        let value = value.ok_or_else(|| ForgeError::NotFound { what: what.to_owned() })?;
        T::deserialize(value).map_err(|error| ForgeError::Protocol { message: format!("about {what}: {error}") })
    }
}

impl GraphError {
    fn is_denial(&self) -> bool {
        matches!(self.kind.as_str(), "FORBIDDEN" | "INSUFFICIENT_SCOPES")
    }

    fn is_rate_limit(&self) -> bool {
        matches!(self.kind.as_str(), "RATE_LIMITED" | "RATE_LIMIT")
    }

    /// GitHub's limits on time and work; whatever else stands in such an answer may be missing parts.
    fn is_limit(&self) -> bool {
        matches!(self.kind.as_str(), "TIMEOUT" | "RESOURCE_LIMITS_EXCEEDED")
    }

    fn to_error(&self, what: &str, answer: &Answer) -> ForgeError {
        if self.is_rate_limit() {
            ForgeError::RateLimited { retry_after: Some(answer.until_reset()) }
        } else {
            self.to_error_about(what)
        }
    }

    fn to_error_about(&self, what: &str) -> ForgeError {
        let message = format!("{what}: {}", self.message);
        match self.kind.as_str() {
            "NOT_FOUND" => ForgeError::NotFound { what: what.to_owned() },
            _ if self.is_denial() => ForgeError::Denied { message },
            "UNPROCESSABLE" => ForgeError::Invalid { message },
            // GitHub's own time limit carries no type, or one of these.
            "" | "TIMEOUT" | "RESOURCE_LIMITS_EXCEEDED" => ForgeError::GaveUp { message },
            "INTERNAL" | "SERVICE_UNAVAILABLE" => ForgeError::Unavailable { message },
            _ => ForgeError::Protocol { message },
        }
    }
}

/// A path from field names.
pub(super) fn fields(names: &[&str]) -> Vec<Segment> {
    names.iter().map(|name| Segment::Field((*name).to_owned())).collect()
}

/// The path of an item of the list at `path`.
pub(super) fn item(path: &[Segment], index: usize) -> Vec<Segment> {
    let mut path = path.to_vec();
    path.push(Segment::Index(index));
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph() -> Graph {
        serde_json::from_value(json!({
            "data": { "nodes": [{ "n": 1, "refs": null }, null, { "n": 3 }] },
            "errors": [
                { "type": "FORBIDDEN", "message": "no", "path": ["nodes", 0, "refs"] },
                { "type": "NOT_FOUND", "message": "gone", "path": ["nodes", 1] },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn checks_that_may_not_be_seen_spoil_nothing() {
        let mut graph: Graph = serde_json::from_value(json!({
            "data": { "nodes": [{ "statusCheckRollup": null }, { "statusCheckRollup": null }] },
            "errors": [{ "type": "FORBIDDEN", "message": "no", "path": ["nodes", 0, "statusCheckRollup"] }],
        }))
        .unwrap();
        graph.forgive();
        let nodes: Value = graph.value(&fields(&["nodes"]), "it").unwrap();
        assert_eq!(nodes, json!([{ "statusCheckRollup": {} }, { "statusCheckRollup": null }]));
    }

    #[test]
    fn one_bad_item_leaves_the_others() {
        let (graph, nodes) = (graph(), fields(&["nodes"]));
        assert_eq!(graph.count(&nodes), 3);
        let read = |index| graph.value::<Value>(&item(&nodes, index), "it");
        assert!(matches!(read(0), Err(ForgeError::Denied { .. })), "an error below makes the item an error");
        assert!(matches!(read(1), Err(ForgeError::NotFound { .. })));
        assert_eq!(read(2).unwrap(), json!({ "n": 3 }));
        assert!(graph.container::<Vec<Value>>(&nodes, "all").is_ok());
        assert!(matches!(graph.value::<Value>(&nodes, "all"), Err(ForgeError::Denied { .. })));
    }
}
