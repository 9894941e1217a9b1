//! One line of a ledger that moves: a contract with the programs that read and write it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::digest::Digest;
use crate::domain::image_record::{ImageRecord, Text};
use crate::domain::reference::{Reference, ReferenceError, TagRef};
use crate::store::LedgerEntry;

/// A digest that a tag pointed to. `first_seen`, `reference` and `digest` are enough.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerLine {
    reference: Text<Tagged>,
    digest: Text<Digest>,
    first_seen: Timestamp,
    last_seen: Option<Timestamp>,
    image: Option<ImageRecord>,
}

/// A tag with its image.
#[derive(Debug, Clone)]
pub struct Tagged(pub TagRef);

/// Why a text is no [`Tagged`].
#[derive(Debug, thiserror::Error)]
pub enum TaggedError {
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error("expected an image with its tag, as in `dhi.io/nginx:1.27`")]
    NoTag,
    #[error("expected no digest after the tag")]
    Digest,
}

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {message}")]
pub struct LineError {
    /// 1-based, in bytes.
    column: usize,
    message: String,
}

impl FromStr for Tagged {
    type Err = TaggedError;

    fn from_str(text: &str) -> Result<Self, TaggedError> {
        let Reference { image, tag, digest, .. } = text.parse()?;
        match (tag, digest) {
            (_, Some(_)) => Err(TaggedError::Digest),
            (None, None) => Err(TaggedError::NoTag),
            (Some(tag), None) => Ok(Self(TagRef { image, tag })),
        }
    }
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<&LedgerEntry> for LedgerLine {
    fn from(entry: &LedgerEntry) -> Self {
        Self {
            reference: Text(Tagged(entry.tag.clone())),
            digest: Text(entry.digest),
            first_seen: entry.first_seen,
            last_seen: entry.last_seen,
            image: entry.image.as_ref().map(|image| ImageRecord::new(image, &entry.contents)),
        }
    }
}

impl LedgerLine {
    /// Reads a line. Nobody saw anything after `now`.
    pub fn read(line: &[u8], now: Timestamp) -> Result<LedgerEntry, LineError> {
        let read: Self = serde_json::from_slice(line).map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            let message = text.strip_suffix(&place).unwrap_or(&text).to_owned();
            LineError { column: error.column().max(1), message }
        })?;
        let times = [("first_seen", Some(read.first_seen)), ("last_seen", read.last_seen)];
        if let Some((key, _)) = times.into_iter().find(|(_, at)| at.is_some_and(|at| at > now)) {
            return Err(LineError { column: column_of(key, line), message: format!("`{key}` is in the future") });
        }
        let Self { reference: Text(Tagged(tag)), digest: Text(digest), first_seen, last_seen, image } = read;
        let known = image.map(|image| image.image(digest));
        let (image, contents) = known.map(|(image, contents)| (Some(image), contents)).unwrap_or_default();
        Ok(LedgerEntry { tag, digest, first_seen, last_seen, image, contents })
    }
}

/// Where a key of the line begins.
fn column_of(key: &str, line: &[u8]) -> usize {
    let key = format!("\"{key}\"");
    line.windows(key.len()).position(|part| part == key.as_bytes()).map_or(1, |position| position + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    fn read(line: &str) -> Result<LedgerEntry, String> {
        let line = line.replace("DIGEST", DIGEST);
        LedgerLine::read(line.as_bytes(), "2026-11-20T08:00:00Z".parse().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn three_keys_are_enough() {
        let entry =
            read(r#"{"first_seen": "2026-06-20T19:23:24Z", "reference": "nginx:1", "digest": "DIGEST"}"#).unwrap();
        assert_eq!((entry.tag.to_string().as_str(), entry.last_seen), ("docker.io/library/nginx:1", None));
        assert_eq!((entry.digest.to_string().as_str(), entry.image), (DIGEST, None));
    }

    #[test]
    fn a_wrong_line_says_where_and_why() {
        for (line, error) in [
            ("nonsense", "2: expected ident"),
            (r#"{"reference": "nginx"}"#, "22: `nginx`: expected an image with its tag, as in `dhi.io/nginx:1.27`"),
            (r#"{"reference": "nginx:1@DIGEST"}"#, "96: `nginx:1@DIGEST`: expected no digest after the tag"),
            (
                r#"{"digest": "sha256:12"}"#,
                "23: `sha256:12`: not a digest: expected `sha256:` and 64 lower-case hex digits",
            ),
            (r#"{"reference": "nginx:1", "digest": "DIGEST"}"#, "109: missing field `first_seen`"),
            (
                r#"{"seen": 1}"#,
                "7: unknown field `seen`, expected one of `reference`, `digest`, `first_seen`, `last_seen`, `image`",
            ),
            (
                r#"{"reference": "nginx:1", "digest": "DIGEST", "first_seen": "2026-11-20T08:00:01Z"}"#,
                "111: `first_seen` is in the future",
            ),
        ] {
            assert_eq!(read(line).unwrap_err(), error.replace("DIGEST", DIGEST), "{line}");
        }
    }
}
