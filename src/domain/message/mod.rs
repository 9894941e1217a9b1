//! Every word that people read in commits and pull requests: title, body, commit message, sentences.
//!
//! Text from files and registries is made harmless before it reaches a template, so that neither the defaults nor
//! somebody's own template can carry a forged block, a mention or a broken table.

mod context;
mod escape;
mod template;
mod words;

use super::branch::Subject;
use super::marker::Marker;
use super::policy::{CommentMode, Policy};
use super::proposal::Pin;
use super::pull_request::{CommitId, Vocabulary};
use context::Context;
use template::{forbid_comments, render};

pub use template::{TemplateKind, validate_template};
pub use words::{closed_as_denied, closing_sentence, foreign_commit, unreadable_refusal};

/// The longest title in characters; GitHub takes 256, GitLab 255 with its `Draft: `.
pub const TITLE_LENGTH_MAX: usize = 248;
/// The longest body in bytes, marker included; GitHub takes 65,536 characters.
pub const BODY_LENGTH_MAX: usize = 62_000;
/// The longest commit message in bytes: git has no limit, readers have.
pub const COMMIT_MESSAGE_LENGTH_MAX: usize = 16_000;
/// The longest marker in bytes; the rest of the body is for people. About 170 pins.
const MARKER_LENGTH_MAX: usize = 50_000;
/// The longest commit id (SHA-256), for which the marker keeps room.
const COMMIT_ID_LENGTH_MAX: usize = 64;

/// The words of one pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    pub title: String,
    pub body: Body,
    pub commit_message: String,
    /// For people: which template failed and why; the default was used in its place.
    pub warnings: Vec<String>,
}

/// A body that still waits for the commit that its marker names.
///
/// **Invariant**: [`Self::with_commit`] is at most [`BODY_LENGTH_MAX`] bytes long, unless one path alone is longer, and
/// its marker reads back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    text: String,
    marker: Marker,
}

impl Body {
    /// The body for a pull request whose branch has this head.
    pub fn with_commit(&self, commit: &CommitId) -> String {
        let marker = Marker { commit: Some(commit.clone()), ..self.marker.clone() };
        format!("{}\n\n{}\n", self.text, marker.write())
    }
}

/// How many of these pins, from the first, one marker can hold.
pub fn pins_that_fit(pins: &[Pin]) -> usize {
    let empty = length(&marker(&[], CommentMode::Update));
    let lengths = pins.iter().map(|pin| length(&marker(std::slice::from_ref(pin), CommentMode::Update)));
    let totals = lengths.scan(empty, |total, with_one| {
        // A comma stands between two pins.
        *total += with_one - empty + 1;
        Some(*total)
    });
    totals.take_while(|total| *total <= MARKER_LENGTH_MAX).count()
}

/// Title, body and commit message for these pins, in the words of the forge that shows them.
pub fn write(subject: &Subject, pins: &[Pin], policy: &Policy, vocabulary: Vocabulary) -> Texts {
    let mut writer = Writer { subject, pins, vocabulary, warnings: Vec::new() };
    let title = writer.title(policy.title.as_deref());
    let commit_message = writer.commit_message(policy.commit_message.as_deref(), &title);
    let marker = marker(pins, policy.comment);
    let room = BODY_LENGTH_MAX.saturating_sub(length(&marker) + COMMIT_ID_LENGTH_MAX + "\n\n\n".len());
    let text = writer.body(policy.body.as_deref(), &title, room);
    Texts { title, body: Body { text, marker }, commit_message, warnings: writer.warnings }
}

fn marker(pins: &[Pin], comment: CommentMode) -> Marker {
    Marker { commit: None, comment, is_withdrawn: false, pins: pins.iter().map(Pin::marked).collect() }
}

fn length(marker: &Marker) -> usize {
    marker.write().len()
}

struct Writer<'a> {
    subject: &'a Subject,
    pins: &'a [Pin],
    vocabulary: Vocabulary,
    warnings: Vec<String>,
}

impl Writer<'_> {
    fn title(&mut self, own: Option<&str>) -> String {
        let context = Context::new(TemplateKind::Title, self.subject, self.pins, self.pins.len());
        let rendered = |template: &str| {
            let text = render(TemplateKind::Title, template, &context)?;
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            if line.is_empty() { Err("renders to nothing".to_owned()) } else { Ok(line) }
        };
        let title = self.own_or_default(("title", own), template::TITLE, rendered);
        escape::cut(&title, TITLE_LENGTH_MAX)
    }

    fn commit_message(&mut self, own: Option<&str>, title: &str) -> String {
        let (subject, pins) = (self.subject, self.pins);
        let rendered = |template: &str| {
            longest(pins.len(), COMMIT_MESSAGE_LENGTH_MAX, |shown| {
                let context = Context::new(TemplateKind::CommitMessage, subject, pins, shown);
                let text = render(TemplateKind::CommitMessage, template, &context.with_title(title.to_owned()))?;
                let text = text.trim();
                if text.is_empty() { Err("renders to nothing".to_owned()) } else { Ok(format!("{text}\n")) }
            })
        };
        self.own_or_default(("commit_message", own), template::COMMIT_MESSAGE, rendered)
    }

    fn body(&mut self, own: Option<&str>, title: &str, room: usize) -> String {
        let (subject, pins, vocabulary) = (self.subject, self.pins, self.vocabulary);
        let title = escape::code(title);
        let rendered = |template: &str| {
            longest(pins.len(), room, |shown| {
                let context = Context::new(TemplateKind::Body, subject, pins, shown).speaking(vocabulary);
                let context = context.with_title(title.clone());
                let text = render(TemplateKind::Body, template, &context)?.trim().to_owned();
                forbid_comments(&text)?;
                Ok(text)
            })
        };
        self.own_or_default(("body", own), template::BODY, rendered)
    }

    /// The text by somebody's own template, else by the default one, with a warning.
    fn own_or_default(
        &mut self,
        (what, own): (&str, Option<&str>),
        default: &str,
        rendered: impl Fn(&str) -> Result<String, String>,
    ) -> String {
        match own.map(&rendered) {
            Some(Ok(text)) => return text,
            Some(Err(error)) => self.warnings.push(words::template_failed(what, &error)),
            None => {}
        }
        // The defaults cannot fail; if one did, an empty text keeps the proposal.
        rendered(default).unwrap_or_default()
    }
}

/// The text with as many entries as fit into `room` bytes; an error where not even none does.
fn longest(entries: usize, room: usize, text: impl Fn(usize) -> Result<String, String>) -> Result<String, String> {
    let all = text(entries)?;
    if all.len() <= room {
        return Ok(all);
    }
    // **Invariant**: `fits` entries fit, `too_many` do not.
    let (mut fits, mut too_many, mut best) = (0, entries, text(0)?);
    if best.len() > room {
        return Err(format!("the text is longer than {room} bytes"));
    }
    while fits + 1 < too_many {
        let middle = fits.midpoint(too_many);
        let tried = text(middle)?;
        if tried.len() <= room {
            (fits, best) = (middle, tried);
        } else {
            too_many = middle;
        }
    }
    Ok(best)
}
