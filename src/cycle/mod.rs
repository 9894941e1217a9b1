//! One pass over the fleet: gather, decide, act.
//!
//! Gathering and acting do the talking; what is decided in between is a [`Plan`](crate::domain::plan::Plan), a value.
//! A dry run is the same path, stopped before acting. One failure stays in its place: a repository, an image or a
//! forge that fails is named in the [`Report`], and the rest goes on.

mod act;
mod adoption;
mod api_commit;
mod build;
mod denials;
pub mod evidence;
mod figures;
mod freshness;
mod gather;
mod liveness;
pub mod lookup;
mod open;
mod own;
mod parts;
mod patch_times;
mod poll;
mod report;
mod scan;
mod status;
pub mod tags;
pub mod targets;
mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{Timestamp, ToSpan as _};

use crate::config::Config;
use crate::domain::candidates::{RepositoryFacts, RepositoryKey, Unknown};
use crate::domain::denial::Denial;
use crate::domain::plan::{self, Knowledge, Limits, Refusals};
use crate::domain::pull_request::{BranchName, PullRequest};
use crate::domain::reference::ImageName;
use crate::domain::target;
use crate::forge::Forge;
use crate::git::Git;
use crate::net::Tally;
use crate::registry::{Registries, Session};
use crate::store::{Reach, Store, StoreError};
use liveness::Looked;
use poll::Pinned;
use targets::{Depth, Group};
use turns::Turns;

pub use crate::domain::cadence::CadenceMode;
pub use build::pin_move;
pub use denials::DeniedPin;
pub use figures::Figures;
pub use parts::{AssemblyError, assemble, assemble_over, assemble_with, open_sqlite, open_store, registries};
pub use report::{Deed, LeftOut, Noticed, Outcome, PinCounts, Problem, Report, RepositoryReport};

/// Everything that a cycle works with.
#[derive(Debug)]
pub struct Parts {
    pub config: Config,
    pub forges: Vec<Box<dyn Forge>>,
    pub registries: Registries,
    pub git: Git,
    /// Shared with whoever shows what is in it.
    pub store: Arc<dyn Store>,
    /// What its outside calls came to, since the process began.
    pub tally: Tally,
}

/// What one cycle is asked to do.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Only these, where there are some.
    pub repositories: BTreeSet<RepositoryKey>,
    pub mode: Mode,
    pub cadence: CadenceMode,
    /// Images whose tags are asked for however short ago that was done: somebody said that they moved.
    pub fresh: BTreeSet<ImageName>,
    /// Repositories whose images are asked for so, too: somebody wants to know how they stand now.
    pub by_hand: BTreeSet<RepositoryKey>,
    /// Digests that are denied besides those in the store: what taking them back would do.
    pub denied: Vec<Denial>,
}

/// Whether the plan is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    #[default]
    Act,
    /// Stops after the plan: nothing is written to a forge or a repository.
    DryRun,
}

/// How far a cycle is, for people who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// `repositories`, `tags`, …
    pub what: &'static str,
    pub done: usize,
    pub of: usize,
}

/// Whom to tell about progress.
pub type Watcher<'a> = &'a (dyn Fn(Step) + Sync);

/// What the process lends to a cycle.
#[derive(Clone, Copy)]
pub struct Host<'a> {
    /// Asked when something is noted with its time; the decision is made for its first answer.
    pub clock: &'a (dyn Fn() -> Timestamp + Sync),
    pub watcher: Watcher<'a>,
    /// Whether the process is about to end: no action is begun any more. Asked before each action, and not while the
    /// fleet is read.
    pub stopping: &'a (dyn Fn() -> bool + Sync),
}

/// One cycle.
#[tracing::instrument(name = "cycle", skip_all)]
pub async fn run(parts: &Parts, request: &Request, host: Host<'_>) -> Result<Report, StoreError> {
    let (now, watcher) = ((host.clock)(), host.watcher);
    let mut report = Report::default();
    let gathered = gather::fleet(parts, request, watcher, &mut report).await;
    let request = &poll::with_images(request, &gathered);
    let knowledge = know(parts, request, &gathered, (now, watcher), &mut report).await?;
    let limits = Limits {
        max_new_per_hour: parts.config.max_new_per_hour,
        opened_in_last_hour: parts.store.opened_since(now.saturating_sub(1.hour()).unwrap_or(now)).await?,
        cadence: request.cadence,
    };
    let plan = plan::plan(&gathered, &knowledge, &limits, now);
    tracing::info!(repositories = plan.repositories.len(), "planned");
    let mut turns = Turns::default();
    match request.mode {
        Mode::DryRun => report.planned(plan),
        Mode::Act => {
            act::fleet(parts, &gathered, plan, host, &mut report).await;
            turns = Turns::of(&gathered, &report, &parts.store.unfinished_turns().await?, now);
            parts.store.record_turns(&turns.used, now).await?;
            parts.store.record_unfinished_turns(&turns.unfinished, now).await?;
        }
    }
    for (target, at) in parts.tally.expiring(now) {
        report.notes.push(format!("the credentials for `{}` expire at {at}", target.name));
    }
    report.describe(&gathered, &knowledge, now);
    let at = (host.clock)();
    figures::add(parts.store.as_ref(), &gathered, &knowledge, &mut report, at).await?;
    if request.mode == Mode::Act {
        let (fleet, knowledge) = (gathered.as_slice(), &knowledge);
        // What was done is told, whatever cannot be kept of it.
        if let Err(error) = adoption::note_sought(parts, fleet, knowledge, now).await {
            let problem = format!("where pins are on their way to cannot be kept: {error}");
            report.problem("status".to_owned(), problem);
        }
        let (report_so_far, turns) = (&report, turns.used.into_iter().collect());
        let ended = status::Ended { parts, request, fleet, knowledge, report: report_so_far, turns, started: now, at };
        if let Err(error) = ended.keep().await {
            report.problem("status".to_owned(), format!("how the fleet stands cannot be kept: {error}"));
        }
    }
    Ok(report)
}

impl std::fmt::Debug for Host<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Host")
    }
}

/// Looks up everything that the plan needs: tags, digests, pull requests.
async fn know(
    parts: &Parts,
    request: &Request,
    gathered: &[RepositoryFacts],
    (now, watcher): (Timestamp, Watcher<'_>),
    report: &mut Report,
) -> Result<Knowledge, StoreError> {
    let (session, store) = (parts.registries.session(), parts.store.as_ref());
    let reach = reach(request, gathered, report);
    for (name, upstream) in store.move_to_upstreams(&parts.config.mirrors).await? {
        tracing::info!(image.name = %name, %upstream, "what was seen of a mirror counts as its upstream's from now on");
    }
    // What is there is noted before it is asked what was.
    let waves = adoption::waves(parts, request, gathered, report, now).await?;
    let denials = denials::know(store, request).await?;
    let waves = waves.denying(denials.denials.clone());
    let mut knowledge = Knowledge { denials, waves, ..Knowledge::default() };
    knowledge.tags = tags::list(parts, (&session, request), tags::followed_by(gathered), now, report).await?;
    let groups: Vec<Group<'_>> = gathered.iter().map(|facts| Group::of(facts, &knowledge)).collect();
    let pinned = poll::pinned_and(tags::higher(&groups, &knowledge, now), gathered);
    let asked = look((parts, request), &session, (pinned, reach), (&mut knowledge, now), watcher).await?;
    let looked = Looked { fleet: gathered, observations: &knowledge.observations, asked: &asked, reach };
    knowledge.missing = liveness::missing((parts, request), &session, looked, now).await?;
    let groups: Vec<Group<'_>> = gathered.iter().map(|facts| Group::of(facts, &knowledge)).collect();
    targets::remember(store, &groups, &mut knowledge).await?;
    freshness::remember(&session, store, (gathered, &asked), (&mut knowledge, now)).await?;
    targets::look_up(&session, Depth::Images(Some(store)), &groups, (&mut knowledge, now), watcher).await;
    let open = store.open_pull_requests().await?;
    let wanted: Vec<_> = gathered
        .iter()
        .map(|facts| {
            let followed = patch_times::branches(&open, &facts.key()).cloned();
            (facts, target::targets(facts, &knowledge, now).branches.into_iter().chain(followed).collect())
        })
        .collect();
    knowledge.pull_requests = pull_requests(parts, &wanted).await;
    patch_times::follow(store, &open, &knowledge.pull_requests, now).await?;
    let read = knowledge.pull_requests.iter().filter_map(|(key, read)| Some((key.clone(), read.as_ref().ok()?)));
    knowledge.refused = read.map(|(key, read)| (key, Refusals::of(read))).collect();
    // A refused version leaves the way to what is below it, which nobody asked for yet.
    if knowledge.refused.values().any(|refused| !refused.is_empty()) {
        let mut below = tags::higher(&groups, &knowledge, now);
        below.retain(|tag| !knowledge.observations.contains_key(tag));
        let below = below.into_iter().map(|tag| (tag, BTreeSet::new())).collect();
        look((parts, request), &session, (below, reach), (&mut knowledge, now), watcher).await?;
        targets::remember(store, &groups, &mut knowledge).await?;
        targets::look_up(&session, Depth::Images(Some(store)), &groups, (&mut knowledge, now), watcher).await;
    }
    for (repository, result) in &knowledge.pull_requests {
        if let Err(unknown) = result {
            report.problem(repository.to_string(), format!("its pull requests could not be read: {unknown}"));
        }
    }
    let held = gathered.iter().flat_map(|facts| plan::held_moves(facts, &knowledge, now)).collect();
    let held = lookup::evidence(&session, Some(store), &held, &knowledge.observations, watcher).await;
    knowledge.evidence.extend(held);
    knowledge.own_emails = BTreeSet::from([parts.config.commit.author_email.clone()]);
    knowledge.api_emails = own::api_emails(parts, gathered, report).await;
    knowledge.told_to_merge = own::told_to_merge(parts, gathered).await?;
    knowledge.unfinished = own::unfinished(parts).await?;
    knowledge.turns = store.turns().await?;
    knowledge.last_opened = own::last_opened(parts, gathered, &knowledge.pull_requests).await?;
    Ok(knowledge)
}

/// What these tags point to: as it was short ago, else they are asked for, and what they answer is noted. The tags that
/// were asked for.
async fn look(
    (parts, request): (&Parts, &Request),
    session: &Session,
    (pinned, reach): (Pinned, Reach),
    (knowledge, now): (&mut Knowledge, Timestamp),
    watcher: Watcher<'_>,
) -> Result<Pinned, StoreError> {
    let (known, asked) = poll::known(parts, request, pinned, now).await?;
    let observations = lookup::observe(session, asked.keys().cloned().collect(), watcher).await;
    poll::record(parts.store.as_ref(), (&asked, reach), &observations, now).await?;
    session.knows(known.keys().map(|tag| tag.image.clone()));
    knowledge.observations.extend(observations);
    knowledge.observations.extend(known.into_iter().map(|(tag, digest)| (tag, Ok(digest))));
    Ok(asked)
}

/// What is not in the report by now was read.
fn reach(request: &Request, gathered: &[RepositoryFacts], report: &Report) -> Reach {
    let is_whole = request.repositories.is_empty()
        && report.problems.is_empty()
        && gathered.iter().all(|facts| facts.problems.is_empty());
    if is_whole { Reach::Fleet } else { Reach::Part }
}

/// The pull requests of every repository that is behind or has a branch of ours.
async fn pull_requests(
    parts: &Parts,
    wanted: &[(&RepositoryFacts, BTreeSet<BranchName>)],
) -> BTreeMap<RepositoryKey, Result<Vec<PullRequest>, Unknown>> {
    let mut all = BTreeMap::new();
    for forge in &parts.forges {
        let of_forge: BTreeMap<_, _> = wanted
            .iter()
            .filter(|(facts, branches)| facts.forge == forge.name() && !branches.is_empty())
            .map(|(facts, branches)| (facts.head.name.clone(), (facts.head.id.clone(), branches.clone())))
            .collect();
        if of_forge.is_empty() {
            continue;
        }
        for (name, result) in forge.pull_requests(&of_forge).await {
            let key = RepositoryKey { forge: forge.name().to_owned(), name };
            all.insert(key, result.map_err(|error| Unknown { reason: error.to_string() }));
        }
    }
    all
}
