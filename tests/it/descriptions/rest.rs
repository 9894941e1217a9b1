//! Requests and answers against the OpenAPI description, as far as refrom's endpoints go.

use serde_json::Value as Json;

/// The described endpoints.
pub struct Description(Json);

/// A request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub method: String,
    /// Below the API's address, with the query.
    pub path: String,
    pub request: Json,
    pub status: u16,
    pub answer: Json,
}

impl Description {
    pub fn read(text: &str) -> Self {
        Self(serde_json::from_str(text).unwrap())
    }

    /// `POST /repos/{owner}/{repo}/pulls` and the like.
    pub fn endpoints(&self) -> Vec<String> {
        self.all().map(name).collect()
    }

    /// The endpoint that a request goes to.
    pub fn endpoint_of(&self, exchange: &Exchange) -> Option<String> {
        self.find(exchange).map(name)
    }

    /// What is wrong with an exchange.
    pub fn mistakes(&self, exchange: &Exchange) -> Vec<String> {
        let Some(endpoint) = self.find(exchange) else { return vec!["it is not described".to_owned()] };
        let mut mistakes = Vec::new();
        let (_, query) = exchange.path.split_once('?').unwrap_or_default();
        for (key, _) in query.split('&').filter_map(|pair| pair.split_once('=')) {
            if !endpoint["query"].as_array().unwrap().iter().any(|known| known == key) {
                mistakes.push(format!("no parameter `{key}`"));
            }
        }
        match &endpoint["request"] {
            _ if exchange.request.is_null() => {
                if endpoint["needsRequest"] == true {
                    mistakes.push("a body is missing".to_owned());
                }
            }
            Json::Null => mistakes.push("it has no body".to_owned()),
            schema => check(schema, &exchange.request, "request", &mut mistakes),
        }
        if exchange.status < 300 {
            if endpoint["status"] != exchange.status {
                mistakes.push(format!("it answers {}, not {}", endpoint["status"], exchange.status));
            }
            check(&endpoint["answer"], &exchange.answer, "answer", &mut mistakes);
        }
        mistakes
    }

    fn all(&self) -> impl Iterator<Item = &Json> {
        self.0["endpoints"].as_array().unwrap().iter()
    }

    fn find(&self, exchange: &Exchange) -> Option<&Json> {
        let path: Vec<&str> = exchange.path.split('?').next().unwrap().split('/').collect();
        self.all().find(|endpoint| {
            let template: Vec<&str> = endpoint["path"].as_str().unwrap().split('/').collect();
            let is_same = |(step, given): (&&str, &&str)| step == given || step.starts_with('{');
            endpoint["method"] == exchange.method.as_str()
                && template.len() == path.len()
                && template.iter().zip(&path).all(is_same)
        })
    }
}

fn name(endpoint: &Json) -> String {
    format!("{} {}", endpoint["method"].as_str().unwrap(), endpoint["path"].as_str().unwrap())
}

/// A value against the part of JSON Schema that OpenAPI 3.0 has and the extract uses.
fn check(schema: &Json, value: &Json, place: &str, mistakes: &mut Vec<String>) {
    if value.is_null() {
        if schema["nullable"] != true {
            mistakes.push(format!("`{place}` is null"));
        }
        return;
    }
    if let Some(forms) = schema["oneOf"].as_array() {
        let of = |form| {
            let mut mistakes = Vec::new();
            check(form, value, place, &mut mistakes);
            mistakes
        };
        let best = forms.iter().map(of).min_by_key(Vec::len).unwrap_or_default();
        return mistakes.extend(best);
    }
    let is_type = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    let is_known = schema["enum"].as_array().is_none_or(|known| known.contains(value));
    if !is_type || !is_known {
        return mistakes.push(format!("`{place}` is {value}"));
    }
    for item in value.as_array().into_iter().flatten() {
        check(&schema["items"], item, place, mistakes);
    }
    let (Some(fields), Some(known)) = (value.as_object(), schema["properties"].as_object()) else { return };
    for (name, value) in fields {
        match known.get(name) {
            Some(schema) => check(schema, value, &format!("{place}.{name}"), mistakes),
            None => mistakes.push(format!("no field `{place}.{name}`")),
        }
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        // Answers of the embedded forge need have no more than what refrom relies on, which is in the extract.
        if place.starts_with("request") && !fields.contains_key(name) {
            mistakes.push(format!("`{place}.{name}` is missing"));
        }
    }
}
