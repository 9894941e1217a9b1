//! `RUN --mount=type=bind,from=…` (BuildKit, `instructions/commands_runmount.go`).

use super::traced::Traced;

/// What a mount takes its files from.
#[derive(Debug)]
pub(super) enum MountSource {
    /// A stage or an image.
    From(Traced),
    /// Nothing that is an image: a secret, a tmpfs, the build context.
    None,
    /// A build error.
    Malformed(Traced),
}

/// Reads a mount's value: one record of CSV, keys in any case, the last of two equal keys counts.
pub(super) fn source(value: &Traced) -> MountSource {
    let Some(fields) = csv_fields(value) else { return MountSource::Malformed(value.clone()) };
    let mut kind = "bind".to_owned();
    let mut from = None;
    for (key, value) in fields.iter().filter_map(|field| field.cut(b'=')) {
        match key.lossy().to_ascii_lowercase().as_str() {
            "type" => kind = value.lossy().to_ascii_lowercase(),
            "from" => from = Some(value),
            _ => {}
        }
    }
    match (from, kind.as_str()) {
        (None, _) | (Some(_), "tmpfs" | "secret" | "ssh") => MountSource::None,
        (Some(from), "bind" | "cache") => MountSource::From(from),
        // A variable may become one of the two.
        (Some(from), kind) if kind.contains('$') => MountSource::From(from),
        (Some(from), _) => MountSource::Malformed(from),
    }
}

/// Splits one record as Go's `encoding/csv` does; `None` for a bare quote.
fn csv_fields(record: &Traced) -> Option<Vec<Traced>> {
    let mut fields = Vec::new();
    let mut position = 0;
    loop {
        let mut field = Traced::default();
        if record.get(position) == Some(b'"') {
            position += 1;
            loop {
                match (record.get(position)?, record.get(position + 1)) {
                    (b'"', Some(b'"')) => position += 1,
                    (b'"', _) => break,
                    _ => {}
                }
                field.push_from(record, position);
                position += 1;
            }
            position += 1;
        } else {
            while record.get(position).is_some_and(|byte| byte != b',') {
                if record.get(position) == Some(b'"') {
                    return None;
                }
                field.push_from(record, position);
                position += 1;
            }
        }
        fields.push(field);
        match record.get(position) {
            None => return Some(fields),
            Some(b',') => position += 1,
            Some(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(value: &str) -> String {
        match source(&Traced::from_source(value.as_bytes(), 0)) {
            MountSource::From(from) => from.lossy(),
            MountSource::None => "-".to_owned(),
            MountSource::Malformed(_) => "!".to_owned(),
        }
    }

    #[test]
    fn only_bind_and_cache_mounts_have_a_source() {
        assert_eq!(from("from=a:1,target=/x"), "a:1");
        assert_eq!(from("TYPE=Cache,FROM=a,target=/x"), "a");
        assert_eq!(from("from=a,from=b"), "b");
        assert_eq!(from("type=tmpfs,from=a"), "-");
        assert_eq!(from("type=bind,target=/x"), "-");
        assert_eq!(from("type=nothing,from=a"), "!");
    }

    #[test]
    fn fields_may_be_quoted() {
        assert_eq!(from("\"from=a:1\",target=/x"), "a:1");
        assert_eq!(from("target=/x,\"from=a\"\"b\""), "a\"b");
        assert_eq!(from("from=a\"b"), "!");
        assert_eq!(from("\"from=a"), "!");
        assert_eq!(from("\"from=a\"b"), "!");
    }
}
