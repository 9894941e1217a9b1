//! The JSON of `/api/v1/status` and `refrom status`: a contract with the programs that read it.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::freshness::TagFinding;
use crate::domain::pull_request::Pipeline;
use crate::domain::reference::TagRef;
use crate::domain::status::{
    CycleStatus, Figures, Filter, FleetStatus, NoticedStatus, OldestStale, PinState, PinStatus, PullRequestStatus,
    RepositoryStatus, Wait,
};

/// How the fleet stands. Absent values are `null`, times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub struct StatusRecord {
    now: Timestamp,
    cycle: Option<CycleRecord>,
    /// Over the whole fleet, whatever is shown of it.
    figures: FiguresRecord,
    repositories: Vec<RepositoryRecord>,
}

#[derive(Debug, Serialize)]
struct CycleRecord {
    started: Timestamp,
    ended: Timestamp,
    problems: Vec<ProblemRecord>,
}

#[derive(Debug, Serialize)]
struct ProblemRecord {
    subject: String,
    message: String,
}

#[derive(Debug, Serialize)]
struct FiguresRecord {
    repositories: usize,
    attention: usize,
    behind: usize,
    off: usize,
    errors: usize,
    pins: PinFigures,
    oldest_stale: Option<OldestStaleRecord>,
    pull_requests: PipelineFigures,
}

#[derive(Debug, Serialize)]
struct PinFigures {
    current: usize,
    behind: usize,
    unknown: usize,
    denied: usize,
}

#[derive(Debug, Serialize)]
struct PipelineFigures {
    none: usize,
    pending: usize,
    passed: usize,
    failed: usize,
    unknown: usize,
}

#[derive(Debug, Serialize)]
struct ImageRecord {
    registry: String,
    repository: String,
    tag: String,
}

#[derive(Debug, Serialize)]
struct OldestStaleRecord {
    forge: String,
    repository: String,
    image: ImageRecord,
    behind_since: Timestamp,
}

#[derive(Debug, Serialize)]
struct RepositoryRecord {
    forge: String,
    repository: String,
    url: Option<String>,
    standing: &'static str,
    enabled: bool,
    looked_at: Option<Timestamp>,
    behind_since: Option<Timestamp>,
    due_at: Option<Timestamp>,
    due_because: Option<String>,
    error: Option<String>,
    pins: Vec<PinRecord>,
    findings: Vec<FindingRecord>,
    pull_requests: Vec<PullRequestRecord>,
    noticed: Vec<NoticedRecord>,
}

#[derive(Debug, Serialize)]
struct PinRecord {
    path: String,
    line: u32,
    #[serde(flatten)]
    image: ImageRecord,
    digest: Option<String>,
    version: Option<String>,
    created: Option<Timestamp>,
    first_seen: Option<Timestamp>,
    state: &'static str,
    newest: Option<String>,
    newest_version: Option<String>,
    behind_since: Option<Timestamp>,
    /// Why it is not proposed although it is behind or there is a higher tag, or why its state is not known.
    reason: Option<String>,
    /// Until when that is so, where it is known.
    until: Option<Timestamp>,
    /// Where its digest was taken back.
    denied: Option<DeniedRecord>,
    needs_person: bool,
}

/// What is to be said of a tag.
#[derive(Debug, Serialize)]
pub struct FindingRecord {
    #[serde(flatten)]
    image: ImageRecord,
    finding: &'static str,
    message: String,
    needs_person: bool,
}

#[derive(Debug, Serialize)]
struct DeniedRecord {
    reason: String,
    to: Option<String>,
    /// The tag that it gets there, where that is another one.
    to_tag: Option<String>,
    pull_request: Option<u64>,
}

#[derive(Debug, Serialize)]
struct PullRequestRecord {
    number: u64,
    url: String,
    title: String,
    branch: String,
    pipeline: &'static str,
    auto_merge: bool,
    opened_at: Option<Timestamp>,
    /// Why it is left as it is.
    left_alone: Option<String>,
    needs_person: bool,
}

#[derive(Debug, Serialize)]
struct NoticedRecord {
    path: String,
    line: u32,
    image: String,
    message: String,
}

impl StatusRecord {
    /// The repositories that the filter shows, in its order.
    pub fn new(fleet: &FleetStatus, filter: &Filter, now: Timestamp) -> Self {
        Self {
            now,
            cycle: fleet.cycle.as_ref().map(CycleRecord::from),
            figures: FiguresRecord::from(Figures::of(fleet)),
            repositories: fleet.select(filter).into_iter().map(RepositoryRecord::from).collect(),
        }
    }
}

impl From<&CycleStatus> for CycleRecord {
    fn from(cycle: &CycleStatus) -> Self {
        let problem = |(subject, message): (String, String)| ProblemRecord { subject, message };
        let CycleStatus { started, ended, problems } = cycle.clone();
        Self { started, ended, problems: problems.into_iter().map(problem).collect() }
    }
}

impl From<Figures> for FiguresRecord {
    fn from(figures: Figures) -> Self {
        let open = |pipeline: Pipeline| figures.pull_requests.get(&pipeline).copied().unwrap_or_default();
        Self {
            repositories: figures.repositories,
            attention: figures.need_person,
            behind: figures.behind,
            off: figures.off,
            errors: figures.errors,
            pins: PinFigures {
                current: figures.pins_current,
                behind: figures.pins_behind,
                unknown: figures.pins_unknown,
                denied: figures.pins_denied,
            },
            pull_requests: PipelineFigures {
                none: open(Pipeline::Absent),
                pending: open(Pipeline::Pending),
                passed: open(Pipeline::Passed),
                failed: open(Pipeline::Failed),
                unknown: open(Pipeline::Unknown),
            },
            oldest_stale: figures.oldest.map(|OldestStale { repository, tag, since }| OldestStaleRecord {
                forge: repository.forge,
                repository: repository.name.to_string(),
                image: ImageRecord::from(&tag),
                behind_since: since,
            }),
        }
    }
}

impl From<&TagRef> for ImageRecord {
    fn from(tag: &TagRef) -> Self {
        let (registry, repository) = (tag.image.registry().to_owned(), tag.image.repository().to_owned());
        Self { registry, repository, tag: tag.tag.to_string() }
    }
}

impl From<&RepositoryStatus> for RepositoryRecord {
    fn from(status: &RepositoryStatus) -> Self {
        Self {
            forge: status.repository.forge.clone(),
            repository: status.repository.name.to_string(),
            url: status.url.clone(),
            standing: status.standing().as_str(),
            enabled: status.is_enabled,
            looked_at: status.looked_at,
            behind_since: status.behind_since(),
            due_at: status.due_at,
            due_because: Some(status.due_because.clone()).filter(|because| !because.is_empty()),
            error: status.error.clone(),
            pins: status.pins.iter().map(PinRecord::from).collect(),
            findings: status.findings.iter().map(FindingRecord::from).collect(),
            pull_requests: status.pull_requests.iter().map(PullRequestRecord::from).collect(),
            noticed: status.noticed.iter().map(NoticedRecord::from).collect(),
        }
    }
}

impl From<&PinStatus> for PinRecord {
    fn from(pin: &PinStatus) -> Self {
        let (newest, newest_version, wait) = match pin.state.clone() {
            PinState::Current { waits } => (None, None, waits),
            PinState::Behind { newest, newest_version, waits, .. } => (Some(newest.to_string()), newest_version, waits),
            PinState::Unknown { reason, needs_person } => (None, None, Some(Wait::of_words(reason, needs_person))),
            PinState::Denied { waits, .. } => (None, None, waits),
        };
        let denied = match pin.state.clone() {
            PinState::Denied { reason, to, to_tag, pull_request, .. } => Some(DeniedRecord {
                reason,
                to: to.map(|to| to.to_string()),
                to_tag: to_tag.map(|tag| tag.to_string()),
                pull_request,
            }),
            PinState::Current { .. } | PinState::Behind { .. } | PinState::Unknown { .. } => None,
        };
        Self {
            path: pin.path.clone(),
            line: pin.line,
            image: ImageRecord::from(&pin.tag),
            digest: pin.digest.map(|digest| digest.to_string()),
            version: pin.version.clone(),
            created: pin.created,
            first_seen: pin.first_seen,
            state: pin.state.as_str(),
            newest,
            newest_version,
            behind_since: pin.behind_since(),
            until: wait.as_ref().and_then(|wait| wait.until),
            reason: wait.map(|wait| wait.why),
            denied,
            needs_person: pin.needs_person(),
        }
    }
}

impl From<&TagFinding> for FindingRecord {
    fn from(TagFinding { tag, trouble }: &TagFinding) -> Self {
        let (finding, needs_person) = (trouble.as_str(), trouble.needs_person());
        Self { image: ImageRecord::from(tag), finding, message: trouble.to_string(), needs_person }
    }
}

impl From<&PullRequestStatus> for PullRequestRecord {
    fn from(open: &PullRequestStatus) -> Self {
        Self {
            number: open.number,
            url: open.url.clone(),
            title: open.title.clone(),
            branch: open.branch.to_string(),
            pipeline: open.pipeline.as_str(),
            auto_merge: open.is_auto_merging,
            opened_at: open.opened_at,
            left_alone: open.left_alone.as_ref().map(|wait| wait.why.clone()),
            needs_person: open.needs_person(),
        }
    }
}

impl From<&NoticedStatus> for NoticedRecord {
    fn from(noticed: &NoticedStatus) -> Self {
        let NoticedStatus { path, line, image, what } = noticed.clone();
        Self { path, line, image, message: what }
    }
}
