//! Line numbers of byte offsets.

/// Where the lines of a file begin.
#[derive(Debug, Clone)]
pub struct LineIndex {
    /// The offset of each line feed, ascending.
    line_feeds: Vec<usize>,
}

impl LineIndex {
    /// Counts lines by line feeds, as editors and forges do for `\n` and `\r\n`.
    pub fn new(bytes: &[u8]) -> Self {
        Self { line_feeds: bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect() }
    }

    /// The 1-based number of the line that holds the byte at `offset`; a line feed belongs to the line that it ends.
    pub fn line(&self, offset: usize) -> u32 {
        let before = self.line_feeds.partition_point(|line_feed| *line_feed < offset);
        u32::try_from(before).unwrap_or(u32::MAX - 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_feed_ends_its_own_line() {
        let index = LineIndex::new(b"a\nb\r\n\nc");
        let lines: Vec<u32> = (0..8).map(|offset| index.line(offset)).collect();
        assert_eq!(lines, [1, 1, 2, 2, 2, 3, 4, 4]);
    }
}
