//! Version comments: which words of a comment name an image and its version, and how they follow the pin.

mod names;
mod rewrite;

use std::ops::Range;

pub use names::NamesOfImage;
pub use rewrite::{Move, edits, is_word};

use super::digest::Digest;
use super::reference::Tag;

/// How the lines begin that other tools read. Such a line is not about a version, whatever image it names.
const DIRECTIVES_OF_TOOLS: [&str; 41] = [
    "@renovate",
    "check =",
    "check=",
    "checkov:",
    "cspell:",
    "dependabot",
    "devskim:",
    "digestabot:",
    "diun.",
    "dockerfile-lint",
    "dockerfile_lint",
    "dockle",
    "escape =",
    "escape=",
    "grype:",
    "hadolint",
    "kics-scan",
    "kics:",
    "lint:",
    "nolint",
    "noqa",
    "nosec",
    "nosemgrep",
    "nosonar",
    "pragma:",
    "ratchet:",
    "refrom:",
    "release-please",
    "renovate ",
    "renovate:",
    "semgrep",
    "shellcheck ",
    "snyk",
    "syntax =",
    "syntax=",
    "tfsec:",
    "trivy:",
    "updatecli:",
    "watchtower.",
    "wud.",
    "x-release-please",
];
/// What leaves the pins of an instruction alone.
const IGNORE: &str = "ignore";
/// How much of a comment line is read. Lines of prose have a hundred bytes; the limit is there for generated files.
const LINE_BYTES_MAX: usize = 1024;
/// How many hex digits make a prefix of the pin's digest too unlikely to be a tag by chance: four, one in 65,536. A
/// tag like `3` may well be the first digit of a digest.
const DIGEST_PREFIX_MIN: usize = 4;
/// What may follow a token without being part of it.
const TRAILING: [u8; 9] = *b".,;)]'\"`:";

/// Which forms of a version comment count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `nginx 1.27`, `nginx:1.27`, `nginx version 1.27`.
    Any,
    /// `nginx:1.27` alone.
    NameColonTag,
}

/// What one comment line says about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineReading {
    /// It does not name the image, or gives no version.
    Nothing,
    Version {
        tag: Tag,
        /// The tag's bytes within the line.
        range: Range<usize>,
    },
    /// It names the image with a version twice: which of them is meant cannot be told.
    Several,
}

/// Reads one comment line. The image's name is followed by `:` or blanks, optionally `version`, `tag` or `v`, and the
/// token: a valid tag, with a digit unless it follows `name:`, and never a prefix of the pin's own digest.
pub fn read_line(line: &[u8], names: &NamesOfImage, form: Form) -> LineReading {
    if is_directive_of_a_tool(line, names) {
        return LineReading::Nothing;
    }
    let line = line.get(..LINE_BYTES_MAX.min(line.len())).unwrap_or_default();
    let mut versions = names.ends_in(line).into_iter().filter_map(|end| version_after(line, end, names.digest(), form));
    match (versions.next(), versions.next()) {
        (None, _) => LineReading::Nothing,
        (Some((tag, range)), None) => LineReading::Version { tag, range },
        (Some(_), Some(_)) => LineReading::Several,
    }
}

/// Whether this comment line is `# refrom: ignore`; a reason may follow after a blank.
pub fn is_ignore_directive(line: &[u8]) -> bool {
    let text = content(line);
    let Some(rest) = strip_prefix_ignoring_case(text, b"refrom:") else { return false };
    let Some(rest) = strip_prefix_ignoring_case(rest.trim_ascii_start(), IGNORE.as_bytes()) else { return false };
    rest.first().is_none_or(|next| !next.is_ascii_alphanumeric() && !b"-_".contains(next))
}

/// Whether a line is another tool's. `# hadolint 2.12.0` above the image `hadolint` is not, but its version comment.
fn is_directive_of_a_tool(line: &[u8], names: &NamesOfImage) -> bool {
    let text = content(line);
    let has_prefix = |prefix: &&str| strip_prefix_ignoring_case(text, prefix.as_bytes()).is_some();
    DIRECTIVES_OF_TOOLS.iter().any(has_prefix) && !names.begin(text)
}

/// The comment without its marker: `#` here, `//`, `--`, `;` in other languages.
fn content(line: &[u8]) -> &[u8] {
    let start = line.iter().position(|byte| !b"#/;*- \t".contains(byte)).unwrap_or(line.len());
    line.get(start..).unwrap_or_default()
}

/// The version that follows a name ending at `end`.
fn version_after(line: &[u8], end: usize, digest: Option<&Digest>, form: Form) -> Option<(Tag, Range<usize>)> {
    let after_colon = line.get(end).filter(|byte| **byte == b':').map(|_| end + 1);
    let start = after_colon.unwrap_or(end);
    let word = start + blanks(line, start);
    let is_joined = after_colon.is_some() && word == start;
    let start = match (is_joined, form) {
        (true, _) => start,
        (false, Form::NameColonTag) => return None,
        (false, Form::Any) if after_colon.is_none() && word == start => return None,
        (false, Form::Any) => after_version_word(line, word),
    };
    let token = token(line, start, digest)?;
    let tag: Tag = std::str::from_utf8(line.get(token.clone())?).ok()?.parse().ok()?;
    let is_version = is_joined || tag.as_str().bytes().any(|byte| byte.is_ascii_digit());
    (is_version && !is_prefix_of(tag.as_str(), digest)).then_some((tag, token))
}

/// Moves over `version`, `tag` or `v` before a token.
fn after_version_word(line: &[u8], start: usize) -> usize {
    let rest = line.get(start..).unwrap_or_default();
    for word in ["version", "tag", "v"] {
        let Some(after) = strip_prefix_ignoring_case(rest, word.as_bytes()) else { continue };
        let after = after.strip_prefix(b":").unwrap_or(after);
        let position = line.len() - after.len();
        let next = position + blanks(line, position);
        if next > position || word == "v" && after.first().is_some_and(u8::is_ascii_digit) {
            return next;
        }
    }
    start
}

/// The token's range: to the next blank, without what trails it, and without the digest of a whole reference. A
/// reference with another digest than the pin's describes another pin.
fn token(line: &[u8], start: usize, digest: Option<&Digest>) -> Option<Range<usize>> {
    let rest = line.get(start..)?;
    let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    let word = rest.get(..length)?;
    if let Some(at) = word.iter().position(|byte| *byte == b'@') {
        let written = word.get(at + 1..)?.strip_prefix(b"sha256:")?;
        let hex = written.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let is_own =
            digest.is_some_and(|digest| digest.hex().as_bytes().starts_with(written.get(..hex).unwrap_or(b"-")));
        return (is_own && hex >= rewrite::DIGEST_PREFIX_MIN).then_some(start..start + at);
    }
    let end = word.iter().rposition(|byte| !TRAILING.contains(byte))?;
    Some(start..start + end + 1)
}

fn is_prefix_of(token: &str, digest: Option<&Digest>) -> bool {
    token.len() >= DIGEST_PREFIX_MIN
        && digest.is_some_and(|digest| digest.hex().starts_with(&token.to_ascii_lowercase()))
}

/// How many blanks stand at `position`.
fn blanks(line: &[u8], position: usize) -> usize {
    line.iter().skip(position).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

fn strip_prefix_ignoring_case<'a>(text: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}
