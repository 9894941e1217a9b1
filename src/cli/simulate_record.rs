//! The JSON of `refrom simulate`: a contract.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::simulate::{DayFigures, Figures, Quantiles};

/// Numbers that are no counts have so many decimals.
const DECIMALS: f64 = 10_000.0;

/// One configuration's figures.
#[derive(Debug, Serialize)]
pub struct SimulationRecord {
    name: String,
    from: String,
    to: String,
    repositories: usize,
    pins: usize,
    pull_requests: PullRequestsRecord,
    pipelines: usize,
    pipelines_per_repository_and_week: f64,
    age_days: QuantilesRecord,
    behind_days: QuantilesRecord,
    share_behind: f64,
    /// By the word of the reason.
    waited_pin_days: BTreeMap<&'static str, f64>,
    /// What the configuration asks for and is not replayed; for people.
    notes: Vec<String>,
    days: Vec<DayRecord>,
}

#[derive(Debug, Serialize)]
struct PullRequestsRecord {
    opened: usize,
    updated: usize,
    merged: usize,
    closed: usize,
    open: usize,
    opened_per_repository_and_week: f64,
}

#[derive(Debug, Serialize)]
struct QuantilesRecord {
    median: f64,
    p90: f64,
}

#[derive(Debug, Serialize)]
struct DayRecord {
    date: String,
    opened: usize,
    updated: usize,
    merged: usize,
    pipelines: usize,
    age_days: QuantilesRecord,
    share_behind: f64,
}

impl SimulationRecord {
    pub fn new(name: &str, figures: &Figures) -> Self {
        Self {
            name: name.to_owned(),
            from: figures.from.to_string(),
            to: figures.to.to_string(),
            repositories: figures.repositories,
            pins: figures.pins,
            pull_requests: PullRequestsRecord {
                opened: figures.opened,
                updated: figures.updated,
                merged: figures.merged,
                closed: figures.closed,
                open: figures.open,
                opened_per_repository_and_week: rounded(figures.per_repository_and_week),
            },
            pipelines: figures.pipelines,
            pipelines_per_repository_and_week: rounded(figures.pipelines_per_repository_and_week),
            age_days: QuantilesRecord::from(figures.age),
            behind_days: QuantilesRecord::from(figures.behind),
            share_behind: rounded(figures.share_behind),
            waited_pin_days: figures.waits.iter().map(|(word, days)| (*word, rounded(*days))).collect(),
            notes: figures.notes.iter().map(ToString::to_string).collect(),
            days: figures.days.iter().map(DayRecord::from).collect(),
        }
    }
}

impl From<Quantiles> for QuantilesRecord {
    fn from(Quantiles { median, p90 }: Quantiles) -> Self {
        Self { median: rounded(median), p90: rounded(p90) }
    }
}

impl From<&DayFigures> for DayRecord {
    fn from(day: &DayFigures) -> Self {
        Self {
            date: day.date.to_string(),
            opened: day.opened,
            updated: day.updated,
            merged: day.merged,
            pipelines: day.pipelines,
            age_days: QuantilesRecord::from(day.age),
            share_behind: rounded(day.share_behind),
        }
    }
}

fn rounded(number: f64) -> f64 {
    (number * DECIMALS).round() / DECIMALS
}
