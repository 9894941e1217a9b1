//! `refrom run`: one cycle over the fleet.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Failure;
use super::arguments::{Format, Run};
use super::exit::Outcome;
use super::metrics_file;
use super::output::Output;
use super::progress::Progress;
use super::run_record::{RunRecord, branch_of, pins_of, word};
use super::settings::{self, Secrets};
use super::use_record::shown_reason;
use crate::config::Config;
use crate::cycle::{
    self, AssemblyError, CadenceMode, Deed, Host, Mode, Noticed, PinCounts, Report, RepositoryReport, Request,
};
use crate::domain::candidates::RepositoryKey;
use crate::domain::freshness::TagFinding;
use crate::domain::plan::Action;
use crate::domain::proposal::{NotProposed, Reason};
use crate::domain::pull_request::{RepoName, Vocabulary};
use crate::domain::status::{Wait, plural};

/// Runs the cycle and prints the plan with what became of it. 3 where something could not be looked up or done.
pub async fn run(arguments: &Run, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::ReadForCycle)?;
    let request = Request {
        repositories: named(&config, &arguments.repositories)?,
        mode: if arguments.dry_run { Mode::DryRun } else { Mode::Act },
        cadence: if arguments.now { CadenceMode::Ignore } else { CadenceMode::Honour },
        ..Request::default()
    };
    if config.forges.is_empty() {
        output.note("the configuration has no `forges`: no repository is looked at");
    }
    let started = Timestamp::now();
    let parts = cycle::assemble(config, Timestamp::now()).await.map_err(assembly_failure)?;
    let progress = Progress::new(output);
    let watcher = |step: cycle::Step| progress.step(step.what, step.done, step.of);
    let host = Host { clock: &Timestamp::now, watcher: &watcher, stopping: &|| false };
    let report = cycle::run(&parts, &request, host).await?;
    drop(progress);
    match arguments.format {
        Format::Json => output.json(&RunRecord::from(&report))?,
        Format::Table => print(&report, Timestamp::now(), output)?,
    }
    note(&report, output);
    if let Some(path) = &arguments.metrics_file {
        metrics_file::write(path, &parts, (&request, &report), started).await?;
    }
    Ok(if report.is_incomplete() { Outcome::Incomplete } else { Outcome::Done })
}

/// The repositories of these names, at every forge that selects them.
fn named(config: &Config, names: &[String]) -> Result<BTreeSet<RepositoryKey>, Failure> {
    let mut repositories = BTreeSet::new();
    for name in names {
        let name: RepoName = name.parse().map_err(Failure::usage)?;
        let forges = config.forges.iter().filter(|forge| forge.selection.names(&name));
        let keys: Vec<_> = forges.map(|it| RepositoryKey { forge: it.name.clone(), name: name.clone() }).collect();
        if keys.is_empty() {
            return Err(Failure::usage(anyhow::anyhow!("no forge of the configuration includes `{name}`")));
        }
        repositories.extend(keys);
    }
    Ok(repositories)
}

/// A store that somebody holds and a git that is missing are things that could not be done; certificates and proxy are
/// configuration.
pub fn assembly_failure(error: AssemblyError) -> Failure {
    match error {
        AssemblyError::Network(_) => Failure::usage(error),
        AssemblyError::Git(_) | AssemblyError::Store(_) | AssemblyError::StateDirectory { .. } => error.into(),
    }
}

/// The report for people who read it at `now`.
pub fn print(report: &Report, now: Timestamp, output: &mut Output) -> anyhow::Result<()> {
    for repository in &report.repositories {
        print_actions(repository, output)?;
        print_waiting(repository, now, output)?;
        print_remarks(repository, output)?;
    }
    let total = |count: fn(&PinCounts) -> usize| report.repositories.iter().map(|it| count(&it.pins)).sum::<usize>();
    output.line(format!(
        "{}: {} behind, {} current, {} unknown, {} skipped, {} unpinned",
        plural(report.repositories.len(), "repository", "repositories"),
        plural(total(|pins| pins.behind), "pin", "pins"),
        total(|pins| pins.current),
        total(|pins| pins.unknown),
        total(|pins| pins.skipped),
        total(|pins| pins.unpinned),
    ))
}

fn print_actions(repository: &RepositoryReport, output: &mut Output) -> anyhow::Result<()> {
    let plan = &repository.plan;
    let name = &plan.repository.name;
    for (action, deed) in plan.actions.iter().zip(&repository.deeds) {
        output.line(format!("{name}: {}", action_line(action, deed, plan.vocabulary)))?;
        for pin in pins_of(action) {
            let new_tag = pin.new_tag.as_ref().map(|tag| format!("{tag} ")).unwrap_or_default();
            output.line(format!(
                "    {}:{}  {}:{}  {} -> {new_tag}{}",
                pin.path,
                pin.line,
                pin.tag.image.familiar(),
                pin.tag.tag,
                pin.shown_old(),
                pin.new.short()
            ))?;
        }
        for warning in &deed.warnings {
            output.line(format!("    warning: {warning}"))?;
        }
    }
    Ok(())
}

fn print_waiting(repository: &RepositoryReport, now: Timestamp, output: &mut Output) -> anyhow::Result<()> {
    let plan = &repository.plan;
    let name = &plan.repository.name;
    let numbered = |number| plan.vocabulary.numbered(number);
    let told = |reason: &Reason| Wait::new(reason, plan.vocabulary, now).told_at(now);
    if let Some(wait) = plan.waits() {
        output.line(format!("{name}: {wait}"))?;
    }
    for open in &plan.up_to_date {
        output.line(format!("{name}: {} is up to date  {}", numbered(open.number), open.url))?;
    }
    for left in &plan.left_alone {
        output.line(match &left.reason {
            Reason::Waits(_) => format!("{name}: {} waits as it is  {}", numbered(left.number), left.url),
            reason => {
                format!("{name}: {} is left alone: {}  {}", numbered(left.number), told(reason), left.url)
            }
        })?;
    }
    for waiting in &plan.not_proposed {
        let NotProposed { path, line, tag, reason, .. } = waiting;
        let why = match reason {
            // Until when and why stands above, once.
            Reason::Waits(_) => "waits".to_owned(),
            Reason::Unknown(_) => format!("unknown: {}", shown_reason(tag, reason, plan.vocabulary)),
            _ => format!("not proposed: {}", told(reason)),
        };
        output.line(format!("{name}: {path}:{line}  {}:{}  {why}", tag.image.familiar(), tag.tag))?;
    }
    Ok(())
}

fn print_remarks(repository: &RepositoryReport, output: &mut Output) -> anyhow::Result<()> {
    let plan = &repository.plan;
    let name = &plan.repository.name;
    for TagFinding { tag, trouble } in &plan.findings {
        output.line(format!("{name}: {}:{}  {trouble}", tag.image.familiar(), tag.tag))?;
    }
    for Noticed { path, image_use } in &repository.noticed {
        let (image, status) = (image_use.shown(), image_use.shown_status());
        output.line(format!("{name}: {path}:{}  {image}  {status}", image_use.line))?;
    }
    for warning in &plan.warnings {
        output.line(format!("{name}: warning: {warning}"))?;
    }
    if let Some(problem) = &plan.problem {
        output.line(format!("{name}: {problem}"))?;
    }
    Ok(())
}

fn action_line(action: &Action, deed: &Deed, vocabulary: Vocabulary) -> String {
    let verb = word(action);
    let pull_request =
        deed.pull_request.as_ref().map(|(number, url)| format!("  {} {url}", vocabulary.numbered(*number)));
    let pull_request = pull_request.unwrap_or_default();
    let line = format!("{verb} {}{pull_request}", branch_of(action));
    match &deed.outcome {
        cycle::Outcome::Planned => format!("would {line}"),
        cycle::Outcome::Done => line,
        cycle::Outcome::Failed(error) => format!("{line}: failed: {error}"),
    }
}

/// What went wrong, was left out, or should be known besides.
pub fn note(report: &Report, output: &mut Output) {
    for problem in &report.problems {
        output.note(format!("{}: {}", problem.subject, problem.message));
    }
    for left_out in &report.left_out {
        output.note(format!("{}: left out `{}`: {}", left_out.repository, left_out.path, left_out.reason));
    }
    for note in &report.notes {
        output.note(note);
    }
}
