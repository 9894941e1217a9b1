//! Unified diffs of single files, as `git apply` takes them.

use similar::{ChangeTag, TextDiff};

/// Lines of context around a change, as `diff -u` and git have them.
const CONTEXT: usize = 3;

/// The change of one file, as bytes: neither files nor their names need to be UTF-8.
pub fn unified(path: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (old, new) = (lines(old), lines(new));
    let changes = TextDiff::from_slices(&old, &new);
    let mut diff = Vec::new();
    for (mark, side) in [(b"--- ", b"a/"), (b"+++ ", b"b/")] {
        diff.extend_from_slice(mark);
        diff.extend(quoted(&[side, path].concat()));
        diff.push(b'\n');
    }
    for hunk in changes.unified_diff().context_radius(CONTEXT).iter_hunks() {
        diff.extend_from_slice(format!("{}\n", hunk.header()).as_bytes());
        for change in hunk.iter_changes() {
            diff.push(match change.tag() {
                ChangeTag::Equal => b' ',
                ChangeTag::Delete => b'-',
                ChangeTag::Insert => b'+',
            });
            let line: &[u8] = change.value();
            diff.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                diff.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    diff
}

/// The lines as git and `patch` see them: a carriage return ends none.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// A name as git writes it: in quotes, with escapes, where it holds a byte that is no plain character (`quote.c`).
fn quoted(name: &[u8]) -> Vec<u8> {
    let is_plain = |byte: &u8| (b' '..=b'~').contains(byte) && !b"\"\\".contains(byte);
    if name.iter().all(is_plain) {
        return name.to_vec();
    }
    let escaped = name.iter().flat_map(|byte| match byte {
        b'"' | b'\\' => vec![b'\\', *byte],
        byte if is_plain(byte) => vec![*byte],
        byte => format!("\\{byte:03o}").into_bytes(),
    });
    std::iter::once(b'"').chain(escaped).chain(std::iter::once(b'"')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_and_bytes_that_are_no_text_are_kept() {
        let diff = unified(b"a/Dockerfile", b"FROM x\r\n# \xff\r\n", b"FROM y\r\n# \xff\r\n");
        assert_eq!(diff, b"--- a/a/Dockerfile\n+++ b/a/Dockerfile\n@@ -1,2 +1,2 @@\n-FROM x\r\n+FROM y\r\n # \xff\r\n");
    }

    #[test]
    fn a_lone_carriage_return_ends_no_line() {
        let diff = unified(b"D", b"# a\rb\nFROM x\n", b"# a\rb\nFROM y\n");
        assert_eq!(diff, b"--- a/D\n+++ b/D\n@@ -1,2 +1,2 @@\n # a\rb\n-FROM x\n+FROM y\n");
    }

    #[test]
    fn names_with_more_than_plain_characters_are_quoted_as_git_does() {
        assert_eq!(quoted(b"a/a b"), b"a/a b");
        assert_eq!(quoted(b"a/\"\\\x1b\xff\n"), br#""a/\"\\\033\377\012""#);
    }

    #[test]
    fn a_missing_newline_at_the_end_is_said() {
        let diff = String::from_utf8(unified(b"D", b"FROM x", b"FROM y")).unwrap();
        assert!(
            diff.ends_with("-FROM x\n\\ No newline at end of file\n+FROM y\n\\ No newline at end of file\n"),
            "{diff}"
        );
    }
}
