//! Heredocs of RUN, COPY and ADD (BuildKit, `heredocsFromLine`). Their bodies are opaque.

use super::blank::is_blank;

/// What ends a heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heredoc {
    /// The line that ends it.
    terminator: Vec<u8>,
    indentation: Indentation,
}

/// `<<` takes lines as they are, `<<-` strips tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Indentation {
    Kept,
    TabsStripped,
}

impl Heredoc {
    /// Whether this physical line, without its ending, ends the heredoc.
    pub fn ends_at(&self, line: &[u8]) -> bool {
        let line = match self.indentation {
            Indentation::Kept => line,
            Indentation::TabsStripped => {
                let tabs = line.iter().take_while(|byte| **byte == b'\t').count();
                line.get(tabs..).unwrap_or_default()
            }
        };
        line == self.terminator
    }
}

/// The heredocs that an instruction's line opens, in order. None where its quotes do not match.
pub(super) fn opened_by(line: &[u8]) -> Vec<Heredoc> {
    if !line.windows(2).any(|pair| pair == b"<<") {
        return Vec::new();
    }
    shell_words(line).unwrap_or_default().iter().filter_map(|word| heredoc(word)).collect()
}

/// `^(\d*)<<(-?)([^<]*)$`, with the quotes of the name taken away.
fn heredoc(word: &[u8]) -> Option<Heredoc> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let rest = word.get(digits..)?.strip_prefix(b"<<")?;
    let (indentation, name) = match rest.strip_prefix(b"-") {
        Some(name) => (Indentation::TabsStripped, name),
        None => (Indentation::Kept, rest),
    };
    if name.is_empty() || name.contains(&b'<') {
        return None;
    }
    let terminator = unquoted(name)?;
    (!terminator.is_empty()).then_some(Heredoc { terminator, indentation })
}

/// Splits at blanks outside of quotes; quotes and escapes stay. `None` for a quote without its partner.
fn shell_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut word = Vec::new();
    let mut quote = None;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, blank) if is_blank(blank) => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None | Some(b'"'), b'\\') => {
                word.push(byte);
                word.extend(bytes.next());
                continue;
            }
            _ => {}
        }
        word.push(byte);
    }
    if !word.is_empty() {
        words.push(word);
    }
    quote.is_none().then_some(words)
}

/// A heredoc's name without quotes and escapes.
fn unquoted(name: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let mut quote = None;
    let mut bytes = name.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (None, b'\\') => text.extend(bytes.next()),
            (Some(b'"'), b'\\') => match bytes.peek() {
                Some(b'"' | b'$' | b'\\') => text.extend(bytes.next()),
                _ => text.push(byte),
            },
            _ => text.push(byte),
        }
    }
    quote.is_none().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        opened_by(line.as_bytes()).iter().map(|doc| String::from_utf8_lossy(&doc.terminator).into_owned()).collect()
    }

    #[test]
    fn a_line_may_open_several() {
        assert_eq!(names("RUN <<EOF"), ["EOF"]);
        assert_eq!(names("COPY <<-\"A\" 3<<'B' <<C\\D /x"), ["A", "B", "CD"]);
    }

    #[test]
    fn what_looks_like_one_is_none() {
        for line in ["RUN cat<<EOF", "RUN a <<", "RUN x <<<EOF", "RUN echo \"<<EOF\"", "RUN it's <<EOF", "RUN a << EOF"]
        {
            assert!(names(line).is_empty(), "{line}");
        }
    }

    #[test]
    fn only_the_dash_strips_tabs() {
        let kept = opened_by(b"RUN <<EOF");
        let stripped = opened_by(b"RUN <<-EOF");
        assert!(!kept[0].ends_at(b"\tEOF") && kept[0].ends_at(b"EOF"));
        assert!(stripped[0].ends_at(b"\t\tEOF") && !stripped[0].ends_at(b" EOF") && !stripped[0].ends_at(b"EOF "));
    }
}
