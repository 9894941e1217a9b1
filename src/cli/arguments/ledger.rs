//! `refrom history` and `refrom ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Format;
use crate::domain::pattern::Pattern;

#[derive(Debug, Args)]
pub struct History {
    /// A tag, as it is written in files: `dhi.io/nginx:1.27`.
    #[arg(value_name = "IMAGE:TAG")]
    pub reference: String,
    /// The configuration; without it the store is `state/refrom.db`.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Print it as JSON lines, which docs/json.md explains: offline, also while a cycle runs.
    Export {
        /// The configuration; without it the store is `state/refrom.db`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Only these images: a pattern over registry and repository (`dhi.io/*`) or Docker Hub's short names.
        #[arg(long, value_name = "PATTERN", value_parser = Pattern::new)]
        image: Option<Pattern>,
        /// Only digests that were still seen then or later: `2026-11-20`, or a time like `2026-11-20T18:00:00Z`.
        #[arg(long, value_name = "DATE", value_parser = moment)]
        since: Option<Timestamp>,
    },
    /// Add such lines to the store: all of them, or none where one of them is wrong. No other process may use the store.
    Import {
        /// A file, or `-` for stdin.
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The configuration; without it the store is `state/refrom.db`.
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// A day, which begins by UTC, or a time with its offset.
fn moment(text: &str) -> Result<Timestamp, String> {
    let day = || Date::strptime("%Y-%m-%d", text)?.to_zoned(TimeZone::UTC);
    let moment = text.parse().or_else(|_| day().map(|day| day.timestamp()));
    moment
        .map_err(|_: jiff::Error| "expected a date like `2026-11-20`, or a time like `2026-11-20T18:00:00Z`".to_owned())
}
