//! What a template can use.

use std::collections::BTreeSet;

use serde::Serialize;

use super::template::TemplateKind;
use super::words::Refusable;
use super::{escape, words};
use crate::domain::branch::Subject;
use crate::domain::hidden::{self, Changed, HiddenChange};
use crate::domain::image::Image;
use crate::domain::proposal::{self, Pin, Urgency};
use crate::domain::pull_request::Vocabulary;

/// What a title says of hidden changes, in characters: it is there to make people read the list.
const HIDDEN_LENGTH_MAX: usize = 80;

/// The variables of a template. Everything is text or a number; what is not known is an empty text.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Context {
    /// How many different images (with their tags).
    count: usize,
    /// The first of them: `dhi.io/nginx:1.27-alpine`.
    image: String,
    /// `refresh`; `update` where every pin gets another tag; `pin` where every one gets its first digest.
    change: &'static str,
    /// The tag that they get, where all of them get the same one.
    new_tag: String,
    /// The file, where the pull request is about one (`group: file`).
    file: String,
    /// Different images with their old and new digests.
    images: Vec<Row>,
    /// Every pin; [`Self::left_out`] more are left out where they would not fit.
    pins: Vec<Row>,
    left_out: usize,
    /// Whether one of them cannot wait.
    is_urgent: bool,
    /// The title; not in the title's own template.
    title: String,
    /// Ready pieces of Markdown, in the body alone.
    summary: String,
    table: String,
    remarks: String,
    digests: String,
    instructions: String,
    #[serde(skip)]
    refusable: Refusable,
    /// What the new digests change besides: in the body all of it, as Markdown; elsewhere the grave changes in short.
    hidden: String,
    /// Which waves have proved the new digests, as Markdown; empty outside of the body, and where none had to.
    proved: String,
}

/// A pin, or an image. In the body the texts are Markdown code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Row {
    file: String,
    line: u32,
    /// `web/Dockerfile:3`
    place: String,
    name: String,
    tag: String,
    /// The tag that it gets, where that changes.
    new_tag: String,
    /// Whether somebody took the old digest back.
    is_rolled_back: bool,
    /// `dhi.io/nginx:1.27-alpine`
    reference: String,
    old: String,
    new: String,
    old_short: String,
    new_short: String,
    old_version: String,
    new_version: String,
    /// `1.27.0 → 1.27.1`, or the only one that is known.
    versions: String,
    /// The new image's date: `2026-11-20`.
    created: String,
    /// `12.3 MB`
    size: String,
    /// Whether the old digest is gone from its registry.
    is_old_gone: bool,
    /// The platforms that the new image lacks, which only a way back may: `linux/arm64, linux/riscv64`.
    platforms_gone: String,
    /// The kinds of both, where somebody chose a digest of another kind: `an index`.
    old_kind: &'static str,
    new_kind: &'static str,
    /// What the new digest changes besides, the gravest first.
    hidden: Vec<HiddenRow>,
    /// Why it cannot wait, as Markdown; empty where it can.
    urgent: String,
    /// Which waves have proved it, a sentence each.
    proofs: Vec<String>,
}

/// A change that a digest hides. Names and values are in the body Markdown code; a value is empty where there was none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct HiddenRow {
    /// `distribution`, `user`; a variable's name.
    what: String,
    old: String,
    new: String,
    is_grave: bool,
    /// `user 0 → 65532`
    short: String,
}

impl HiddenRow {
    fn new(change: &HiddenChange, text: fn(&str) -> String) -> Self {
        let what = match &change.what {
            Changed::Variable(name) => text(name),
            what => what.to_string(),
        };
        let (old, new, is_grave) = (text(&change.old), text(&change.new), change.is_grave());
        Self { what, old, new, is_grave, short: text(&change.in_short()) }
    }

    fn example() -> Self {
        Self {
            what: "user".to_owned(),
            old: "root".to_owned(),
            new: "65532".to_owned(),
            is_grave: true,
            short: "user root → 65532".to_owned(),
        }
    }
}

impl Row {
    fn new(pin: &Pin, text: fn(&str) -> String) -> Self {
        // The version of another tag stands in its name.
        let is_hidden = |change: &HiddenChange| pin.new_tag.is_none() || change.what != Changed::MajorVersion;
        let changes = pin.old_image.iter().flat_map(|old| hidden::changes(&pin.asked.image, old, &pin.new_image));
        let kinds = pin.old_image.as_ref().map(|old| (old.kind, pin.new_image.kind)).filter(|(old, new)| old != new);
        let name = pin.tag.image.familiar();
        let version = |image: Option<&Image>| image.and_then(|image| image.version.clone()).unwrap_or_default();
        let (old_version, new_version) = (version(pin.old_image.as_ref()), version(Some(&pin.new_image)));
        let mut versions: Vec<&str> =
            [old_version.as_str(), &new_version].into_iter().filter(|it| !it.is_empty()).collect();
        versions.dedup();
        let created = pin.new_image.created;
        Self {
            place: text(&format!("{}:{}", pin.path, pin.line)),
            reference: text(&format!("{name}:{}", pin.tag.tag)),
            versions: text(&versions.join(" → ")),
            file: text(&pin.path),
            line: pin.line,
            name: text(&name),
            tag: text(pin.tag.tag.as_str()),
            new_tag: pin.new_tag.as_ref().map(|tag| text(tag.as_str())).unwrap_or_default(),
            is_rolled_back: matches!(pin.urgency, Some(Urgency::RolledBack(_))),
            old: text(&pin.old.map(|old| old.to_string()).unwrap_or_default()),
            new: text(&pin.new.to_string()),
            old_short: text(&pin.shown_old()),
            new_short: text(&pin.new.short()),
            old_version: text(&old_version),
            new_version: text(&new_version),
            created: created.map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
            size: pin.new_image.size_bytes.map(crate::domain::status::size).unwrap_or_default(),
            is_old_gone: pin.old.is_some() && pin.old_image.is_none(),
            platforms_gone: text(&platforms_gone(pin)),
            old_kind: kinds.map(|(old, _)| words::kind(old)).unwrap_or_default(),
            new_kind: kinds.map(|(_, new)| words::kind(new)).unwrap_or_default(),
            hidden: changes.filter(is_hidden).map(|change| HiddenRow::new(&change, text)).collect(),
            urgent: (pin.urgency.as_ref())
                .map(|urgency| {
                    words::urgent(urgency, &text(&pin.shown_old()), &text(&format!("{name}:{}", pin.tag.tag)))
                })
                .unwrap_or_default(),
            proofs: pin.proofs.iter().map(|proof| words::proved(proof, &text(&proof.wave))).collect(),
        }
    }

    fn example(name: &str, line: u32) -> Self {
        let digest = |hex: &str| format!("sha256:{}", hex.repeat(64));
        Self {
            place: format!("Dockerfile:{line}"),
            reference: format!("{name}:1.27-alpine"),
            versions: "1.27.0 → 1.27.1".to_owned(),
            file: "Dockerfile".to_owned(),
            line,
            name: name.to_owned(),
            tag: "1.27-alpine".to_owned(),
            new_tag: if line > 1 { "1.28-alpine".to_owned() } else { String::new() },
            is_rolled_back: false,
            old: digest("a"),
            new: digest("b"),
            old_short: "a".repeat(12),
            new_short: "b".repeat(12),
            old_version: "1.27.0".to_owned(),
            new_version: "1.27.1".to_owned(),
            created: "2026-11-20".to_owned(),
            size: "12.3 MB".to_owned(),
            is_old_gone: line > 1,
            platforms_gone: if line > 1 { "linux/arm64".to_owned() } else { String::new() },
            old_kind: "",
            new_kind: "",
            hidden: (line > 1).then(HiddenRow::example).into_iter().collect(),
            urgent: if line > 1 { "> **Urgent:** …".to_owned() } else { String::new() },
            proofs: (line > 1).then(|| "wave `canary` had merged it.".to_owned()).into_iter().collect(),
        }
    }
}

impl Row {
    /// With the tag that it gets: `dhi.io/nginx:1.27` → `1.28`.
    fn way(&self) -> String {
        let Self { reference, new_tag, .. } = self;
        if new_tag.is_empty() { reference.clone() } else { format!("{reference} → {new_tag}") }
    }
}

/// The platforms of the old image that the new one lacks.
fn platforms_gone(pin: &Pin) -> String {
    let gone = pin.old_image.as_ref().map(|old| proposal::platforms_gone(old, &pin.new_image)).unwrap_or_default();
    gone.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What all of these come to, in one word.
fn change(rows: &[Row]) -> &'static str {
    if rows.iter().all(|row| row.old.is_empty()) {
        "pin"
    } else if rows.iter().all(|row| row.is_rolled_back) {
        "roll back"
    } else if rows.iter().all(|row| !row.new_tag.is_empty()) {
        "update"
    } else {
        "refresh"
    }
}

/// The grave changes of all images, each once; how many they are where that is too long for a title.
fn hidden_in_short(images: &[Row]) -> String {
    let grave = images.iter().flat_map(|image| &image.hidden).filter(|change| change.is_grave);
    let mut shorts: Vec<&str> = Vec::new();
    for change in grave {
        if !shorts.contains(&change.short.as_str()) {
            shorts.push(&change.short);
        }
    }
    let text = shorts.join(", ");
    if text.chars().count() <= HIDDEN_LENGTH_MAX { text } else { words::hidden_count(shorts.len()) }
}

impl Context {
    /// The variables for these pins, of which `shown` are listed.
    pub(super) fn new(kind: TemplateKind, subject: &Subject, pins: &[Pin], shown: usize) -> Self {
        let text = match kind {
            TemplateKind::Title | TemplateKind::CommitMessage => escape::line,
            TemplateKind::Body => escape::code,
        };
        let mut rows: Vec<Row> = Vec::new();
        let mut images: Vec<Row> = Vec::new();
        for row in pins.iter().map(|pin| Row::new(pin, text)) {
            let image = Row { file: String::new(), line: 0, place: String::new(), ..row.clone() };
            // One digest's bytes can serve several uses: that is one change.
            if rows.last() != Some(&row) {
                rows.push(row);
            }
            if !images.contains(&image) {
                images.push(image);
            }
        }
        let file = match subject {
            Subject::File(path) => text(path),
            Subject::Repository | Subject::Image(_) => String::new(),
        };
        Self::of(kind, file, (rows, images), shown)
    }

    fn of(kind: TemplateKind, file: String, (mut pins, mut images): (Vec<Row>, Vec<Row>), shown: usize) -> Self {
        let count = images.iter().map(|row| &row.reference).collect::<BTreeSet<_>>().len();
        let image = images.first().map(|row| row.reference.clone()).unwrap_or_default();
        let new_tags: BTreeSet<&String> = images.iter().map(|row| &row.new_tag).collect();
        let new_tag = new_tags.first().filter(|_| new_tags.len() == 1).map(ToString::to_string).unwrap_or_default();
        let change = change(&images);
        let summary = words::summary(change, pins.len());
        let all = if kind == TemplateKind::CommitMessage { images.len() } else { pins.len() };
        let hidden = hidden_in_short(&images);
        let is_version = |image: &Row| !image.new_tag.is_empty() && !image.is_rolled_back;
        let refusable = if images.iter().any(is_version) { Refusable::Versions } else { Refusable::Digests };
        let is_urgent = images.iter().any(|image| !image.urgent.is_empty());
        pins.truncate(shown);
        images.truncate(shown);
        let left_out = all.saturating_sub(shown);
        let mut context = Self {
            count,
            is_urgent,
            image,
            change,
            new_tag,
            file,
            images,
            pins,
            left_out,
            title: String::new(),
            summary,
            table: String::new(),
            remarks: String::new(),
            digests: String::new(),
            instructions: String::new(),
            refusable,
            hidden,
            proved: String::new(),
        };
        if kind == TemplateKind::Body {
            context.table = context.table();
            context.remarks = context.remarks();
            context.digests = context.digests();
            context.hidden = context.hidden();
            context.proved = context.proved();
        }
        context.speaking(Vocabulary::PullRequest)
    }

    /// One pin, and several with everything that there can be.
    pub(super) fn examples(kind: TemplateKind) -> [Self; 2] {
        let (one, other) = (Row::example("dhi.io/nginx", 1), Row::example("dhi.io/node", 7));
        let several = vec![one.clone(), other];
        [
            Self::of(kind, String::new(), (vec![one.clone()], vec![one]), 1),
            Self::of(kind, "Dockerfile".to_owned(), (several.clone(), several), 1),
        ]
        .map(|example| example.with_title("build(deps): refresh base images".to_owned()))
    }

    pub(super) fn with_title(self, title: String) -> Self {
        Self { title, ..self }
    }

    /// In the words of the forge that shows it.
    pub(super) fn speaking(self, vocabulary: Vocabulary) -> Self {
        Self { instructions: words::instructions(vocabulary, self.refusable), ..self }
    }

    fn table(&self) -> String {
        let mut lines = vec![
            "| File | Image | Old | New | Version | Created | Size |".to_owned(),
            "|---|---|---|---|---|---|---|".to_owned(),
        ];
        for pin in &self.pins {
            let (way, Row { place, old_short, new_short, versions, created, size, .. }) = (pin.way(), pin);
            lines.push(format!("| {place} | {way} | {old_short} | {new_short} | {versions} | {created} | {size} |"));
        }
        if self.left_out > 0 {
            lines.push(format!("\n{}", words::left_out(self.left_out)));
        }
        lines.join("\n")
    }

    /// What the images change besides, one line each.
    fn hidden(&self) -> String {
        let of_image = |Row { reference, hidden, .. }: &Row| {
            let lines = hidden.iter().map(|HiddenRow { what, old, new, .. }| words::hidden(what, old, new));
            (!hidden.is_empty()).then(|| format!("- {reference}\n{}", lines.collect::<Vec<_>>().join("\n")))
        };
        let lines: Vec<String> = self.images.iter().filter_map(of_image).collect();
        if lines.is_empty() { String::new() } else { format!("{}\n\n{}", words::HIDDEN, lines.join("\n")) }
    }

    /// Which waves have proved the images, one line each.
    fn proved(&self) -> String {
        let of_image = |image: &Row| {
            let lines = image.proofs.iter().map(|proof| format!("- {}: {proof}", image.way()));
            lines.collect::<Vec<_>>()
        };
        let lines: Vec<String> = self.images.iter().flat_map(of_image).collect();
        if lines.is_empty() { String::new() } else { format!("{}\n\n{}", words::PROVED, lines.join("\n")) }
    }

    fn remarks(&self) -> String {
        let urgent = self.images.iter().map(|image| image.urgent.clone()).filter(|urgent| !urgent.is_empty());
        let gone = self
            .images
            .iter()
            .filter(|image| image.is_old_gone)
            .map(|image| words::old_gone(&image.old, &image.reference));
        let has_lost = |image: &&Row| !image.platforms_gone.is_empty() || !image.new_kind.is_empty();
        let lost = self.images.iter().filter(has_lost).map(|image| {
            let Row { new_short, reference, platforms_gone, old_kind, new_kind, .. } = image;
            words::fewer(new_short, reference, (old_kind, new_kind), platforms_gone)
        });
        urgent.chain(gone).chain(lost).collect::<Vec<_>>().join("\n>\n")
    }

    fn digests(&self) -> String {
        let lines = self.images.iter().map(|image| {
            let (way, Row { old, new, .. }) = (image.way(), image);
            if old.is_empty() { format!("- {way}<br>{new}") } else { format!("- {way}<br>{old} →<br>{new}") }
        });
        format!("<details><summary>Full digests</summary>\n\n{}\n\n</details>", lines.collect::<Vec<_>>().join("\n"))
    }
}
