//! What the service tells of itself to whoever measures it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::scheduler::CycleError;
use super::webhook::Outcome;
use crate::cycle::{Parts, Report, Request};

/// A cycle that ended.
#[derive(Debug)]
pub struct CycleEnd<'a> {
    pub request: &'a Request,
    pub result: &'a Result<Report, CycleError>,
    pub took: Duration,
    pub at: Timestamp,
}

/// Who measures: told what happened, asked by `/metrics`. [`Metrics`](super::metrics::Metrics), or whoever wants to
/// know it besides.
#[async_trait]
pub trait Instruments: Send + Sync + std::fmt::Debug {
    fn cycle_ended(&self, end: &CycleEnd<'_>);

    /// `source` is the name of a forge or a webhook in the configuration, or `unknown`.
    fn webhook(&self, source: &str, outcome: Outcome);

    /// OpenMetrics text.
    async fn exposition(&self, parts: &Parts, now: Timestamp) -> String;
}
