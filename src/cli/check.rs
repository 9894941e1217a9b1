//! `refrom check`: what is behind, what is current, and what could not be told.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Failure;
use super::arguments::{Format, WorkTree};
use super::chosen;
use super::exit::Outcome;
use super::output::Output;
use super::progress::Progress;
use super::settings::{self, Secrets};
use super::table::Table;
use super::use_record::{UseRecord, shown_reason};
use super::work_tree::{self, LeftOutRecord, WorkTreeFile};
use crate::cycle::{self, targets::Depth};
use crate::domain::candidates::UseState;
use crate::domain::digest::Digest;
use crate::domain::freshness;
use crate::domain::image_use::{Finding, ImageUse, SkipReason, Status};
use crate::domain::plan::Knowledge;
use crate::domain::proposal::Reason;
use crate::domain::pull_request::Vocabulary;
use crate::domain::target::{Choice, Considered};

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
    findings: Vec<Finding>,
    /// That the pinned digest is gone, for people.
    gone: Option<String>,
    is_ambiguous: bool,
    /// Something could not be looked up: the tag, or what has to be known of a newer digest.
    is_incomplete: bool,
}

/// Asks and prints. 1 where something is behind; 3 where something could not be told.
pub async fn run(arguments: &WorkTree, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(arguments.config.as_deref(), Secrets::ReadForRegistries)?;
    let trees = work_tree::read_all(&arguments.paths, &config)?;
    let session = cycle::registries(&config)?.session();
    let progress = Progress::new(output);
    let watcher = |step: cycle::Step| progress.step(step.what, step.done, step.of);
    let files = work_tree::files(&trees);
    let uses: Vec<_> = files.iter().map(|(tree, _, uses)| (&tree.policy, uses)).collect();
    let (knowledge, pins) = chosen::pins(&session, &config, (&uses, Depth::Kinds), &watcher).await?;
    drop(progress);

    let mut checked = Vec::new();
    for ((_, file, _), pins) in files.iter().zip(&pins) {
        let mut verdicts = verdicts(pins, &knowledge);
        let uses = file.uses.iter().enumerate();
        checked.extend(uses.map(|(index, found)| (*file, found, verdicts.remove(&index).unwrap_or_default())));
    }
    match arguments.format {
        Format::Json => {
            let uses = checked.iter().map(|(file, image_use, verdict)| record(file, image_use, verdict)).collect();
            output.json(&CheckRecord { uses, left_out: work_tree::left_out_records(&trees) })?;
        }
        Format::Table => print(&checked, output)?,
    }
    let of_use = checked.iter().map(|(_, _, verdict)| verdict.outcome()).max().unwrap_or_default();
    Ok(work_tree::note_left_out(&trees, output).max(of_use))
}

impl Verdict {
    fn outcome(&self) -> Outcome {
        match self.state {
            _ if self.is_incomplete => Outcome::Incomplete,
            Some("behind") => Outcome::Behind,
            Some(_) | None => Outcome::Done,
        }
    }
}

/// What is told of each pin, by the index of its use.
fn verdicts(pins: &[Considered], knowledge: &Knowledge) -> BTreeMap<usize, Verdict> {
    let verdict = |Considered { candidate: pin, choice }: &Considered| {
        let current = knowledge.observations.get(&pin.asked).and_then(|answer| answer.as_ref().ok()).copied();
        let why_not = match choice {
            Choice::Wait(waiting) => Some(waiting.reason.clone()),
            Choice::Propose(_) | Choice::Nothing => None,
        };
        let gone = freshness::digest_gone(pin, knowledge);
        let is_gone = gone.as_ref().map(|_| Finding::DigestGone);
        let state = match &pin.state {
            // There is a higher tag, and the policy follows it.
            UseState::Current if matches!(choice, Choice::Propose(_)) => Some("behind"),
            UseState::Current => Some("current"),
            UseState::Behind { .. } => Some("behind"),
            UseState::TagGone | UseState::HeldBack(_) | UseState::Unknown(_) => Some("unknown"),
            UseState::Ambiguous => None,
        };
        Verdict {
            current,
            state,
            error: why_not.as_ref().map(|reason| shown_reason(&pin.tag, reason, Vocabulary::PullRequest)),
            findings: why_not.as_ref().and_then(Reason::finding).into_iter().chain(is_gone).collect(),
            gone: gone.map(|finding| finding.trouble.to_string()),
            is_ambiguous: pin.state == UseState::Ambiguous,
            // A tag that is gone is nothing to say yes to, whatever the cycles of a service make of it.
            is_incomplete: why_not.as_ref().is_some_and(|why| why.is_incomplete() || *why == Reason::TagGone),
        }
    };
    pins.iter().map(|pin| (pin.candidate.use_index, verdict(pin))).collect()
}

/// The use as the registries' answers leave it.
fn told(image_use: &ImageUse, verdict: &Verdict) -> ImageUse {
    let mut told = image_use.clone();
    told.findings.extend(&verdict.findings);
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
    let mut table = Table::new(["STATE", "FILE", "IMAGE", "PINNED", "CURRENT", "WHY"]);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (file, image_use, verdict) in checked {
        let state = match verdict.state {
            Some(state) => state.to_owned(),
            None => told(image_use, verdict).shown_status(),
        };
        *counts.entry(verdict.state.unwrap_or("not followed")).or_default() += 1;
        table.row([
            state,
            format!("{}:{}", file.shown, image_use.line),
            image_use.shown(),
            image_use.digest.map(|digest| digest.short()).unwrap_or_default(),
            verdict.current.map(|digest| digest.short()).unwrap_or_default(),
            verdict.gone.iter().chain(&verdict.error).cloned().collect::<Vec<_>>().join("; "),
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
