//! Files of JSON lines, plain or gzipped.

use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::read::MultiGzDecoder;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

/// How a gzipped file begins (RFC 1952, section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// The longest line in bytes: a sighting of an index with every platform there is has a tenth of it.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// The largest file in bytes, unpacked: some million sightings.
const FILE_BYTES_MAX: u64 = 2 << 30;

/// What is wrong with a file that a replay is made from.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("cannot read `{}`", file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    /// Line and column count from 1.
    #[error("{}:{line}:{column}: {message}", file.display())]
    Line { file: PathBuf, line: u64, column: usize, message: String },
    #[error("`{}` is larger than {FILE_BYTES_MAX} bytes", file.display())]
    TooLarge { file: PathBuf },
    /// There is not one line in it.
    #[error("`{}` has no {what}", file.display())]
    Empty { file: PathBuf, what: &'static str },
}

/// Reads each line that is not blank; `take` says what is wrong with one that was read.
pub(super) fn each<T: DeserializeOwned>(
    file: &Path,
    mut take: impl FnMut(T) -> Result<(), String>,
) -> Result<(), InputError> {
    let unreadable = |source| InputError::Unreadable { file: file.to_owned(), source };
    let mut reader = BufReader::new(open(file).map_err(unreadable)?.take(FILE_BYTES_MAX + 1));
    let mut text = String::new();
    for line in 1.. {
        text.clear();
        let wrong = |column: usize, message: String| InputError::Line { file: file.to_owned(), line, column, message };
        match reader.by_ref().take(LINE_BYTES_MAX + 1).read_line(&mut text) {
            Ok(0) => break,
            Ok(_) if text.len() as u64 > LINE_BYTES_MAX => {
                return Err(wrong(1, format!("longer than {LINE_BYTES_MAX} bytes")));
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(wrong(1, "not UTF-8".to_owned()));
            }
            Err(error) => return Err(unreadable(error)),
        }
        // Serde would take an array for an object, too, and tell its own names where it does not fit.
        let blanks = text.len() - text.trim_start().len();
        if !text.trim().is_empty() && !text.trim_start().starts_with('{') {
            return Err(wrong(blanks + 1, "expected an object".to_owned()));
        }
        if !text.trim().is_empty() {
            let read = serde_json::from_str(&text).map_err(|error| wrong(error.column().max(1), message(&error)))?;
            take(read).map_err(|message| wrong(1, message))?;
        }
    }
    // Whatever was left to take is beyond the limit.
    if reader.into_inner().limit() == 0 { Err(InputError::TooLarge { file: file.to_owned() }) } else { Ok(()) }
}

fn open(file: &Path) -> std::io::Result<Box<dyn Read>> {
    let mut reader = BufReader::new(File::open(file)?);
    let is_gzipped = reader.fill_buf()?.starts_with(&GZIP_MAGIC);
    Ok(if is_gzipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) })
}

/// What is wrong, without the place within the line, which is told apart.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).unwrap_or(&text).to_owned()
}

/// Reads a text as a `T`.
pub(super) fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;
    use crate::domain::digest::Digest;

    #[derive(Debug, Deserialize)]
    struct Line {
        #[serde(deserialize_with = "parsed")]
        digest: Digest,
    }

    fn read(bytes: &[u8]) -> Result<Vec<Digest>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jsonl");
        std::fs::write(&file, bytes).unwrap();
        let mut digests = Vec::new();
        let result = each(&file, |line: Line| {
            digests.push(line.digest);
            Ok(())
        });
        let shown = |error: InputError| error.to_string().replace(&file.display().to_string(), "a.jsonl");
        result.map(|()| digests).map_err(shown)
    }

    #[test]
    fn lines_are_read_plain_and_gzipped() {
        let digests = [b"a", b"b"].map(|text| Digest::of(text));
        let text = format!("{{\"digest\":\"{}\"}}\r\n\n{{\"digest\":\"{}\"}}", digests[0], digests[1]);
        let mut packed = GzEncoder::new(Vec::new(), Compression::default());
        packed.write_all(text.as_bytes()).unwrap();
        for bytes in [text.clone().into_bytes(), packed.finish().unwrap()] {
            assert_eq!(read(&bytes), Ok(digests.to_vec()));
        }
        assert_eq!(read(b""), Ok(Vec::new()));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_column() {
        let good = format!("{{\"digest\":\"{}\"}}\n", Digest::of(b"a"));
        for (line, told) in [
            ("{\"digest\": 1}", "a.jsonl:2:12: invalid type: integer `1`, expected a string"),
            ("{\"digest\": \"x\"}", "a.jsonl:2:15: `x`: not a digest: expected `sha256:` and 64 lower-case hex digits"),
            ("{}", "a.jsonl:2:2: missing field `digest`"),
            ("[]", "a.jsonl:2:1: expected an object"),
            (" 7", "a.jsonl:2:2: expected an object"),
            ("{", "a.jsonl:2:1: EOF while parsing an object"),
        ] {
            assert_eq!(read(format!("{good}{line}").as_bytes()), Err(told.to_owned()), "{line}");
        }
        assert_eq!(read(b"\xff\n"), Err("a.jsonl:1:1: not UTF-8".to_owned()));
        let long = vec![b' '; usize::try_from(LINE_BYTES_MAX).unwrap() + 1];
        assert_eq!(read(&long), Err("a.jsonl:1:1: longer than 1048576 bytes".to_owned()));
    }
}
