//! `refrom check`: what is behind, what is current, and what could not be told.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Failure;
use super::arguments::{Format, WorkTree};
use super::exit::Outcome;
use super::output::Output;
use super::progress::Progress;
use super::settings::{self, Secrets};
use super::table::Table;
use super::use_record::{UseRecord, shown_image, shown_status};
use super::work_tree::{self, LeftOutRecord, Tree, WorkTreeFile};
use crate::cycle::{self, lookup};
use crate::domain::candidates::{self, Candidate, Observations, UseState};
use crate::domain::digest::Digest;
use crate::domain::image_use::{Finding, ImageUse, SkipReason, Status};
use crate::domain::ledger::Ledger;
use crate::domain::proposal::{self, EvidenceByMove};

/// The contract of `check --format json`.
#[derive(Debug, Serialize)]
struct CheckRecord {
    uses: Vec<CheckedUse>,
    left_out: Vec<LeftOutRecord>,
}

#[derive(Debug, Serialize)]
struct CheckedUse {
    #[serde(flatten)]
    image_use: UseRecord,
    current: Option<String>,
    state: Option<&'static str>,
    error: Option<String>,
}

/// What the registries say of one use.
#[derive(Debug, Default, Clone)]
struct Verdict {
    current: Option<Digest>,
    state: Option<&'static str>,
    error: Option<String>,
    finding: Option<Finding>,
    is_ambiguous: bool,
}

/// Asks and prints. 1 where something is behind; 3 where something could not be told.
pub async fn run(arguments: &WorkTree, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(arguments.config.as_deref(), Secrets::Read)?;
    let trees = work_tree::read_all(&arguments.paths, &config)?;
    let session = cycle::registries(&config)?.session();
    let progress = Progress::new(output);
    let watcher = |step: cycle::Step| progress.step(step.what, step.done, step.of);
    let files: Vec<_> = trees.iter().map(Tree::file_uses).collect();
    let observations = lookup::observe(&session, lookup::tracked(files.iter().flatten()), &watcher).await;
    let pins: Vec<_> = files.iter().map(|files| candidates::pins(files, &observations)).collect();
    let moves = pins.iter().flatten().filter_map(Candidate::wanted).collect();
    let evidence = lookup::kinds(&session, &moves, &watcher).await;
    drop(progress);

    let mut checked = Vec::new();
    for (tree, pins) in trees.iter().zip(&pins) {
        let verdicts = verdicts(pins, &observations, &evidence);
        checked.extend(tree.uses().map(|(file, index, image_use)| {
            let verdict = verdicts.get(&(file.path.as_str(), index)).cloned().unwrap_or_default();
            (file, image_use, verdict)
        }));
    }
    match arguments.format {
        Format::Json => {
            let uses = checked.iter().map(|(file, image_use, verdict)| record(file, image_use, verdict)).collect();
            output.json(&CheckRecord { uses, left_out: work_tree::left_out_records(&trees) })?;
        }
        Format::Table => print(&checked, output)?,
    }
    let has = |state: &str| checked.iter().any(|(_, _, verdict)| verdict.state == Some(state));
    let looked_up = if has("unknown") { Outcome::Incomplete } else { Outcome::Done };
    let behind = if has("behind") { Outcome::Behind } else { Outcome::Done };
    Ok(work_tree::note_left_out(&trees, output).max(looked_up).max(behind))
}

fn verdicts<'a>(
    pins: &'a [Candidate],
    observations: &Observations,
    evidence: &EvidenceByMove,
) -> BTreeMap<(&'a str, usize), Verdict> {
    let verdict = |pin: &Candidate| {
        let current = observations.get(&pin.tag).and_then(|answer| answer.as_ref().ok()).copied();
        let why_not =
            proposal::consider(pin, evidence, &Ledger::default()).and_then(Result::err).map(|waiting| waiting.reason);
        let state = match &pin.state {
            UseState::Current => Some("current"),
            UseState::Behind { .. } => Some("behind"),
            UseState::Unknown(_) => Some("unknown"),
            UseState::Ambiguous => None,
        };
        Verdict {
            current,
            state,
            error: why_not.as_ref().map(ToString::to_string),
            finding: why_not.as_ref().and_then(proposal::Reason::finding),
            is_ambiguous: pin.state == UseState::Ambiguous,
        }
    };
    pins.iter().map(|pin| ((pin.path.as_str(), pin.use_index), verdict(pin))).collect()
}

/// The use as the registries' answers leave it.
fn told(image_use: &ImageUse, verdict: &Verdict) -> ImageUse {
    let mut told = image_use.clone();
    told.findings.extend(verdict.finding);
    if verdict.is_ambiguous {
        told.status = Status::Skipped(SkipReason::Ambiguous);
    }
    told
}

fn record(file: &WorkTreeFile, image_use: &ImageUse, verdict: &Verdict) -> CheckedUse {
    CheckedUse {
        image_use: UseRecord::new(&file.shown, &told(image_use, verdict)),
        current: verdict.current.map(|digest| digest.to_string()),
        state: verdict.state,
        error: verdict.error.clone(),
    }
}

fn print(checked: &[(&WorkTreeFile, &ImageUse, Verdict)], output: &mut Output) -> Result<(), Failure> {
    let mut table = Table::new(["FILE", "IMAGE", "PINNED", "CURRENT", "STATE", "WHY"]);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, image_use, verdict) in checked {
        let state = match verdict.state {
            Some(state) => state.to_owned(),
            None => shown_status(&told(image_use, verdict)),
        };
        *counts.entry(verdict.state.unwrap_or("not followed")).or_default() += 1;
        table.row([
            format!("{}:{}", file.shown, image_use.line),
            shown_image(image_use),
            image_use.digest.map(|digest| digest.short()).unwrap_or_default(),
            verdict.current.map(|digest| digest.short()).unwrap_or_default(),
            state,
            verdict.error.clone().unwrap_or_default(),
        ]);
    }
    if !table.is_empty() {
        output.text(&table)?;
        output.line("")?;
    }
    let count = |state: &str| counts.get(state).copied().unwrap_or_default();
    output.line(format!(
        "{} behind, {} current, {} unknown, {} not followed",
        count("behind"),
        count("current"),
        count("unknown"),
        count("not followed")
    ))?;
    Ok(())
}
