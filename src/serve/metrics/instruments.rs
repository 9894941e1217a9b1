//! Metrics as the service's instruments.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Metrics;
use crate::cycle::Parts;
use crate::serve::{CycleEnd, Instruments, Outcome};

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

    async fn exposition(&self, parts: &Parts, now: Timestamp) -> String {
        self.scrape(parts, now).await
    }
}
