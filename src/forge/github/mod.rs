//! GitHub: github.com, `*.ghe.com` and Enterprise Server.
//!
//! octocrab signs in and carries requests, over the client that everything else uses; documents and response types
//! are our own, because a value that a typed model does not know must not fail a page of a hundred repositories.

mod account;
mod answer;
mod auto_merge;
mod checks;
mod comments;
mod commits;
pub mod documents;
mod endpoints;
mod graph;
mod installations;
mod listing;
mod pull_requests;
mod repository;
mod selection;
mod tally;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Method;
use serde_json::Value;
use url::Url;

use self::account::{Account, Api, Call, Connection, Credentials};
use self::answer::Answer;
use self::documents::Document;
use self::endpoints::Endpoints;
use self::graph::Graph;
use self::installations::Installations;
use super::pace::Pace;
use super::portion::Portion;
use super::{ApiCommit, Forge, ForgeError, Listing, Opened, Selection};
use crate::domain::pull_request::{
    AutoMergesFrom, BranchHead, BranchName, CommitId, NewPullRequest, PullRequest, RepoName, RepositoryHead, Vocabulary,
};
use crate::net::{self, Network, NetworkError, Redirects, Remote, RetryPolicy, Tally, TargetKind};
use crate::secret::Secret;

/// The longest body of a pull request or comment, in characters; GitHub answers 422 beyond it.
pub const BODY_CHARACTERS_MAX: usize = 65_536;
/// The time between two writes that GitHub asks for
/// (<https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#pause-between-mutative-requests>).
pub const WRITE_PACING: Duration = Duration::from_secs(1);
/// Items per page of REST: GitHub's limit.
const PAGE: usize = 100;
/// How long a token that git gets is valid at least: a fetch or a push of a slow network.
const VALID_FOR_GIT: Duration = Duration::from_secs(10 * 60);
/// The user name that goes with a token in Basic authentication
/// (<https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation>).
const GIT_USER: &str = "x-access-token";

/// How refrom signs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// A GitHub App; its installation is chosen by the owner of each repository.
    App { id: u64, private_key: Secret },
    /// A personal access token, classic or fine-grained.
    Token(Secret),
}

/// One GitHub of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    /// `https://github.com`, or an Enterprise Server's.
    pub url: Url,
    /// Where REST is, if that does not follow from `url`; GraphQL is at `…/graphql` for `…/v3`.
    pub api_url: Option<Url>,
    pub auth: Auth,
    pub network: Network,
    pub retry: RetryPolicy,
    /// The least time between two writes.
    pub pacing: Duration,
    /// Where calls are noted.
    pub tally: Tally,
}

impl Settings {
    /// With the defaults: no proxy, the usual retries, and the pause that GitHub asks for.
    pub fn new(name: impl Into<String>, url: Url, auth: Auth) -> Self {
        Self {
            name: name.into(),
            url,
            api_url: None,
            auth,
            network: Network::default(),
            retry: RetryPolicy::default(),
            pacing: WRITE_PACING,
            tally: Tally::default(),
        }
    }
}

/// The adapter. Nothing is read or asked before the first call.
#[derive(Debug)]
pub struct GitHub {
    name: String,
    connection: Arc<Connection>,
    retry: RetryPolicy,
    signed_in: SignedIn,
    pace: Pace,
    /// Of commits that are made through the API, once they were asked for.
    commit_emails: tokio::sync::OnceCell<BTreeSet<String>>,
}

#[derive(Debug)]
enum SignedIn {
    Token(Arc<Account>),
    App(Installations),
}

impl GitHub {
    /// Prepares the client. Errors are those of proxy and certificates.
    pub fn new(settings: Settings) -> Result<Self, NetworkError> {
        let Settings { name, url, api_url, auth, network, retry, pacing, tally } = settings;
        // Redirects mean a new name here, which is reported and not followed.
        let client = net::client(&network, Redirects::Manual)?;
        let endpoints = Endpoints::new(&url, api_url.as_ref());
        let connection = Arc::new(Connection { client, endpoints, meter: tally.meter(TargetKind::Forge, &name) });
        let account = |credentials| Arc::new(Account::new(Arc::clone(&connection), credentials));
        let signed_in = match auth {
            Auth::Token(secret) => SignedIn::Token(account(Credentials::Token(secret))),
            Auth::App { id, private_key } => SignedIn::App(Installations::new(
                account(Credentials::App { id, private_key }),
                Arc::clone(&connection),
            )),
        };
        Ok(Self { name, connection, retry, signed_in, pace: Pace::new(pacing), commit_emails: Default::default() })
    }

    /// The identity that serves an owner's repositories.
    async fn account(&self, owner: &str) -> Result<Arc<Account>, ForgeError> {
        match &self.signed_in {
            SignedIn::Token(account) => Ok(Arc::clone(account)),
            SignedIn::App(installations) => {
                let installations = self.retry.run(|| installations.known()).await?;
                installations.get(&owner.to_lowercase()).map_or_else(
                    || Err(ForgeError::NotFound { what: format!("an installation of the app at `{owner}`") }),
                    |installation| installation.account(),
                )
            }
        }
    }

    /// Asks a question in GraphQL, again where that may help.
    async fn query(
        &self,
        account: &Account,
        document: &Document,
        variables: &Value,
        what: &str,
    ) -> Result<Graph, ForgeError> {
        self.retry.run(|| graph::query(account, document, variables, what)).await
    }

    /// Asks a question whose weight is a portion. `None`: GitHub gave up on it, the portion is smaller now, and the
    /// question is to be asked again for less.
    async fn query_portion(
        &self,
        account: &Account,
        (document, variables): (&Document, &Value),
        what: &str,
        portion: &mut Portion,
    ) -> Result<Option<Graph>, ForgeError> {
        let can_shrink = portion.can_shrink();
        let ask = || async {
            match graph::query(account, document, variables, what).await {
                Err(ForgeError::GaveUp { .. }) if can_shrink => Ok(None),
                answer => answer.map(Some),
            }
        };
        let answer = self.retry.run(ask).await?;
        if answer.is_none() {
            portion.shrink();
            tracing::debug!(portion = portion.size(), what, "GitHub gave up; asking for less");
        }
        Ok(answer)
    }

    /// Sends one write in its turn, once.
    async fn write_once(&self, account: &Account, call: &Call) -> Result<Answer, ForgeError> {
        match self.pace.take_turn(account.call(call)).await {
            Err(ForgeError::Renamed { what, now }) => Err(self.renamed(account, what, &now).await),
            answer => answer,
        }
    }

    /// Sends a write that may be repeated: doing it twice is doing it once.
    async fn write(&self, account: &Account, call: &Call) -> Result<Answer, ForgeError> {
        self.retry.run(|| self.write_once(account, call)).await
    }

    /// Says which name a redirect by id (`…/repositories/1/pulls`) stands for.
    async fn renamed(&self, account: &Account, what: String, location: &str) -> ForgeError {
        let id = location.split_once("/repositories/").and_then(|(_, rest)| rest.split('/').next());
        let Some(id) = id.filter(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit())) else {
            return ForgeError::NotFound { what };
        };
        let call = Call {
            api: Api::Rest,
            method: Method::GET,
            path: format!("/repositories/{id}"),
            body: None,
            what: what.clone(),
        };
        let answer = account.call(&call).await.and_then(|answer| answer.json::<repository::FullName>(&what));
        answer.map_or_else(|error| error, |repository| ForgeError::Renamed { what, now: repository.full_name })
    }
}

/// The owner and the name of a repository: GitHub has exactly these two segments.
fn owner_and_name(repository: &RepoName) -> Result<(&str, &str), ForgeError> {
    let parts = repository.as_str().split_once('/').filter(|(_, name)| !name.contains('/'));
    parts.ok_or_else(|| ForgeError::NotFound { what: format!("`{repository}`") })
}

#[async_trait]
impl Forge for GitHub {
    fn name(&self) -> &str {
        &self.name
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::PullRequest
    }

    #[tracing::instrument(skip_all, fields(forge = self.name))]
    async fn repositories(&self, selection: &Selection) -> Result<Listing, ForgeError> {
        listing::repositories(self, selection).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository.name))]
    async fn branch_head(
        &self,
        repository: &RepositoryHead,
        branch: &BranchName,
    ) -> Result<Option<BranchHead>, ForgeError> {
        repository::branch_head(self, repository, branch).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name))]
    async fn pull_requests(
        &self,
        wanted: &BTreeMap<RepoName, (String, BTreeSet<BranchName>)>,
    ) -> BTreeMap<RepoName, Result<Vec<PullRequest>, ForgeError>> {
        pull_requests::of_branches(self, wanted).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository))]
    async fn open(&self, repository: &RepoName, new: &NewPullRequest) -> Result<Opened, ForgeError> {
        writes::open(self, repository, new).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository, pr.number = number))]
    async fn finish_opening(
        &self,
        repository: &RepoName,
        number: u64,
        new: &NewPullRequest,
    ) -> Result<Vec<String>, ForgeError> {
        writes::finish(self, repository, number, new).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository, pr.number = number))]
    async fn update(&self, repository: &RepoName, number: u64, title: &str, body: &str) -> Result<(), ForgeError> {
        writes::update(self, repository, number, title, body).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository, pr.number = number))]
    async fn close(&self, repository: &RepoName, number: u64, sentence: &str) -> Result<(), ForgeError> {
        writes::close(self, repository, number, sentence).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository, pr.number = number))]
    async fn comment_once(&self, repository: &RepoName, number: u64, key: &str, text: &str) -> Result<(), ForgeError> {
        comments::once(self, comments::Comment { repository, number, key, text }).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository, pr.number = number))]
    async fn auto_merge(&self, repository: &RepoName, number: u64, head: &CommitId) -> Result<(), ForgeError> {
        auto_merge::enable(self, repository, number, head).await
    }

    fn auto_merges_from(&self) -> AutoMergesFrom {
        AutoMergesFrom::Opening
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository))]
    async fn commit(&self, repository: &RepoName, commit: &ApiCommit) -> Result<CommitId, ForgeError> {
        commits::make(self, repository, commit).await
    }

    fn leaves_scratch_branch(&self) -> bool {
        false
    }

    async fn commit_emails(&self) -> Result<BTreeSet<String>, ForgeError> {
        self.commit_emails.get_or_try_init(|| commits::emails(self)).await.cloned()
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository))]
    async fn git_access(&self, repository: &RepoName) -> Result<Remote, ForgeError> {
        let (owner, _) = owner_and_name(repository)?;
        let url = self.connection.endpoints.git(repository)?;
        let account = self.account(owner).await?;
        let token = self.retry.run(|| account.token(VALID_FOR_GIT)).await?;
        Ok(Remote { url, credentials: Some((GIT_USER.to_owned(), token)) })
    }
}
