//! `refrom schedule`: the next times, and which rule makes each so. Asks nobody and reads no secret.

use jiff::Timestamp;
use serde::Serialize;

use super::Failure;
use super::arguments::{Format, Schedule};
use super::exit::Outcome;
use super::output::Output;
use super::settings::{self, Secrets};
use super::table::Table;
use crate::config::{Config, EffectivePolicy, REPOSITORY_FILE};
use crate::domain::cadence::{Cadence, Spread, Upcoming, rfc3339, shown, shown_duration, zone_name};
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::RepoName;

/// Whose times are told, and what holds for it.
struct Subject {
    repository: Option<RepositoryKey>,
    /// Of an override.
    pattern: Option<String>,
    effective: EffectivePolicy,
}

/// Everything that is told: the JSON is a contract. Absent values are `null`.
#[derive(Debug, Serialize)]
struct ScheduleRecord {
    subjects: Vec<SubjectRecord>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct SubjectRecord {
    forge: Option<String>,
    repository: Option<String>,
    #[serde(rename = "match")]
    pattern: Option<String>,
    timezone: String,
    rules: Vec<RuleRecord>,
    next: Vec<NextRecord>,
}

#[derive(Debug, Serialize)]
struct RuleRecord {
    rule: &'static str,
    value: String,
    origin: String,
}

#[derive(Debug, Serialize)]
struct NextRecord {
    /// RFC 3339, by the clock of the repository.
    at: String,
    until: Option<String>,
    because: String,
    #[serde(skip)]
    shown: [String; 2],
}

/// Prints the next times from now on.
pub fn run(arguments: &Schedule, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::Skip)?;
    let record = record(&config, arguments, Timestamp::now())?;
    match arguments.format {
        Format::Json => output.json(&record)?,
        Format::Table => print(&record, output)?,
    }
    Ok(Outcome::Done)
}

fn record(config: &Config, arguments: &Schedule, now: Timestamp) -> Result<ScheduleRecord, Failure> {
    let subjects = match &arguments.repository {
        Some(name) => of_repository(config, name)?,
        None => of_layers(config),
    };
    let notes = notes(&subjects);
    let count = usize::from(arguments.next);
    let subjects = subjects.iter().map(|subject| subject_record(subject, now, count)).collect();
    Ok(ScheduleRecord { subjects, notes })
}

/// The repository on each of the forges that include it: its place in time is another on each.
fn of_repository(config: &Config, name: &str) -> Result<Vec<Subject>, Failure> {
    let name: RepoName = name.parse().map_err(Failure::usage)?;
    let forges = config.forges.iter().filter(|forge| forge.selection.names(&name));
    let subjects: Vec<Subject> = forges
        .map(|forge| Subject {
            repository: Some(RepositoryKey { forge: forge.name.clone(), name: name.clone() }),
            pattern: None,
            effective: config.policy_for(&name, None),
        })
        .collect();
    if subjects.is_empty() {
        return Err(Failure::usage(anyhow::anyhow!("no forge of the configuration includes `{name}`")));
    }
    Ok(subjects)
}

fn of_layers(config: &Config) -> Vec<Subject> {
    let layers = config.layers().into_iter();
    layers
        .map(|(pattern, effective)| Subject {
            repository: None,
            pattern: pattern.map(|pattern| pattern.as_str().to_owned()),
            effective,
        })
        .collect()
}

fn notes(subjects: &[Subject]) -> Vec<String> {
    let mut notes = vec![
        format!("a repository's own `{REPOSITORY_FILE}` is not known here and may say more"),
        "a repository that never had its turn is due at once; a turn that was missed is due once".to_owned(),
    ];
    for subject in subjects.iter().filter(|subject| subject.repository.is_none()) {
        let cadence = &subject.effective.policy.cadence;
        let Some(schedule) = &cadence.schedule else { continue };
        let jitter = shown_duration(cadence.jitter);
        notes.push(match schedule.value.period() {
            Some(_) => format!("`{}` counts from a point of each repository's own", schedule.value),
            None => format!("`{}`: each repository has a place of its own within {jitter} after it", schedule.value),
        });
    }
    notes.dedup();
    notes
}

fn subject_record(subject: &Subject, now: Timestamp, count: usize) -> SubjectRecord {
    let cadence = &subject.effective.policy.cadence;
    let is_on_own_grid = cadence.schedule.as_ref().is_some_and(|schedule| schedule.value.period().is_some());
    let next = match &subject.repository {
        Some(repository) => cadence.upcoming(Spread::of(repository), now, count),
        None if is_on_own_grid => Vec::new(),
        None => cadence.upcoming(Spread::NONE, now, count),
    };
    SubjectRecord {
        forge: subject.repository.as_ref().map(|repository| repository.forge.clone()),
        repository: subject.repository.as_ref().map(|repository| repository.name.to_string()),
        pattern: subject.pattern.clone(),
        timezone: zone_name(&cadence.zone).to_owned(),
        rules: rules(cadence, &subject.effective),
        next: next.into_iter().map(NextRecord::from).collect(),
    }
}

/// Every rule that holds, with where it stands.
fn rules(cadence: &Cadence, effective: &EffectivePolicy) -> Vec<RuleRecord> {
    let rule = |rule, value: String, origin: &str| RuleRecord { rule, value, origin: origin.to_owned() };
    let schedule = cadence.schedule.as_ref().map_or("always".to_owned(), |schedule| schedule.value.to_string());
    let mut rules = vec![
        rule("schedule", schedule, &effective.origin("schedule")),
        rule("timezone", zone_name(&cadence.zone).to_owned(), &effective.origin("timezone")),
    ];
    rules.extend(cadence.windows.iter().map(|window| rule("window", window.value.hours(), &window.origin)));
    rules.extend(cadence.freezes.iter().map(|freeze| {
        let value = format!("{} to {}: {}", freeze.value.from(), freeze.value.to(), freeze.value.reason());
        rule("freeze", value, &freeze.origin)
    }));
    rules.push(rule("jitter", shown_duration(cadence.jitter), &effective.origin("jitter")));
    rules
}

fn print(record: &ScheduleRecord, output: &mut Output) -> anyhow::Result<()> {
    for subject in &record.subjects {
        output.line(match (&subject.forge, &subject.repository, &subject.pattern) {
            (Some(forge), Some(repository), _) => format!("{forge}:{repository}"),
            (_, _, Some(pattern)) => format!("repositories that match `{pattern}`"),
            _ => "repositories without an override".to_owned(),
        })?;
        let mut rules = Table::new(["RULE", "VALUE", "WHERE"]);
        for RuleRecord { rule, value, origin } in &subject.rules {
            rules.row([(*rule).to_owned(), value.clone(), origin.clone()]);
        }
        output.text(&rules)?;
        if !subject.next.is_empty() {
            let mut next = Table::new(["NEXT", "UNTIL", "BECAUSE"]);
            for NextRecord { because, shown: [at, until], .. } in &subject.next {
                next.row([at.clone(), until.clone(), because.clone()]);
            }
            output.text(&next)?;
        }
        output.text("\n")?;
    }
    for note in &record.notes {
        output.note(note);
    }
    Ok(())
}

impl From<Upcoming> for NextRecord {
    fn from(upcoming: Upcoming) -> Self {
        let Upcoming { at, until, because } = upcoming;
        let shown = [shown(&at), until.as_ref().map(shown).unwrap_or_default()];
        Self { at: rfc3339(&at), until: until.as_ref().map(rfc3339), because, shown }
    }
}
