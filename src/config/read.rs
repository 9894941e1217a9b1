//! A tree of values → the typed mirror of a file, with every mistake rather than the first.
//!
//! A serde reader stops at the first mistake. The key that holds it is then taken out of the tree and the tree is
//! read again, until nothing is wrong with the rest. Every key of the mirror is optional, so this always ends.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use super::mistake::{KeyPath, MISTAKES_MAX, Mistake, Segment, nearest};
use super::yaml::{Entry, Kind, Node, Place, Value};

/// The mirror's types around secrets. What stands as a key in one of them may be the secret itself, so no message
/// repeats it.
const AROUND_SECRETS: [&str; 5] = ["SecretReference", "ForgeAuthFile", "AppFile", "RegistryAuthFile", "ProxyAuthFile"];

/// Reads as much as can be read. The mistakes' keys are gone from `tree` afterwards.
pub fn read<T: DeserializeOwned + Default>(tree: &mut Node, mistakes: &mut Vec<Mistake>) -> T {
    while mistakes.len() < MISTAKES_MAX {
        let error = match T::deserialize(Reader { node: tree }) {
            Ok(value) => return value,
            Err(error) => error,
        };
        let path: KeyPath = error.path.into_iter().rev().collect();
        let place = error.place.unwrap_or_else(|| tree.place_of(&path));
        let removed = tree.remove(&path.nearest_key());
        let path = if error.conceals_key { parent(&path) } else { path };
        mistakes.push(Mistake { place: Some(place), path, message: error.message });
        if !removed {
            break;
        }
    }
    T::default()
}

fn parent(path: &KeyPath) -> KeyPath {
    path.segments().split_last().map(|(_, above)| above.iter().cloned().collect()).unwrap_or_default()
}

/// One mistake on its way up from where it was found.
#[derive(Debug)]
struct ReadError {
    /// From the inside out.
    path: Vec<Segment>,
    /// The key's place, where the key itself is wrong.
    place: Option<Place>,
    conceals_key: bool,
    message: String,
}

impl ReadError {
    fn within(mut self, segment: Segment) -> Self {
        self.path.push(segment);
        self
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl serde::de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { path: Vec::new(), place: None, conceals_key: false, message: message.to_string() }
    }

    /// Without what was found: it may be a secret.
    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!("expected {expected}"))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(unknown("key", field, expected))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(unknown("value", variant, expected))
    }
}

/// `unknown key `lables`; did you mean `labels`?`
fn unknown(what: &str, written: &str, known: &[&str]) -> String {
    match nearest(written, known.iter().copied()) {
        Some(meant) => format!("unknown {what} `{written}`; did you mean `{meant}`?"),
        None => format!("unknown {what} `{written}`; known here: {}", list(known)),
    }
}

fn list(names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'a> {
    node: &'a Node,
}

impl<'a> Reader<'a> {
    /// `expected a list, found text`; never shows the value.
    fn wrong(&self, expected: &dyn fmt::Display) -> ReadError {
        ReadError::custom(format!("expected {expected}, found {}", self.node.value.describe()))
    }

    fn text(&self) -> Result<&'a str, ReadError> {
        match &self.node.value {
            Value::Scalar(_, text) => Ok(text),
            Value::Null | Value::List(_) | Value::Map(_) => Err(self.wrong(&"text")),
        }
    }

    fn number(&self) -> Result<u64, ReadError> {
        let number = match &self.node.value {
            Value::Scalar(Kind::Number, text) => text.parse().ok(),
            Value::Null | Value::Scalar(..) | Value::List(_) | Value::Map(_) => None,
        };
        number.ok_or_else(|| match self.node.value {
            Value::Scalar(Kind::Number, _) => ReadError::custom("expected a whole number, 0 or more"),
            _ => self.wrong(&"a whole number"),
        })
    }

    fn map<V: Visitor<'a>>(self, visitor: V, concealed: Concealed) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Map(entries) => visitor.visit_map(Map { entries: entries.iter(), current: None, concealed }),
            Value::Null | Value::Scalar(..) | Value::List(_) => Err(self.wrong(&(&visitor as &dyn Expected))),
        }
    }
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Null => visitor.visit_unit(),
            Value::Scalar(_, text) => visitor.visit_str(text),
            Value::List(_) => self.deserialize_seq(visitor),
            Value::Map(_) => self.map(visitor, Concealed::Nothing),
        }
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::Scalar(Kind::Boolean, text) => visitor.visit_bool(text.eq_ignore_ascii_case("true")),
            Value::Null | Value::Scalar(..) | Value::List(_) | Value::Map(_) => Err(self.wrong(&"`true` or `false`")),
        }
    }

    fn deserialize_u64<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_u64(self.number()?)
    }

    fn deserialize_u32<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let number = u32::try_from(self.number()?);
        visitor.visit_u32(number.map_err(|_| ReadError::custom(format!("expected at most {}", u32::MAX)))?)
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_str(self.text()?)
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Null => visitor.visit_none(),
            Value::Scalar(..) | Value::List(_) | Value::Map(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.node.value {
            Value::List(nodes) => visitor.visit_seq(List { nodes: nodes.iter(), index: 0 }),
            Value::Null | Value::Scalar(..) | Value::Map(_) => Err(self.wrong(&"a list")),
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.node.value {
            Value::Map(_) => self.map(visitor, Concealed::Nothing),
            Value::Null | Value::Scalar(..) | Value::List(_) => Err(self.wrong(&"a mapping")),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        keys: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let is_around_secrets = AROUND_SECRETS.contains(&name);
        self.map(visitor, if is_around_secrets { Concealed::AllBut(keys) } else { Concealed::Nothing })
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let text: StrDeserializer<'_, ReadError> = self.text()?.into_deserializer();
        visitor.visit_enum(text)
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct tuple
        tuple_struct identifier ignored_any
    }
}

struct List<'a> {
    nodes: std::slice::Iter<'a, Node>,
    index: usize,
}

impl<'a> SeqAccess<'a> for List<'a> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Result<Option<T::Value>, ReadError> {
        let Some(node) = self.nodes.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(Reader { node }).map(Some).map_err(|error| error.within(Segment::Index(index)))
    }
}

/// Which keys no message repeats.
#[derive(Clone, Copy)]
enum Concealed {
    Nothing,
    /// Keys that are far from all of these.
    AllBut(&'static [&'static str]),
}

struct Map<'a> {
    entries: std::slice::Iter<'a, Entry>,
    current: Option<&'a Entry>,
    concealed: Concealed,
}

impl<'a> MapAccess<'a> for Map<'a> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Result<Option<K::Value>, ReadError> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| {
            let error = match self.concealed {
                Concealed::AllBut(keys) if nearest(&entry.key, keys.iter().copied()).is_none() => {
                    let message = format!("unknown key; known here: {}", list(keys));
                    ReadError { conceals_key: true, message, ..error }
                }
                Concealed::AllBut(_) | Concealed::Nothing => error,
            };
            ReadError { place: Some(entry.key_place), ..error }.within(Segment::Key(entry.key.clone()))
        })
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.current else { return Err(ReadError::invalid_type(Unexpected::Unit, &"a value")) };
        seed.deserialize(Reader { node: &entry.node }).map_err(|error| error.within(Segment::Key(entry.key.clone())))
    }
}
