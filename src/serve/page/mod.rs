//! The status page: what an administrator looks at on Monday. HTML alone: no script, nothing loaded from elsewhere.

mod overview;
mod query;
mod repository;
mod routes;
mod waves;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::status::{FleetStatus, duration};
use overview::Overview;

pub use query::Query;
pub use routes::{StatusState, routes};

const PAGE: &str = include_str!("page.html");
const MESSAGE: &str = include_str!("message.html");
const STYLE: &str = include_str!("style.css");

/// Nothing is loaded but the page itself with its one style, known by its hash, and the empty icon, which keeps browsers
/// from asking for one; no frame, no form elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = BASE64_STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    )
});

/// A page and the headers that it is sent with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub html: String,
    /// Name, in lower case, and value.
    pub headers: Vec<(&'static str, String)>,
}

/// A template that does not go with its values: a mistake in this program.
#[derive(Debug, thiserror::Error)]
#[error("the page cannot be written")]
pub struct PageError(#[from] minijinja::Error);

/// The page of a fleet as the address line asks for it. `notices`: what is to be said of the service itself, sentences
/// whose literals stand in backticks.
pub fn render(fleet: &FleetStatus, notices: &[String], query: &Query, now: Timestamp) -> Result<Page, PageError> {
    let overview = Overview::new(fleet, notices, query, now);
    page(PAGE, &Styled { style: STYLE, content: overview })
}

/// A page with a sentence alone, and the way back.
pub fn message(title: &str, text: &str) -> Result<Page, PageError> {
    page(MESSAGE, &Styled { style: STYLE, content: Message { title, text } })
}

/// What a template shows, and the style of all of them.
#[derive(Serialize)]
struct Styled<T> {
    style: &'static str,
    #[serde(flatten)]
    content: T,
}

#[derive(Serialize)]
struct Message<'a> {
    title: &'a str,
    text: &'a str,
}

fn page(template: &str, values: &impl Serialize) -> Result<Page, PageError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("code", code);
    environment.add_filter("path", path);
    let html = environment.template_from_str(template)?.render(minijinja::value::Serde(values))?;
    let headers = vec![
        ("content-type", "text/html; charset=utf-8".to_owned()),
        ("content-security-policy", POLICY.clone()),
        ("referrer-policy", "no-referrer".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("cache-control", "no-store".to_owned()),
    ];
    Ok(Page { html, headers })
}

/// A text whose literals stand in backticks, with these marked up; everything else of it is escaped.
fn code(text: &str) -> minijinja::Value {
    let escaped = minijinja::HtmlEscape(text).to_string();
    let mut marked = String::with_capacity(escaped.len());
    let mut pieces = escaped.split('`').peekable();
    let mut is_literal = false;
    while let Some(piece) = pieces.next() {
        let is_closed = pieces.peek().is_some();
        match (is_literal, is_closed) {
            (true, true) => marked.extend(["<code>", piece, "</code>"]),
            (true, false) => marked.extend(["`", piece]),
            (false, _) => marked.push_str(piece),
        }
        is_literal = !is_literal;
    }
    minijinja::Value::from_safe_string(marked)
}

/// A name with `/`, escaped, which may be broken after each of them.
fn path(text: &str) -> minijinja::Value {
    let parts: Vec<String> = text.split('/').map(|part| minijinja::HtmlEscape(part).to_string()).collect();
    minijinja::Value::from_safe_string(parts.join("/<wbr>"))
}

/// A moment, for machines and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Moment {
    /// RFC 3339.
    iso: String,
    /// How far it is from now: `3 days`.
    age: String,
    /// The day; near to now with the time of day.
    date: String,
}

/// How near to now the time of day says something, in hours.
const NEAR_HOURS: i64 = 48;

impl Moment {
    fn new(at: Timestamp, now: Timestamp) -> Self {
        let is_near = at.duration_since(now).abs().as_hours() < NEAR_HOURS;
        let format = if is_near { "%-d %b %H:%M UTC" } else { "%-d %b %Y" };
        Self { iso: at.to_string(), age: duration(at, now), date: at.strftime(format).to_string() }
    }
}

/// A state as a pill: a colour, a symbol, and the word that says it without both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Pill {
    tone: &'static str,
    symbol: &'static str,
    text: String,
}

impl Pill {
    fn new(tone: &'static str, symbol: &'static str, text: impl Into<String>) -> Self {
        Self { tone, symbol, text: text.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_marked_up_and_nothing_else_is() {
        for (text, html) in [
            ("the branch `a<b` is not `there`", "the branch <code>a&lt;b</code> is not <code>there</code>"),
            ("`a", "`a"),
            ("``<`", "<code></code>&lt;`"),
            ("plain & simple", "plain &amp; simple"),
        ] {
            assert_eq!(code(text).to_string(), html);
        }
    }

    #[test]
    fn a_path_may_be_broken_after_each_slash() {
        assert_eq!(path("a<b/c/d").to_string(), "a&lt;b/<wbr>c/<wbr>d");
    }
}
