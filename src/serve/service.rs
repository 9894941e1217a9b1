//! What the loop and the HTTP handlers share, and how it is put together.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};

use super::clock::Clock;
use super::denials::Denials;
use super::health::{Health, Readiness};
use super::http::{self, Limits};
use super::instruments::Instruments;
use super::replay::Replays;
use super::scheduler::{Ending, Scheduler};
use super::signals::Signal;
use super::wake::Wakes;
use crate::config::{Config, ConfigErrors};
use crate::cycle::{self, AssemblyError, Parts};
use crate::domain::candidates::RepositoryKey;
use crate::net::{RetryPolicy, Tally};

/// Reads the configuration anew.
pub type Load = Box<dyn Fn() -> Result<Config, ConfigErrors> + Send + Sync>;

/// What the process lends to the service.
pub struct Setup {
    pub load: Load,
    pub clock: Arc<dyn Clock>,
    /// For all outside calls.
    pub retry: RetryPolicy,
    pub limits: Limits,
    pub instruments: Arc<dyn Instruments>,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
    #[error("cannot listen on `{address}`")]
    Listen { address: SocketAddr, source: std::io::Error },
}

/// A service that holds its store and its port, and waits to be run.
#[derive(Debug)]
pub struct Server {
    service: Arc<Service>,
    denials: Denials,
    listener: TcpListener,
    address: SocketAddr,
}

/// The running service.
pub struct Service {
    pub(super) setup: Setup,
    pub(super) wakes: Wakes,
    pub(super) replays: Mutex<Replays>,
    /// Places for webhook bodies that are being read.
    pub(super) bodies: Semaphore,
    /// The parts that the next cycle begins with.
    parts: RwLock<Arc<Parts>>,
    health: Mutex<Health>,
    /// The repositories of the last cycle over the whole fleet.
    fleet: RwLock<Option<Arc<BTreeSet<RepositoryKey>>>>,
    is_stopping: AtomicBool,
    /// Whether only this machine reaches it.
    pub(super) is_on_loopback: bool,
}

impl Server {
    /// Takes the store, makes the clients, and listens. Nothing is asked yet.
    pub async fn start(config: Config, setup: Setup) -> Result<Self, ServeError> {
        let store = cycle::open_store(&config, setup.clock.now()).await?;
        let denials = Denials::read(store.as_ref()).await.map_err(AssemblyError::from)?;
        let wanted = config.serve.listen;
        let parts = cycle::assemble_over(config, (store, Tally::default()), setup.retry).await?;
        let failed = |source| ServeError::Listen { address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let service = Service {
            bodies: Semaphore::new(setup.limits.bodies),
            setup,
            wakes: Wakes::default(),
            replays: Mutex::default(),
            parts: RwLock::new(Arc::new(parts)),
            health: Mutex::default(),
            fleet: RwLock::default(),
            is_stopping: AtomicBool::new(false),
            is_on_loopback: address.ip().is_loopback(),
        };
        Ok(Self { service: Arc::new(service), denials, listener, address })
    }

    /// Where it listens: the port is the system's choice where the configuration says 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Serves until it is told to stop. When this comes back, nothing of it runs any more and the store is free.
    pub async fn run(self, signals: mpsc::Receiver<Signal>) -> Ending {
        let Self { service, denials, listener, address } = self;
        tracing::info!(%address, "serving");
        let (stop, stopped) = watch::channel(());
        let limits = service.setup.limits;
        let router = http::router(Arc::clone(&service));
        let denials = tokio::spawn(denials.watch(Arc::clone(&service), stopped.clone()));
        let server = tokio::spawn(http::serve(listener, router, limits, stopped));
        let ending = Scheduler::new(service, signals).run().await;
        drop(stop);
        if let Err(error) = server.await {
            tracing::error!(%error, "the HTTP server ended");
        }
        if let Err(error) = denials.await {
            tracing::error!(%error, "the watch over denials ended");
        }
        tracing::info!(?ending, "ended");
        ending
    }
}

impl Service {
    /// The parts and the configuration that are in use.
    pub fn parts(&self) -> Arc<Parts> {
        Arc::clone(&self.parts.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn use_parts(&self, parts: Parts) {
        *self.parts.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(parts);
    }

    /// The repositories of the last cycle over the whole fleet; `None`: there was none yet.
    pub(super) fn fleet(&self) -> Option<Arc<BTreeSet<RepositoryKey>>> {
        self.fleet.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn note_fleet(&self, fleet: BTreeSet<RepositoryKey>) {
        *self.fleet.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(fleet));
    }

    pub(super) fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the process is about to end.
    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Relaxed)
    }

    /// From here on no action is begun.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        self.health().is_stopping = true;
    }

    /// Whether it does its work; asks the store.
    pub async fn readiness(&self) -> Readiness {
        let (parts, now) = (self.parts(), self.setup.clock.now());
        let store_error = parts.store.opened_since(now).await.err().map(|error| error.to_string());
        let health = self.health().clone();
        health.readiness(parts.config.pace(), store_error, now)
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Setup")
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Service")
    }
}
