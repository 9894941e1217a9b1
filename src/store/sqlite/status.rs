//! What was last known of the fleet: a row of JSON per repository, and one for the last whole cycle.

mod uses;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sqlx::{Sqlite, SqlitePool, Transaction};

use uses::{NoticedRow, UnfollowedRow};

use super::SqliteStore;
use super::retention::forget_repositories;
use crate::domain::candidates::RepositoryKey;
use crate::domain::freshness::{TagFinding, TagTrouble};
use crate::domain::pull_request::{Pipeline, Vocabulary};
use crate::domain::reference::TagRef;
use crate::domain::status::{
    CycleStatus, FleetStatus, NoticedStatus, PinState, PinStatus, PullRequestStatus, RepositoryStatus, Wait,
};

/// What is wrong with a stored value, for people.
type Damage = Box<dyn std::error::Error + Send + Sync>;

impl SqliteStore {
    pub(super) async fn write_status(
        &self,
        repositories: &[RepositoryStatus],
        whole: Option<&CycleStatus>,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        if let Some(cycle) = whole {
            let query = sqlx::query("INSERT OR REPLACE INTO cycle (id, cycle) VALUES (1, ?)");
            query.bind(json(&CycleRow::from(cycle))?).execute(&mut *transaction).await?;
            sqlx::query("DELETE FROM status").execute(&mut *transaction).await?;
        }
        for status in repositories {
            let sql = "INSERT OR REPLACE INTO status (forge, repository, status) VALUES (?, ?, ?)";
            let query = sqlx::query(sql).bind(&status.repository.forge).bind(status.repository.name.as_str());
            query.bind(json(&RepositoryRow::from(status))?).execute(&mut *transaction).await?;
        }
        if whole.is_some() {
            forget_repositories(&mut transaction).await?;
        }
        transaction.commit().await
    }
}

/// Cycle and repositories as one cycle left them: both are read in one transaction.
pub(super) async fn read(pool: &SqlitePool) -> Result<FleetStatus, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let cycle: Option<String> = sqlx::query_scalar("SELECT cycle FROM cycle").fetch_optional(&mut *transaction).await?;
    let cycle = cycle.map(|text| parse::<CycleRow>(&text).map(CycleStatus::from)).transpose()?;
    let repositories = rows(&mut transaction).await?.into_iter().map(|(forge, name, text)| {
        let name = name.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
        parse::<RepositoryRow>(&text)?.status(RepositoryKey { forge, name }).map_err(sqlx::Error::Decode)
    });
    let repositories = repositories.collect::<Result<_, sqlx::Error>>()?;
    transaction.commit().await?;
    Ok(FleetStatus { cycle, repositories, waves: Vec::new() })
}

async fn rows(transaction: &mut Transaction<'_, Sqlite>) -> Result<Vec<(String, String, String)>, sqlx::Error> {
    let sql = "SELECT forge, repository, status FROM status ORDER BY forge, repository";
    sqlx::query_as(sql).fetch_all(&mut **transaction).await
}

fn json(row: &impl Serialize) -> Result<String, sqlx::Error> {
    serde_json::to_string(row).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, sqlx::Error> {
    serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

#[derive(Serialize, Deserialize)]
struct CycleRow {
    started: Timestamp,
    ended: Timestamp,
    problems: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct RepositoryRow {
    vocabulary: String,
    url: Option<String>,
    looked_at: Option<Timestamp>,
    is_enabled: bool,
    pins: Vec<PinRow>,
    noticed: Vec<NoticedRow>,
    // Rows of an older release have none of these two.
    #[serde(default)]
    unfollowed: Vec<UnfollowedRow>,
    #[serde(default)]
    findings: Vec<FindingRow>,
    pull_requests: Vec<PullRequestRow>,
    due_at: Option<Timestamp>,
    due_because: String,
    error: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct PinRow {
    path: String,
    line: u32,
    image: String,
    tag: String,
    digest: Option<String>,
    version: Option<String>,
    created: Option<Timestamp>,
    first_seen: Option<Timestamp>,
    state: StateRow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateRow {
    Current,
    CurrentAndWaiting(WaitRow),
    Behind {
        newest: String,
        newest_version: Option<String>,
        since: Option<Timestamp>,
        waits: Option<WaitRow>,
    },
    Unknown {
        reason: String,
        // Of an older release: it did.
        #[serde(default = "yes")]
        needs_person: bool,
    },
    Denied {
        reason: String,
        to: Option<String>,
        to_tag: Option<String>,
        pull_request: Option<u64>,
        waits: Option<WaitRow>,
    },
}

fn yes() -> bool {
    true
}

#[derive(Serialize, Deserialize)]
struct WaitRow {
    why: String,
    needs_person: bool,
    until: Option<Timestamp>,
    since: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct FindingRow {
    image: String,
    tag: String,
    trouble: TroubleRow,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TroubleRow {
    Gone,
    DigestGone { digest: String, since: Timestamp },
    EndedLife(Date),
    EndsLife(Date),
    Stale(Timestamp),
}

#[derive(Serialize, Deserialize)]
struct PullRequestRow {
    number: u64,
    url: String,
    title: String,
    branch: String,
    pipeline: String,
    is_auto_merging: bool,
    opened_at: Option<Timestamp>,
    left_alone: Option<WaitRow>,
}

impl From<&CycleStatus> for CycleRow {
    fn from(cycle: &CycleStatus) -> Self {
        let CycleStatus { started, ended, problems } = cycle.clone();
        Self { started, ended, problems }
    }
}

impl From<CycleRow> for CycleStatus {
    fn from(row: CycleRow) -> Self {
        let CycleRow { started, ended, problems } = row;
        Self { started, ended, problems }
    }
}

impl From<&RepositoryStatus> for RepositoryRow {
    fn from(status: &RepositoryStatus) -> Self {
        Self {
            vocabulary: status.vocabulary.noun().to_owned(),
            url: status.url.clone(),
            looked_at: status.looked_at,
            is_enabled: status.is_enabled,
            pins: status.pins.iter().map(PinRow::from).collect(),
            noticed: status.noticed.iter().map(NoticedRow::from).collect(),
            unfollowed: status.unfollowed.iter().map(UnfollowedRow::from).collect(),
            findings: status.findings.iter().map(FindingRow::from).collect(),
            pull_requests: status.pull_requests.iter().map(PullRequestRow::from).collect(),
            due_at: status.due_at,
            due_because: status.due_because.clone(),
            error: status.error.clone(),
        }
    }
}

impl RepositoryRow {
    fn status(self, repository: RepositoryKey) -> Result<RepositoryStatus, Damage> {
        let vocabulary = Vocabulary::ALL.into_iter().find(|vocabulary| vocabulary.noun() == self.vocabulary);
        Ok(RepositoryStatus {
            repository,
            vocabulary: vocabulary.ok_or_else(|| format!("the word `{}`", self.vocabulary))?,
            url: self.url,
            looked_at: self.looked_at,
            is_enabled: self.is_enabled,
            pins: self.pins.into_iter().map(PinRow::status).collect::<Result<_, _>>()?,
            noticed: self.noticed.into_iter().map(NoticedStatus::from).collect(),
            unfollowed: self.unfollowed.into_iter().map(UnfollowedRow::status).collect::<Result<_, _>>()?,
            findings: self.findings.into_iter().map(FindingRow::finding).collect::<Result<_, _>>()?,
            pull_requests: self.pull_requests.into_iter().map(PullRequestRow::status).collect::<Result<_, _>>()?,
            due_at: self.due_at,
            due_because: self.due_because,
            error: self.error,
        })
    }
}

impl From<&PinStatus> for PinRow {
    fn from(pin: &PinStatus) -> Self {
        Self {
            path: pin.path.clone(),
            line: pin.line,
            image: pin.tag.image.to_string(),
            tag: pin.tag.tag.to_string(),
            digest: pin.digest.map(|digest| digest.to_string()),
            version: pin.version.clone(),
            created: pin.created,
            first_seen: pin.first_seen,
            state: match pin.state.clone() {
                PinState::Current { waits: None } => StateRow::Current,
                PinState::Current { waits: Some(wait) } => StateRow::CurrentAndWaiting(WaitRow::from(wait)),
                PinState::Behind { newest, newest_version, since, waits } => StateRow::Behind {
                    newest: newest.to_string(),
                    newest_version,
                    since,
                    waits: waits.map(WaitRow::from),
                },
                PinState::Unknown { reason, needs_person } => StateRow::Unknown { reason, needs_person },
                PinState::Denied { reason, to, to_tag, pull_request, waits } => StateRow::Denied {
                    reason,
                    to: to.map(|to| to.to_string()),
                    to_tag: to_tag.map(|tag| tag.to_string()),
                    pull_request,
                    waits: waits.map(WaitRow::from),
                },
            },
        }
    }
}

impl PinRow {
    fn status(self) -> Result<PinStatus, Damage> {
        Ok(PinStatus {
            path: self.path,
            line: self.line,
            tag: TagRef { image: self.image.parse()?, tag: self.tag.parse()? },
            digest: self.digest.map(|digest| digest.parse()).transpose()?,
            version: self.version,
            created: self.created,
            first_seen: self.first_seen,
            state: match self.state {
                StateRow::Current => PinState::Current { waits: None },
                StateRow::CurrentAndWaiting(wait) => PinState::Current { waits: Some(Wait::from(wait)) },
                StateRow::Behind { newest, newest_version, since, waits } => {
                    PinState::Behind { newest: newest.parse()?, newest_version, since, waits: waits.map(Wait::from) }
                }
                StateRow::Unknown { reason, needs_person } => PinState::Unknown { reason, needs_person },
                StateRow::Denied { reason, to, to_tag, pull_request, waits } => PinState::Denied {
                    reason,
                    to: to.map(|to| to.parse()).transpose()?,
                    to_tag: to_tag.map(|tag| tag.parse()).transpose()?,
                    pull_request,
                    waits: waits.map(Wait::from),
                },
            },
        })
    }
}

impl From<Wait> for WaitRow {
    fn from(wait: Wait) -> Self {
        let Wait { why, needs_person, until, since } = wait;
        Self { why, needs_person, until, since }
    }
}

impl From<WaitRow> for Wait {
    fn from(row: WaitRow) -> Self {
        let WaitRow { why, needs_person, until, since } = row;
        Self { why, needs_person, until, since }
    }
}

impl From<&TagFinding> for FindingRow {
    fn from(TagFinding { tag, trouble }: &TagFinding) -> Self {
        let trouble = match *trouble {
            TagTrouble::Gone => TroubleRow::Gone,
            TagTrouble::DigestGone { digest, since } => TroubleRow::DigestGone { digest: digest.to_string(), since },
            TagTrouble::EndedLife { on } => TroubleRow::EndedLife(on),
            TagTrouble::EndsLife { on } => TroubleRow::EndsLife(on),
            TagTrouble::Stale { since } => TroubleRow::Stale(since),
        };
        Self { image: tag.image.to_string(), tag: tag.tag.to_string(), trouble }
    }
}

impl FindingRow {
    fn finding(self) -> Result<TagFinding, Damage> {
        let trouble = match self.trouble {
            TroubleRow::Gone => TagTrouble::Gone,
            TroubleRow::DigestGone { digest, since } => TagTrouble::DigestGone { digest: digest.parse()?, since },
            TroubleRow::EndedLife(on) => TagTrouble::EndedLife { on },
            TroubleRow::EndsLife(on) => TagTrouble::EndsLife { on },
            TroubleRow::Stale(since) => TagTrouble::Stale { since },
        };
        Ok(TagFinding { tag: TagRef { image: self.image.parse()?, tag: self.tag.parse()? }, trouble })
    }
}

impl From<&PullRequestStatus> for PullRequestRow {
    fn from(open: &PullRequestStatus) -> Self {
        Self {
            number: open.number,
            url: open.url.clone(),
            title: open.title.clone(),
            branch: open.branch.to_string(),
            pipeline: open.pipeline.as_str().to_owned(),
            is_auto_merging: open.is_auto_merging,
            opened_at: open.opened_at,
            left_alone: open.left_alone.clone().map(WaitRow::from),
        }
    }
}

impl PullRequestRow {
    fn status(self) -> Result<PullRequestStatus, Damage> {
        let pipeline = Pipeline::ALL.into_iter().find(|pipeline| pipeline.as_str() == self.pipeline);
        Ok(PullRequestStatus {
            number: self.number,
            url: self.url,
            title: self.title,
            branch: self.branch.parse()?,
            pipeline: pipeline.ok_or_else(|| format!("the pipeline `{}`", self.pipeline))?,
            is_auto_merging: self.is_auto_merging,
            opened_at: self.opened_at,
            left_alone: self.left_alone.map(Wait::from),
        })
    }
}
