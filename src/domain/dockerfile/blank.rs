//! Blanks and physical lines.

use std::ops::Range;

/// What parts words (BuildKit, `reWhitespace`).
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | b'\r')
}

/// The first offset in `range` that holds no blank; the range's end where all are blank.
pub(super) fn skip_blanks(bytes: &[u8], range: &Range<usize>) -> usize {
    let line = bytes.get(range.clone()).unwrap_or_default();
    line.iter().position(|byte| !is_blank(*byte)).map_or(range.end, |at| range.start + at)
}

/// Walks over the physical lines of a file.
#[derive(Debug, Clone)]
pub(super) struct PhysicalLines<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> PhysicalLines<'a> {
    pub fn new(bytes: &'a [u8], start: usize) -> Self {
        Self { bytes, position: start }
    }
}

impl Iterator for PhysicalLines<'_> {
    type Item = Range<usize>;

    /// The next line's bytes without its ending, which is `\n` after any number of `\r`.
    fn next(&mut self) -> Option<Range<usize>> {
        let rest = self.bytes.get(self.position..).filter(|rest| !rest.is_empty())?;
        let start = self.position;
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        self.position = start + length + 1;
        let line = rest.get(..length).unwrap_or_default();
        let content = line.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        Some(start..start + content)
    }
}
