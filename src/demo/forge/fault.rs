//! What goes wrong, once and on purpose.

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
