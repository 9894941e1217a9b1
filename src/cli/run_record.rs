//! The JSON of `run`: a contract with the programs that read it.

use jiff::Timestamp;
use serde::Serialize;

use super::reason_word::reason_word;
use super::use_record::UseRecord;
use crate::cycle::{Deed, LeftOut, Outcome, PinCounts, Problem, Report, RepositoryReport};
use crate::domain::cadence::{self, Due};
use crate::domain::digest::Digest;
use crate::domain::plan::{Action, ClosingCause, DeletionCause, MergeTarget};
use crate::domain::proposal::{NotProposed, Pin, Urgency};
use crate::domain::pull_request::{BranchName, Vocabulary};
use crate::domain::reference::TagRef;
use crate::serve::record::FindingRecord;

/// A cycle. Absent values are `null`.
#[derive(Debug, Serialize)]
pub struct RunRecord {
    repositories: Vec<RepositoryRecord>,
    problems: Vec<ProblemRecord>,
    left_out: Vec<LeftOutRecord>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct RepositoryRecord {
    forge: String,
    repository: String,
    counts: PinCountsRecord,
    actions: Vec<ActionRecord>,
    up_to_date: Vec<StandingRecord>,
    left_alone: Vec<LeftAloneRecord>,
    not_proposed: Vec<NotProposedRecord>,
    findings: Vec<FindingRecord>,
    noticed: Vec<UseRecord>,
    warnings: Vec<String>,
    error: Option<String>,
    due: DueRecord,
}

/// When something may be opened or updated.
#[derive(Debug, Serialize)]
struct DueRecord {
    /// RFC 3339, by the repository's clock; absent: now.
    at: Option<String>,
    because: String,
}

#[derive(Debug, Serialize)]
struct PinCountsRecord {
    current: usize,
    behind: usize,
    unknown: usize,
    unpinned: usize,
    skipped: usize,
}

#[derive(Debug, Serialize)]
struct ActionRecord {
    action: &'static str,
    branch: String,
    title: Option<String>,
    cause: Option<&'static str>,
    pull_request: Option<PullRequestRecord>,
    pins: Vec<PinRecord>,
    outcome: &'static str,
    error: Option<String>,
    warnings: Vec<String>,
}

/// An open pull request that is not touched, because it is right as it is.
#[derive(Debug, Serialize)]
struct StandingRecord {
    branch: String,
    pull_request: PullRequestRecord,
}

/// An open pull request that must not be touched.
#[derive(Debug, Serialize)]
struct LeftAloneRecord {
    #[serde(flatten)]
    standing: StandingRecord,
    reason: &'static str,
    message: String,
}

#[derive(Debug, Serialize)]
struct PullRequestRecord {
    number: u64,
    url: String,
}

#[derive(Debug, Serialize)]
struct PinRecord {
    path: String,
    line: u32,
    registry: String,
    repository: String,
    tag: String,
    /// The tag that it gets; absent where that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    new_tag: Option<String>,
    old: Option<String>,
    new: Option<String>,
    urgent: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct NotProposedRecord {
    #[serde(flatten)]
    pin: PinRecord,
    reason: &'static str,
    message: String,
    until: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct ProblemRecord {
    subject: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct LeftOutRecord {
    repository: String,
    path: String,
    reason: String,
}

impl From<&Report> for RunRecord {
    fn from(report: &Report) -> Self {
        Self {
            repositories: report.repositories.iter().map(RepositoryRecord::from).collect(),
            problems: report.problems.iter().map(ProblemRecord::from).collect(),
            left_out: report.left_out.iter().map(LeftOutRecord::from).collect(),
            notes: report.notes.clone(),
        }
    }
}

impl From<&RepositoryReport> for RepositoryRecord {
    fn from(report: &RepositoryReport) -> Self {
        let plan = &report.plan;
        let standing = |number: u64, url: &str, branch: &BranchName| StandingRecord {
            branch: branch.to_string(),
            pull_request: PullRequestRecord { number, url: url.to_owned() },
        };
        let up_to_date = plan.up_to_date.iter().map(|open| standing(open.number, &open.url, &open.branch));
        let left_alone = plan.left_alone.iter().map(|left| LeftAloneRecord {
            standing: standing(left.number, &left.url, &left.branch),
            reason: reason_word(&left.reason),
            message: left.reason.told(plan.vocabulary).to_string(),
        });
        Self {
            forge: plan.repository.forge.clone(),
            repository: plan.repository.name.to_string(),
            counts: PinCountsRecord::from(report.pins),
            actions: plan.actions.iter().zip(&report.deeds).map(|(action, deed)| action_record(action, deed)).collect(),
            up_to_date: up_to_date.collect(),
            left_alone: left_alone.collect(),
            not_proposed: plan.not_proposed.iter().map(|pin| NotProposedRecord::new(pin, plan.vocabulary)).collect(),
            findings: plan.findings.iter().map(FindingRecord::from).collect(),
            noticed: report.noticed.iter().map(|noticed| UseRecord::new(&noticed.path, &noticed.image_use)).collect(),
            warnings: plan.warnings.clone(),
            error: plan.problem.as_ref().map(ToString::to_string),
            due: DueRecord::from(&plan.due),
        }
    }
}

fn action_record(action: &Action, deed: &Deed) -> ActionRecord {
    let (error, outcome) = match &deed.outcome {
        Outcome::Planned => (None, "planned"),
        Outcome::Done => (None, "done"),
        Outcome::Failed(error) => (Some(error.clone()), "failed"),
    };
    let known = deed.pull_request.clone().or_else(|| pull_request_of(action));
    let mut record = ActionRecord {
        action: word(action),
        branch: branch_of(action),
        title: None,
        cause: None,
        pull_request: known.map(|(number, url)| PullRequestRecord { number, url }),
        pins: pins_of(action).map(PinRecord::from).collect(),
        outcome,
        error,
        warnings: deed.warnings.clone(),
    };
    match action {
        Action::Open { proposal, .. } | Action::Update { proposal, .. } => record.title = Some(proposal.title.clone()),
        Action::AutoMerge { .. } => {}
        Action::Close(closing) => record.cause = Some(closing_word(closing.cause)),
        Action::DeleteBranch { cause, .. } => record.cause = Some(deletion_word(*cause)),
    }
    record
}

/// The action's word in tables and JSON.
pub fn word(action: &Action) -> &'static str {
    match action {
        Action::Open { .. } => "open",
        Action::Update { .. } => "update",
        Action::AutoMerge { .. } => "auto-merge",
        Action::Close(_) => "close",
        Action::DeleteBranch { .. } => "delete-branch",
    }
}

/// The branch that an action is about.
pub fn branch_of(action: &Action) -> String {
    match action {
        Action::Open { proposal, .. } | Action::Update { proposal, .. } => proposal.branch.to_string(),
        Action::Close(closing) => closing.branch.to_string(),
        Action::AutoMerge { branch, .. } | Action::DeleteBranch { branch, .. } => branch.to_string(),
    }
}

/// The pins that an action moves.
pub fn pins_of(action: &Action) -> impl Iterator<Item = &Pin> {
    let changes = match action {
        Action::Open { proposal, .. } | Action::Update { proposal, .. } => Some(&proposal.changes),
        Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => None,
    };
    changes.into_iter().flat_map(|changes| changes.values().flatten())
}

fn pull_request_of(action: &Action) -> Option<(u64, String)> {
    match action {
        Action::Update { pull_request, .. } => Some((pull_request.number, pull_request.url.clone())),
        Action::AutoMerge { target: MergeTarget::Standing { number, url, .. }, .. } => Some((*number, url.clone())),
        Action::Close(closing) => Some((closing.number, closing.url.clone())),
        Action::AutoMerge { target: MergeTarget::Proposed, .. } | Action::Open { .. } | Action::DeleteBranch { .. } => {
            None
        }
    }
}

fn closing_word(cause: ClosingCause) -> &'static str {
    match cause {
        ClosingCause::NothingBehind => "nothing-behind",
        ClosingCause::Regrouped => "regrouped",
        ClosingCause::OtherBase => "other-base",
        ClosingCause::Disabled => "disabled",
        ClosingCause::NotProposable => "not-proposable",
        ClosingCause::Denied => "denied",
    }
}

fn deletion_word(cause: DeletionCause) -> &'static str {
    match cause {
        DeletionCause::Merged => "merged",
        DeletionCause::Withdrawn => "withdrawn",
        DeletionCause::Leftover => "leftover",
    }
}

impl PinRecord {
    fn new((path, line): (&str, u32), tag: &TagRef, old: Option<Digest>, new: Option<Digest>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            registry: tag.image.registry().to_owned(),
            repository: tag.image.repository().to_owned(),
            tag: tag.tag.to_string(),
            new_tag: None,
            old: old.map(|digest| digest.to_string()),
            new: new.map(|digest| digest.to_string()),
            urgent: None,
        }
    }
}

impl From<&Pin> for PinRecord {
    fn from(pin: &Pin) -> Self {
        let new_tag = pin.new_tag.as_ref().map(ToString::to_string);
        let urgent = pin.urgency.as_ref().map(|urgency| match urgency {
            Urgency::Gone => "gone",
            Urgency::RolledBack(_) => "rolled-back",
        });
        Self { new_tag, urgent, ..Self::new((&pin.path, pin.line), &pin.tag, pin.old, Some(pin.new)) }
    }
}

impl NotProposedRecord {
    fn new(waiting: &NotProposed, vocabulary: Vocabulary) -> Self {
        let pin = PinRecord::new((&waiting.path, waiting.line), &waiting.tag, waiting.old, waiting.new);
        let NotProposed { reason, .. } = waiting;
        let message = reason.told(vocabulary).to_string();
        Self { pin, reason: reason_word(reason), message, until: reason.until() }
    }
}

impl From<&Due> for DueRecord {
    fn from(due: &Due) -> Self {
        Self { at: due.at().map(cadence::rfc3339), because: due.because().to_owned() }
    }
}

impl From<PinCounts> for PinCountsRecord {
    fn from(counts: PinCounts) -> Self {
        let PinCounts { current, behind, unknown, unpinned, skipped } = counts;
        Self { current, behind, unknown, unpinned, skipped }
    }
}

impl From<&Problem> for ProblemRecord {
    fn from(problem: &Problem) -> Self {
        Self { subject: problem.subject.clone(), message: problem.message.clone() }
    }
}

impl From<&LeftOut> for LeftOutRecord {
    fn from(left_out: &LeftOut) -> Self {
        let LeftOut { repository, path, reason } = left_out.clone();
        Self { repository, path, reason }
    }
}
