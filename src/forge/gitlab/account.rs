//! The identity at GitLab, and the calls that are made with it: the `gitlab` crate's endpoints over our own client.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::{Body, Bytes};
// The types of the `http` crate, which the endpoints take, too.
use axum::http::request::Builder;
use axum::http::{HeaderValue, Response};
use gitlab::api::{ApiError, AsyncClient, AsyncQuery, Endpoint, Pageable, Pagination, RestClient, paged};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use url::Url;

use super::answer::Answer;
use crate::domain::pull_request::RepoName;
use crate::forge::{ForgeError, root_cause};
use crate::net::{self, CallFailure, Meter};
use crate::secret::Secret;

/// The header of personal, project and group tokens
/// (<https://docs.gitlab.com/api/rest/authentication/#personalprojectgroup-access-tokens>).
const TOKEN_HEADER: &str = "private-token";
/// The largest answer that is read, in bytes: 6,000 merge requests with the usual bodies are about 30 MiB.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Where GitLab's faces are; without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// `https://gitlab.com/api/v4`, `https://host.example/gitlab/api/v4`
    rest: String,
    /// `https://gitlab.com/api/graphql`
    graphql: String,
    /// Where people and git go: `https://gitlab.com`.
    web: String,
}

impl Endpoints {
    /// The addresses that follow from the forge's URL, also under a sub-path, or from the API's where that is given.
    pub fn new(url: &Url, api_url: Option<&Url>) -> Self {
        let trimmed = |url: &Url| url.as_str().trim_end_matches('/').to_owned();
        let web = trimmed(url);
        let rest = api_url.map_or_else(|| format!("{web}/api/v4"), trimmed);
        let graphql = format!("{}/graphql", rest.strip_suffix("/v4").unwrap_or(&rest));
        Self { rest, graphql, web }
    }

    /// `gitlab.com`
    pub fn host(&self) -> &str {
        let after_scheme = self.web.split_once("://").map_or(self.web.as_str(), |(_, rest)| rest);
        after_scheme.split(['/', ':']).next().unwrap_or_default()
    }

    /// Where git finds a repository; without credentials.
    pub fn git(&self, repository: &RepoName) -> Result<Url, ForgeError> {
        Url::parse(&format!("{}/{repository}.git", self.web))
            .map_err(|error| ForgeError::Protocol { message: format!("no git address for `{repository}`: {error}") })
    }
}

/// The identity. A token is read anew for each call, so that one that was rotated in its file is picked up.
#[derive(Debug)]
pub(super) struct Account {
    client: reqwest::Client,
    pub meter: Meter,
    pub endpoints: Endpoints,
    token: Secret,
    /// Until when GitLab must not be asked.
    closed_until: Mutex<Option<Instant>>,
}

/// One call; `what` names its subject in errors.
struct Call<'a> {
    account: &'a Account,
    what: &'a str,
}

impl Account {
    pub fn new((client, meter): (reqwest::Client, Meter), endpoints: Endpoints, token: Secret) -> Self {
        Self { client, meter, endpoints, token, closed_until: Mutex::default() }
    }

    pub fn token(&self) -> Result<SecretString, ForgeError> {
        Ok(self.token.read()?)
    }

    /// Makes one call, once. While a rate limit lasts, nothing is sent.
    pub async fn ask<T: DeserializeOwned + 'static>(
        &self,
        endpoint: &(impl Endpoint + Sync),
        what: &str,
    ) -> Result<T, ForgeError> {
        let call = Call { account: self, what };
        endpoint.query_async(&call).await.map_err(|error| failed(error, what))
    }

    /// Reads a list page by page, up to so many items.
    pub async fn pages<T: DeserializeOwned + Send + 'static>(
        &self,
        endpoint: &(impl Endpoint + Pageable + Sync),
        items_max: usize,
        what: &str,
    ) -> Result<Vec<T>, ForgeError> {
        let call = Call { account: self, what };
        let endpoint = paged(endpoint, Pagination::Limit(items_max));
        endpoint.query_async(&call).await.map_err(|error| failed(error, what))
    }

    fn check_limit(&self) -> Result<(), ForgeError> {
        let closed_until = *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = closed_until.map(|until| until.saturating_duration_since(Instant::now()));
        match wait.filter(|wait| !wait.is_zero()) {
            Some(wait) => Err(ForgeError::RateLimited { retry_after: Some(wait) }),
            None => Ok(()),
        }
    }

    fn close(&self, wait: Duration) {
        *self.closed_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + wait);
    }

    async fn send(&self, request: Builder, body: Vec<u8>, what: &str) -> Result<Answer, ForgeError> {
        self.check_limit()?;
        let token = self.token()?;
        let mut token = HeaderValue::from_str(token.expose_secret()).map_err(|_| ForgeError::Unauthorized {
            message: "the token has characters that no header can carry".to_owned(),
        })?;
        token.set_sensitive(true);
        let protocol = |error: &(dyn std::error::Error + 'static)| ForgeError::Protocol { message: root_cause(error) };
        let request = request.header(TOKEN_HEADER, token).body(body).map_err(|error| protocol(&error))?;
        let request = reqwest::Request::try_from(request).map_err(|error| protocol(&error))?;
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let broken = |error: &(dyn std::error::Error + 'static)| {
            let failure = if net::is_timeout(error) { CallFailure::Timeout } else { CallFailure::Unavailable };
            self.meter.failed(failure);
            ForgeError::Unavailable { message: root_cause(error) }
        };
        self.meter.request();
        let answer = self.client.execute(request).await.map_err(|error| broken(&error))?;
        let (head, body) = Response::<reqwest::Body>::from(answer).into_parts();
        let body = axum::body::to_bytes(Body::new(body), ANSWER_BYTES_MAX).await.map_err(|error| broken(&error))?;
        let answer = Answer { status: head.status, headers: head.headers, body };
        tracing::debug!(%method, path, status = answer.status.as_u16(), "asked GitLab");
        answer.note(&self.meter);
        if let Some(wait) = answer.rate_limit().or_else(|| answer.used_up()) {
            self.close(wait);
        }
        let result = answer.into_result(what);
        self.meter.outcome(&result);
        result
    }
}

impl RestClient for Call<'_> {
    type Error = ForgeError;

    fn rest_endpoint(&self, endpoint: &str) -> Result<Url, ApiError<ForgeError>> {
        Ok(Url::parse(&format!("{}/{endpoint}", self.account.endpoints.rest))?)
    }

    /// The only endpoint beside REST is GraphQL.
    fn instance_endpoint(&self, _endpoint: &str) -> Result<Url, ApiError<ForgeError>> {
        Ok(Url::parse(&self.account.endpoints.graphql)?)
    }
}

#[async_trait]
impl AsyncClient for Call<'_> {
    async fn rest_async(&self, request: Builder, body: Vec<u8>) -> Result<Response<Bytes>, ApiError<ForgeError>> {
        let Answer { status, headers, body } =
            self.account.send(request, body, self.what).await.map_err(ApiError::client)?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// What is left to go wrong after the status was looked at: an answer that is not of the documented form.
fn failed(error: ApiError<ForgeError>, what: &str) -> ForgeError {
    match error {
        ApiError::Client { source } => source,
        error => ForgeError::Protocol { message: format!("about {what}: {}", root_cause(&error)) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitlab_is_where_its_url_says_also_under_a_path() {
        for (url, api_url, rest, graphql) in [
            ("https://gitlab.com", None, "https://gitlab.com/api/v4", "https://gitlab.com/api/graphql"),
            (
                "https://host.example/gitlab/",
                None,
                "https://host.example/gitlab/api/v4",
                "https://host.example/gitlab/api/graphql",
            ),
            (
                "https://gitlab.example",
                Some("http://10.0.0.1:8080/api/v4/"),
                "http://10.0.0.1:8080/api/v4",
                "http://10.0.0.1:8080/api/graphql",
            ),
        ] {
            let api_url = api_url.map(|url| Url::parse(url).unwrap());
            let endpoints = Endpoints::new(&Url::parse(url).unwrap(), api_url.as_ref());
            assert_eq!((endpoints.rest.as_str(), endpoints.graphql.as_str()), (rest, graphql), "{url}");
        }
        let endpoints = Endpoints::new(&Url::parse("https://host.example/gitlab/").unwrap(), None);
        let url = endpoints.git(&"group/sub/web".parse().unwrap()).unwrap();
        assert_eq!(url.as_str(), "https://host.example/gitlab/group/sub/web.git");
    }
}
