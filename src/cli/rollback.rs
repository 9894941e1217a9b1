//! `refrom rollback`: takes a digest back, and brings every repository that has it back by pull request.
//!
//! The denial is recorded first: whatever happens then, the next cycle goes on from it. Where the store is free the
//! command runs that cycle itself; else whoever uses the store is told through it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use jiff::Timestamp;

use super::Failure;
use super::arguments::{Format, Rollback, RollbackWish};
use super::exit::Outcome;
use super::output::Output;
use super::progress::Progress;
use super::rollback_record::{DenialList, RollbackRecord};
use super::run::{self, assembly_failure};
use super::settings::{self, Secrets};
use super::table::Table;
use crate::config::Config;
use crate::cycle::{self, AssemblyError, DeniedPin, Host, Mode, Parts, Report, Request};
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{Denial, RecordedDenial, concerned, pins_of};
use crate::domain::digest::Digest;
use crate::domain::mirror::Mirrors;
use crate::domain::pull_request::Vocabulary;
use crate::domain::reference::TagRef;
use crate::domain::status::{FleetStatus, PinState, PinStatus, RepositoryStatus, plural};
use crate::net::{RetryPolicy, Tally};
use crate::registry::{Failure as RegistryFailure, Session};
use crate::store::{Denied, SqliteDenials, SqliteReader, Store, StoreError};

/// The longest reason in characters: it stands in titles of tables and in every pull request.
const REASON_LENGTH_MAX: usize = 500;

/// Who uses the store.
#[derive(Debug)]
pub(super) enum Access {
    /// This process.
    Alone(Arc<dyn Store>),
    /// Another one; for people: `process 17 on build-3 since 2026-11-20T08:00:00Z`.
    Beside(String),
}

/// What came of a rollback.
#[derive(Debug)]
pub struct Done {
    pub denial: Denial,
    pub recorded: Recorded,
    /// Who uses the store, and acts.
    pub holder: Option<String>,
    /// The cycle that was run.
    pub report: Option<Report>,
    /// Who is on the digest. By forge, name, path, line.
    pub pins: Vec<PinOn>,
    /// For people; nothing is wrong.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Now,
    Already,
    /// A dry run.
    Not,
}

/// A pin at the digest that is taken back.
#[derive(Debug)]
pub struct PinOn {
    pub repository: RepositoryKey,
    pub vocabulary: Vocabulary,
    pub path: String,
    pub line: u32,
    /// As it is written.
    pub tag: TagRef,
    pub to: Option<Digest>,
    pub pull_request: Option<(u64, String)>,
    pub waits: Option<String>,
}

/// Denies, acts or leaves that to the service, and shows who is on the digest. 3 where something could not be done.
pub async fn run(arguments: &Rollback, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::Skip)?;
    if arguments.list {
        return list(&config, arguments.format, output).await;
    }
    let wish = arguments.wish.as_ref();
    let wish = wish.ok_or_else(|| Failure::usage(anyhow!("say which digest of which image, or `--list`")))?;
    let denial = denial(wish, &config).map_err(Failure::usage)?;
    let done = match access(&config).await? {
        Access::Alone(store) => alone(arguments, store, denial, output).await?,
        Access::Beside(holder) => beside(arguments, &config, holder, denial).await?,
    };
    match arguments.format {
        Format::Json => output.json(&RollbackRecord::from(&done))?,
        Format::Table => print(&done, output)?,
    }
    done.notes.iter().for_each(|note| output.note(note));
    if let Some(report) = &done.report {
        run::note(report, output);
    }
    let is_incomplete = done.report.as_ref().is_some_and(Report::is_incomplete);
    Ok(if is_incomplete { Outcome::Incomplete } else { Outcome::Done })
}

/// Takes the store, or says who has it.
pub(super) async fn access(config: &Config) -> Result<Access, Failure> {
    match cycle::open_store(config, Timestamp::now()).await {
        Ok(store) => Ok(Access::Alone(store)),
        Err(AssemblyError::Store(StoreError::Held { holder, .. })) => Ok(Access::Beside(holder)),
        Err(error) => Err(assembly_failure(error)),
    }
}

/// What is said where another process uses the store.
pub(super) fn acts(holder: &str) -> String {
    format!(
        "the store is in use by {holder}: a service acts on it within seconds, after any other command the next cycle does"
    )
}

fn denial(wish: &RollbackWish, config: &Config) -> anyhow::Result<Denial> {
    let reason = wish.reason.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = reason.chars().count();
    if length == 0 || length > REASON_LENGTH_MAX {
        bail!("`--reason` takes 1 to {REASON_LENGTH_MAX} characters");
    }
    if wish.to == Some(wish.from) {
        bail!("`--to` is the digest that is taken back");
    }
    let scope = wish.image.asked(&config.mirrors);
    let at = Timestamp::now();
    Ok(Denial { image: scope.image, tag: scope.tag, digest: wish.from, to: wish.to, reason, at })
}

async fn alone(arguments: &Rollback, store: Arc<dyn Store>, denial: Denial, output: &Output) -> Result<Done, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::ReadForCycle)?;
    refuse_denied(&denial, &store.denials().await?).map_err(Failure::usage)?;
    let parts = cycle::assemble_over(config, (store, Tally::default()), RetryPolicy::default()).await;
    let parts = parts.map_err(assembly_failure)?;
    let notes: Vec<String> = look_at_target(&parts.registries.session(), &denial).await?.into_iter().collect();
    let mut request = Request { mode: Mode::DryRun, ..Request::default() };
    let recorded = if arguments.dry_run {
        request.denied.push(denial.clone());
        Recorded::Not
    } else {
        request.mode = Mode::Act;
        record(&parts.config.store, &denial).await?
    };
    request.repositories = concerned(&parts.store.status().await?, &denial.scope(), &parts.config.mirrors);
    let report = cycle(&parts, &request, output).await.context("the digest is denied, and the next cycle goes on")?;
    let pins = report.repositories.iter().flat_map(|repository| {
        let (key, vocabulary) = (&repository.plan.repository, repository.plan.vocabulary);
        repository.denied.iter().filter(|pin| is_of(&denial, &parts.config.mirrors, &pin.tag, &pin.digest)).map(
            move |pin| {
                let DeniedPin { path, line, tag, to, pull_request, waits, .. } = pin.clone();
                let waits = waits.map(|wait| wait.why);
                PinOn { repository: key.clone(), vocabulary, path, line, tag, to, pull_request, waits }
            },
        )
    });
    let pins = pins.collect();
    Ok(Done { denial, recorded, holder: None, report: Some(report), pins, notes })
}

async fn cycle(parts: &Parts, request: &Request, output: &Output) -> Result<Report, StoreError> {
    let progress = Progress::new(output);
    let watcher = |step: cycle::Step| progress.step(step.what, step.done, step.of);
    let host = Host { clock: &Timestamp::now, watcher: &watcher, stopping: &|| false };
    cycle::run(parts, request, host).await
}

/// Records the denial, and leaves the rest to whoever uses the store. A secret that this process cannot read is no
/// reason to wait in an emergency.
async fn beside(arguments: &Rollback, config: &Config, holder: String, denial: Denial) -> Result<Done, Failure> {
    let reader = SqliteReader::open(&config.store).await?;
    refuse_denied(&denial, &reader.denials().await?).map_err(Failure::usage)?;
    let mut notes = Vec::new();
    if denial.to.is_some() {
        match settings::load(Some(&arguments.config), Secrets::ReadForRegistries) {
            Ok(config) => notes.extend(look_at_target(&cycle::registries(&config)?.session(), &denial).await?),
            Err(_) => notes.push("`--to` was not looked up: the registries' secrets cannot be read here".to_owned()),
        }
    }
    let recorded = if arguments.dry_run { Recorded::Not } else { record(&config.store, &denial).await? };
    let fleet = reader.status().await?;
    if fleet.cycle.is_none() {
        notes.push("no cycle over the whole fleet has ended yet: not every repository is known".to_owned());
    }
    let pins = pins_on(&fleet, &denial, &config.mirrors);
    Ok(Done { denial, recorded, holder: Some(holder), report: None, pins, notes })
}

async fn record(store: &Path, denial: &Denial) -> Result<Recorded, StoreError> {
    let denials = SqliteDenials::open(store).await?;
    let denied = denials.deny(denial).await?;
    denials.close().await;
    Ok(match denied {
        Denied::Now => Recorded::Now,
        Denied::Already => Recorded::Already,
    })
}

/// A digest that is denied itself is nowhere to go.
fn refuse_denied(denial: &Denial, recorded: &[RecordedDenial]) -> anyhow::Result<()> {
    let Some(to) = denial.to else { return Ok(()) };
    let overlaps = |other: &Denial| match (&denial.tag, &other.tag) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => true,
    };
    let is_denied = |it: &&RecordedDenial| {
        it.allowed.is_none() && it.denial.image == denial.image && it.denial.digest == to && overlaps(&it.denial)
    };
    match recorded.iter().find(is_denied) {
        Some(it) => Err(anyhow!("`--to` is denied itself: {}", it.denial.reason)),
        None => Ok(()),
    }
}

/// Refuses a target that its registry does not have; one that could not be looked up is a remark, because each pull
/// request looks again.
async fn look_at_target(session: &Session, denial: &Denial) -> anyhow::Result<Option<String>> {
    let Some(to) = denial.to else { return Ok(None) };
    match session.kind(&denial.image, &to).await {
        Ok(_) => Ok(None),
        Err(error) if matches!(error.failure, RegistryFailure::NotFound) => {
            bail!("`--to` is not at `{}`: nothing was denied", denial.image)
        }
        Err(error) => Ok(Some(format!("`--to` could not be looked up: {error}"))),
    }
}

fn is_of(denial: &Denial, mirrors: &Mirrors, tag: &TagRef, digest: &Digest) -> bool {
    *digest == denial.digest && denial.scope().covers(&mirrors.asked(tag))
}

/// Who is on a digest, as the last cycles left it.
fn pins_on(fleet: &FleetStatus, denial: &Denial, mirrors: &Mirrors) -> Vec<PinOn> {
    let scope = denial.scope();
    let pins = pins_of(fleet, &scope, mirrors).filter(|(_, pin)| pin.digest == Some(denial.digest));
    pins.map(|(repository, pin)| pin_on(repository, pin)).collect()
}

fn pin_on(status: &RepositoryStatus, pin: &PinStatus) -> PinOn {
    let (to, number, waits) = match &pin.state {
        PinState::Denied { to, pull_request, waits, .. } => (*to, *pull_request, waits.clone()),
        PinState::Current | PinState::Behind { .. } | PinState::Unknown { .. } => (None, None, None),
    };
    let open = status.pull_requests.iter().find(|open| Some(open.number) == number);
    PinOn {
        repository: status.repository.clone(),
        vocabulary: status.vocabulary,
        path: pin.path.clone(),
        line: pin.line,
        tag: pin.tag.clone(),
        to,
        pull_request: open.map(|open| (open.number, open.url.clone())),
        waits: waits.map(|wait| wait.why),
    }
}

fn print(done: &Done, output: &mut Output) -> anyhow::Result<()> {
    let Done { denial, recorded, holder, report, pins, .. } = done;
    let verb = match recorded {
        Recorded::Now => "denied",
        Recorded::Already => "denied already:",
        Recorded::Not => "would deny",
    };
    let (digest, scope) = (denial.digest.short(), denial.scope());
    output.line(format!("{verb} {digest} of {scope}: {}", denial.reason))?;
    if let Some(holder) = holder {
        output.line(acts(holder))?;
    }
    if let Some(report) = report {
        run::print(report, Timestamp::now(), output)?;
    }
    let mut table = Table::new(["REPOSITORY", "WHERE", "IMAGE", "GOES TO", "PULL REQUEST", "REMARK"]);
    for pin in pins {
        let open = pin.pull_request.as_ref();
        table.row([
            pin.repository.name.to_string(),
            format!("{}:{}", pin.path, pin.line),
            format!("{}:{}", pin.tag.image.familiar(), pin.tag.tag),
            pin.to.map(|to| to.short()).unwrap_or_default(),
            open.map(|(number, url)| format!("{} {url}", pin.vocabulary.numbered(*number))).unwrap_or_default(),
            pin.waits.clone().unwrap_or_default(),
        ]);
    }
    if !table.is_empty() {
        output.text(format!("{table}\n"))?;
    }
    let repositories: BTreeSet<&RepositoryKey> = pins.iter().map(|pin| &pin.repository).collect();
    match pins.len() {
        0 => output.line(format!("no pin is known to be on {digest}")),
        count => output.line(format!(
            "{} on {digest}, in {}",
            plural(count, "pin", "pins"),
            plural(repositories.len(), "repository", "repositories")
        )),
    }
}

/// Everything that was ever taken back, and who is on it still.
async fn list(config: &Config, format: Format, output: &mut Output) -> Result<Outcome, Failure> {
    let reader = SqliteReader::open(&config.store).await?;
    let fleet = reader.status().await?;
    let counted = reader.denials().await?.into_iter().map(|it| {
        let pins = pins_on(&fleet, &it.denial, &config.mirrors);
        let repositories: BTreeSet<&RepositoryKey> = pins.iter().map(|pin| &pin.repository).collect();
        let counts = (repositories.len(), pins.len());
        (it, counts)
    });
    let counted: Vec<_> = counted.collect();
    match format {
        Format::Json => output.json(&DenialList::new(&counted))?,
        Format::Table => print_list(&counted, output)?,
    }
    Ok(Outcome::Done)
}

fn print_list(denials: &[(RecordedDenial, (usize, usize))], output: &mut Output) -> anyhow::Result<()> {
    let mut table = Table::new(["IMAGE", "DIGEST", "TO", "SINCE", "ALLOWED", "STILL ON IT", "REASON"]);
    for (RecordedDenial { denial, allowed }, (repositories, pins)) in denials {
        table.row([
            denial.scope().to_string(),
            denial.digest.short(),
            denial.to.map(|to| to.short()).unwrap_or_default(),
            format!("{:.0}", denial.at),
            allowed.map(|at| format!("{at:.0}")).unwrap_or_default(),
            format!("{}, {}", plural(*pins, "pin", "pins"), plural(*repositories, "repository", "repositories")),
            denial.reason.clone(),
        ]);
    }
    if table.is_empty() { output.line("nothing was ever taken back") } else { output.text(table) }
}
