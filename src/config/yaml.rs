//! YAML text → a tree of values that know where they stand.
//!
//! The tree keeps what a typed reader throws away: the place of every key and value, both of two equal keys, and
//! the letters of a number (`1.20` is a tag, not 1.2).

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Location, Spanned};

use super::mistake::{KeyPath, Mistake, Segment};

/// How many values a document may have after its aliases are followed. A fleet's configuration has some thousands;
/// this stops a few lines of aliases from becoming gigabytes.
const NODES_MAX: usize = 100_000;
/// How deep a document may nest; ours needs 8.
const DEPTH_MAX: usize = 20;
/// How deep aliases may stand within what other aliases name. With [`DEPTH_MAX`] it bounds the reader's stack.
const ALIAS_DEPTH_MAX: usize = 4;

/// A place in a file: 1-based, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

/// A value, and where it stands. What came through an alias stands at the alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    /// With its letters as they were written, quotes removed.
    Scalar(Kind, String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<Entry>),
}

/// What a scalar is by the core schema of YAML 1.2: `no` is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Boolean,
    Number,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub node: Node,
}

/// Reads one document. Two equal keys are a mistake each, and the first one stays; text that is no YAML is one mistake.
pub fn parse(text: &str) -> Result<(Node, Vec<Mistake>), Mistake> {
    let options = serde_saphyr::options! {
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        with_snippet: false,
        emit_comments: false,
        reject_unsupported_tags: true,
        budget: serde_saphyr::budget! { max_nodes: NODES_MAX, max_events: NODES_MAX * 4, max_depth: DEPTH_MAX },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: NODES_MAX, max_replay_stack_depth: ALIAS_DEPTH_MAX },
    };
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax(&error))?;
    let mut duplicates = Vec::new();
    let node = node(raw, text, &KeyPath::default(), &mut duplicates);
    Ok((node, duplicates))
}

impl Value {
    /// What it is called in a message; never shows the value, which may be a secret.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Scalar(Kind::Text, _) => "text",
            Self::Scalar(Kind::Boolean, _) => "a boolean",
            Self::Scalar(Kind::Number, _) => "a number",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// The value at a path.
    pub fn get(&self, path: &KeyPath) -> Option<&Self> {
        path.segments().iter().try_fold(self, |node, segment| match (&node.value, segment) {
            (Value::List(nodes), Segment::Index(index)) => nodes.get(*index),
            (Value::Map(entries), Segment::Key(key)) => {
                entries.iter().find(|entry| entry.key == *key).map(|entry| &entry.node)
            }
            (Value::Null | Value::Scalar(..) | Value::List(_) | Value::Map(_), _) => None,
        })
    }

    /// Where the value at a path stands, else the nearest value above it.
    pub fn place_of(&self, path: &KeyPath) -> Place {
        let mut known = KeyPath::default();
        let mut place = self.place;
        for segment in path.segments() {
            known = match segment {
                Segment::Key(key) => known.key(key),
                Segment::Index(index) => known.index(*index),
            };
            match self.get(&known) {
                Some(node) => place = node.place,
                None => break,
            }
        }
        place
    }

    /// Takes the key at the end of a path out of its mapping; false where there is none.
    pub fn remove(&mut self, path: &KeyPath) -> bool {
        let Some((Segment::Key(last), above)) = path.segments().split_last() else { return false };
        let mut node = self;
        for segment in above {
            let next = match (&mut node.value, segment) {
                (Value::List(nodes), Segment::Index(index)) => nodes.get_mut(*index),
                (Value::Map(entries), Segment::Key(key)) => {
                    entries.iter_mut().find(|entry| entry.key == *key).map(|entry| &mut entry.node)
                }
                (Value::Null | Value::Scalar(..) | Value::List(_) | Value::Map(_), _) => None,
            };
            let Some(next) = next else { return false };
            node = next;
        }
        let Value::Map(entries) = &mut node.value else { return false };
        let before = entries.len();
        entries.retain(|entry| entry.key != *last);
        entries.len() < before
    }
}

/// A value as the reader gives it: numbers and booleans are fetched from the text by their place.
enum Raw {
    Null,
    Text(String),
    Boolean,
    Number,
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = access.next_element()? {
            nodes.push(node);
        }
        Ok(Raw::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            if entries.len() >= NODES_MAX {
                return Err(A::Error::custom("too many keys"));
            }
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}

fn node(raw: Spanned<Raw>, text: &str, path: &KeyPath, duplicates: &mut Vec<Mistake>) -> Node {
    let scalar = |kind| Value::Scalar(kind, letters(text, raw.defined).to_owned());
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Text(text) => Value::Scalar(Kind::Text, text),
        Raw::Boolean => scalar(Kind::Boolean),
        Raw::Number => scalar(Kind::Number),
        Raw::List(nodes) => {
            let nodes = nodes.into_iter().enumerate();
            Value::List(nodes.map(|(index, raw)| node(raw, text, &path.index(index), duplicates)).collect())
        }
        Raw::Map(pairs) => {
            let mut entries: Vec<Entry> = Vec::new();
            let mut lines: BTreeMap<String, u64> = BTreeMap::new();
            for (key, raw) in pairs {
                let (path, key_place) = (path.key(&key.value), place(key.referenced));
                if let Some(line) = lines.get(&key.value) {
                    let message = format!("the key stands here a second time, after line {line}");
                    duplicates.push(Mistake { place: Some(key_place), path, message });
                    continue;
                }
                lines.insert(key.value.clone(), key_place.line);
                let node = node(raw, text, &path, duplicates);
                entries.push(Entry { key: key.value, key_place, node });
            }
            Value::Map(entries)
        }
    };
    Node { place: place(raw.referenced), value }
}

fn place(location: Location) -> Place {
    Place { line: location.line().max(1), column: location.column().max(1) }
}

/// The letters of a plain scalar.
fn letters(text: &str, location: Location) -> &str {
    let span = location.span();
    let range = span.byte_offset().zip(span.byte_len()).and_then(|(offset, length)| {
        let (start, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
        Some(start..start.checked_add(length)?)
    });
    range.and_then(|range| text.get(range)).unwrap_or_default().trim()
}

/// The reader's error as one mistake, in words about the file rather than about the reader.
fn syntax(error: &serde_saphyr::Error) -> Mistake {
    Mistake { place: error.location().map(place), path: KeyPath::default(), message: words(error) }
}

fn words(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error;
    match error.without_snippet() {
        Error::AliasError { error, .. } => words(error),
        Error::MultipleDocuments { .. } => "a second document starts here; only one is read".to_owned(),
        Error::UnknownAnchor { .. } => {
            "an alias of nothing; text that begins with `*` needs quotes: `\"*/web\"`".to_owned()
        }
        Error::RecursiveReferencesRequireWeakTypes { .. } => "an alias stands inside of what it names".to_owned(),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            format!("too large: more than {NODES_MAX} values or {DEPTH_MAX} levels, aliases followed")
        }
        other => {
            // The place is told apart from the message.
            let text = other.to_string().split(" at line ").next().unwrap_or_default().to_owned();
            let is_reserved = text.starts_with("unexpected character");
            if is_reserved { format!("{text}; text that begins with it needs quotes") } else { text }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Node {
        let (node, mistakes) = parse(text).unwrap();
        assert_eq!(mistakes, []);
        node
    }

    fn path(keys: &[&str]) -> KeyPath {
        keys.iter().map(|key| Segment::Key((*key).to_owned())).collect()
    }

    fn scalar(kind: Kind, text: &str) -> Value {
        Value::Scalar(kind, text.to_owned())
    }

    #[test]
    fn scalars_keep_their_letters_and_no_is_text() {
        let node = read("a: [1.20, 007, no, True, 'x', \"1\", ~, .nan]\n");
        let Some(Value::List(nodes)) = node.get(&path(&["a"])).map(|node| node.value.clone()) else {
            panic!("{node:?}")
        };
        let values: Vec<Value> = nodes.into_iter().map(|node| node.value).collect();
        let expected = [
            scalar(Kind::Number, "1.20"),
            scalar(Kind::Number, "007"),
            scalar(Kind::Text, "no"),
            scalar(Kind::Boolean, "True"),
            scalar(Kind::Text, "x"),
            scalar(Kind::Text, "1"),
            Value::Null,
            scalar(Kind::Text, ".nan"),
        ];
        assert_eq!(values, expected);
    }

    #[test]
    fn aliases_and_merged_keys_stand_where_they_are_used() {
        let node = read("x: &a {k: 1.50, l: 1}\ny: *a\nz:\n  <<: *a\n  l: 2\n");
        assert_eq!(node.get(&path(&["y", "k"])).unwrap().value, scalar(Kind::Number, "1.50"));
        assert_eq!(node.place_of(&path(&["y", "k"])), Place { line: 2, column: 4 });
        assert_eq!(node.get(&path(&["z", "l"])).unwrap().value, scalar(Kind::Number, "2"));
        assert_eq!(node.get(&path(&["z", "k"])).unwrap().value, scalar(Kind::Number, "1.50"));
    }

    #[test]
    fn every_duplicate_key_is_told_and_the_first_one_stays() {
        let (node, mistakes) = parse("a: 1\nb: {c: 1, c: 2}\na: 3\n").unwrap();
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        let expected = [
            "2:11: `b.c`: the key stands here a second time, after line 2",
            "3:1: `a`: the key stands here a second time, after line 1",
        ];
        assert_eq!(told, expected);
        assert_eq!(node.get(&path(&["a"])).unwrap().value, scalar(Kind::Number, "1"));
    }

    #[test]
    fn a_removed_key_is_gone_and_its_place_is_that_of_the_mapping() {
        let mut node = read("a:\n  b: 1\n  c: 2\n");
        assert!(node.remove(&path(&["a", "b"])));
        assert!(!node.remove(&path(&["a", "b"])));
        assert_eq!(node.get(&path(&["a", "b"])), None);
        assert_eq!(node.place_of(&path(&["a", "b"])), Place { line: 2, column: 3 });
    }

    #[test]
    fn aliases_cannot_fill_the_memory() {
        let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for (name, previous) in ('b'..'j').zip('a'..) {
            let aliases = vec![format!("*{previous}"); 10].join(", ");
            text.push_str(&format!("{name}: &{name} [{aliases}]\n"));
        }
        let mistake = parse(&text).unwrap_err();
        assert_eq!(mistake.message, "too large: more than 100000 values or 20 levels, aliases followed");
    }

    #[test]
    fn nesting_cannot_fill_the_stack() {
        let deep = format!("a: {}{}\n", "[".repeat(200), "]".repeat(200));
        assert!(parse(&deep).unwrap_err().message.starts_with("too large"));
        let mut text = String::new();
        let levels = DEPTH_MAX - 2;
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        text.push_str(&format!("a: &a {open}x{close}\n"));
        for (name, previous) in ('b'..'i').zip('a'..) {
            text.push_str(&format!("{name}: &{name} {open}*{previous}{close}\n"));
        }
        assert!(parse(&text).unwrap_err().message.starts_with("too large"));
    }
}
