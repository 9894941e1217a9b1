//! The command line: one file per subcommand, and the only place that prints.

mod allow;
pub mod arguments;
mod bump;
mod check;
mod chosen;
pub mod config;
mod demo;
mod diff;
pub mod exit;
mod history;
mod history_record;
mod ledger;
mod ledger_line;
mod list;
mod logging;
mod metrics_file;
pub mod output;
mod pins_on;
mod progress;
mod reason_word;
mod rollback;
mod rollback_record;
mod run;
mod run_record;
pub mod schedule;
mod serve;
mod settings;
mod simulate;
mod simulate_record;
mod status;
mod table;
mod use_record;
mod waves;
mod work_tree;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use arguments::{Arguments, Command};
use exit::Outcome;
use output::Output;

/// Reads the arguments, sets up logging, runs the command, prints what went wrong.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to stdout and are no mistake; clap knows.
            let _ = error.print();
            return if error.use_stderr() { Outcome::Usage.into() } else { Outcome::Done.into() };
        }
    };
    let mut output = Output::new(arguments.log_format);
    let logging = match logging::start(&arguments) {
        Ok(logging) => logging,
        Err(error) => {
            output.error(&error);
            return Outcome::Usage.into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(&anyhow::Error::new(error).context("cannot start"));
            return Outcome::Incomplete.into();
        }
    };
    let result = runtime.block_on(run_command(&arguments.command, &mut output));
    // A helper program that hangs must not keep the process: everything that matters has ended.
    runtime.shutdown_background();
    logging.finish();
    match result {
        Ok(outcome) => outcome.into(),
        Err(Failure { error, outcome }) => {
            output.error(&error);
            outcome.into()
        }
    }
}

/// A command that could not go on, and the exit status it ends with.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    outcome: Outcome,
}

impl Failure {
    /// Wrong usage or configuration.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), outcome: Outcome::Usage }
    }
}

/// Everything else that ends a command is something that could not be done.
impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self { error: error.into(), outcome: Outcome::Incomplete }
    }
}

async fn run_command(command: &Command, output: &mut Output) -> Result<Outcome, Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, output),
        Command::Check(arguments) => check::run(arguments, output).await,
        Command::Bump(arguments) => bump::run(arguments, output).await,
        Command::Run(arguments) => run::run(arguments, output).await,
        Command::Serve(arguments) => serve::run(arguments).await,
        Command::Schedule(arguments) => schedule::run(arguments, output),
        Command::Status(arguments) => status::run(arguments, output).await,
        Command::History(arguments) => history::run(arguments, output).await,
        Command::Ledger(arguments) => ledger::run(arguments, output).await,
        Command::Waves(arguments) => waves::run(arguments, output).await,
        Command::Rollback(arguments) => rollback::run(arguments, output).await,
        Command::Allow(arguments) => allow::run(arguments, output).await,
        Command::Simulate(arguments) => simulate::run(arguments, output),
        Command::Config(arguments) => config::run(arguments, output),
        Command::Demo(arguments) => demo::run(arguments, output).await,
    }
}
