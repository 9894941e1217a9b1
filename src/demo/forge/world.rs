//! What the embedded forge holds. **Invariant**: numbers and times come from counters, never from a clock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::Timestamp;

use super::fault::Fault;
use crate::demo::git_repository::{BareRepository, RepositoryError};
use crate::domain::pull_request::{BranchName, CommitId, Mergeable, Pipeline, PullRequestState, RepoName};

/// When the forge's time begins: 2026-01-01 00:00:00 UTC.
const FIRST_SECOND: i64 = 1_767_225_600;
/// How long an installation token lives, in seconds.
const TOKEN_SECONDS: i64 = 3_600;

/// More than there are logins in any test.
const ACCOUNTS: u64 = 1 << 40;

/// A pull request as the forge keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostedPullRequest {
    pub number: u64,
    /// The login of who opened it.
    pub author: String,
    pub title: String,
    pub body: String,
    pub state: PullRequestState,
    pub is_draft: bool,
    pub branch: BranchName,
    pub base: BranchName,
    /// Follows the branch while the pull request is open.
    pub head: CommitId,
    pub from_fork: bool,
    pub labels: BTreeSet<String>,
    pub reviewers: BTreeSet<String>,
    pub team_reviewers: BTreeSet<String>,
    pub assignees: BTreeSet<String>,
    /// Author and text.
    pub comments: Vec<(String, String)>,
    /// Whether the forge merges it once its checks have passed.
    pub is_auto_merging: bool,
    /// Whether the branch is to go with the merge; it is left to be seen.
    pub removes_branch: bool,
    pub(super) created: i64,
    pub(super) merged: Option<i64>,
}

/// What all accounts may be kept from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Permission {
    OpenPullRequests,
    /// A plan without drafts.
    OpenDrafts,
    RequestReviews,
    ReadChecks,
}

/// A repository with its flags.
#[derive(Debug)]
pub(super) struct Repository {
    pub name: RepoName,
    pub default_branch: BranchName,
    pub is_archived: bool,
    pub is_disabled: bool,
    pub is_fork: bool,
    pub topics: Vec<String>,
    /// Whether the forge has not found out what could be merged.
    pub is_mergeable_unknown: bool,
    pub is_auto_merge_allowed: bool,
    /// Whether the default branch takes nothing whose checks have not passed.
    pub are_checks_required: bool,
    /// How the checks of commits stand, where some were asked for.
    pub checks: BTreeMap<CommitId, Pipeline>,
    /// Who does not see it.
    pub hidden_from: BTreeSet<String>,
    pub pull_requests: BTreeMap<u64, HostedPullRequest>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Caller {
    User(String),
    App,
    Installation(u64),
}

#[derive(Debug, Clone)]
pub(super) struct Bearer {
    pub caller: Caller,
    /// In seconds since 1970.
    pub expires: Option<i64>,
}

pub(super) struct App {
    pub id: u64,
    pub slug: String,
    pub key: jsonwebtoken::DecodingKey,
}

/// The whole forge.
pub(super) struct World {
    pub root: PathBuf,
    /// `http://127.0.0.1:PORT/`
    pub url: String,
    pub users: BTreeSet<String>,
    /// `org/slug`
    pub teams: BTreeSet<String>,
    pub tokens: BTreeMap<String, Bearer>,
    pub app: Option<App>,
    /// Owners by the installation's id.
    pub installations: BTreeMap<u64, String>,
    pub suspended: BTreeSet<u64>,
    pub repositories: BTreeMap<u64, Repository>,
    /// Names that repositories had, in lower case.
    pub former_names: BTreeMap<String, u64>,
    pub denied: BTreeSet<Permission>,
    /// Logins that may read and nothing else.
    pub readers: BTreeSet<String>,
    pub faults: Vec<Fault>,
    seconds: i64,
    last_id: u64,
}

impl World {
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            url: String::new(),
            users: BTreeSet::new(),
            teams: BTreeSet::new(),
            tokens: BTreeMap::new(),
            app: None,
            installations: BTreeMap::new(),
            suspended: BTreeSet::new(),
            repositories: BTreeMap::new(),
            former_names: BTreeMap::new(),
            denied: BTreeSet::new(),
            readers: BTreeSet::new(),
            faults: Vec::new(),
            seconds: FIRST_SECOND,
            last_id: 0,
        }
    }

    /// A second later.
    pub fn tick(&mut self) -> i64 {
        self.seconds += 1;
        self.seconds
    }

    pub fn set_clock(&mut self, seconds: i64) {
        self.seconds = seconds;
    }

    pub fn now(&self) -> i64 {
        self.seconds
    }

    pub fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// A new token for an installation, and when it expires.
    pub fn mint(&mut self, installation: u64) -> (String, i64) {
        let token = format!("ghs_{:036}", self.next_id());
        let expires = self.seconds + TOKEN_SECONDS;
        let bearer = Bearer { caller: Caller::Installation(installation), expires: Some(expires) };
        self.tokens.insert(token.clone(), bearer);
        (token, expires)
    }

    /// Whom a token of a user or an installation stands for.
    pub fn bearer(&self, token: &str) -> Option<&Bearer> {
        let bearer = self.tokens.get(token)?;
        bearer.expires.is_none_or(|expires| self.seconds < expires).then_some(bearer)
    }

    /// The login that things are done under.
    pub fn login(&self, caller: &Caller) -> String {
        match caller {
            Caller::User(login) => login.clone(),
            Caller::App | Caller::Installation(_) => {
                format!("{}[bot]", self.app.as_ref().map_or("app", |app| app.slug.as_str()))
            }
        }
    }

    /// The number that stands for a login, and the address that commits are made with in its name.
    pub fn account(&self, login: &str) -> (u64, String) {
        let id = login.bytes().fold(0, |id: u64, byte| (id * 31 + u64::from(byte)) % ACCOUNTS);
        let host = self.url.split(['/', ':']).nth(3).unwrap_or_default();
        (id, format!("{id}+{login}@users.noreply.{host}"))
    }

    /// Whether this caller may read only.
    pub fn is_reader(&self, caller: &Caller) -> bool {
        self.readers.contains(&self.login(caller))
    }

    /// Whether a repository exists for this caller. An installation reaches its owner's repositories only.
    pub fn sees(&self, caller: &Caller, repository: &Repository) -> bool {
        let is_reached = match caller {
            Caller::User(_) => true,
            Caller::App => false,
            Caller::Installation(id) => {
                !self.suspended.contains(id) && self.installations.get(id).is_some_and(|owner| repository.is_of(owner))
            }
        };
        is_reached && !repository.hidden_from.contains(&self.login(caller))
    }

    /// By its present name, in any case.
    pub fn find(&self, name: &str) -> Option<(u64, &Repository)> {
        let mut all = self.repositories.iter();
        all.find(|(_, repository)| repository.name.as_str().eq_ignore_ascii_case(name)).map(|(id, found)| (*id, found))
    }

    /// By a present or a former name.
    pub fn resolve(&self, name: &str) -> Option<(u64, &Repository)> {
        self.find(name).or_else(|| {
            let id = self.former_names.get(&name.to_lowercase())?;
            self.repositories.get(id).map(|repository| (*id, repository))
        })
    }

    pub fn bare(&self, id: u64) -> Result<Option<BareRepository>, RepositoryError> {
        match self.repositories.get(&id) {
            Some(repository) => BareRepository::open(&self.root, &repository.name).map(Some),
            None => Ok(None),
        }
    }

    /// Lets open pull requests follow their branches: a new head is theirs, a deleted branch closes them.
    pub fn follow_branches(&mut self, id: u64) -> Result<(), RepositoryError> {
        let is_open = |it: &HostedPullRequest| it.state == PullRequestState::Open;
        if !self.repositories.get(&id).is_some_and(|found| found.pull_requests.values().any(is_open)) {
            return Ok(());
        }
        let Some(bare) = self.bare(id)? else { return Ok(()) };
        let Some(repository) = self.repositories.get_mut(&id) else { return Ok(()) };
        for pull_request in repository.pull_requests.values_mut() {
            if pull_request.state == PullRequestState::Open && !pull_request.from_fork {
                match bare.head(&pull_request.branch)? {
                    Some(head) => pull_request.head = head,
                    None => pull_request.state = PullRequestState::Closed,
                }
            }
        }
        Ok(())
    }

    /// A merge tried out, as the forge does for open pull requests.
    pub fn mergeable(&self, id: u64, pull_request: &HostedPullRequest) -> Result<Mergeable, RepositoryError> {
        let is_unknown = self.repositories.get(&id).is_some_and(|found| found.is_mergeable_unknown);
        let is_told = pull_request.state == PullRequestState::Open && !is_unknown;
        let Some(bare) = self.bare(id)?.filter(|_| is_told) else { return Ok(Mergeable::Unknown) };
        let Some(base) = bare.head(&pull_request.base)? else { return Ok(Mergeable::Unknown) };
        let is_clean = bare.merges_cleanly(&base, &pull_request.head)?;
        Ok(if is_clean { Mergeable::Clean } else { Mergeable::Conflicting })
    }
}

impl HostedPullRequest {
    pub(super) fn node_id(repository: u64, number: u64) -> String {
        format!("PR_{repository}_{number}")
    }
}

impl Repository {
    pub fn owner(&self) -> &str {
        self.name.as_str().split('/').next().unwrap_or_default()
    }

    pub fn is_of(&self, owner: &str) -> bool {
        self.owner().eq_ignore_ascii_case(owner)
    }

    pub fn node_id(id: u64) -> String {
        format!("R_{id:08}")
    }
}

/// `2026-01-01T00:00:00Z`
pub(super) fn iso(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or_default().to_string()
}
