//! The fleet → what the page's template shows.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use super::Moment;
use super::query::{Query, TEXT_LENGTH_MAX};
use super::repository::{Frame, RepositoryView};
use super::waves::UnderWayView;
use crate::domain::pull_request::Pipeline;
use crate::domain::status::{
    CycleStatus, Figures, Filter, FleetStatus, RepositoryStatus, Sort, Standing, StateFilter, duration, plural,
};

/// Repositories on one page: a screen of those that need somebody, and quickly drawn on a phone.
const PAGE_LENGTH: usize = 50;
/// After how many hours without a whole cycle somebody should look: a daily one may take its time.
const LATE_HOURS: i64 = 26;

/// Everything that the page shows.
#[derive(Debug, Serialize)]
pub(super) struct Overview<'a> {
    title: String,
    now: Moment,
    cycle: Option<CycleView>,
    /// What is to be said of the service itself.
    notices: &'a [String],
    tiles: Vec<Tile>,
    /// The digests on their way through the waves; empty where there are none.
    waves: Vec<UnderWayView<'a>>,
    form: Form,
    count: String,
    groups: Vec<Group<'a>>,
    pages: Option<Pages>,
    /// The address of the same as JSON.
    api: String,
}

#[derive(Debug, Serialize)]
struct CycleView {
    ended: Moment,
    took: String,
    is_late: bool,
    problems: Vec<ProblemView>,
}

#[derive(Debug, Serialize)]
struct ProblemView {
    subject: String,
    message: String,
}

/// A summary figure.
#[derive(Debug, Serialize)]
struct Tile {
    label: &'static str,
    value: String,
    note: String,
    href: Option<&'static str>,
    tone: &'static str,
}

#[derive(Debug, Serialize)]
struct Form {
    text: String,
    text_max: usize,
    states: Vec<Choice>,
    /// Empty where there is one forge.
    forges: Vec<Choice>,
    sorts: Vec<Choice>,
    is_filtered: bool,
}

#[derive(Debug, Serialize)]
struct Choice {
    value: String,
    label: String,
    is_chosen: bool,
}

/// Repositories under a heading.
#[derive(Debug, Serialize)]
struct Group<'a> {
    id: &'static str,
    title: &'static str,
    size: String,
    repositories: Vec<RepositoryView<'a>>,
}

#[derive(Debug, Serialize)]
struct Pages {
    number: usize,
    of: usize,
    before: Option<String>,
    next: Option<String>,
}

impl<'a> Overview<'a> {
    pub(super) fn new(fleet: &'a FleetStatus, notices: &'a [String], query: &Query, now: Timestamp) -> Self {
        let figures = Figures::of(fleet);
        let forges: BTreeSet<&str> = fleet.repositories.iter().map(|it| it.repository.forge.as_str()).collect();
        let selected = fleet.select(&query.filter);
        let of = selected.len().div_ceil(PAGE_LENGTH).max(1);
        let page = query.page.min(of - 1);
        let shown: Vec<&RepositoryStatus> =
            selected.iter().skip(page * PAGE_LENGTH).take(PAGE_LENGTH).copied().collect();
        let cycle_started = fleet.cycle.as_ref().map(|cycle| cycle.started);
        let frame = Frame { now, cycle_started, names_forge: forges.len() > 1 };
        let whole = Query { filter: query.filter.clone(), page: 0 };
        let attention = if figures.need_person > 0 { format!("({}) ", figures.need_person) } else { String::new() };
        Self {
            title: format!("{attention}Base images – refrom"),
            now: Moment { date: now.strftime("%-d %b %Y %H:%M UTC").to_string(), ..Moment::new(now, now) },
            cycle: fleet.cycle.as_ref().map(|cycle| CycleView::new(cycle, now)),
            notices,
            tiles: tiles(&figures, now),
            waves: fleet.waves.iter().map(|it| UnderWayView::new(it, now)).collect(),
            form: Form::new(&query.filter, &forges),
            count: count(fleet.repositories.len(), selected.len(), page * PAGE_LENGTH, shown.len()),
            groups: groups(&selected, &shown, query.filter.sort, &frame),
            pages: (of > 1).then(|| Pages::new(query, page, of)),
            api: format!("api/v1/status{}", Some(whole.address()).filter(|it| it != "?").unwrap_or_default()),
        }
    }
}

impl CycleView {
    fn new(cycle: &CycleStatus, now: Timestamp) -> Self {
        let problem =
            |(subject, message): &(String, String)| ProblemView { subject: subject.clone(), message: message.clone() };
        Self {
            ended: Moment::new(cycle.ended, now),
            took: duration(cycle.started, cycle.ended),
            is_late: now.duration_since(cycle.ended).as_hours() >= LATE_HOURS,
            problems: cycle.problems.iter().map(problem).collect(),
        }
    }
}

fn tiles(figures: &Figures, now: Timestamp) -> Vec<Tile> {
    let tile = |label, value: String, note: String, href: &'static str, tone: &'static str| Tile {
        label,
        value,
        note,
        href: Some(href),
        tone,
    };
    let tone = |count: usize, tone: &'static str| if count > 0 { tone } else { "" };
    let unknown = if figures.pins_unknown > 0 { format!(", {} unknown", figures.pins_unknown) } else { String::new() };
    let off = if figures.off > 0 { format!("{} off", figures.off) } else { String::new() };
    let (oldest, of) = match &figures.oldest {
        Some(oldest) => {
            let of = format!("{}:{} in {}", oldest.tag.image.familiar(), oldest.tag.tag, oldest.repository.name);
            (duration(oldest.since, now), of)
        }
        None => ("none".to_owned(), String::new()),
    };
    vec![
        tile(
            "Need a person",
            figures.need_person.to_string(),
            format!("of {}", plural(figures.repositories, "repository", "repositories")),
            "?state=attention",
            tone(figures.need_person, "red"),
        ),
        tile("Repositories", figures.repositories.to_string(), off, "?", ""),
        tile(
            "Pins behind",
            figures.pins_behind.to_string(),
            format!("of {}{unknown}", plural(figures.pins(), "pin", "pins")),
            "?state=behind",
            tone(figures.pins_behind, "amber"),
        ),
        tile("Oldest stale pin", oldest, of, "?sort=oldest", tone(figures.pins_behind, "amber")),
        tile("Open pull requests", figures.open().to_string(), pipelines(figures), "?state=open", ""),
        tile("Errors", figures.errors.to_string(), errors(figures), "?state=error", tone(figures.errors, "red")),
    ]
}

/// `in 2 repositories, 1 beside them`.
fn errors(figures: &Figures) -> String {
    let beside = figures.errors - figures.failing.min(figures.errors);
    let within = (figures.failing > 0).then(|| format!("in {}", plural(figures.failing, "repository", "repositories")));
    let beside = (beside > 0).then(|| format!("{beside} of the cycle itself"));
    within.into_iter().chain(beside).collect::<Vec<_>>().join(", ")
}

/// `4 passed, 1 failed`.
fn pipelines(figures: &Figures) -> String {
    let word = |pipeline: Pipeline| match pipeline {
        Pipeline::Absent => "without checks",
        Pipeline::Pending => "pending",
        Pipeline::Passed => "passed",
        Pipeline::Failed => "failed",
        Pipeline::Unknown => "unknown",
    };
    let worst_first = [Pipeline::Failed, Pipeline::Pending, Pipeline::Passed, Pipeline::Absent, Pipeline::Unknown];
    let counted =
        worst_first.into_iter().filter_map(|pipeline| Some((figures.pull_requests.get(&pipeline)?, pipeline)));
    counted.map(|(count, pipeline)| format!("{count} {}", word(pipeline))).collect::<Vec<_>>().join(", ")
}

impl Form {
    fn new(filter: &Filter, forges: &BTreeSet<&str>) -> Self {
        let choice = |value: &str, label: &str, chosen: &str| Choice {
            value: value.to_owned(),
            label: label.to_owned(),
            is_chosen: value == chosen,
        };
        let state = filter.state.map_or("", StateFilter::as_str);
        let forge = filter.forge.as_deref().unwrap_or_default();
        let any = |label: &str, chosen: &str| std::iter::once(choice("", label, chosen));
        let several = forges.len() > 1;
        Self {
            text: filter.text.clone().unwrap_or_default(),
            text_max: TEXT_LENGTH_MAX,
            states: any("Any", state)
                .chain(StateFilter::ALL.into_iter().map(|it| choice(it.as_str(), state_label(it), state)))
                .collect(),
            forges: any("Any", forge)
                .chain(forges.iter().map(|it| choice(it, it, forge)))
                .filter(|_| several)
                .collect(),
            sorts: Sort::ALL.map(|it| choice(it.as_str(), sort_label(it), filter.sort.as_str())).into(),
            is_filtered: *filter != Filter::default(),
        }
    }
}

fn state_label(state: StateFilter) -> &'static str {
    match state {
        StateFilter::Attention => "Needs a person",
        StateFilter::Behind => "Behind",
        StateFilter::Waiting => "Waiting, not proposed",
        StateFilter::Open => "Open pull request",
        StateFilter::Failed => "Failed checks",
        StateFilter::Unknown => "Unknown",
        StateFilter::Error => "Error",
        StateFilter::Current => "Nothing to do",
        StateFilter::Off => "Off",
    }
}

fn sort_label(sort: Sort) -> &'static str {
    match sort {
        Sort::Urgency => "Most urgent first",
        Sort::Oldest => "Behind for longest first",
        Sort::Name => "Name",
        Sort::Due => "Next due first",
    }
}

fn count(all: usize, selected: usize, skipped: usize, shown: usize) -> String {
    let repositories = |count| plural(count, "repository", "repositories");
    match (all, selected) {
        (0, _) => "Nothing is known yet: the first cycle fills this page.".to_owned(),
        (_, 0) => format!("None of {} matches.", repositories(all)),
        _ if shown < selected => {
            format!("{} to {} of {}", skipped + 1, skipped + shown, repositories(selected))
        }
        _ if selected < all => format!("{selected} of {}", repositories(all)),
        _ => format!("All {}", repositories(all)),
    }
}

/// By urgency with a heading for each standing; in another order under one.
fn groups<'a>(
    selected: &[&'a RepositoryStatus],
    shown: &[&'a RepositoryStatus],
    sort: Sort,
    frame: &Frame,
) -> Vec<Group<'a>> {
    let view = |(index, it): (usize, &&'a RepositoryStatus)| RepositoryView::new(it, index, frame);
    let size = |count| plural(count, "repository", "repositories");
    if sort != Sort::Urgency {
        let repositories: Vec<_> = shown.iter().enumerate().map(view).collect();
        let group = Group { id: "g-all", title: sort_label(sort), size: size(selected.len()), repositories };
        return if shown.is_empty() { Vec::new() } else { vec![group] };
    }
    let group = |standing: Standing| {
        let (id, title) = heading(standing);
        let repositories: Vec<_> =
            shown.iter().enumerate().filter(|(_, it)| it.standing() == standing).map(view).collect();
        let of = selected.iter().filter(|it| it.standing() == standing).count();
        (!repositories.is_empty()).then(|| Group { id, title, size: size(of), repositories })
    };
    Standing::ALL.into_iter().filter_map(group).collect()
}

fn heading(standing: Standing) -> (&'static str, &'static str) {
    match standing {
        Standing::NeedsPerson => ("g-attention", "Need a person"),
        Standing::Behind => ("g-behind", "Behind, on their way"),
        Standing::Current => ("g-current", "Nothing to do"),
        Standing::Off => ("g-off", "Off"),
    }
}

impl Pages {
    fn new(query: &Query, page: usize, of: usize) -> Self {
        let address = |page| Query { page, ..query.clone() }.address();
        let before = page.checked_sub(1).map(address);
        Self { number: page + 1, of, before, next: (page + 1 < of).then(|| address(page + 1)) }
    }
}
