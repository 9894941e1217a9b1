//! Registries: what a tag points to now, and what a digest holds.
//!
//! [`Registries`] lives as long as the program and holds connections, tokens and credentials. A [`Session`] lives for
//! one cycle and holds its answers: each distinct question is asked once, and a host that is down is left alone for the
//! rest of the cycle while the others go on.

mod challenge;
mod credentials;
mod docker_config;
mod endpoint;
mod error;
mod execution;
mod facts;
mod health;
mod helper;
mod host;
mod manifest;
mod memo;
mod presence;
mod questions;
mod realm;
mod retry_after;
mod session;
mod settings;
mod sign_in;
mod tag_list;
mod token;
mod transport;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::reference::ImageName;
use crate::net::{self, Network, NetworkError, Redirects, RetryPolicy, Tally, TargetKind};

pub use error::{Failure, RegistryError};
pub use session::Session;
pub use settings::{Auth, DockerConfig, Settings};

use credentials::CredentialSource;
use endpoint::Endpoint;
use host::{Host, Target};
use token::Tokens;

/// All registries. Cheap to clone; clones share connections, tokens and limits.
#[derive(Debug, Clone)]
pub struct Registries {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: reqwest::Client,
    settings: BTreeMap<String, Settings>,
    credentials: CredentialSource,
    tokens: Tokens,
    hosts: Mutex<BTreeMap<String, Arc<Host>>>,
    retry: RetryPolicy,
    tally: Tally,
}

impl Registries {
    /// `settings` by registry host; see [`Settings`]. Calls are noted in `tally`. Reads no file and asks nothing yet.
    pub fn new(
        network: &Network,
        settings: BTreeMap<String, Settings>,
        docker: DockerConfig,
        retry: RetryPolicy,
        tally: Tally,
    ) -> Result<Self, NetworkError> {
        Ok(Self::with_client(net::client(network, Redirects::Manual)?, settings, docker, retry, tally))
    }

    /// The same over a client with timeouts of its own. It must not follow redirects.
    pub fn with_client(
        client: reqwest::Client,
        settings: BTreeMap<String, Settings>,
        docker: DockerConfig,
        retry: RetryPolicy,
        tally: Tally,
    ) -> Self {
        let inner = Inner {
            client,
            settings,
            credentials: CredentialSource::new(docker),
            tokens: Tokens::default(),
            hosts: Mutex::default(),
            retry,
            tally,
        };
        Self { inner: Arc::new(inner) }
    }

    /// The questions of one cycle.
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    /// Where an image is asked for.
    fn target(&self, name: &ImageName) -> Result<Target, Failure> {
        let settings = &self.inner.settings;
        let configured = settings.get(name.registry()).and_then(|settings| settings.endpoint.as_ref());
        let endpoint = Endpoint::of(name.registry(), configured)?;
        let mut hosts = self.inner.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Scheme and all: what was learned over http says nothing of https.
        let host = hosts.entry(endpoint.origin().to_string()).or_insert_with(|| {
            let settings = settings.get(&endpoint.host()).cloned().unwrap_or_default();
            let meter = self.inner.tally.meter(TargetKind::Registry, &endpoint.host());
            Arc::new(Host::new(&endpoint, settings, meter))
        });
        Ok(Target { host: Arc::clone(host), repository: endpoint.repository(name), endpoint })
    }
}
