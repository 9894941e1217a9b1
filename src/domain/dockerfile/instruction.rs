//! Physical lines → instructions: continuations, comments and blank lines inside them, heredocs
//! (BuildKit, `parser/parser.go`).

use std::ops::Range;

use super::blank::{PhysicalLines, is_blank, skip_blanks};
use super::directive::{Directives, start_of_text};
use super::heredoc;
use super::traced::Traced;
use super::words::split_flags;
use crate::domain::comment;

/// One instruction, with the comments around it.
#[derive(Debug)]
pub(super) struct Instruction {
    /// In lower case, also for one that nobody knows.
    pub keyword: String,
    /// What follows the keyword, without blanks at the ends.
    pub rest: Traced,
    /// The first byte of its first line.
    pub start: usize,
    /// The comment lines between the instruction before and this one, from `#` to the line's end.
    pub comments_above: Vec<Range<usize>>,
    /// The line right below, where it is a comment.
    pub comment_below: Option<Range<usize>>,
    /// Whether `# refrom: ignore` is among the comments above.
    pub is_ignored: bool,
}

/// Reads every instruction after the directives.
pub(super) fn read(bytes: &[u8], directives: &Directives) -> Vec<Instruction> {
    let mut lines = PhysicalLines::new(bytes, directives.end.max(start_of_text(bytes)));
    let mut comments = Vec::new();
    let mut instructions = Vec::new();
    while let Some(line) = lines.next() {
        let first = skip_blanks(bytes, &line);
        if first == line.end {
            continue;
        }
        if bytes.get(first) == Some(&b'#') {
            comments.push(first..line.end);
            continue;
        }
        let text = logical_line(bytes, first..line.end, &mut lines, directives.escape).trimmed();
        let (keyword, rest) = split_keyword(&text);
        skip_heredocs(bytes, &keyword, &rest, &mut lines);
        let comments_above = std::mem::take(&mut comments);
        instructions.push(Instruction {
            is_ignored: comments_above.iter().any(|line| comment::is_ignore_directive(slice(bytes, line))),
            comment_below: comment_line(bytes, lines.clone().next()),
            start: line.start,
            keyword,
            rest,
            comments_above,
        });
    }
    instructions
}

/// The instruction's text with its continuations; comments and blank lines inside are left out.
fn logical_line(bytes: &[u8], first: Range<usize>, lines: &mut PhysicalLines<'_>, escape: u8) -> Traced {
    let mut text = Traced::default();
    let mut line = first;
    loop {
        let content = slice(bytes, &line);
        let Some(length) = continued(content, escape) else {
            text.extend(&Traced::from_source(content, line.start));
            return text;
        };
        text.extend(&Traced::from_source(content.get(..length).unwrap_or_default(), line.start));
        let next = lines.find(|line| {
            let first = skip_blanks(bytes, line);
            first < line.end && bytes.get(first) != Some(&b'#')
        });
        match next {
            Some(next) => line = next,
            None => return text,
        }
    }
}

/// How long a line is without its continuation; `None` where it has none. The rule is BuildKit's
/// `([^\\])\\[ \t]*$|^\\[ \t]*$`: blanks may follow, and a doubled escape character continues nothing.
fn continued(line: &[u8], escape: u8) -> Option<usize> {
    let last = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'))?;
    let is_escaped = last > 0 && line.get(last - 1) == Some(&escape);
    (line.get(last) == Some(&escape) && !is_escaped).then_some(last)
}

/// The first word in lower case, and the rest.
pub(super) fn split_keyword(text: &Traced) -> (String, Traced) {
    let end = text.bytes().iter().position(|byte| is_blank(*byte)).unwrap_or(text.len());
    (text.slice(0..end).lossy().to_ascii_lowercase(), text.slice(end..text.len()).trimmed())
}

/// Moves past the bodies of the heredocs that an instruction opens.
fn skip_heredocs(bytes: &[u8], keyword: &str, rest: &Traced, lines: &mut PhysicalLines<'_>) {
    let (keyword, rest) = if keyword == "onbuild" { split_keyword(rest) } else { (keyword.to_owned(), rest.clone()) };
    if !matches!(keyword.as_str(), "run" | "copy" | "add") || is_json(&rest) {
        return;
    }
    for heredoc in heredoc::opened_by(rest.bytes()) {
        let _terminator = lines.find(|line| heredoc.ends_at(slice(bytes, line)));
    }
}

/// Whether the arguments, flags aside, are a JSON array of texts; such an instruction has no heredocs.
fn is_json(rest: &Traced) -> bool {
    let (_flags, arguments) = split_flags(rest);
    arguments.bytes().starts_with(b"[") && serde_json::from_slice::<Vec<String>>(arguments.bytes()).is_ok()
}

/// The comment on this physical line, from its `#`.
fn comment_line(bytes: &[u8], line: Option<Range<usize>>) -> Option<Range<usize>> {
    let line = line?;
    let first = skip_blanks(bytes, &line);
    (first < line.end && bytes.get(first) == Some(&b'#')).then_some(first..line.end)
}

fn slice<'a>(bytes: &'a [u8], range: &Range<usize>) -> &'a [u8] {
    bytes.get(range.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dockerfile::directive;

    fn keywords(text: &str) -> Vec<String> {
        let directives = directive::read(text.as_bytes());
        read(text.as_bytes(), &directives).iter().map(|i| format!("{} {}", i.keyword, i.rest.lossy())).collect()
    }

    #[test]
    fn a_continuation_may_have_blanks_behind_it_and_comments_inside() {
        assert_eq!(keywords("FROM \\ \t\n  # a\n\n  nginx\nRUN x"), ["from nginx", "run x"]);
    }

    #[test]
    fn a_doubled_escape_continues_nothing() {
        assert_eq!(keywords("RUN a \\\\\nFROM b"), ["run a \\\\", "from b"]);
        assert_eq!(keywords("# escape=`\nRUN a ``\nFROM b"), ["run a ``", "from b"]);
    }

    #[test]
    fn json_arguments_open_no_heredoc() {
        assert_eq!(keywords("RUN [\"<<EOF\"]\nFROM b"), ["run [\"<<EOF\"]", "from b"]);
        assert_eq!(keywords("ONBUILD RUN <<EOF\nFROM b\nEOF\nUSER x"), ["onbuild RUN <<EOF", "user x"]);
    }
}
