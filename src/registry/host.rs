//! One registry host: how it wants its clients to sign in, and how many questions it gets at once.

use reqwest::{Client, Method};
use tokio::sync::{Mutex, Semaphore};
use url::Url;

use super::challenge::Challenge;
use super::endpoint::Endpoint;
use super::error::Failure;
use super::settings::Settings;
use super::transport::{self, Question, failure_of};
use crate::net::Meter;

/// Questions to one host at once: as many as connections are kept, and fewer than registries limit a client to
/// (Quay's 5 heavy requests a second are paced by its answers' own time).
const CONCURRENT_QUESTIONS: usize = 8;

/// A host that is asked, whichever registries' images it serves.
#[derive(Debug)]
pub(super) struct Host {
    /// The key of its credentials: host and port, `docker.io` for Docker Hub.
    pub name: String,
    pub origin: Url,
    pub settings: Settings,
    pub permits: Semaphore,
    pub meter: Meter,
    /// `None` until it was asked. A lock over the question, so that it is asked once.
    challenge: Mutex<Option<Challenge>>,
    base_url: Url,
}

/// A repository at a host.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub host: std::sync::Arc<Host>,
    pub endpoint: Endpoint,
    /// The path at the host, a mirror's prefix included.
    pub repository: String,
}

impl Host {
    pub(super) fn new(endpoint: &Endpoint, settings: Settings, meter: Meter) -> Self {
        Self {
            name: endpoint.host(),
            origin: endpoint.origin().clone(),
            settings,
            permits: Semaphore::new(CONCURRENT_QUESTIONS),
            meter,
            challenge: Mutex::new(None),
            base_url: endpoint.base_url(),
        }
    }

    /// How to sign in, by `/v2/` (distribution specification, "Determining support"). Asked once: it saves a refused
    /// question for each tag.
    pub(super) async fn challenge(&self, client: &Client) -> Result<Challenge, Failure> {
        let mut known = self.challenge.lock().await;
        if let Some(challenge) = &*known {
            return Ok(challenge.clone());
        }
        let question = Question { method: Method::GET, url: self.base_url.clone(), accept: "*/*", authorization: None };
        let answer = transport::ask(client, &self.meter, question).await?;
        let status = answer.response.status();
        // Mirrors may serve no `/v2/`; the first question about an image tells then.
        let challenge = match status.as_u16() {
            401 if !answer.is_foreign => Challenge::of(answer.response.headers()).unwrap_or(Challenge::Open),
            429 | 500..=599 => return Err(failure_of(answer.response).await),
            _ => Challenge::Open,
        };
        *known = Some(challenge.clone());
        Ok(challenge)
    }

    /// Takes over what a refused question said; answers whether it is new.
    pub(super) async fn learn(&self, challenge: Option<Challenge>) -> bool {
        let mut known = self.challenge.lock().await;
        let is_news = challenge.is_some() && *known != challenge;
        if is_news {
            *known = challenge;
        }
        is_news
    }
}

impl Target {
    /// What a token is asked for.
    pub(super) fn scope(&self) -> String {
        format!("repository:{}:pull", self.repository)
    }

    /// `part` is `manifests`, `blobs` or `tags`.
    pub(super) fn url(&self, part: &str, reference: &str) -> Url {
        self.endpoint.url(&self.repository, part, reference)
    }
}
