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
use super::pins_on::{PinOn, pins_on, read_pins, sorted, stays, unfollowed, unread_pins};
use super::progress::Progress;
use super::rollback_record::{DenialList, RollbackRecord};
use super::run::{self, assembly_failure};
use super::settings::{self, Secrets};
use super::status;
use super::table::Table;
use crate::config::Config;
use crate::cycle::{self, AssemblyError, Host, Mode, Parts, Report, Request};
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{Denial, RecordedDenial, concerned};
use crate::domain::status::{FleetStatus, plural};
use crate::net::{RetryPolicy, Tally};
use crate::registry::{Failure as RegistryFailure, Session};
use crate::store::{Denied, SqliteDenials, SqliteReader, Store, StoreError};

/// The longest reason in characters: it stands in titles of tables and in every pull request.
const REASON_LENGTH_MAX: usize = 500;

/// Said where the target of a way back could not be asked for; each pull request looks again.
const NOT_LOOKED_UP: &str = "`--to` was not looked up: the registries' secrets cannot be read here";

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
    pub fleet: FleetRead,
    /// For people.
    pub notes: Vec<String>,
    pub outcome: Outcome,
}

/// How far the fleet is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FleetRead {
    /// There was no cycle over the whole fleet yet, and there may be more pins.
    Never,
    /// The last one began then, and could not read all of it.
    InPart(Timestamp),
    /// The last one began then.
    Whole(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recorded {
    Now,
    Already,
    /// A dry run.
    Not,
}

impl FleetRead {
    fn of(fleet: &FleetStatus) -> Self {
        match &fleet.cycle {
            None => Self::Never,
            Some(cycle) if fleet.is_complete() => Self::Whole(cycle.started),
            Some(cycle) => Self::InPart(cycle.started),
        }
    }

    /// When the last cycle over the whole fleet began; `None`: there was none.
    pub fn at(self) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::InPart(at) | Self::Whole(at) => Some(at),
        }
    }

    /// That there may be more pins, where that is so.
    fn note(self) -> Option<String> {
        let words = match self {
            Self::Never => "no cycle over the whole fleet has ended yet: not every repository is known",
            Self::InPart(_) => "the last cycle could not read the whole fleet: there may be more pins",
            Self::Whole(_) => return None,
        };
        Some(words.to_owned())
    }
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
        Access::Alone(store) => alone(arguments, (&config, store), denial, output).await?,
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
    Ok(done.outcome)
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

async fn alone(
    arguments: &Rollback,
    (config, store): (&Config, Arc<dyn Store>),
    denial: Denial,
    output: &Output,
) -> Result<Done, Failure> {
    refuse_denied(&denial, &store.denials().await?).map_err(Failure::usage)?;
    let parts = match parts(arguments, Arc::clone(&store)).await {
        Ok(parts) => parts,
        // An emergency waits for no secret: whoever can read it goes on from what is recorded.
        Err(failure) => {
            let then = if arguments.dry_run { "" } else { ", the next cycle does it" };
            let mut notes = vec![format!("nothing was looked at or done{then}: {:#}", failure.error)];
            notes.extend(denial.to.map(|_| NOT_LOOKED_UP.to_owned()));
            let done = at_once(arguments, (config, store.as_ref()), denial, notes).await?;
            return Ok(Done { outcome: Outcome::Incomplete, ..done });
        }
    };
    let mut notes: Vec<String> = look_at_target(&parts.registries.session(), &denial).await?.into_iter().collect();
    let before = parts.store.status().await?;
    let repositories = concerned(&before, &denial.scope(), &config.mirrors);
    if repositories.is_empty() && before.is_complete() {
        notes.push("no repository pins the image: nothing was looked at".to_owned());
        return at_once(arguments, (config, store.as_ref()), denial, notes).await;
    }
    let mut request = Request { mode: Mode::DryRun, repositories, ..Request::default() };
    let recorded = if arguments.dry_run {
        request.denied.push(denial.clone());
        Recorded::Not
    } else {
        request.mode = Mode::Act;
        record(&config.store, &denial).await?
    };
    let report = cycle(&parts, &request, output).await.context("the digest is denied, and the next cycle goes on")?;
    let after = store.status().await?;
    let unfollowed = unfollowed(&after, &denial, &config.mirrors);
    let is_done = !report.is_incomplete() && unfollowed.is_empty() && !stays(&report, &denial, &config.mirrors);
    let unread = unread_pins(&report, &after, &denial, &config.mirrors);
    let read = read_pins(&report, &denial, &config.mirrors).into_iter();
    let pins = sorted(read.chain(unread).chain(unfollowed));
    notes.extend(FleetRead::of(&after).note());
    let outcome = if is_done { Outcome::Done } else { Outcome::Incomplete };
    let fleet = FleetRead::of(&after);
    Ok(Done { denial, recorded, holder: None, report: Some(report), pins, fleet, notes, outcome })
}

/// What a cycle needs, its secrets among it.
async fn parts(arguments: &Rollback, store: Arc<dyn Store>) -> Result<Parts, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::ReadForCycle)?;
    let parts = cycle::assemble_over(config, (store, Tally::default()), RetryPolicy::default()).await;
    parts.map_err(assembly_failure)
}

/// Records the denial, and tells who is on the digest as the last cycles left it.
async fn at_once(
    arguments: &Rollback,
    (config, store): (&Config, &dyn Store),
    denial: Denial,
    mut notes: Vec<String>,
) -> Result<Done, Failure> {
    let recorded = if arguments.dry_run { Recorded::Not } else { record(&config.store, &denial).await? };
    let status = store.status().await?;
    let (pins, fleet) = (pins_on(&status, &denial, &config.mirrors), FleetRead::of(&status));
    notes.extend(fleet.note());
    Ok(Done { denial, recorded, holder: None, report: None, pins, fleet, notes, outcome: Outcome::Done })
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
            Err(_) => notes.push(NOT_LOOKED_UP.to_owned()),
        }
    }
    let recorded = if arguments.dry_run { Recorded::Not } else { record(&config.store, &denial).await? };
    let status = reader.status().await?;
    let (pins, fleet) = (pins_on(&status, &denial, &config.mirrors), FleetRead::of(&status));
    notes.extend(fleet.note());
    Ok(Done { denial, recorded, holder: Some(holder), report: None, pins, fleet, notes, outcome: Outcome::Done })
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

fn print(done: &Done, output: &mut Output) -> anyhow::Result<()> {
    let Done { denial, recorded, holder, report, pins, fleet, .. } = done;
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
            pin.shown(),
            pin.to.map(|to| status::goal(&to, pin.to_tag.as_ref())).unwrap_or_default(),
            open.map(|(number, url)| format!("{} {url}", pin.vocabulary.numbered(*number))).unwrap_or_default(),
            pin.waits.clone().unwrap_or_default(),
        ]);
    }
    if !table.is_empty() {
        output.text(format!("{table}\n"))?;
    }
    let repositories: BTreeSet<&RepositoryKey> = pins.iter().map(|pin| &pin.repository).collect();
    match pins.len() {
        0 => output.line(format!("no pin is known to be on {digest}"))?,
        count => output.line(format!(
            "{} on {digest}, in {}",
            plural(count, "pin", "pins"),
            plural(repositories.len(), "repository", "repositories")
        ))?,
    }
    match fleet {
        FleetRead::Never => Ok(()),
        FleetRead::InPart(at) => output.line(format!("the last cycle over the whole fleet began at {at:.0}")),
        FleetRead::Whole(at) => output.line(format!("the whole fleet was last read at {at:.0}")),
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
