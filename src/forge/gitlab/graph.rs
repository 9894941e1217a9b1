//! GraphQL: one document and its answer, which may be good in parts. All our questions are about lists of projects.

use std::collections::BTreeMap;

use gitlab::api::endpoint_prelude::{BodyError, Cow, Endpoint, Method, UrlBase};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::documents::Document;
use crate::forge::ForgeError;

/// A document with the values of its variables.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub document: &'a Document,
    pub variables: Value,
}

/// `data` and `errors` of an answer (<https://spec.graphql.org/October2021/#sec-Response>).
#[derive(Debug, Deserialize)]
pub(super) struct Graph {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Vec<GraphError>,
}

#[derive(Debug, Deserialize)]
struct GraphError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    path: Option<Vec<Value>>,
}

/// The way to a connection's next page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageInfo {
    pub has_next_page: bool,
    #[serde(default)]
    end_cursor: Option<String>,
}

/// A list of projects.
#[derive(Debug, Default)]
pub(super) struct Projects {
    pub entries: Vec<Entry>,
    /// Why some may be missing of whom not even the name is known.
    pub unnamed: Option<ForgeError>,
    /// The cursor of the next page.
    pub next: Option<String>,
}

/// One project of a list.
#[derive(Debug)]
pub(super) struct Entry {
    /// `gid://gitlab/Project/81`
    pub id: String,
    pub full_path: String,
    value: Result<Value, ForgeError>,
}

impl Endpoint for Question<'_> {
    fn method(&self) -> Method {
        Method::POST
    }

    fn endpoint(&self) -> Cow<'static, str> {
        "api/graphql".into()
    }

    fn url_base(&self) -> UrlBase {
        UrlBase::Instance
    }

    fn body(&self) -> Result<Option<(&'static str, Vec<u8>)>, BodyError> {
        let Document { name, text } = self.document;
        let body = json!({ "operationName": name, "query": text, "variables": self.variables });
        Ok(Some(("application/json", body.to_string().into_bytes())))
    }
}

impl PageInfo {
    /// The cursor of the next page.
    pub fn next(self) -> Option<String> {
        self.end_cursor.filter(|_| self.has_next_page)
    }
}

impl Graph {
    /// The whole answer, or why there is none: GitLab refuses a question that is too complex, or takes it too long,
    /// without data. Its errors have no types; a smaller question is what may help.
    pub fn checked(self, what: &str) -> Result<Self, ForgeError> {
        let is_whole = |error: &&GraphError| self.data.is_null() || error.path.is_none();
        match self.errors.iter().find(is_whole) {
            Some(error) => Err(ForgeError::GaveUp { message: format!("{what}: {}", error.message) }),
            None => Ok(self),
        }
    }

    /// The projects of the connection at a path. An error at an entry or anywhere below it makes the whole entry an
    /// error: half a repository must not look like one without branches. `null` is [`ForgeError::NotFound`].
    pub fn projects(&self, path: &[&str], what: &str) -> Result<Projects, ForgeError> {
        let connection = path.iter().try_fold(&self.data, |value, name| value.get(name));
        let connection = connection.filter(|value| !value.is_null());
        let nodes = connection.and_then(|value| value.get("nodes")).and_then(Value::as_array);
        let (Some(connection), Some(nodes)) = (connection, nodes) else {
            let error = self.errors.iter().find(|error| error.is_on_the_way(path));
            return Err(error.map_or_else(|| ForgeError::NotFound { what: what.to_owned() }, GraphError::to_error));
        };
        let mut projects = Projects::default();
        for (index, node) in nodes.iter().enumerate() {
            let error = self.errors.iter().find(|error| error.concerns(path, index)).map(GraphError::to_error);
            let text = |name| node.get(name).and_then(Value::as_str).map(str::to_owned);
            match (text("id").zip(text("fullPath")), error) {
                (Some((id, full_path)), error) => {
                    let value = error.map_or_else(|| Ok(node.clone()), Err);
                    projects.entries.push(Entry { id, full_path, value });
                }
                (None, error) => projects.unnamed = error.or(projects.unnamed),
            }
        }
        let page_info = connection.get("pageInfo").map(PageInfo::deserialize);
        projects.next = page_info.and_then(Result::ok).and_then(PageInfo::next);
        Ok(projects)
    }
}

impl Projects {
    /// By id; those that are missing with the reason.
    pub fn by_id<T: DeserializeOwned>(self, ids: &[&str]) -> BTreeMap<String, Result<T, ForgeError>> {
        let mut found: BTreeMap<_, _> = self.entries.into_iter().map(|it| (it.id.clone(), it.read())).collect();
        for id in ids {
            let missing = || match &self.unnamed {
                Some(error) => error.for_another(),
                None => ForgeError::NotFound { what: format!("`{id}`") },
            };
            found.entry((*id).to_owned()).or_insert_with(|| Err(missing()));
        }
        found
    }
}

impl Entry {
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ForgeError> {
        let path = self.full_path;
        T::deserialize(self.value?)
            .map_err(|error| ForgeError::Protocol { message: format!("about `{path}`: {error}") })
    }
}

impl GraphError {
    /// Whether it is about the connection itself, or about something above it.
    fn is_on_the_way(&self, connection: &[&str]) -> bool {
        let path = self.path.as_deref().unwrap_or_default();
        path.iter().zip(connection).all(|(step, name)| step.as_str() == Some(name))
    }

    /// Whether it is about an entry of the connection.
    fn concerns(&self, connection: &[&str], index: usize) -> bool {
        let path = self.path.as_deref().unwrap_or_default();
        let place = path.get(connection.len()..).unwrap_or_default();
        let is_node = matches!(place, [nodes, number, ..]
            if nodes.as_str() == Some("nodes") && number.as_u64() == u64::try_from(index).ok());
        is_node && self.is_on_the_way(connection)
    }

    fn to_error(&self) -> ForgeError {
        ForgeError::Unavailable { message: self.message.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(value: Value) -> Graph {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn one_bad_project_leaves_the_others() {
        let graph = graph(json!({
            "data": { "projects": { "pageInfo": { "hasNextPage": true, "endCursor": "x" }, "nodes": [
                { "id": "1", "fullPath": "a/1", "repository": null }, null, { "id": "3", "fullPath": "a/3" },
            ] } },
            "errors": [
                { "message": "no", "path": ["projects", "nodes", 0, "repository"] },
                { "message": "gone", "path": ["projects", "nodes", 1] },
            ],
        }));
        let projects = graph.checked("it").unwrap().projects(&["projects"], "it").unwrap();
        assert_eq!(projects.next.as_deref(), Some("x"));
        assert!(matches!(&projects.unnamed, Some(ForgeError::Unavailable { message }) if message == "gone"));
        let found = projects.by_id::<Value>(&["1", "2", "3"]);
        assert!(found["1"].is_err(), "an error below makes the project an error");
        assert!(found["2"].is_err() && found["3"].is_ok());
    }

    #[test]
    fn an_answer_without_data_asks_for_less_and_one_without_the_list_is_not_found() {
        let refused = graph(json!({ "errors": [{ "message": "Query has complexity of 251" }] })).checked("it");
        assert!(matches!(refused, Err(ForgeError::GaveUp { .. })));
        let gone = graph(json!({ "data": { "namespace": null } })).projects(&["namespace", "projects"], "`acme/*`");
        assert!(matches!(gone, Err(ForgeError::NotFound { what }) if what == "`acme/*`"));
    }
}
