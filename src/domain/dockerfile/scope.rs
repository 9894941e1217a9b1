//! Global ARGs: those before the first FROM, and the platform's own.

use std::collections::BTreeMap;
use std::ops::Range;

use super::expand::{Expanded, expand};
use super::traced::Traced;
use super::words::quoted_words;

/// What BuildKit sets by itself, to values that only the build knows (Dockerfile reference, "Automatic platform
/// ARGs in the global scope").
const AUTOMATIC: [&str; 11] = [
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDOSVERSION",
    "BUILDARCH",
    "BUILDVARIANT",
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETOSVERSION",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
];

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// Nobody gave it a value in the file.
    Unset,
    /// It has a value that the file does not tell.
    Unknown,
    Known(&'a Traced),
}

/// The ARGs that a FROM may use.
#[derive(Debug)]
pub(super) struct Scope {
    /// `None`: set to something that the file does not tell.
    values: BTreeMap<String, Option<Traced>>,
    definitions: Vec<Definition>,
}

/// One `NAME=value` of an ARG.
#[derive(Debug, Clone)]
pub(super) struct Definition {
    pub name: String,
    /// The bytes of the value in the file, quotes included.
    pub range: Range<usize>,
    /// Which instruction of the file it is.
    pub instruction: usize,
}

impl Scope {
    pub fn new() -> Self {
        let values = AUTOMATIC.into_iter().map(|name| (name.to_owned(), None)).collect();
        Self { values, definitions: Vec::new() }
    }

    pub fn get(&self, name: &str) -> Value<'_> {
        match self.values.get(name) {
            None => Value::Unset,
            Some(None) => Value::Unknown,
            Some(Some(value)) => Value::Known(value),
        }
    }

    /// Takes up `ARG a=1 b=2 c`. A name without a value changes nothing: it says that one may be given.
    pub fn declare(&mut self, arguments: &Traced, escape: u8, instruction: usize) {
        for word in quoted_words(arguments, escape) {
            let Some((name, value)) = word.cut(b'=') else { continue };
            let name = name.lossy();
            let known = match expand(&value, escape, self) {
                Ok(Expanded { value, is_known: true }) => Some(value),
                // An expansion that is a syntax error stops the build; its value is nobody's.
                Ok(_) | Err(_) => None,
            };
            if let Some(range) = value.hull() {
                self.definitions.push(Definition { name: name.clone(), range, instruction });
            }
            self.values.insert(name, known);
        }
    }

    /// The ARG whose value holds these bytes of the file.
    pub fn holder(&self, range: &Range<usize>) -> Option<&Definition> {
        self.definitions.iter().find(|held| held.range.start <= range.start && range.end <= held.range.end)
    }
}
