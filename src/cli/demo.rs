//! `refrom demo`: the whole loop against an embedded registry and an embedded forge, offline.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use jiff::Timestamp;

use super::Failure;
use super::arguments::Demo;
use super::diff;
use super::exit::Outcome;
use super::output::Output;
use super::run;
use crate::config::{Config, Secrets};
use crate::cycle::{self, Host, Mode, Report, Request};
use crate::demo::fleet::{Fleet, NGINX};
use crate::demo::server::{self, Exchange};
use crate::domain::plan::Action;
use crate::domain::pull_request::RepoName;

/// Shows the loop and ends with 3 if any part of it did not do what it should.
pub async fn run(arguments: &Demo, output: &mut Output) -> Result<Outcome, Failure> {
    let temporary = tempfile::tempdir().context("cannot make a folder for the demo")?;
    let folder = match &arguments.keep {
        Some(folder) => new_folder(folder).map_err(Failure::usage)?,
        None => temporary.path().to_owned(),
    };
    let fleet = Fleet::start(&folder).await?;
    // What is kept is looked at by the clock of the world: `refrom status` tells when its pull requests were opened.
    fleet.forge.set_clock(Timestamp::now());
    let demo = Showing { fleet: &fleet };
    output.line("Three repositories on an embedded forge pin images of an embedded registry; every tag has moved.")?;

    heading(output, "The plan: refrom run --dry-run")?;
    let planned = demo.cycle(Mode::DryRun).await?;
    run::print(&planned, Timestamp::now(), output)?;

    heading(output, "The first cycle: refrom run")?;
    demo.forget();
    let first = demo.cycle(Mode::Act).await?;
    run::print(&first, Timestamp::now(), output)?;
    demo.print_costs(output)?;
    demo.print_diffs(&first, output)?;
    demo.print_body(output)?;

    heading(output, "The second cycle: nothing is new")?;
    demo.forget();
    let second = demo.cycle(Mode::Act).await?;
    run::print(&second, Timestamp::now(), output)?;
    demo.print_costs(output)?;
    let writes = demo.writes();

    heading(output, "A vendor patches dhi.io/nginx: the open pull request follows")?;
    fleet.release(NGINX, "3", "2026-11-04");
    demo.forget();
    let third = demo.cycle(Mode::Act).await?;
    run::print(&third, Timestamp::now(), output)?;
    demo.print_costs(output)?;
    demo.print_diffs(&third, output)?;

    if arguments.keep.is_some() {
        let folder = folder.display();
        output.line(format!("\nKept in {folder}: refrom.yaml, the repositories and the store. To look into one:"))?;
        output.line(format!("  git clone {folder}/forge/acme/web.git web && refrom list web"))?;
    }
    let is_whole = [&planned, &first, &second, &third].iter().all(|report| !report.is_incomplete());
    let did = |report: &Report| report.repositories.iter().map(|repository| repository.deeds.len()).sum::<usize>();
    Ok(if is_whole && writes == 0 && (did(&first), did(&second), did(&third)) == (3, 0, 1) {
        Outcome::Done
    } else {
        output.note("the demo did not do what it should");
        Outcome::Incomplete
    })
}

fn heading(output: &mut Output, text: &str) -> anyhow::Result<()> {
    output.line(format!("\n== {text}\n"))
}

/// A folder of one's own: nothing that is there is ever touched.
fn new_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    if std::fs::read_dir(folder)?.next().is_some() {
        bail!("`{}` is not empty", folder.display());
    }
    Ok(folder.canonicalize()?)
}

struct Showing<'a> {
    fleet: &'a Fleet,
}

impl Showing<'_> {
    /// One cycle as a process of its own would do it: configuration, store and clients anew.
    async fn cycle(&self, mode: Mode) -> anyhow::Result<Report> {
        let config = Config::load(&self.fleet.configuration, &Fleet::environment, Secrets::Read)?;
        let parts = cycle::assemble(config, Timestamp::now()).await?;
        let request = Request { mode, ..Request::default() };
        Ok(cycle::run(&parts, &request, Host { clock: &Timestamp::now, watcher: &|_| {}, stopping: &|| false }).await?)
    }

    /// Starts counting anew.
    fn forget(&self) {
        self.fleet.registry.traffic().take();
        self.fleet.forge.traffic().take();
    }

    fn writes(&self) -> usize {
        self.fleet.forge.traffic().exchanges().iter().filter(|exchange| is_write(exchange)).count()
    }

    fn print_costs(&self, output: &mut Output) -> anyhow::Result<()> {
        let registry = self.fleet.registry.traffic().exchanges().len();
        let forge = self.fleet.forge.traffic().exchanges();
        let git = forge.iter().filter(|exchange| is_git(exchange)).count();
        let (api, writes) = (forge.len() - git, self.writes());
        output.line(format!(
            "requests: {registry} to the registry, {api} to the forge's API, {git} by git; {writes} writes"
        ))
    }

    /// The words of one pull request, as its owners read them.
    fn print_body(&self, output: &mut Output) -> anyhow::Result<()> {
        let name: RepoName = "acme/web".parse()?;
        for pull_request in self.fleet.forge.pull_requests(&name)? {
            heading(output, &format!("{name}#{}: {}", pull_request.number, pull_request.title))?;
            output.text(&pull_request.body)?;
        }
        Ok(())
    }

    /// What the branches of opened and updated pull requests change.
    fn print_diffs(&self, report: &Report, output: &mut Output) -> anyhow::Result<()> {
        for repository in &report.repositories {
            for action in &repository.plan.actions {
                if let Action::Open { proposal, .. } | Action::Update { proposal, .. } = action {
                    let bare = self.fleet.bare(&repository.plan.repository.name)?;
                    let head = bare.head(&proposal.branch)?.context("the branch was not pushed")?;
                    output.line(format!("\n{}: {}", repository.plan.repository.name, proposal.title))?;
                    for path in proposal.changes.keys() {
                        let read = |commit| Ok::<_, anyhow::Error>(bare.read(commit, path)?.unwrap_or_default());
                        let diff = diff::unified(path.as_bytes(), &read(&proposal.base_commit)?, &read(&head)?);
                        output.bytes(&diff)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn is_git(exchange: &Exchange) -> bool {
    exchange.path.contains(".git/")
}

/// Everything that could change something: REST's writing methods, a mutation, a push.
fn is_write(exchange: &Exchange) -> bool {
    let is_query = exchange.path.contains("/graphql") && !server::is_mutation(&exchange.request_body);
    let is_fetch = exchange.path.contains("git-upload-pack");
    exchange.method != "GET" && exchange.method != "HEAD" && !is_query && !is_fetch
}
