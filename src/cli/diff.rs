//! Unified diffs of single files, as `git apply` takes them.

use similar::{ChangeTag, TextDiff};

/// Lines of context around a change, as `diff -u` and git have them.
const CONTEXT: usize = 3;

/// The change of one file, as bytes: files need not be UTF-8.
pub fn unified(path: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    let lines = TextDiff::from_lines(old, new);
    let mut diff = format!("--- a/{path}\n+++ b/{path}\n").into_bytes();
    for hunk in lines.unified_diff().context_radius(CONTEXT).iter_hunks() {
        diff.extend_from_slice(format!("{}\n", hunk.header()).as_bytes());
        for change in hunk.iter_changes() {
            diff.push(match change.tag() {
                ChangeTag::Equal => b' ',
                ChangeTag::Delete => b'-',
                ChangeTag::Insert => b'+',
            });
            diff.extend_from_slice(change.value());
            if change.missing_newline() {
                diff.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    }
    diff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_endings_and_bytes_that_are_no_text_are_kept() {
        let diff = unified("a/Dockerfile", b"FROM x\r\n# \xff\r\n", b"FROM y\r\n# \xff\r\n");
        assert_eq!(diff, b"--- a/a/Dockerfile\n+++ b/a/Dockerfile\n@@ -1,2 +1,2 @@\n-FROM x\r\n+FROM y\r\n # \xff\r\n");
    }

    #[test]
    fn a_missing_newline_at_the_end_is_said() {
        let diff = String::from_utf8(unified("D", b"FROM x", b"FROM y")).unwrap();
        assert!(
            diff.ends_with("-FROM x\n\\ No newline at end of file\n+FROM y\n\\ No newline at end of file\n"),
            "{diff}"
        );
    }
}
