//! Global ARGs: those before the first FROM, and the platform's own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;

use super::expand::{Expanded, VALUE_BYTES_MAX, expand};
use super::traced::Traced;
use super::words::quoted_words;
use crate::domain::digest::Digest;

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

/// How many bytes the values of all ARGs of a file may have together: as many as a file itself. ARGs that repeat one
/// another would hold a thousand times that.
const VALUES_BYTES_MAX: usize = 1 << 20;
/// How much matching of patterns a file may cause, in bytes of text times tokens of pattern. An expansion that people
/// write takes a few hundred.
const MATCHING_MAX: usize = 8 << 20;

/// How many ARGs may stand between a value and the FROM that it serves. People write one; a file of ARGs that read one
/// another would cost its square.
const CHAIN_MAX: usize = 16;

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
    /// **Invariant**: in the order of the file, so that their ranges ascend and do not overlap.
    definitions: Vec<Definition>,
    values_bytes: usize,
    matching: Cell<usize>,
    /// The names that were read since it was last noted who reads.
    reads: RefCell<Vec<String>>,
    /// Who reads an ARG.
    readers: BTreeMap<String, Reader>,
}

/// Who reads an ARG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// The value of this other definition.
    Definition(usize),
    /// FROMs, which all have the text with this hash.
    Base(Digest),
    /// A stage, which does with it what nobody knows, or several of these.
    Others,
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
        Self {
            values,
            definitions: Vec::new(),
            values_bytes: 0,
            matching: Cell::new(0),
            reads: RefCell::default(),
            readers: BTreeMap::new(),
        }
    }

    pub fn get(&self, name: &str) -> Value<'_> {
        self.reads.borrow_mut().push(name.to_owned());
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
            self.reads.borrow_mut().clear();
            let known = match expand(&value, escape, self) {
                Ok(Expanded { value, is_known: true }) if self.has_room_for(&value) => Some(value),
                // An expansion that is a syntax error stops the build; its value is nobody's.
                Ok(_) | Err(_) => None,
            };
            self.note_reader(Reader::Definition(self.definitions.len()));
            if let Some(range) = value.hull() {
                self.definitions.push(Definition { name: name.clone(), range, instruction });
            }
            self.values_bytes += known.as_ref().map_or(0, Traced::len);
            self.values.insert(name, known);
        }
    }

    fn has_room_for(&self, value: &Traced) -> bool {
        value.len() <= VALUE_BYTES_MAX && self.values_bytes + value.len() <= VALUES_BYTES_MAX
    }

    /// Whether so much more matching of patterns may be done for this file; it counts as done.
    pub fn may_match(&self, text_bytes: usize, tokens: usize) -> bool {
        self.matching.set(self.matching.get().saturating_add((text_bytes + 1) * (tokens + 1)));
        self.matching.get() <= MATCHING_MAX
    }

    /// Notes who read the names that were read just now.
    pub fn note_reader(&mut self, reader: Reader) {
        for name in self.reads.take() {
            self.add_reader(name, reader);
        }
    }

    /// Takes up `ARG a b=1` of a stage: what a name without a value stood for before the first FROM is known there, too.
    pub fn hand_over(&mut self, arguments: &Traced, escape: u8) {
        for word in quoted_words(arguments, escape).iter().filter(|word| word.cut(b'=').is_none()) {
            self.add_reader(word.lossy(), Reader::Others);
        }
    }

    fn add_reader(&mut self, name: String, reader: Reader) {
        let known = self.readers.entry(name).or_insert(reader);
        if *known != reader {
            *known = Reader::Others;
        }
    }

    /// Whether a change of these bytes changes nothing but the FROMs of one text: they stand in no ARG, or in one that
    /// nobody else reads.
    pub fn serves_one_text(&self, range: &Range<usize>) -> bool {
        let Some(mut holder) = self.holder(range) else { return true };
        for _ in 0..CHAIN_MAX {
            let reader = self.readers.get(&holder.name);
            holder = match reader {
                Some(Reader::Definition(index)) => match self.definitions.get(*index) {
                    Some(next) => next,
                    None => return false,
                },
                Some(Reader::Base(_)) => return true,
                Some(Reader::Others) | None => return false,
            };
        }
        false
    }

    /// The ARG whose value holds these bytes of the file.
    pub fn holder(&self, range: &Range<usize>) -> Option<&Definition> {
        let after = self.definitions.partition_point(|held| held.range.start <= range.start);
        self.definitions.get(after.checked_sub(1)?).filter(|held| range.end <= held.range.end)
    }
}
