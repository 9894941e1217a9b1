//! Flags and words of one instruction (BuildKit, `parser/split_command.go` and `parser/line_parsers.go`).

use super::blank::is_blank;
use super::traced::Traced;

/// Takes the leading `--flag` words off an instruction's arguments. Their quotes and escapes are resolved; the
/// character that escapes here is always `\`, whatever `# escape=` says.
pub(super) fn split_flags(rest: &Traced) -> (Vec<Traced>, Traced) {
    let mut flags = Vec::new();
    let mut position = 0;
    loop {
        while rest.get(position).is_some_and(is_blank) {
            position += 1;
        }
        if rest.get(position) != Some(b'-') || rest.get(position + 1) != Some(b'-') {
            return (flags, rest.slice(position..rest.len()).trimmed());
        }
        let (word, end) = flag(rest, position);
        position = end;
        if word.bytes() == b"--" {
            return (flags, rest.slice(position..rest.len()).trimmed());
        }
        flags.push(word);
    }
}

/// One flag without its quotes and escapes, and where it ends.
fn flag(rest: &Traced, start: usize) -> (Traced, usize) {
    let mut word = Traced::default();
    let mut quote = None;
    let mut position = start;
    while let Some(byte) = rest.get(position) {
        match (quote, byte) {
            (None, blank) if is_blank(blank) => break,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            (_, b'\\') => {
                position += 1;
                word.push_from(rest, position);
            }
            _ => word.push_from(rest, position),
        }
        position += 1;
    }
    (word, position)
}

/// The words of ARG: blanks inside quotes do not part them; quotes and escapes stay for the expansion.
pub(super) fn quoted_words(rest: &Traced, escape: u8) -> Vec<Traced> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quote = None;
    let mut position = 0;
    while let Some(byte) = rest.get(position) {
        if quote.is_none() && is_blank(byte) {
            words.extend(start.take().map(|first| rest.slice(first..position)));
            position += 1;
            continue;
        }
        start.get_or_insert(position);
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            // Inside single quotes nothing is escaped.
            (quote, byte) if byte == escape && quote != Some(b'\'') => position += 1,
            _ => {}
        }
        position += 1;
    }
    words.extend(start.map(|first| rest.slice(first..rest.len())));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(text: &str) -> Traced {
        Traced::from_source(text.as_bytes(), 0)
    }

    #[test]
    fn flags_lose_their_quotes() {
        let (flags, rest) = split_flags(&traced(r#"--a=1 --b="x y" --c=\"q -- --d=2 e"#));
        let flags: Vec<String> = flags.iter().map(Traced::lossy).collect();
        assert_eq!(flags, ["--a=1", "--b=x y", "--c=\"q"]);
        assert_eq!(rest.lossy(), "--d=2 e");
    }

    #[test]
    fn words_of_arg_keep_theirs() {
        let words: Vec<String> =
            quoted_words(&traced(r#"A=1 B="x y" C=a\ b 'D=1 2'"#), b'\\').iter().map(Traced::lossy).collect();
        assert_eq!(words, ["A=1", "B=\"x y\"", "C=a\\ b", "'D=1 2'"]);
    }
}
