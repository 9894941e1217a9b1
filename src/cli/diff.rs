//! Unified diffs of single files, as `git apply` takes them.

use similar::TextDiff;

/// Lines of context around a change, as `diff -u` and git have them.
const CONTEXT: usize = 3;

/// The change of one file, as bytes: files need not be UTF-8.
pub fn unified(path: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut diff = Vec::new();
    let lines = TextDiff::from_lines(old, new);
    let (old_name, new_name) = (format!("a/{path}"), format!("b/{path}"));
    // Writing to a Vec cannot fail.
    let _ = lines.unified_diff().context_radius(CONTEXT).header(&old_name, &new_name).to_writer(&mut diff);
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
        assert!(diff.contains("\\ No newline at end of file"), "{diff}");
    }
}
