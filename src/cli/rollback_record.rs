//! The JSON of `rollback`: a contract with the programs that read it.

use jiff::Timestamp;
use serde::Serialize;

use super::pins_on::PinOn;
use super::rollback::{Done, Recorded};
use super::run_record::RunRecord;
use crate::domain::denial::{Denial, RecordedDenial};

/// A rollback. Absent values are `null`.
#[derive(Debug, Serialize)]
pub struct RollbackRecord {
    denial: DenialRecord,
    /// `now`, `already`, `not` (a dry run).
    recorded: &'static str,
    /// Who uses the store, and acts.
    held_by: Option<String>,
    pins: Vec<PinRecord>,
    /// When the last cycle over the whole fleet began.
    fleet_read_at: Option<Timestamp>,
    /// The cycle that was run.
    run: Option<RunRecord>,
    notes: Vec<String>,
}

/// Everything that was ever taken back.
#[derive(Debug, Serialize)]
pub struct DenialList {
    denials: Vec<ListedRecord>,
}

#[derive(Debug, Serialize)]
struct DenialRecord {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: String,
    to: Option<String>,
    reason: String,
    at: Timestamp,
}

#[derive(Debug, Serialize)]
struct ListedRecord {
    #[serde(flatten)]
    denial: DenialRecord,
    allowed: Option<Timestamp>,
    /// How many repositories, and pins in them, are on it.
    repositories: usize,
    pins: usize,
}

#[derive(Debug, Serialize)]
struct PinRecord {
    forge: String,
    /// Of the forge.
    name: String,
    path: String,
    line: u32,
    registry: String,
    repository: String,
    /// `null`: none is known.
    tag: Option<String>,
    to: Option<String>,
    /// The tag that it gets there, where that is another one.
    to_tag: Option<String>,
    pull_request: Option<PullRequestRecord>,
    /// Why it is in no pull request.
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct PullRequestRecord {
    number: u64,
    url: String,
}

impl From<&Done> for RollbackRecord {
    fn from(done: &Done) -> Self {
        Self {
            denial: DenialRecord::from(&done.denial),
            recorded: match done.recorded {
                Recorded::Now => "now",
                Recorded::Already => "already",
                Recorded::Not => "not",
            },
            held_by: done.holder.clone(),
            pins: done.pins.iter().map(PinRecord::from).collect(),
            fleet_read_at: done.fleet.at(),
            run: done.report.as_ref().map(RunRecord::from),
            notes: done.notes.clone(),
        }
    }
}

impl From<&Denial> for DenialRecord {
    fn from(denial: &Denial) -> Self {
        Self {
            registry: denial.image.registry().to_owned(),
            repository: denial.image.repository().to_owned(),
            tag: denial.tag.as_ref().map(ToString::to_string),
            digest: denial.digest.to_string(),
            to: denial.to.map(|to| to.to_string()),
            reason: denial.reason.clone(),
            at: denial.at,
        }
    }
}

impl From<&PinOn> for PinRecord {
    fn from(pin: &PinOn) -> Self {
        Self {
            forge: pin.repository.forge.clone(),
            name: pin.repository.name.to_string(),
            path: pin.path.clone(),
            line: pin.line,
            registry: pin.image.registry().to_owned(),
            repository: pin.image.repository().to_owned(),
            tag: pin.tag.as_ref().map(ToString::to_string),
            to: pin.to.map(|to| to.to_string()),
            to_tag: pin.to_tag.as_ref().map(ToString::to_string),
            pull_request: pin.pull_request.clone().map(|(number, url)| PullRequestRecord { number, url }),
            reason: pin.waits.clone(),
        }
    }
}

impl DenialList {
    /// Each with the number of repositories and of pins that are on it.
    pub fn new(denials: &[(RecordedDenial, (usize, usize))]) -> Self {
        let listed = denials.iter().map(|(recorded, (repositories, pins))| ListedRecord {
            denial: DenialRecord::from(&recorded.denial),
            allowed: recorded.allowed,
            repositories: *repositories,
            pins: *pins,
        });
        Self { denials: listed.collect() }
    }
}
