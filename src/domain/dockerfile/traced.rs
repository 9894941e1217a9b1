//! Text that knows, byte by byte, where in the file it stands.

use std::ops::Range;

use super::blank::is_blank;

/// A text put together from bytes of one file.
///
/// A value may come from a continued line, out of quotes, or through two ARGs; whoever wants to change it has to know
/// where its bytes stand. **Invariant**: `origins` holds the offset in the file of each of `bytes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Traced {
    bytes: Vec<u8>,
    origins: Vec<usize>,
}

impl Traced {
    /// The bytes of the file from `start` on.
    pub fn from_source(bytes: &[u8], start: usize) -> Self {
        Self { bytes: bytes.to_vec(), origins: (start..start + bytes.len()).collect() }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn get(&self, index: usize) -> Option<u8> {
        self.bytes.get(index).copied()
    }

    /// The text, where it is UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// The text for people and for names of variables; bytes that are not UTF-8 are replaced.
    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Where the first byte stands in the file.
    pub fn origin(&self) -> Option<usize> {
        self.origins.first().copied()
    }

    /// Where the last byte stands in the file.
    pub fn last_origin(&self) -> Option<usize> {
        self.origins.last().copied()
    }

    /// The part from `range.start` to `range.end`, as far as it exists.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let range = range.start.min(self.len())..range.end.min(self.len()).max(range.start.min(self.len()));
        Self {
            bytes: self.bytes.get(range.clone()).unwrap_or_default().to_vec(),
            origins: self.origins.get(range).unwrap_or_default().to_vec(),
        }
    }

    /// Appends the byte of `other` at `index`.
    pub fn push_from(&mut self, other: &Self, index: usize) {
        if let (Some(byte), Some(origin)) = (other.get(index), other.origins.get(index)) {
            self.bytes.push(byte);
            self.origins.push(*origin);
        }
    }

    pub fn extend(&mut self, other: &Self) {
        self.bytes.extend_from_slice(&other.bytes);
        self.origins.extend_from_slice(&other.origins);
    }

    /// The range of the file that holds exactly these bytes; `None` where they do not stand side by side.
    pub fn source_range(&self) -> Option<Range<usize>> {
        let start = self.origin()?;
        let is_contiguous = self.origins.iter().enumerate().all(|(index, origin)| *origin == start + index);
        is_contiguous.then(|| start..start + self.len())
    }

    /// The smallest range of the file around all bytes; `None` for an empty text.
    pub fn hull(&self) -> Option<Range<usize>> {
        Some(*self.origins.iter().min()?..*self.origins.iter().max()? + 1)
    }

    /// Without blanks at both ends.
    pub fn trimmed(&self) -> Self {
        let start = self.bytes.iter().position(|byte| !is_blank(*byte)).unwrap_or(self.len());
        let end = self.bytes.iter().rposition(|byte| !is_blank(*byte)).map_or(start, |last| last + 1);
        self.slice(start..end)
    }

    /// The words between blanks (BuildKit, `parseStringsWhitespaceDelimited`).
    pub fn words(&self) -> Vec<Self> {
        let mut words = Vec::new();
        let mut start = None;
        for (index, byte) in self.bytes.iter().enumerate() {
            match (is_blank(*byte), start) {
                (false, None) => start = Some(index),
                (true, Some(first)) => {
                    words.push(self.slice(first..index));
                    start = None;
                }
                _ => {}
            }
        }
        words.extend(start.map(|first| self.slice(first..self.len())));
        words
    }

    /// What stands before and after the first `separator`.
    pub fn cut(&self, separator: u8) -> Option<(Self, Self)> {
        let at = self.bytes.iter().position(|byte| *byte == separator)?;
        Some((self.slice(0..at), self.slice(at + 1..self.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_two_places_has_no_range() {
        let source = b"FROM nginx AS web";
        let mut text = Traced::from_source(&source[5..10], 5);
        assert_eq!(text.source_range(), Some(5..10));
        text.extend(&Traced::from_source(&source[14..17], 14));
        assert_eq!(text.lossy(), "nginxweb");
        assert_eq!(text.source_range(), None);
        assert_eq!(text.hull(), Some(5..17));
    }

    #[test]
    fn words_keep_their_places() {
        let text = Traced::from_source(b"  a \t bc ", 10);
        let words: Vec<_> = text.words().iter().map(|word| (word.lossy(), word.origin())).collect();
        assert_eq!(words, [("a".to_owned(), Some(12)), ("bc".to_owned(), Some(16))]);
        assert_eq!(text.trimmed().source_range(), Some(12..18));
    }
}
