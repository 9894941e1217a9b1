//! What the service tells of itself to whoever measures it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

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

/// Who measures: told what happened, asked by `/metrics`.
#[async_trait]
pub trait Instruments: Send + Sync + std::fmt::Debug {
    fn cycle_ended(&self, end: &CycleEnd<'_>);

    /// `source` is the name of a forge or a webhook in the configuration, or `unknown`.
    fn webhook(&self, source: &str, outcome: Outcome);

    /// OpenMetrics text.
    async fn exposition(&self, parts: &Parts, now: Timestamp) -> String;
}

/// Counts and nothing more.
#[derive(Debug, Default)]
pub struct Counts {
    webhooks: Mutex<BTreeMap<(String, Outcome), u64>>,
    cycles: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counts {
    /// How many webhooks of this source ended so.
    pub fn webhooks(&self, source: &str, outcome: Outcome) -> u64 {
        let webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        webhooks.get(&(source.to_owned(), outcome)).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Instruments for Counts {
    fn cycle_ended(&self, end: &CycleEnd<'_>) {
        let outcome = match end.result {
            Ok(report) if report.is_incomplete() => "incomplete",
            Ok(_) => "done",
            Err(_) => "failed",
        };
        *self.cycles.lock().unwrap_or_else(PoisonError::into_inner).entry(outcome).or_default() += 1;
    }

    fn webhook(&self, source: &str, outcome: Outcome) {
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        *webhooks.entry((source.to_owned(), outcome)).or_default() += 1;
    }

    async fn exposition(&self, _: &Parts, _: Timestamp) -> String {
        let mut text = "# TYPE refrom_cycles counter\n".to_owned();
        // Writing to a `String` does not fail.
        for (outcome, count) in &*self.cycles.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(text, "refrom_cycles_total{{outcome=\"{outcome}\"}} {count}");
        }
        text.push_str("# TYPE refrom_webhooks counter\n");
        for ((source, outcome), count) in &*self.webhooks.lock().unwrap_or_else(PoisonError::into_inner) {
            let outcome = outcome.as_str();
            let _ = writeln!(text, "refrom_webhooks_total{{source=\"{source}\",outcome=\"{outcome}\"}} {count}");
        }
        text.push_str("# EOF\n");
        text
    }
}
