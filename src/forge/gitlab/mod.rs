//! GitLab: gitlab.com and self-managed, also under a sub-path, from release 17 on. Its merge requests are pull requests
//! here.
//!
//! What is read of many repositories at once is read through GraphQL, with documents and response types of our own;
//! everything else through the `gitlab` crate's endpoints. Both go over the client that everything else uses.

mod account;
mod answer;
mod branches;
mod commits;
pub mod documents;
mod graph;
mod listing;
mod merge_request;
mod merge_requests;
mod notes;
mod people;
mod pipeline;
mod project;
mod selection;
mod tally;
mod token;
mod writes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use gitlab::api::Endpoint;
use gitlab::api::projects::Project;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use self::account::{Account, Endpoints};
use self::documents::Document;
use self::graph::{Graph, Question};
use self::people::Me;
use self::token::KnownToken;
use super::pace::Pace;
use super::portion::Portion;
use super::{ApiCommit, Forge, ForgeError, Listing, Opened, Selection};
use crate::domain::pull_request::{
    AutoMergesFrom, BranchHead, BranchName, CommitId, NameError, NewPullRequest, PullRequest, RepoName, RepositoryHead,
    Vocabulary,
};
use crate::net::{self, Network, NetworkError, Redirects, Remote, RetryPolicy, Tally, TargetKind};
use crate::secret::Secret;

/// The longest description of a merge request, in characters
/// (<https://docs.gitlab.com/api/merge_requests/#create-mr>).
pub const BODY_CHARACTERS_MAX: usize = 1_048_576;
/// The longest note, in characters (<https://docs.gitlab.com/api/notes/#create-new-merge-request-note>).
pub const NOTE_CHARACTERS_MAX: usize = 1_000_000;
/// The time between two writes: GitLab limits what an account opens and says per minute, not how fast; the same as for
/// GitHub serves.
pub const WRITE_PACING: Duration = Duration::from_secs(1);
/// The user name that goes with a token in Basic authentication: any will do
/// (<https://docs.gitlab.com/topics/git/clone/#clone-using-a-token>).
const GIT_USER: &str = "oauth2";

/// One GitLab of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    pub name: String,
    /// `https://gitlab.com`, or a self-managed one's, with the path below which it is.
    pub url: Url,
    /// Where REST is, if that does not follow from `url`; GraphQL is at `…/graphql` for `…/v4`.
    pub api_url: Option<Url>,
    /// A personal, project or group access token.
    pub token: Secret,
    pub network: Network,
    pub retry: RetryPolicy,
    /// The least time between two writes.
    pub pacing: Duration,
    /// Where calls are noted.
    pub tally: Tally,
}

impl Settings {
    /// With the defaults: no proxy, the usual retries, and the usual pause.
    pub fn new(name: impl Into<String>, url: Url, token: Secret) -> Self {
        Self {
            name: name.into(),
            url,
            api_url: None,
            token,
            network: Network::default(),
            retry: RetryPolicy::default(),
            pacing: WRITE_PACING,
            tally: Tally::default(),
        }
    }
}

/// The adapter. Nothing is read or asked before the first call.
#[derive(Debug)]
pub struct GitLab {
    name: String,
    account: Account,
    retry: RetryPolicy,
    pace: Pace,
    /// Whose the token is: it is what `ours` means, and does not change.
    me: OnceCell<Me>,
    /// The token whose end was asked for.
    known_token: KnownToken,
}

/// Of REST's project.
#[derive(Deserialize)]
struct FullPath {
    path_with_namespace: String,
}

impl GitLab {
    /// Prepares the client. Errors are those of proxy and certificates.
    pub fn new(settings: Settings) -> Result<Self, NetworkError> {
        let Settings { name, url, api_url, token, network, retry, pacing, tally } = settings;
        // Redirects mean a new name here, which is reported and not followed.
        let client = net::client(&network, Redirects::Manual)?;
        let meter = tally.meter(TargetKind::Forge, &name);
        let account = Account::new((client, meter), Endpoints::new(&url, api_url.as_ref()), token);
        Ok(Self {
            name,
            account,
            retry,
            pace: Pace::new(pacing),
            me: OnceCell::new(),
            known_token: KnownToken::default(),
        })
    }

    /// Asks for one thing, again where that may help.
    async fn ask<T: DeserializeOwned + 'static>(
        &self,
        endpoint: &(impl Endpoint + Sync),
        what: &str,
    ) -> Result<T, ForgeError> {
        self.retry.run(|| self.account.ask(endpoint, what)).await
    }

    /// Asks a question in GraphQL.
    async fn query(&self, document: &Document, variables: Value, what: &str) -> Result<Graph, ForgeError> {
        let question = Question { document, variables };
        self.retry.run(async || self.account.ask::<Graph>(&question, what).await?.checked(what)).await
    }

    /// Asks a question whose weight is a portion. `None`: GitLab gave up on it, the portion is smaller now, and the
    /// question is to be asked again for less.
    async fn query_portion(
        &self,
        (document, variables): (&Document, Value),
        what: &str,
        portion: &mut Portion,
    ) -> Result<Option<Graph>, ForgeError> {
        let can_shrink = portion.can_shrink();
        let question = Question { document, variables };
        let ask = async || {
            let answer = self.account.ask::<Graph>(&question, what).await;
            match answer.and_then(|graph| graph.checked(what)) {
                Err(ForgeError::GaveUp { .. }) if can_shrink => Ok(None),
                answer => answer.map(Some),
            }
        };
        let answer = self.retry.run(ask).await?;
        if answer.is_none() {
            portion.shrink();
            tracing::debug!(portion = portion.size(), what, "GitLab gave up; asking for less");
        }
        Ok(answer)
    }

    /// Sends one write about a repository in its turn, once.
    async fn write_once<T: DeserializeOwned + 'static>(
        &self,
        repository: &RepoName,
        endpoint: &(impl Endpoint + Sync),
        what: &str,
    ) -> Result<T, ForgeError> {
        match self.pace.take_turn(self.account.ask(endpoint, what)).await {
            Err(error @ (ForgeError::NotFound { .. } | ForgeError::Renamed { .. })) => {
                Err(self.renamed(repository).await.unwrap_or(error))
            }
            answer => answer,
        }
    }

    /// Sends a write that may be repeated: doing it twice is doing it once.
    async fn write<T: DeserializeOwned + 'static>(
        &self,
        repository: &RepoName,
        endpoint: &(impl Endpoint + Sync),
        what: &str,
    ) -> Result<T, ForgeError> {
        self.retry.run(|| self.write_once(repository, endpoint, what)).await
    }

    /// Whether a repository has another name now, as an error. Its old name is redirected to its number where it is
    /// read, and not found where it is written to (<https://docs.gitlab.com/api/rest/#redirects>).
    async fn renamed(&self, repository: &RepoName) -> Option<ForgeError> {
        let what = format!("`{repository}`");
        let by_name = Project::builder().project(repository.as_str()).build().ok()?;
        let Err(ForgeError::Renamed { now, .. }) = self.ask::<FullPath>(&by_name, &what).await else { return None };
        let number = now.split_once("/projects/").map(|(_, rest)| rest.split(['/', '?']).next().unwrap_or_default());
        let by_number = Project::builder().project(number?.parse::<u64>().ok()?).build().ok()?;
        let found = self.ask::<FullPath>(&by_number, &what).await.ok()?;
        Some(ForgeError::Renamed { what, now: found.path_with_namespace })
    }
}

/// An endpoint that misses a field is a mistake of ours.
fn built<T>(endpoint: Result<T, impl std::fmt::Display>) -> Result<T, ForgeError> {
    endpoint.map_err(|error| ForgeError::Protocol { message: error.to_string() })
}

/// A name that GitLab gave and that cannot be one.
fn protocol(error: NameError) -> ForgeError {
    ForgeError::Protocol { message: error.to_string() }
}

/// How a merge request is spoken of in errors.
fn subject(repository: &RepoName, number: u64) -> String {
    format!("merge request !{number} of `{repository}`")
}

#[async_trait]
impl Forge for GitLab {
    fn name(&self) -> &str {
        &self.name
    }

    fn vocabulary(&self) -> Vocabulary {
        Vocabulary::MergeRequest
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
        branches::head(self, repository, branch).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name))]
    async fn pull_requests(
        &self,
        wanted: &BTreeMap<RepoName, (String, BTreeSet<BranchName>)>,
    ) -> BTreeMap<RepoName, Result<Vec<PullRequest>, ForgeError>> {
        merge_requests::of_branches(self, wanted).await
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
        writes::unset_of(self, repository, number, new).await
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
        notes::once(self, (repository, number), key, text).await
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository, pr.number = number))]
    async fn auto_merge(&self, repository: &RepoName, number: u64, head: &CommitId) -> Result<(), ForgeError> {
        writes::auto_merge(self, repository, number, head).await
    }

    fn auto_merges_from(&self) -> AutoMergesFrom {
        AutoMergesFrom::Pipeline
    }

    #[tracing::instrument(skip_all, fields(forge = self.name, repo = %repository))]
    async fn commit(&self, repository: &RepoName, commit: &ApiCommit) -> Result<CommitId, ForgeError> {
        commits::make(self, repository, commit).await
    }

    fn leaves_scratch_branch(&self) -> bool {
        true
    }

    async fn commit_emails(&self) -> Result<BTreeSet<String>, ForgeError> {
        Ok(commits::emails(people::me(self).await?, self.account.endpoints.host()))
    }

    async fn git_access(&self, repository: &RepoName) -> Result<Remote, ForgeError> {
        let url = self.account.endpoints.git(repository)?;
        Ok(Remote { url, credentials: Some((GIT_USER.to_owned(), self.account.token()?)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_documented_project_is_read() {
        let project: FullPath =
            serde_json::from_str(include_str!("../../../tests/it/gitlab_examples/project.json")).unwrap();
        assert_eq!(project.path_with_namespace, "diaspora/diaspora-project-site");
    }
}
