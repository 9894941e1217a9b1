//! Parser directives: `# syntax=…` and `# escape=…` at the very top (BuildKit, `parser/directives.go`).

use std::ops::Range;

use super::blank::{PhysicalLines, is_blank, skip_blanks};
use super::traced::Traced;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The keys that BuildKit knows; any other line ends the directives.
const KEYS: [&str; 3] = ["syntax", "escape", "check"];

/// What the top of a file says.
#[derive(Debug)]
pub(super) struct Directives {
    /// The character that escapes and continues lines: `\`, or `` ` `` on request.
    pub escape: u8,
    /// The frontend's image, where one is named.
    pub syntax: Option<Traced>,
    /// Where the first line that is no directive begins.
    pub end: usize,
}

/// How much of the file's beginning is a byte order mark.
pub(super) fn start_of_text(bytes: &[u8]) -> usize {
    if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 }
}

/// Reads the directives of a file.
pub(super) fn read(bytes: &[u8]) -> Directives {
    let start = start_of_text(bytes);
    let after_shebang = match PhysicalLines::new(bytes, start).next() {
        Some(line) if slice(bytes, &line).starts_with(b"#!") => next_line(bytes, line.end),
        _ => start,
    };
    let lines = || PhysicalLines::new(bytes, after_shebang);
    let found = directives_of(bytes, lines(), b"#");
    let syntax_of = |found: &[Found]| found.iter().find(|directive| directive.key == "syntax").map(Found::first_word);
    let syntax = syntax_of(&found)
        .or_else(|| syntax_of(&directives_of(bytes, lines(), b"//")))
        .map(|range| Traced::from_source(slice(bytes, &range), range.start))
        .or_else(|| syntax_of_json(bytes, after_shebang));
    // Whoever looks for `syntax` wants `#` to be the first byte, and skips a shebang. The Dockerfile's own parser
    // allows blanks before `#`, and a shebang is a line to it that is no directive.
    let indented = lines().map(|line| skip_blanks(bytes, &line)..line.end);
    let own = directives_of(bytes, indented, b"#");
    let escape = if after_shebang == start { escape(bytes, &own) } else { b'\\' };
    let end = own.last().map_or(after_shebang, |last| next_line(bytes, last.value.end));
    Directives { escape, syntax, end }
}

/// One directive line: its key in lower case, and its value without blanks at the ends.
struct Found {
    key: &'static str,
    value: Range<usize>,
    first_word: Range<usize>,
}

impl Found {
    fn first_word(&self) -> Range<usize> {
        self.first_word.clone()
    }
}

/// Reads lines `<marker> key = value` until one is something else or repeats a key, which is a build error.
fn directives_of(bytes: &[u8], lines: impl Iterator<Item = Range<usize>>, marker: &[u8]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for line in lines {
        match directive(bytes, &line, marker) {
            Some(directive) if found.iter().all(|earlier| earlier.key != directive.key) => found.push(directive),
            _ => break,
        }
    }
    found
}

/// `^#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*$`
fn directive(bytes: &[u8], line: &Range<usize>, marker: &[u8]) -> Option<Found> {
    let text = slice(bytes, line).strip_prefix(marker)?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let key = std::str::from_utf8(text.get(..equals)?).ok()?.trim();
    let key = KEYS.into_iter().find(|known| key.eq_ignore_ascii_case(known))?;
    let value = text.get(equals + 1..)?;
    let first = value.iter().position(|byte| !is_blank(*byte))?;
    let last = value.iter().rposition(|byte| !is_blank(*byte))?;
    let start = line.start + marker.len() + equals + 1;
    let word = value.get(first..=last)?.iter().position(|byte| *byte == b' ').map_or(last + 1, |end| first + end);
    Some(Found { key, value: start + first..start + last + 1, first_word: start + first..start + word })
}

/// The escape character, where one is set; another value than the two is a build error and changes nothing here.
fn escape(bytes: &[u8], found: &[Found]) -> u8 {
    let value = found.iter().find(|directive| directive.key == "escape").map(|found| slice(bytes, &found.value));
    if value == Some(b"`") { b'`' } else { b'\\' }
}

/// `{"syntax": "…"}`: a file that is JSON as a whole may name its frontend too.
fn syntax_of_json(bytes: &[u8], start: usize) -> Option<Traced> {
    let text = bytes.get(start..)?;
    if !text.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(text).ok()?;
    let value = object.get("syntax")?.as_str()?;
    // The value's own bytes: those of the last key of this name whose value is written as it is read.
    let key = b"\"syntax\"";
    text.windows(key.len()).enumerate().rev().filter(|(_, window)| window == key).find_map(|(at, _)| {
        let after_key = text.get(at + key.len()..)?.trim_ascii_start();
        let quoted = after_key.strip_prefix(b":")?.trim_ascii_start().strip_prefix(b"\"")?;
        let written = quoted.strip_prefix(value.as_bytes())?;
        let offset = bytes.len() - quoted.len();
        written.starts_with(b"\"").then(|| Traced::from_source(value.as_bytes(), offset))
    })
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

/// Where the line after the one that holds `offset` begins.
fn next_line(bytes: &[u8], offset: usize) -> usize {
    let rest = bytes.get(offset..).unwrap_or_default();
    rest.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| offset + at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn syntax(text: &str) -> Option<String> {
        read(text.as_bytes()).syntax.map(|syntax| syntax.lossy())
    }

    #[test]
    fn syntax_has_three_forms() {
        for text in [
            "# syntax=a/b:1\nFROM scratch",
            "#syntax = a/b:1 --option\n",
            "// syntax=a/b:1\n",
            "#!/bin/x\n//syntax=a/b:1\n",
            "{\"other\": 1, \"syntax\" : \"a/b:1\"}",
            "# escape=`\n# SYNTAX=a/b:1\r\n",
        ] {
            assert_eq!(syntax(text).as_deref(), Some("a/b:1"), "{text}");
        }
    }

    #[test]
    fn what_is_no_directive_ends_them() {
        for text in
            ["\n# syntax=a/b:1\n", "# a comment\n# syntax=a/b:1\n", " # syntax=a/b:1\n", "# foo=1\n# syntax=a\n"]
        {
            assert_eq!(syntax(text), None, "{text}");
        }
    }

    #[test]
    fn after_a_shebang_escape_does_not_count() {
        assert_eq!(read(b"# escape=`\n").escape, b'`');
        assert_eq!(read(b"#!/bin/x\n# escape=`\n").escape, b'\\');
        assert_eq!(read(b"# escape=x\n").escape, b'\\');
        assert_eq!(read(b" # check=a\n\t# escape=`\n").escape, b'`');
    }
}
