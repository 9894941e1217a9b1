//! The arguments of `refrom simulate`.

use std::path::PathBuf;

use clap::Args;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Format;
use crate::domain::cadence::duration;

#[derive(Debug, Args)]
pub struct Simulate {
    /// The configuration. No secret is read.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// The recorded ledger: JSON lines of `refrom ledger export`, or with `first_seen`, `reference` and `digest` alone;
    /// plain or gzipped.
    #[arg(long, value_name = "FILE")]
    pub history: PathBuf,
    /// Where the replay begins: a day (by UTC) or a time; else where the history does.
    #[arg(long, value_name = "DATE", value_parser = first_moment)]
    pub from: Option<Timestamp>,
    /// Where it ends, that day included; else where the history does.
    #[arg(long, value_name = "DATE", value_parser = last_moment)]
    pub to: Option<Timestamp>,
    /// The repositories: JSON lines such as {"repository": "acme/web", "pins": ["dhi.io/nginx:1.27"]}.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "pins"])]
    pub repositories: Option<PathBuf>,
    /// How many repositories are made up, where none are given.
    #[arg(long, value_name = "N", default_value = "200", value_parser = clap::value_parser!(u16).range(1..))]
    pub count: u16,
    /// How many tags of the history each of them pins.
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub pins: u16,
    /// How long after its last update people merge a pull request.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = length)]
    pub merge_after: SignedDuration,
    /// A second configuration, whose figures are shown beside those of the first.
    #[arg(long, value_name = "FILE")]
    pub compare: Option<PathBuf>,
    /// Draw cost and freshness over the days into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// How results look; `json` is a contract that docs/json.md explains.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub format: Format,
}

/// A time, or the first moment of a day by UTC.
fn first_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, Some)
}

/// A time, or the last second of a day by UTC.
fn last_moment(text: &str) -> Result<Timestamp, String> {
    moment(text, |day| day.checked_add(SignedDuration::from_hours(24) - SignedDuration::from_secs(1)).ok())
}

fn moment(text: &str, of_day: impl Fn(Timestamp) -> Option<Timestamp>) -> Result<Timestamp, String> {
    let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().and_then(|midnight| of_day(midnight.timestamp()));
    let day = || text.parse::<Date>().ok().and_then(midnight);
    let moment = text.parse::<Timestamp>().ok().or_else(day);
    moment.ok_or_else(|| "expected a day such as `2026-07-01`, or a time such as `2026-07-01T12:00:00Z`".to_owned())
}

fn length(text: &str) -> Result<SignedDuration, String> {
    duration(text).ok_or_else(|| "expected a length of time such as `24h` or `3d`".to_owned())
}
