//! Logs: lines for people on stderr, or one JSON object per line; and traces, where the program is built with them.

mod json;
#[cfg(feature = "otel")]
mod otel;

use std::io::IsTerminal as _;

use tracing::Metadata;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use super::arguments::{Arguments, LogFormat};

pub use json::Line;

/// What has to be ended before the process does.
#[derive(Debug)]
pub struct Logging {
    #[cfg(feature = "otel")]
    traces: Option<otel::Traces>,
}

/// Starts to log to stderr. Spans are kept whatever the level: a warning says in which repository it came up, although
/// `--log warn` shows no line about repositories.
pub fn start(arguments: &Arguments) -> anyhow::Result<Logging> {
    let filter = filter_fn(is_own_span).or(EnvFilter::try_new(arguments.log_filter())?);
    // A stderr that nobody reads any more is no reason to end: telling of it there would.
    let lines = fmt::layer().with_writer(std::io::stderr).log_internal_errors(false);
    let lines = match arguments.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.fmt_fields(JsonFields::new()).event_format(json::Lines).with_ansi(false).boxed(),
    };
    let registry = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "otel")]
    {
        let traces = otel::Traces::start(&crate::config::process_environment)?;
        registry.with(traces.as_ref().map(|traces| traces.layer().with_filter(filter_fn(is_own)))).init();
        Ok(Logging { traces })
    }
    #[cfg(not(feature = "otel"))]
    {
        registry.init();
        Ok(Logging {})
    }
}

impl Logging {
    /// Sends what has not been sent yet.
    pub fn finish(self) {
        #[cfg(feature = "otel")]
        if let Some(traces) = self.traces {
            traces.finish();
        }
    }
}

/// Those of libraries say nothing that ours do not.
fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && is_own(metadata)
}

fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().split("::").next() == Some("refrom")
}
