//! Quotes, escapes and variables of one word (BuildKit, `shell/lex.go`).

use super::glob::Glob;
use super::scope::{Scope, Value};
use super::traced::Traced;

/// How deep expansions may stand in one another; people write two. It bounds the stack.
const NESTING_MAX: u32 = 16;
/// How long a value may become. A reference has at most 255 bytes of name, 128 of tag and 71 of digest; a longer
/// value is none, and ARGs that double one another would fill the memory.
pub(super) const VALUE_BYTES_MAX: usize = 1024;

/// What a word means.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub value: Traced,
    /// Whether every part of it is known from the file alone.
    pub is_known: bool,
}

/// An expansion that BuildKit refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SyntaxError;

/// Expands one word.
pub(super) fn expand(word: &Traced, escape: u8, scope: &Scope) -> Result<Expanded, SyntaxError> {
    let mut lexer = Lexer { word, position: 0, escape, scope, depth: 0 };
    lexer.until(None, Escapes::Resolved)
}

/// Patterns keep their escapes: `\*` is a star that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Resolved,
    Kept,
}

struct Lexer<'a> {
    word: &'a Traced,
    position: usize,
    escape: u8,
    scope: &'a Scope,
    depth: u32,
}

impl Expanded {
    fn known(value: Traced) -> Self {
        Self { value, is_known: true }
    }

    fn unknown() -> Self {
        Self::default()
    }

    fn append(&mut self, other: &Self) {
        self.value.extend(&other.value);
        self.is_known &= other.is_known && self.value.len() <= VALUE_BYTES_MAX;
        if !self.is_known {
            self.value = Traced::default();
        }
    }
}

impl<'a> Lexer<'a> {
    fn peek(&self) -> Option<u8> {
        self.word.get(self.position)
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.position += 1;
        Some(byte)
    }

    /// Takes the byte at the position over as it is.
    fn take(&mut self, result: &mut Expanded) {
        if result.is_known {
            result.value.push_from(self.word, self.position);
        }
        self.position += 1;
    }

    /// Reads to `stop`, which is taken too, or to the end (`processStopOn`).
    fn until(&mut self, stop: Option<u8>, escapes: Escapes) -> Result<Expanded, SyntaxError> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(SyntaxError);
        }
        let mut result = Expanded::known(Traced::default());
        loop {
            match self.peek() {
                byte if byte == stop => {
                    self.position += usize::from(byte.is_some());
                    self.depth -= 1;
                    return Ok(result);
                }
                None => return Err(SyntaxError),
                Some(b'\'') => self.single_quoted(&mut result)?,
                Some(b'"') => self.double_quoted(&mut result, escapes)?,
                Some(b'$') => result.append(&self.dollar()?),
                Some(byte) if byte == self.escape => {
                    match escapes {
                        Escapes::Kept => self.take(&mut result),
                        Escapes::Resolved => self.position += 1,
                    }
                    if self.peek().is_some() {
                        self.take(&mut result);
                    }
                }
                Some(_) => self.take(&mut result),
            }
        }
    }

    fn single_quoted(&mut self, result: &mut Expanded) -> Result<(), SyntaxError> {
        self.position += 1;
        while self.peek().ok_or(SyntaxError)? != b'\'' {
            self.take(result);
        }
        self.position += 1;
        Ok(())
    }

    fn double_quoted(&mut self, result: &mut Expanded, escapes: Escapes) -> Result<(), SyntaxError> {
        self.position += 1;
        loop {
            match self.peek().ok_or(SyntaxError)? {
                b'"' => {
                    self.position += 1;
                    return Ok(());
                }
                b'$' => result.append(&self.dollar()?),
                byte if byte == self.escape => {
                    let next = self.word.get(self.position + 1);
                    let is_escape = next.is_none_or(|next| matches!(next, b'"' | b'$') || next == self.escape);
                    match (is_escape, escapes) {
                        (true, Escapes::Resolved) => self.position += 1,
                        _ => self.take(result),
                    }
                    if is_escape && next.is_some() {
                        self.take(result);
                    }
                }
                _ => self.take(result),
            }
        }
    }

    /// `$name` and `${name…}` (`processDollar`).
    fn dollar(&mut self) -> Result<Expanded, SyntaxError> {
        let dollar = self.word.slice(self.position..self.position + 1);
        self.position += 1;
        if self.peek() != Some(b'{') {
            let name = self.name();
            // A dollar that names nothing is a dollar.
            return Ok(if name.is_empty() { Expanded::known(dollar) } else { self.value(&name) });
        }
        self.position += 1;
        if matches!(self.peek(), None | Some(b'{' | b'}' | b':')) {
            return Err(SyntaxError);
        }
        let name = self.name();
        match self.next().ok_or(SyntaxError)? {
            b'}' => Ok(self.value(&name)),
            b':' => match self.next().ok_or(SyntaxError)? {
                modifier @ (b'-' | b'+' | b'?') => self.conditional(&name, modifier, Empty::IsUnset),
                // `${v:#p}` is read as `${v#p}`.
                side @ (b'#' | b'%') => self.trimmed(&name, side),
                _ => Err(SyntaxError),
            },
            modifier @ (b'-' | b'+' | b'?') => self.conditional(&name, modifier, Empty::IsSet),
            side @ (b'#' | b'%') => self.trimmed(&name, side),
            b'/' => self.replaced(&name),
            _ => Err(SyntaxError),
        }
    }

    /// Letters, digits and `_`; digits alone; or one of the shell's special parameters (`processName`).
    fn name(&mut self) -> String {
        let start = self.position;
        match self.peek() {
            Some(b'0'..=b'9') => {
                while self.peek().is_some_and(|b| b.is_ascii_digit()) {
                    self.position += 1;
                }
            }
            Some(b'@' | b'*' | b'#' | b'?' | b'-' | b'$' | b'!') => self.position += 1,
            _ => {
                while self.peek().is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_') {
                    self.position += 1;
                }
            }
        }
        self.word.slice(start..self.position).lossy()
    }

    /// A plain variable. One that is not set stands for nothing in a build without arguments, but is there to be
    /// given: its value is not known.
    fn value(&self, name: &str) -> Expanded {
        match self.scope.get(name) {
            Value::Known(value) => Expanded::known(value.clone()),
            Value::Unset | Value::Unknown => Expanded::unknown(),
        }
    }

    /// `${v-word}`, `${v+word}`, `${v?word}`, and the same with a colon.
    fn conditional(&mut self, name: &str, modifier: u8, empty: Empty) -> Result<Expanded, SyntaxError> {
        let word = self.until(Some(b'}'), Escapes::Resolved)?;
        let is_set = match (self.scope.get(name), empty) {
            (Value::Unset, _) => Some(false),
            (Value::Unknown, Empty::IsSet) => Some(true),
            (Value::Unknown, Empty::IsUnset) => None,
            (Value::Known(value), empty) => Some(empty == Empty::IsSet || !value.is_empty()),
        };
        Ok(match (modifier, is_set) {
            (b'-', Some(false)) | (b'+', Some(true)) => word,
            (b'+', Some(false)) => Expanded::known(Traced::default()),
            (b'-' | b'?', Some(true)) => self.value(name),
            _ => Expanded::unknown(),
        })
    }

    /// `${v#p}`, `${v##p}`, `${v%p}`, `${v%%p}`
    fn trimmed(&mut self, name: &str, side: u8) -> Result<Expanded, SyntaxError> {
        let mut pattern = self.until(Some(b'}'), Escapes::Kept)?;
        let is_longest = pattern.value.get(0) == Some(side);
        if is_longest {
            pattern.value = pattern.value.slice(1..pattern.value.len());
        }
        let Some(glob) = pattern.glob()? else { return Ok(Expanded::unknown()) };
        let Value::Known(value) = self.scope.get(name) else { return Ok(Expanded::unknown()) };
        let bytes = value.bytes();
        // A prefix is found in one pass; a suffix is tried from every byte on.
        let passes = if side == b'#' { 1 } else { bytes.len() };
        if !self.scope.may_match(bytes.len() * passes, glob.len()) {
            return Ok(Expanded::unknown());
        }
        Ok(Expanded::known(if side == b'#' {
            let ends = glob.prefixes(bytes);
            let cut = if is_longest { ends.last() } else { ends.first() };
            value.slice(cut.copied().unwrap_or(0)..value.len())
        } else {
            let is_suffix = |start: &usize| glob.matches(bytes.get(*start..).unwrap_or_default());
            let mut starts = 0..=bytes.len();
            let cut = if is_longest { starts.find(is_suffix) } else { starts.rfind(is_suffix) };
            value.slice(0..cut.unwrap_or(value.len()))
        }))
    }

    /// `${v/a/b}` replaces the first match, `${v//a/b}` every one; a match is as long as it can be.
    fn replaced(&mut self, name: &str) -> Result<Expanded, SyntaxError> {
        let is_global = self.peek() == Some(b'/');
        self.position += usize::from(is_global);
        let pattern = self.until(Some(b'/'), Escapes::Kept)?;
        let replacement = self.until(Some(b'}'), Escapes::Kept)?;
        let Some(glob) = pattern.glob()? else { return Ok(Expanded::unknown()) };
        let Value::Known(value) = self.scope.get(name) else { return Ok(Expanded::unknown()) };
        if !self.scope.may_match(value.len() * value.len(), glob.len()) {
            return Ok(Expanded::unknown());
        }
        let mut result = Expanded::known(Traced::default());
        let mut position = 0;
        let mut may_replace = true;
        while position < value.len() {
            let rest = value.bytes().get(position..).unwrap_or_default();
            let longest = glob.prefixes(rest).last().copied().filter(|_| may_replace);
            match longest {
                // A pattern that matches nothing at all puts text between bytes: no reference is made that way.
                Some(0) => return Ok(Expanded::unknown()),
                Some(length) => {
                    result.append(&replacement);
                    position += length;
                    may_replace = is_global;
                }
                None => {
                    result.append(&Expanded::known(value.slice(position..position + 1)));
                    position += 1;
                }
            }
        }
        Ok(result)
    }
}

/// Whether an empty value counts as unset: with a colon it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Empty {
    IsSet,
    IsUnset,
}

impl Expanded {
    /// The pattern that this text is; `None` where it is not known or longer than any in use.
    fn glob(&self) -> Result<Option<Glob>, SyntaxError> {
        if self.is_known { Glob::new(self.value.bytes()) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value_of(arguments: &str, word: &str) -> Option<String> {
        let mut scope = Scope::new();
        scope.declare(&Traced::from_source(arguments.as_bytes(), 0), b'\\', 0);
        let expanded = expand(&Traced::from_source(word.as_bytes(), 1000), b'\\', &scope);
        expanded.ok().filter(|expanded| expanded.is_known).map(|expanded| expanded.value.lossy())
    }

    #[test]
    fn every_form_of_expansion_is_buildkits() {
        let arguments = "V=foo-bar-baz E= S=a.b.c Q='x y' D=\"$V!\"";
        for (word, expected) in [
            ("$V", Some("foo-bar-baz")),
            ("${V}x", Some("foo-bar-bazx")),
            ("${U:-d}", Some("d")),
            ("${U-d}", Some("d")),
            ("${E:-d}", Some("d")),
            ("${E-d}", Some("")),
            ("${V:+w}", Some("w")),
            ("${E:+w}", Some("")),
            ("${E+w}", Some("w")),
            ("${U+w}", Some("")),
            ("${V:?e}", Some("foo-bar-baz")),
            ("${U?e}", None),
            ("${E:?e}", None),
            ("${E?e}", Some("")),
            ("${V#*-}", Some("bar-baz")),
            ("${V##*-}", Some("baz")),
            ("${V%-*}", Some("foo-bar")),
            ("${V%%-*}", Some("foo")),
            ("${V#x}", Some("foo-bar-baz")),
            ("${V#?oo}", Some("-bar-baz")),
            ("${V/ba?/X}", Some("foo-X-baz")),
            ("${V//ba?/X}", Some("foo-X-X")),
            ("${V//-/}", Some("foobarbaz")),
            ("${S//./-}", Some("a-b-c")),
            ("${U:-${V}}", Some("foo-bar-baz")),
            ("${U:-${W:-deep}}", Some("deep")),
            ("${V:-$U}", Some("foo-bar-baz")),
            ("$U", None),
            ("${TARGETARCH}", None),
            ("${TARGETARCH+w}", Some("w")),
            ("${TARGETARCH:-amd64}", None),
            ("$Q", Some("x y")),
            ("$D", Some("foo-bar-baz!")),
            ("'$V'", Some("$V")),
            ("\\$V", Some("$V")),
            ("\"a\\\"b\\c\"", Some("a\"b\\c")),
            ("a$.b", Some("a$.b")),
        ] {
            assert_eq!(value_of(arguments, word).as_deref(), expected, "{word}");
        }
    }

    #[test]
    fn what_buildkit_refuses_is_an_error() {
        for word in ["${", "${V", "${}", "${:-a}", "${{V}", "${V^^}", "'a", "\"a", "${V/a", "${V:x}", "${V#\\x}"] {
            let scope = Scope::new();
            let result = expand(&Traced::from_source(word.as_bytes(), 0), b'\\', &scope);
            assert!(result.is_err(), "{word}");
        }
    }

    #[test]
    fn arguments_that_double_one_another_stay_small() {
        let mut arguments = "A=0123456789".to_owned();
        for name in b'B'..=b'Z' {
            arguments += &format!(" {}=${}${}", char::from(name), char::from(name - 1), char::from(name - 1));
        }
        assert_eq!(value_of(&arguments, "$Z"), None);
        assert_eq!(value_of(&arguments, "$C").map(|value| value.len()), Some(40));
    }

    #[test]
    fn expansions_do_not_nest_without_end() {
        let word = format!("{}{}", "${A:-".repeat(100_000), "}".repeat(100_000));
        assert_eq!(value_of("", &word), None);
    }
}
