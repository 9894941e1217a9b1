//! Byte edits: sorted, non-overlapping, all or nothing.

use std::ops::Range;

/// One replacement in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The bytes that are replaced; empty for an insertion.
    pub range: Range<usize>,
    /// What must stand there: an edit made for another content is refused.
    pub expected: Vec<u8>,
    pub replacement: Vec<u8>,
}

/// Why edits were not applied. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    #[error("the bytes {} to {} are not what the edit was made for", .range.start, .range.end)]
    Unexpected { range: Range<usize> },
    #[error("two edits want the bytes {} to {}", .range.start, .range.end)]
    Overlap { range: Range<usize> },
}

/// Applies all edits, or none. Their order does not matter, and two equal ones are one.
pub fn apply(bytes: &[u8], mut edits: Vec<Edit>) -> Result<Vec<u8>, EditError> {
    let key = |edit: &Edit| (edit.range.start, edit.range.end, edit.replacement.clone());
    edits.sort_by_key(key);
    edits.dedup();
    let mut result = Vec::with_capacity(bytes.len());
    let mut position = 0;
    for Edit { range, expected, replacement } in edits {
        let kept = bytes.get(position..range.start).ok_or_else(|| EditError::Overlap { range: range.clone() })?;
        if bytes.get(range.clone()) != Some(expected.as_slice()) {
            return Err(EditError::Unexpected { range });
        }
        result.extend_from_slice(kept);
        result.extend_from_slice(&replacement);
        position = range.end;
    }
    result.extend_from_slice(bytes.get(position..).unwrap_or_default());
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(range: Range<usize>, expected: &str, replacement: &str) -> Edit {
        Edit { range, expected: expected.into(), replacement: replacement.into() }
    }

    #[test]
    fn the_order_of_edits_does_not_matter_and_equal_ones_are_one() {
        let edits = vec![edit(6..11, "world", "there"), edit(0..5, "hello", "hi"), edit(6..11, "world", "there")];
        assert_eq!(apply(b"hello world\r\n", edits), Ok(b"hi there\r\n".to_vec()));
    }

    #[test]
    fn insertions_keep_everything() {
        let edits = vec![edit(0..0, "", "# a\n"), edit(0..4, "FROM", "from"), edit(0..0, "", "# a\n")];
        assert_eq!(apply(b"FROM x", edits), Ok(b"# a\nfrom x".to_vec()));
    }

    #[test]
    fn an_edit_for_other_bytes_changes_nothing() {
        assert_eq!(apply(b"abc", vec![edit(0..1, "x", "y")]), Err(EditError::Unexpected { range: 0..1 }));
        assert_eq!(apply(b"abc", vec![edit(2..9, "c", "y")]), Err(EditError::Unexpected { range: 2..9 }));
        let overlapping = vec![edit(0..2, "ab", "x"), edit(1..3, "bc", "y")];
        assert_eq!(apply(b"abc", overlapping), Err(EditError::Overlap { range: 1..3 }));
        let different = vec![edit(0..2, "ab", "x"), edit(0..2, "ab", "y")];
        assert_eq!(apply(b"abc", different), Err(EditError::Overlap { range: 0..2 }));
    }
}
