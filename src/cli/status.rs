//! `refrom status`: how the fleet stands, from the store: offline, and while a service uses it.

use jiff::Timestamp;

use super::Failure;
use super::arguments::{Format, Status};
use super::exit::Outcome;
use super::output::Output;
use super::settings::{self, Secrets};
use super::table::Table;
use crate::domain::digest::Digest;
use crate::domain::freshness::TagFinding;
use crate::domain::reference::Tag;
use crate::domain::status::{
    Figures, Filter, FleetStatus, PinState, PinStatus, PullRequestStatus, RepositoryStatus, due, duration, error_count,
    plural,
};
use crate::serve::record::StatusRecord;
use crate::store::SqliteReader;

/// Prints what the last cycles found.
pub async fn run(arguments: &Status, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::Skip)?;
    let fleet = SqliteReader::open(&config.store).await?.status().await?;
    let filter = Filter {
        state: arguments.state,
        forge: arguments.forge.clone(),
        text: arguments.query.clone(),
        sort: arguments.sort.unwrap_or_default(),
    };
    let now = Timestamp::now();
    match arguments.format {
        Format::Json => output.json(&StatusRecord::new(&fleet, &filter, now))?,
        Format::Table => print(&fleet, &filter, now, output)?,
    }
    Ok(Outcome::Done)
}

fn print(fleet: &FleetStatus, filter: &Filter, now: Timestamp, output: &mut Output) -> anyhow::Result<()> {
    let selected = fleet.select(filter);
    let mut pins = Table::new(["REPOSITORY", "WHERE", "IMAGE", "PINNED", "VERSION", "AGE", "STATE"]);
    let mut open = Table::new(["REPOSITORY", "NUMBER", "CHECKS", "OPENED", "ADDRESS", "REMARK"]);
    for repository in &selected {
        for pin in &repository.pins {
            pins.row(pin_row(repository, pin, now));
        }
        for it in &repository.pull_requests {
            open.row(pull_request_row(repository, it, now));
        }
    }
    for table in [pins, open].iter().filter(|table| !table.is_empty()) {
        output.text(format!("{table}\n"))?;
    }
    for repository in &selected {
        for line in remarks(repository, now) {
            output.line(format!("{}: {line}", repository.repository.name))?;
        }
    }
    for line in summary(fleet, now) {
        output.line(line)?;
    }
    Ok(())
}

fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    at.map(|at| format!("{} ago", duration(at, now))).unwrap_or_default()
}

fn pin_row(repository: &RepositoryStatus, pin: &PinStatus, now: Timestamp) -> [String; 7] {
    let state = match &pin.state {
        PinState::Current { waits: None } => "current".to_owned(),
        PinState::Current { waits: Some(wait) } => format!("current: {}", wait.told_at(now)),
        PinState::Behind { newest, since, waits, .. } => {
            let since = since.map(|since| format!(" for {}", duration(since, now))).unwrap_or_default();
            let why = waits.as_ref().map_or_else(|| "in a pull request".to_owned(), |wait| wait.told_at(now));
            format!("behind{since}, newest {}: {why}", newest.short())
        }
        PinState::Unknown { reason, .. } => format!("unknown: {reason}"),
        PinState::Denied { reason, to, to_tag, pull_request, waits } => {
            let to = to.map(|to| format!(", goes back to {}", goal(&to, to_tag.as_ref()))).unwrap_or_default();
            let in_one = pull_request.map(|number| format!("in {}", repository.vocabulary.numbered(number)));
            let why = waits.as_ref().map(|wait| wait.told_at(now)).or(in_one);
            let why = why.map(|why| format!(": {why}")).unwrap_or_default();
            format!("denied ({reason}){to}{why}")
        }
    };
    [
        repository.repository.name.to_string(),
        format!("{}:{}", pin.path, pin.line),
        format!("{}:{}", pin.tag.image.familiar(), pin.tag.tag),
        pin.digest.map_or_else(|| "unpinned".to_owned(), |digest| digest.short()),
        pin.version.clone().unwrap_or_default(),
        pin.dates_from().map(|at| duration(at, now)).unwrap_or_default(),
        state,
    ]
}

/// A digest to which a pin goes, with the tag that it gets there: `1.27 3f9a…`.
pub(super) fn goal(to: &Digest, to_tag: Option<&Tag>) -> String {
    to_tag.map_or_else(|| to.short(), |tag| format!("{tag} {}", to.short()))
}

fn pull_request_row(repository: &RepositoryStatus, open: &PullRequestStatus, now: Timestamp) -> [String; 6] {
    let left_alone = open.left_alone.as_ref().map(|wait| format!("left alone: {}", wait.told_at(now)));
    let auto_merge = open.is_auto_merging.then(|| "merges by itself".to_owned());
    [
        repository.repository.name.to_string(),
        repository.vocabulary.numbered(open.number),
        open.pipeline.as_str().to_owned(),
        ago(open.opened_at, now),
        open.url.clone(),
        left_alone.or(auto_merge).unwrap_or_default(),
    ]
}

/// What is said of a repository besides its pins and pull requests.
fn remarks(repository: &RepositoryStatus, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if !repository.is_enabled {
        lines.push("off".to_owned());
    }
    if repository.tells_due(now) {
        let at = repository.due_at.filter(|at| *at > now && *at < Timestamp::MAX);
        let at = at.map(|at| format!(" ({at:.0})")).unwrap_or_default();
        lines.push(format!("due {}{at}: {}", due(repository.due_at, now), repository.due_because));
    }
    for TagFinding { tag, trouble } in &repository.findings {
        lines.push(format!("{}:{}  {trouble}", tag.image.familiar(), tag.tag));
    }
    for noticed in &repository.noticed {
        lines.push(format!("{}:{}  {}  {}", noticed.path, noticed.line, noticed.image, noticed.what));
    }
    if let Some(error) = &repository.error {
        lines.push(format!("error: {error}"));
    }
    if repository.looked_at.is_none() {
        lines.push("could never be read".to_owned());
    }
    lines
}

/// The figures of the whole fleet and its last cycle.
fn summary(fleet: &FleetStatus, now: Timestamp) -> Vec<String> {
    let figures = Figures::of(fleet);
    let pipelines = figures.pull_requests.iter().map(|(pipeline, count)| format!("{count} {}", pipeline.as_str()));
    let pipelines = pipelines.collect::<Vec<_>>().join(", ");
    let pipelines = if pipelines.is_empty() { String::new() } else { format!(" ({pipelines})") };
    let oldest = figures.oldest.as_ref().map(|oldest| format!(", the oldest for {}", duration(oldest.since, now)));
    let mut lines = vec![format!(
        "{}, {} of which need a person: {} of {} behind{}, {} unknown; {} open{pipelines}; {}",
        plural(figures.repositories, "repository", "repositories"),
        figures.need_person,
        figures.pins_behind,
        plural(figures.pins(), "pin", "pins"),
        oldest.unwrap_or_default(),
        figures.pins_unknown,
        plural(figures.open(), "pull request", "pull requests"),
        error_count(figures.errors),
    )];
    match &fleet.cycle {
        None => lines.push("no whole cycle has ended yet".to_owned()),
        Some(cycle) => {
            let (ended, took) = (duration(cycle.ended, now), duration(cycle.started, cycle.ended));
            lines.push(format!("the last whole cycle ended {ended} ago ({:.0}) and took {took}", cycle.ended));
            lines.extend(cycle.problems.iter().map(|(subject, message)| format!("problem: {subject}: {message}")));
        }
    }
    lines
}
