//! Patterns that people write in the configuration: globs, or regular expressions between slashes.

use std::fmt;
use std::sync::Arc;

use globset::{Glob, GlobBuilder, GlobMatcher};
use regex::{Regex, RegexBuilder};

/// The compiled size that a regular expression of the configuration may reach, in bytes. Enough for any name or
/// path; it keeps a repository's own file from filling the memory.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// A pattern over a name or a path: `acme/*`, `**/testdata/**`, `/^acme\/(web|api)$/`.
///
/// In a glob `*` stays within a path segment and `**` crosses; it covers the whole text. A regular expression
/// matches anywhere unless it is anchored.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    matcher: Matcher,
}

/// Shared by all clones: a compiled expression keeps memory to match with, some 10 KiB once it was used, and every
/// repository of a fleet has the policy's patterns.
#[derive(Clone)]
enum Matcher {
    Glob(Arc<GlobMatcher>),
    Regex(Arc<Regex>),
}

/// Why a text is no [`Pattern`]; says where the mistake is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("bad pattern `{pattern}`: {reason}")]
pub struct PatternError {
    pattern: String,
    reason: String,
}

impl Pattern {
    /// Reads a glob, or a regular expression between slashes.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        let error = |reason: String| PatternError { pattern: source.to_owned(), reason };
        let matcher = match source.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(expression) if !expression.is_empty() => Matcher::Regex(Arc::new(regex(expression).map_err(error)?)),
            _ if source.is_empty() => return Err(error("empty".to_owned())),
            _ => Matcher::Glob(Arc::new(glob(source).map_err(|e| error(e.kind().to_string()))?.compile_matcher())),
        };
        Ok(Self { source: source.to_owned(), matcher })
    }

    /// The pattern that covers this text alone.
    pub fn literal(text: &str) -> Result<Self, PatternError> {
        let source = globset::escape(text);
        let error = |error: globset::Error| PatternError { pattern: text.to_owned(), reason: error.kind().to_string() };
        let matcher = Matcher::Glob(Arc::new(glob(&source).map_err(error)?.compile_matcher()));
        Ok(Self { source, matcher })
    }

    pub fn matches(&self, text: &str) -> bool {
        match &self.matcher {
            Matcher::Glob(glob) => glob.is_match(text),
            Matcher::Regex(regex) => regex.is_match(text),
        }
    }

    /// Whether both are clones of one pattern.
    #[cfg(test)]
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        match (&self.matcher, &other.matcher) {
            (Matcher::Glob(one), Matcher::Glob(other)) => Arc::ptr_eq(one, other),
            (Matcher::Regex(one), Matcher::Regex(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }
}

/// Compiles a regular expression of the configuration within the size limit.
pub fn regex(expression: &str) -> Result<Regex, String> {
    RegexBuilder::new(expression).size_limit(REGEX_SIZE_MAX).build().map_err(|error| {
        // A syntax error draws the expression with carets over several lines; its last line says what is wrong.
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default();
        last.strip_prefix("error: ").unwrap_or(last).trim_end_matches('.').to_owned()
    })
}

fn glob(source: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(source).literal_separator(true).backslash_escape(true).build()
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.source)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(text))
    }

    #[test]
    fn one_star_stays_in_a_segment_and_two_cross() {
        assert!(matches("acme/*", "acme/web"));
        assert!(!matches("acme/*", "acme/group/web"));
        assert!(matches("acme/**", "acme/group/web"));
        assert!(matches("**/testdata/**", "a/testdata/b/Dockerfile"));
        assert!(matches("**/testdata/**", "testdata/Dockerfile"));
        assert!(matches("**", "dhi.io/nginx"));
    }

    #[test]
    fn a_literal_covers_itself_alone() {
        for text in ["a*b/[x]/{y}?", "/a/"] {
            let pattern = Pattern::literal(text).unwrap();
            assert!(pattern.matches(text) && !pattern.matches("axb/x/y!") && !pattern.matches("a"), "{text}");
        }
    }

    #[test]
    fn slashes_make_a_regular_expression() {
        assert!(matches(r"/^acme\/(web|api)$/", "acme/api"));
        assert!(!matches(r"/^acme\/(web|api)$/", "acme/apis"));
    }

    #[test]
    fn a_bad_pattern_says_what_is_wrong() {
        for pattern in ["", "[", "/(/", "{a"] {
            assert!(Pattern::new(pattern).is_err_and(|error| error.to_string().contains(pattern)), "{pattern}");
        }
    }
}
