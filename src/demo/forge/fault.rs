//! What goes wrong, once and on purpose.

use serde_json::{Value, json};

/// Something that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What the request is known by: a part of `POST /repos/acme/web/pulls`, or of `POST /graphql#OwnerRepositories`.
    pub request: String,
    /// How many such requests are answered well before.
    pub after: usize,
    pub kind: FaultKind,
}

/// How a request goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// A status without any effect: 500, 502, 503, 401.
    Status(u16),
    /// The effect takes place, and the connection breaks before the answer is there.
    LostAnswer,
    /// 403 with `retry-after`, in seconds, and no effect.
    SecondaryLimit { retry_after: u64 },
    /// 403, and the limit is renewed so many seconds later.
    PrimaryLimit { reset_in: i64 },
    /// A good answer, and the last until the limit is renewed so many seconds later.
    LastOne { reset_in: i64 },
    /// GraphQL's way of saying it: 200 and an error of the type `RATE_LIMITED`.
    GraphQlLimit,
    /// GraphQL gives up on a question that is too much work: 200, an error, and no data.
    ResourceLimit,
    /// GraphQL answers, and one repository of the answer is an error of this type.
    PartialError { repository: String, kind: String },
}

impl Fault {
    /// The next request that contains this goes wrong.
    pub fn next(request: impl Into<String>, kind: FaultKind) -> Self {
        Self { request: request.into(), after: 0, kind }
    }
}

/// Takes the fault that is meant for this request; the others come closer.
pub(super) fn take(faults: &mut Vec<Fault>, request: &str) -> Option<FaultKind> {
    let index = faults.iter().position(|fault| request.contains(&fault.request))?;
    let fault = faults.get_mut(index)?;
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    Some(faults.remove(index).kind)
}

/// Makes one repository of an answer an error: `null` where it stood, and why.
pub(super) fn spoil(body: &mut Value, repository: &str, kind: &str) {
    let pointers: Vec<Vec<Value>> = places(body.get("data").unwrap_or(&Value::Null), repository);
    for path in pointers {
        let pointer: String = path.iter().map(|step| format!("/{}", step.to_string().trim_matches('"'))).collect();
        if let Some(value) = body.pointer_mut(&format!("/data{pointer}")) {
            *value = Value::Null;
        }
        let error = json!({ "type": kind, "path": path, "message": "something went wrong here" });
        if let Some(body) = body.as_object_mut() {
            let errors = body.entry("errors").or_insert_with(|| json!([]));
            errors.as_array_mut().map(|errors| errors.push(error)).unwrap_or_default();
        }
    }
}

/// Where objects with this `nameWithOwner` stand.
fn places(value: &Value, repository: &str) -> Vec<Vec<Value>> {
    if value.get("nameWithOwner").and_then(Value::as_str) == Some(repository) {
        return vec![Vec::new()];
    }
    let children: Vec<(Value, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, child)| (Value::from(name.as_str()), child)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, child)| (Value::from(index), child)).collect(),
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(step, child)| {
        let found = places(child, repository).into_iter();
        found.map(move |rest| std::iter::once(step.clone()).chain(rest).collect())
    });
    below.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_once_and_when_it_is_meant_to() {
        let mut faults = vec![Fault { request: "/pulls".into(), after: 1, kind: FaultKind::Status(502) }];
        assert_eq!(take(&mut faults, "POST /repos/acme/web/labels"), None);
        assert_eq!(take(&mut faults, "POST /repos/acme/web/pulls"), None);
        assert_eq!(take(&mut faults, "POST /repos/acme/web/pulls"), Some(FaultKind::Status(502)));
        assert_eq!(take(&mut faults, "POST /repos/acme/web/pulls"), None);
    }
}
