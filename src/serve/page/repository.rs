//! One repository → what the page's template shows.

use jiff::Timestamp;
use serde::Serialize;

use super::{Moment, Pill};
use crate::domain::digest::Digest;
use crate::domain::freshness::{TagFinding, TagTrouble};
use crate::domain::pull_request::{Pipeline, Vocabulary};
use crate::domain::status::{PinState, PinStatus, PullRequestStatus, RepositoryStatus, Wait, due, duration, plural};

/// What all repositories of a page are seen in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub now: Timestamp,
    /// Of the last whole cycle.
    pub cycle_started: Option<Timestamp>,
    /// Whether there are several forges.
    pub names_forge: bool,
}

/// A repository.
#[derive(Debug, Serialize)]
pub(super) struct RepositoryView<'a> {
    /// Of its heading.
    id: String,
    name: &'a str,
    href: Option<&'a str>,
    /// Where there are several.
    forge: Option<&'a str>,
    tone: &'static str,
    /// Whether one line is enough.
    is_quiet: bool,
    pills: Vec<Pill>,
    due: Option<Due>,
    /// Where the last whole cycle could not read it.
    unread: Option<Unread>,
    error: Option<&'a str>,
    findings: Vec<FindingView>,
    pull_requests: Vec<PullRequestView<'a>>,
    /// What is not current, then, to be opened, what is.
    pin_lists: Vec<PinList>,
    noticed_summary: String,
    noticed: Vec<NoticedView<'a>>,
}

#[derive(Debug, Serialize)]
struct Unread {
    /// When it was read before; `None`: never.
    at: Option<Moment>,
}

#[derive(Debug, Serialize)]
struct Due {
    words: String,
    at: Option<Moment>,
    because: String,
}

#[derive(Debug, Serialize)]
struct PullRequestView<'a> {
    /// As its forge writes it: `#7`, `!7`.
    number: String,
    href: Option<&'a str>,
    title: &'a str,
    pipeline: Pill,
    is_auto_merging: bool,
    opened: Option<Moment>,
    left_alone: Option<String>,
}

#[derive(Debug, Serialize)]
struct PinList {
    caption: String,
    /// Of what is folded; `None`: it is not.
    summary: Option<String>,
    pins: Vec<PinView>,
}

#[derive(Debug, Serialize)]
struct PinView {
    image: String,
    place: String,
    digest: String,
    short: String,
    version: Option<String>,
    age: Option<Moment>,
    state: Pill,
    since: Option<Moment>,
    newest: Option<NewestView>,
    /// `in #7`
    proposed: Option<String>,
    why: Option<Why>,
}

/// Why nothing happens.
#[derive(Debug, Serialize)]
struct Why {
    words: String,
    until: Option<Moment>,
    since: Option<Moment>,
}

/// What is to be said of a tag.
#[derive(Debug, Serialize)]
struct FindingView {
    image: String,
    what: String,
}

#[derive(Debug, Serialize)]
struct NewestView {
    digest: String,
    short: String,
    version: Option<String>,
}

#[derive(Debug, Serialize)]
struct NoticedView<'a> {
    image: &'a str,
    place: String,
    what: &'a str,
}

impl<'a> RepositoryView<'a> {
    /// `index` tells it from the others of its page.
    pub(super) fn new(status: &'a RepositoryStatus, index: usize, frame: &Frame) -> Self {
        let now = frame.now;
        let pin_lists = pin_lists(status, now);
        let is_quiet = status.error.is_none()
            && status.findings.is_empty()
            && status.pull_requests.is_empty()
            && pin_lists.iter().all(|list| list.summary.is_some());
        Self {
            id: format!("r{index}"),
            name: status.repository.name.as_str(),
            href: status.url.as_deref().and_then(harmless),
            forge: frame.names_forge.then_some(status.repository.forge.as_str()),
            tone: if status.needs_person() { "red" } else { "" },
            is_quiet,
            pills: pills(status, now),
            due: due_view(status, now),
            unread: (status.looked_at < frame.cycle_started)
                .then(|| Unread { at: status.looked_at.map(|at| Moment::new(at, now)) }),
            error: status.error.as_deref(),
            findings: status.findings.iter().map(FindingView::new).collect(),
            pull_requests: status
                .pull_requests
                .iter()
                .map(|open| PullRequestView::new(open, status.vocabulary, now))
                .collect(),
            pin_lists,
            noticed_summary: format!("{} not followed", plural(status.noticed.len(), "image", "images")),
            noticed: (status.noticed.iter())
                .map(|it| NoticedView { image: &it.image, place: format!("{}:{}", it.path, it.line), what: &it.what })
                .collect(),
        }
    }
}

/// An address that a page may lead to: a forge's answer is not trusted to be none of `javascript:`.
fn harmless(url: &str) -> Option<&str> {
    (url.starts_with("https://") || url.starts_with("http://")).then_some(url)
}

/// Why a repository is where it is, in few words.
fn pills(status: &RepositoryStatus, now: Timestamp) -> Vec<Pill> {
    let count = |is: fn(&PinStatus) -> bool| status.pins.iter().filter(|pin| is(pin)).count();
    let mut pills = Vec::new();
    if !status.is_enabled {
        pills.push(Pill::new("", "–", "off"));
    }
    if status.error.is_some() {
        pills.push(Pill::new("red", "✕", "error"));
    }
    if status.pull_requests.iter().any(|open| open.pipeline == Pipeline::Failed) {
        pills.push(Pill::new("red", "✕", "checks failed"));
    }
    let is_left = |open: &PullRequestStatus| open.left_alone.as_ref().is_some_and(|wait| wait.needs_person);
    let is_stuck = |pin: &PinStatus| pin.waits().is_some_and(|wait| wait.needs_person);
    if status.pull_requests.iter().any(is_left) || status.pins.iter().any(is_stuck) {
        pills.push(Pill::new("red", "!", "waits for a person"));
    }
    for word in TagTrouble::WORDS {
        let of_word = || status.findings.iter().filter(|finding| finding.trouble.as_str() == word);
        if of_word().next().is_some() {
            let needs_person = of_word().any(|finding| finding.trouble.needs_person());
            let (tone, symbol) = if needs_person { ("red", "!") } else { ("amber", "!") };
            pills.push(Pill::new(tone, symbol, trouble_label(word)));
        }
    }
    let unknown = count(PinStatus::is_unknown);
    if unknown > 0 {
        pills.push(Pill::new("", "?", format!("{unknown} unknown")));
    }
    let behind = count(PinStatus::is_behind);
    if behind > 0 {
        let since = status.behind_since().map(|since| format!(" for {}", duration(since, now))).unwrap_or_default();
        pills.push(Pill::new("amber", "▲", format!("{behind} behind{since}")));
    }
    if pills.is_empty() {
        let nothing = Pill::new("", "–", "nothing pinned");
        pills.push(if status.pins.is_empty() { nothing } else { Pill::new("green", "✓", "current") });
    }
    pills
}

fn trouble_label(word: &str) -> &'static str {
    match word {
        "gone" => "tag gone",
        "digest-gone" => "digest gone",
        "end-of-life" => "end of life",
        _ => "no new digest",
    }
}

fn due_view(status: &RepositoryStatus, now: Timestamp) -> Option<Due> {
    let at = status.due_at.filter(|at| *at > now && *at < Timestamp::MAX);
    status.tells_due(now).then(|| Due {
        words: due(status.due_at, now),
        at: at.map(|at| Moment::new(at, now)),
        because: status.due_because.clone(),
    })
}

impl<'a> PullRequestView<'a> {
    fn new(open: &'a PullRequestStatus, vocabulary: Vocabulary, now: Timestamp) -> Self {
        Self {
            number: vocabulary.numbered(open.number),
            href: harmless(&open.url),
            title: &open.title,
            pipeline: pipeline(open.pipeline),
            is_auto_merging: open.is_auto_merging,
            opened: open.opened_at.map(|at| Moment::new(at, now)),
            left_alone: open.left_alone.as_ref().map(|wait| format!("Left alone: {}", wait.why)),
        }
    }
}

fn pipeline(pipeline: Pipeline) -> Pill {
    match pipeline {
        Pipeline::Absent => Pill::new("", "○", "no checks"),
        Pipeline::Pending => Pill::new("blue", "…", "checks pending"),
        Pipeline::Passed => Pill::new("green", "✓", "checks passed"),
        Pipeline::Failed => Pill::new("red", "✕", "checks failed"),
        Pipeline::Unknown => Pill::new("", "?", "checks unknown"),
    }
}

fn pin_lists(status: &RepositoryStatus, now: Timestamp) -> Vec<PinList> {
    let (current, loud): (Vec<&PinStatus>, Vec<&PinStatus>) =
        status.pins.iter().partition(|pin| pin.state == PinState::Current { waits: None });
    let view = |pins: &[&PinStatus]| pins.iter().map(|pin| PinView::new(pin, status, now)).collect();
    let name = &status.repository.name;
    let mut lists = Vec::new();
    if !loud.is_empty() {
        let caption = format!("Pins of {name} that are behind, unknown or wait");
        lists.push(PinList { caption, summary: None, pins: view(&loud) });
    }
    if !current.is_empty() {
        let summary = Some(plural(current.len(), "current pin", "current pins"));
        lists.push(PinList { caption: format!("Current pins of {name}"), summary, pins: view(&current) });
    }
    lists
}

impl PinView {
    fn new(pin: &PinStatus, of: &RepositoryStatus, now: Timestamp) -> Self {
        let moment = |at: Timestamp| Moment::new(at, now);
        let (mut proposed, mut why) = (None, None);
        let (state, newest) = match &pin.state {
            PinState::Current { waits } => {
                why = waits.as_ref().map(|wait| Why::new(wait, of, now));
                (Pill::new("green", "✓", "current"), None)
            }
            PinState::Behind { newest, newest_version, waits, .. } => {
                match waits {
                    Some(wait) => why = Some(Why::new(wait, of, now)),
                    None => proposed = Some(place(of)),
                }
                (Pill::new("amber", "▲", "behind"), Some(NewestView::new(newest, newest_version)))
            }
            PinState::Unknown { reason, .. } => {
                why = Some(Why { words: reason.clone(), until: None, since: None });
                (Pill::new("", "?", "unknown"), None)
            }
            PinState::Denied { reason: because, to, to_tag, pull_request, waits } => {
                let tag = to_tag.as_ref().map(|tag| format!("{tag} ")).unwrap_or_default();
                let to = to.map(|to| format!("; it goes back to {tag}{}", to.short())).unwrap_or_default();
                let number = pull_request.map(|number| format!(" in {}", of.vocabulary.numbered(number)));
                let waits = waits.as_ref().map(|wait| Why::new(wait, of, now));
                let (until, since) =
                    waits.as_ref().map(|why| (why.until.clone(), why.since.clone())).unwrap_or_default();
                let waits = waits.map(|why| format!("; {}", why.words)).unwrap_or_default();
                let words = format!("taken back: {because}{to}{}{waits}", number.unwrap_or_default());
                why = Some(Why { words, until, since });
                (Pill::new("red", "✕", "denied"), None)
            }
        };
        Self {
            image: format!("{}:{}", pin.tag.image.familiar(), pin.tag.tag),
            place: format!("{}:{}", pin.path, pin.line),
            digest: pin.digest.map(|digest| digest.to_string()).unwrap_or_default(),
            short: pin.digest.map_or_else(|| "unpinned".to_owned(), |digest| digest.short()),
            version: pin.version.clone(),
            age: pin.dates_from().map(moment),
            state,
            since: pin.behind_since().map(moment),
            newest,
            proposed,
            why,
        }
    }
}

/// Where a pin that waits for nothing stands.
fn place(of: &RepositoryStatus) -> String {
    match of.pull_requests.as_slice() {
        [only] => format!("in {}", of.vocabulary.numbered(only.number)),
        _ => "in a pull request".to_owned(),
    }
}

impl Why {
    /// What its pull request says already is not said again.
    fn new(wait: &Wait, of: &RepositoryStatus, now: Timestamp) -> Self {
        if let Some(open) = of.pull_requests.iter().find(|open| open.left_alone.as_ref() == Some(wait)) {
            let words = format!("waits for {}", of.vocabulary.numbered(open.number));
            return Self { words, until: None, since: None };
        }
        let until = wait.until.filter(|until| *until > now).map(|until| Moment::new(until, now));
        Self { words: wait.why.clone(), until, since: wait.since.map(|since| Moment::new(since, now)) }
    }
}

impl FindingView {
    fn new(TagFinding { tag, trouble }: &TagFinding) -> Self {
        Self { image: format!("{}:{}", tag.image.familiar(), tag.tag), what: trouble.to_string() }
    }
}

impl NewestView {
    fn new(digest: &Digest, version: &Option<String>) -> Self {
        Self { digest: digest.to_string(), short: digest.short(), version: version.clone() }
    }
}
