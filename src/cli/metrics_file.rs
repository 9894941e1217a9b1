//! `run --metrics-file`: what node-exporter's textfile collector reads after a cron job.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::cycle::{Parts, Report, Request};
use crate::serve::metrics::{Metrics, write_textfile};
use crate::serve::waves::Rollout;

/// Writes the figures of the one cycle that this process made, from `started` until now.
pub async fn write(
    path: &Path,
    parts: &Parts,
    (request, report): (&Request, &Report),
    started: Timestamp,
) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let metrics = Metrics::new();
    let duration = Duration::try_from(now.duration_since(started)).unwrap_or_default();
    metrics.observe_cycle(request, report, duration, now);
    let rollout = Rollout::of(&parts.config);
    metrics.observe_waves(rollout.names(), rollout.under_way(parts.store.as_ref(), now).await?);
    let text = metrics.render_textfile(&parts.tally, &parts.store.facts().await?, now);
    write_textfile(path, &text).with_context(|| format!("cannot write the metrics to `{}`", path.display()))
}
