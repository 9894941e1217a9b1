//! The command line's grammar.

mod ledger;
mod simulate;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::domain::denial::ImageScope;
use crate::domain::digest::Digest;
use crate::domain::status::{Sort, StateFilter};

pub use ledger::{History, Ledger};
pub use simulate::Simulate;

/// Keeps pinned base images fresh: new digests become pull requests, with the version comment rewritten too.
///
/// Exit status: 0 nothing behind, all done; 1 something is behind (`check` only); 2 wrong usage or configuration;
/// 3 incomplete: something could not be looked up or done, and the output names it.
#[derive(Debug, Parser)]
#[command(name = "refrom", version, max_term_width = 110)]
pub struct Arguments {
    /// What is logged to stderr: error, warn, info, debug, trace, or a filter such as `refrom::git=debug`; `info` for
    /// `serve`, else `warn`.
    #[arg(long, global = true, value_name = "FILTER")]
    pub log: Option<String>,

    /// How log lines look.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// What is logged: a service tells what it does, a command tells what is wrong.
    pub fn log_filter(&self) -> &str {
        let default = if matches!(self.command, Command::Serve(_)) { "warn,refrom=info" } else { "warn" };
        self.log.as_deref().unwrap_or(default)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List every image use in a work tree, offline.
    List(WorkTree),
    /// Ask the registries what is behind, what is current, and what could not be told.
    Check(WorkTree),
    /// Move the pins of a work tree to the digests that their tags point to now.
    Bump(Bump),
    /// One cycle over the fleet: what cron calls.
    Run(Run),
    /// Cycle after cycle, woken by webhooks, with health, metrics and a status page over HTTP.
    Serve(Serve),
    /// When repositories may be proposed to next, and which rule makes it so: offline.
    Schedule(Schedule),
    /// How the fleet stands, as the last cycles left it: from the store, offline, also while a cycle runs.
    Status(Status),
    /// What refrom saw of a tag, digest by digest: from the store, offline, also while a cycle runs.
    History(History),
    /// Move what refrom saw of all tags from one store to another.
    #[command(subcommand)]
    Ledger(Ledger),
    /// How far digests are on their way through the waves, and what they wait for: from the store, offline.
    Waves(Waves),
    /// Take a digest back: it is denied, and every repository that has it goes back by pull request.
    Rollback(Rollback),
    /// Undo a rollback: the digest may be proposed again.
    Allow(Allow),
    /// What a configuration would have cost, and how fresh it would have kept the pins: replayed over a recorded ledger.
    Simulate(Simulate),
    /// Check the configuration, show a repository's effective policy, print the JSON Schema.
    #[command(subcommand)]
    Config(Config),
    /// The whole loop against an embedded registry and an embedded forge, offline.
    Demo(Demo),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

#[derive(Debug, Args)]
pub struct WorkTree {
    /// Folders, or single files.
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// The configuration; without it the defaults hold, and what the work tree's `.refrom.yaml` says.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Bump {
    /// Folders, or single files.
    #[arg(value_name = "PATH", default_value = ".")]
    pub paths: Vec<PathBuf>,
    /// The configuration; without it the defaults hold, and what the work tree's `.refrom.yaml` says.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Print a unified diff and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct Run {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only this repository; can be repeated.
    #[arg(long = "repository", value_name = "NAME")]
    pub repositories: Vec<String>,
    /// Look at everything, print the plan, and write nothing to a forge or a repository.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not wait for `poll`, `schedule`, `window`, `freeze` and `min_interval`: ask for everything, and propose whatever
    /// may be.
    #[arg(long)]
    pub now: bool,
    /// Write metrics to this file (`….prom`) for node-exporter's textfile collector; counters go on from what is there.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dry_run", "repositories"])]
    pub metrics_file: Option<PathBuf>,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Schedule {
    /// The configuration. No secret is read.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// This repository; without it the policy, and each override over it.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// How many times.
    #[arg(long, value_name = "N", default_value = "5", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub next: u16,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Status {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only repositories of this state: attention, behind, waiting, open, failed, unknown, error, current, off.
    #[arg(long, value_name = "STATE")]
    pub state: Option<StateFilter>,
    /// Only repositories of this forge.
    #[arg(long, value_name = "NAME")]
    pub forge: Option<String>,
    /// Only repositories with this in their name, an image, a path, a digest or a pull request's title.
    #[arg(long, value_name = "TEXT")]
    pub query: Option<String>,
    /// The order: urgency, oldest, name, due.
    #[arg(long, value_name = "ORDER")]
    pub sort: Option<Sort>,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Waves {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Only images of this pattern: `dhi.io/*`, `nginx`.
    #[arg(long, value_name = "PATTERN")]
    pub image: Option<String>,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Debug, Args)]
pub struct Rollback {
    #[command(flatten)]
    pub wish: Option<RollbackWish>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Show what would happen, and deny nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Show what was ever taken back, and how many repositories are still on it.
    #[arg(long, conflicts_with_all = ["RollbackWish", "dry_run"])]
    pub list: bool,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// What is taken back.
#[derive(Debug, Clone, Args)]
pub struct RollbackWish {
    /// The image, with a tag where it is about that one alone; a mirror's name means its upstream.
    #[arg(value_name = "IMAGE[:TAG]")]
    pub image: ImageScope,
    /// The digest that is taken back.
    #[arg(long, value_name = "DIGEST")]
    pub from: Digest,
    /// Where pins go; without it to the last other digest that their repository had on its base branch, else to the last
    /// one that the tag had before.
    #[arg(long, value_name = "DIGEST")]
    pub to: Option<Digest>,
    /// Why, for everybody who sees one of the pull requests.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
}

#[derive(Debug, Args)]
pub struct Allow {
    /// The image, with a tag where it was taken back for that one alone.
    #[arg(value_name = "IMAGE[:TAG]")]
    pub image: ImageScope,
    /// The digest that may be proposed again.
    #[arg(value_name = "DIGEST")]
    pub digest: Digest,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub struct Serve {
    /// The configuration; read anew when it changes, and on SIGHUP.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Config {
    /// Check a configuration without network and without reading secrets.
    Check {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Read the secrets too.
        #[arg(long)]
        secrets: bool,
    },
    /// Print a repository's effective policy and where each value comes from.
    Show {
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[arg(long, value_name = "NAME")]
        repository: String,
    },
    /// Print the JSON Schema of the configuration.
    Schema,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// Keep the repositories, the store and the configuration in this folder, which must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
}
