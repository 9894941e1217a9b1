//! `refrom serve`: the service, until it is told to end.

use std::sync::Arc;

use super::Failure;
use super::arguments::Serve;
use super::exit::Outcome;
use super::run::assembly_failure;
use super::settings::{self, Secrets};
use crate::config::{Config, process_environment};
use crate::net::RetryPolicy;
use crate::serve::metrics::Metrics;
use crate::serve::{Ending, ServeError, Server, Setup, Signals, SystemClock, http};

/// Serves; 0 where it ended cleanly, 3 where a cycle had to be dropped.
pub async fn run(arguments: &Serve) -> Result<Outcome, Failure> {
    let path = arguments.config.clone();
    let signals = Signals::new(&path);
    let config = settings::load(Some(&path), Secrets::Read)?;
    let setup = Setup {
        load: Box::new(move || Config::load(&path, &process_environment, Secrets::Read)),
        clock: Arc::new(SystemClock),
        retry: RetryPolicy::default(),
        limits: http::Limits::default(),
        instruments: Arc::new(Metrics::new()),
    };
    // Before anything is taken: a signal that comes while it starts is not lost.
    let signals = signals.listen()?;
    let server = Server::start(config, setup).await.map_err(|error| match error {
        ServeError::Assembly(error) => assembly_failure(error),
        ServeError::Listen { .. } => error.into(),
    })?;
    Ok(match server.run(signals).await {
        Ending::Clean => Outcome::Done,
        Ending::Abandoned => Outcome::Incomplete,
    })
}
