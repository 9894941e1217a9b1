//! `refrom simulate`: what a configuration would have cost over a recorded ledger. Asks nobody and reads no secret.

use std::path::Path;

use anyhow::Context as _;
use jiff::tz::TimeZone;

use super::Failure;
use super::arguments::{Format, Simulate};
use super::exit::Outcome;
use super::output::Output;
use super::reason_word::reason_word;
use super::settings::{self, Secrets};
use super::simulate_record::SimulationRecord;
use super::table::{Table, printable};
use crate::simulate::{self, Figures, Listed, Note, Planning, Recording, Series, Setup};

/// How many tags that a history does not know are named.
const NAMED_MAX: usize = 5;

/// A configuration's figures, and what it is called.
struct Column {
    name: String,
    figures: Figures,
}

/// Replays, prints the figures, and draws them where that is asked for.
pub fn run(arguments: &Simulate, output: &mut Output) -> Result<Outcome, Failure> {
    let recording = Recording::read(&arguments.history).map_err(Failure::usage)?;
    let fleet = match &arguments.repositories {
        Some(file) => simulate::read_fleet(file).map_err(Failure::usage)?,
        None => simulate::drawn(&recording, usize::from(arguments.count), usize::from(arguments.pins)),
    };
    let mut columns = Vec::new();
    for config in std::iter::once(&arguments.config).chain(&arguments.compare) {
        columns.push(column(config, (&recording, &fleet), arguments, output)?);
    }
    tell_apart(&mut columns, arguments);
    match arguments.format {
        Format::Json => output.json(&records(&columns))?,
        Format::Table => output.text(format!("{}{}", table(&columns), notes(&columns)))?,
    }
    if let Some(file) = &arguments.svg {
        let series: Vec<_> = columns.iter().map(|it| Series { name: &it.name, figures: &it.figures }).collect();
        let failed = || format!("cannot write `{}`", file.display());
        std::fs::write(file, simulate::plot(&series)).with_context(failed)?;
    }
    Ok(Outcome::Done)
}

fn column(
    path: &Path,
    (recording, fleet): (&Recording, &[Listed]),
    arguments: &Simulate,
    output: &mut Output,
) -> Result<Column, Failure> {
    let config = settings::load(Some(path), Secrets::Skip)?;
    let setup = Setup {
        from: arguments.from,
        to: arguments.to,
        merge_after: arguments.merge_after,
        planning: Planning::WhereSomethingChanged,
        word: reason_word,
    };
    let outcome = simulate::replay(&config, recording, fleet, setup).map_err(Failure::usage)?;
    let unknown = &outcome.left_out;
    // Once is enough: it is the same for every configuration.
    if path == arguments.config && !unknown.is_empty() {
        let named: Vec<_> = unknown.iter().take(NAMED_MAX).map(|tag| format!("`{tag}`")).collect();
        let more = unknown.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        output.note(format!("left out, because the history does not know them: {}{more}", named.join(", ")));
    }
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    Ok(Column { name: stem.to_string_lossy().into_owned(), figures: Figures::of(&outcome) })
}

/// Files of one name are called by their whole paths.
fn tell_apart(columns: &mut [Column], arguments: &Simulate) {
    if let ([one, other], Some(compare)) = (columns, &arguments.compare)
        && one.name == other.name
    {
        one.name = arguments.config.display().to_string();
        other.name = compare.display().to_string();
    }
}

fn records(columns: &[Column]) -> Vec<SimulationRecord> {
    columns.iter().map(|column| SimulationRecord::new(&column.name, &column.figures)).collect()
}

fn table(columns: &[Column]) -> Table {
    let rows: Vec<Vec<(String, String)>> = columns.iter().map(|column| rows(&column.figures)).collect();
    match (columns, rows.as_slice()) {
        ([one, other], [left, right]) => {
            let mut table = Table::new(["", &one.name, &other.name]);
            // A reason may be in one of them alone.
            let mut names: Vec<&String> = left.iter().map(|(name, _)| name).collect();
            names.extend(
                right.iter().map(|(name, _)| name).filter(|name| !left.iter().any(|(other, _)| other == *name)),
            );
            let value = |rows: &[(String, String)], name| {
                rows.iter().find(|(other, _)| other == name).map_or_else(|| NONE.to_owned(), |(_, value)| value.clone())
            };
            names.into_iter().for_each(|name| table.row([name.clone(), value(left, name), value(right, name)]));
            table
        }
        _ => {
            let mut table = Table::new(["", columns.first().map_or("", |column| &column.name)]);
            rows.into_iter().flatten().for_each(|(name, value)| table.row([name, value]));
            table
        }
    }
}

/// What the figures do not say, below them: each note once, with the configurations that it is about where there are two.
fn notes(columns: &[Column]) -> String {
    let mut told: Vec<(&Note, Vec<String>)> = Vec::new();
    for column in columns {
        for note in &column.figures.notes {
            match told.iter_mut().find(|(other, _)| *other == note) {
                Some((_, names)) => names.push(column.name.clone()),
                None => told.push((note, vec![column.name.clone()])),
            }
        }
    }
    let line = |(note, names): (&Note, Vec<String>)| {
        let of = if columns.len() > 1 { format!(" ({})", printable(&names.join(", "))) } else { String::new() };
        format!("not replayed{of}: {note}\n")
    };
    told.into_iter().map(line).collect()
}

/// What stands where a configuration has no such figure.
const NONE: &str = "-";

/// Each figure in words.
fn rows(figures: &Figures) -> Vec<(String, String)> {
    let day = |at: jiff::Timestamp| at.to_zoned(TimeZone::UTC).date();
    let whole = |name: &str, number: usize| (name.to_owned(), number.to_string());
    let decimal = |name: &str, number: f64| (name.to_owned(), format!("{number:.2}"));
    let mut rows = vec![
        ("from, to".to_owned(), format!("{}, {}", day(figures.from), day(figures.to))),
        whole("repositories", figures.repositories),
        whole("pins", figures.pins),
        whole("pull requests opened", figures.opened),
        whole("  updated", figures.updated),
        whole("  merged", figures.merged),
        whole("  closed as no longer needed", figures.closed),
        whole("  open at the end", figures.open),
        decimal("  opened per repository and week", figures.per_repository_and_week),
        whole("pipelines set off", figures.pipelines),
        decimal("  per repository and week", figures.pipelines_per_repository_and_week),
        decimal("age of the pinned digests in days, median", figures.age.median),
        decimal("  90th percentile", figures.age.p90),
        decimal("behind until moved, or the end, in days, median", figures.behind.median),
        decimal("  90 % of them within", figures.behind.p90),
        ("pins behind, share of the time".to_owned(), format!("{:.1} %", 100.0 * figures.share_behind)),
    ];
    rows.extend(figures.waits.iter().map(|(word, days)| (format!("waited: {word}, pin-days"), format!("{days:.0}"))));
    rows
}
