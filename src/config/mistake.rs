//! What is wrong with a configuration: where, at which key, and what to write instead.

use std::fmt;
use std::path::{Path, PathBuf};

use super::yaml::Place;

/// How many mistakes of one file are told at once. Who has more, starts with these.
pub const MISTAKES_MAX: usize = 50;
/// Names of at least this many letters may be two edits apart to be taken for a slip of the keys, shorter ones one.
const LONG_NAME: usize = 7;
/// That many letters of a name's beginning are taken for the name.
const BEGINNING: usize = 3;

/// The way from the top of a document to a key: `forges[0].auth.token`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyPath(Vec<Segment>);

/// One step of a [`KeyPath`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    Key(String),
    /// 0-based.
    Index(usize),
}

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// `None` where the file as a whole is meant.
    pub place: Option<Place>,
    /// Empty where the whole document is meant.
    pub path: KeyPath,
    /// For people; shows no secret.
    pub message: String,
}

/// Everything that is wrong with one configuration file, in the order of the file.
///
/// **Invariant**: there is at least one mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigErrors {
    pub file: PathBuf,
    pub mistakes: Vec<Mistake>,
}

impl KeyPath {
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        let mut segments = self.0.clone();
        segments.push(segment);
        Self(segments)
    }

    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub fn starts_with(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// The nearest path up from here, this one included, that ends in a key.
    pub fn nearest_key(&self) -> Self {
        let length = self.0.iter().rposition(|segment| matches!(segment, Segment::Key(_))).map_or(0, |last| last + 1);
        Self(self.0.iter().take(length).cloned().collect())
    }
}

impl FromIterator<Segment> for KeyPath {
    fn from_iter<I: IntoIterator<Item = Segment>>(segments: I) -> Self {
        Self(segments.into_iter().collect())
    }
}

impl ConfigErrors {
    /// One mistake that concerns the file as a whole.
    pub fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self::new(file, vec![Mistake { place: None, path: KeyPath::default(), message: message.into() }])
    }

    /// Sorts the mistakes by their place and keeps the first 50.
    pub fn new(file: &Path, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort();
        mistakes.dedup();
        mistakes.truncate(MISTAKES_MAX);
        Self { file: file.to_owned(), mistakes }
    }
}

/// The known name that `written` was probably meant to be.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lowered = written.to_lowercase().replace('-', "_");
    let is_near = |name: &str| {
        let edits_max = if name.len() < LONG_NAME { 1 } else { 2 };
        let is_beginning = lowered.len() >= BEGINNING && name.starts_with(&lowered);
        is_beginning || (name.len() >= BEGINNING && edits(&lowered, name) <= edits_max)
    };
    known.into_iter().filter(|name| is_near(name)).min_by_key(|name| edits(&lowered, name))
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two texts (the restricted
/// Damerau–Levenshtein distance).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut previous: Option<char> = None;
    for (row, letter) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, other) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(letter != *other);
            let mut cost = replaced.min(at(&last, column + 1) + 1).min(at(&current, column) + 1);
            let is_swap = column > 0 && previous == Some(*other) && right.get(column - 1) == Some(&letter);
            if is_swap {
                cost = cost.min(at(&before_last, column - 1) + 1);
            }
            current.push(cost);
        }
        before_last = std::mem::replace(&mut last, current);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or_default()
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if position == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{}:{}: ", place.line, place.column)?;
        }
        if !self.path.segments().is_empty() {
            write!(f, "`{}`: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, mistake) in self.mistakes.iter().enumerate() {
            let line_end = if position == 0 { "" } else { "\n" };
            let separator = if mistake.place.is_some() { ":" } else { ": " };
            write!(f, "{line_end}{}{separator}{mistake}", self.file.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_finds_the_name_that_was_meant() {
        let known = ["labels", "group", "max_open", "include", "url"];
        for (written, meant) in [
            ("lables", Some("labels")),
            ("grup", Some("group")),
            ("max-open", Some("max_open")),
            ("Include", Some("include")),
            ("uri", Some("url")),
            ("gruop", Some("group")),
            ("inc", Some("include")),
            ("in", None),
            ("laabels", Some("labels")),
            ("lbals", None),
            ("schedule", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }

    #[test]
    fn edits_count_a_swap_once() {
        assert_eq!(edits("lables", "labels"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("same", "same"), 0);
    }
}
