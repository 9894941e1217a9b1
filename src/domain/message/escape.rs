//! Text from files and registries, made harmless where people read it.

use std::fmt::Write as _;

/// A text longer than this many characters is cut: paths have no limit, table cells need one.
const TEXT_LENGTH_MAX: usize = 200;

/// One line without control characters and without those that turn the direction of text; cut where it is very long.
pub(super) fn line(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let clean: String = text.chars().map(|c| if is_unsafe(c) { ' ' } else { c }).collect();
    cut(clean.trim(), TEXT_LENGTH_MAX)
}

/// The first `length` characters, with an ellipsis as the last where something was cut.
pub(super) fn cut(text: &str, length: usize) -> String {
    if text.chars().count() <= length {
        return text.to_owned();
    }
    text.chars().take(length.saturating_sub(1)).chain(['…']).collect()
}

/// Code in GitHub's and GitLab's Markdown, also within a table: nobody is mentioned, nothing is linked, and no text
/// ends the code, the cell or a comment.
pub(super) fn code(text: &str) -> String {
    let text = line(text);
    if text.is_empty() {
        return String::new();
    }
    // A code span takes everything literally but its own end, and a table's cell ends at a pipe even there.
    if !text.contains(|c| "`|\\<>&".contains(c)) {
        return format!("`{text}`");
    }
    let mut html = String::from("<code>");
    for c in text.chars() {
        if c.is_ascii_punctuation() && !"-./".contains(c) {
            // Writing to a String cannot fail.
            let _ = write!(html, "&#{};", u32::from(c));
        } else {
            html.push(c);
        }
    }
    html.push_str("</code>");
    html
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_text_stays_readable() {
        assert_eq!(code("web/Dockerfile:3"), "`web/Dockerfile:3`");
        assert_eq!(code(" a\nb\u{202e}c "), "`a b c`");
    }

    #[test]
    fn what_could_end_the_code_is_written_as_entities() {
        assert_eq!(code("a|b"), "<code>a&#124;b</code>");
        assert_eq!(code("`@all`"), "<code>&#96;&#64;all&#96;</code>");
        assert_eq!(code("-->\\"), "<code>--&#62;&#92;</code>");
    }

    proptest! {
        #[test]
        fn no_text_ends_its_code(text in ".{0,300}") {
            let code = code(&text);
            let inner = code.strip_prefix("<code>").and_then(|rest| rest.strip_suffix("</code>"));
            let inner = inner.or_else(|| code.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'))).unwrap_or(&code);
            prop_assert!(!inner.contains(|c: char| "`|<>\n\r\\".contains(c)), "{}", code);
        }
    }
}
