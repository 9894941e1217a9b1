//! What the service tells of itself to whoever measures it.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::metrics::Metrics;
use super::webhook::Outcome;
use crate::cycle::{Parts, Report, Request};
use crate::store::StoreError;

/// A cycle that ended.
#[derive(Debug)]
pub struct CycleEnd<'a> {
    pub request: &'a Request,
    pub result: &'a Result<Report, StoreError>,
    pub took: Duration,
    pub at: Timestamp,
}

/// Who measures: told what happened, asked by `/metrics`. [`Metrics`], or whoever wants to know it besides.
#[async_trait]
pub trait Instruments: Send + Sync + std::fmt::Debug {
    fn cycle_ended(&self, end: &CycleEnd<'_>);

    /// `source` is the name of a forge or a webhook in the configuration, or `unknown`.
    fn webhook(&self, source: &str, outcome: Outcome);

    /// OpenMetrics text. Errors: the store does not answer, and half of the figures would be wrong.
    async fn exposition(&self, parts: &Parts, now: Timestamp) -> Result<String, StoreError>;
}

#[async_trait]
impl Instruments for Metrics {
    fn cycle_ended(&self, end: &CycleEnd<'_>) {
        match end.result {
            Ok(report) => self.observe_cycle(end.request, report, end.took, end.at),
            Err(_) => self.observe_failed_cycle(end.took),
        }
    }

    fn webhook(&self, source: &str, outcome: Outcome) {
        self.note_webhook(source, outcome.as_str());
    }

    async fn exposition(&self, parts: &Parts, now: Timestamp) -> Result<String, StoreError> {
        Ok(self.render(&parts.tally, &parts.store.facts().await?, now))
    }
}
