//! A running service with a clock that only moves when a test moves it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hmac::{Hmac, Mac as _};
use jiff::{SignedDuration, Timestamp};
use refrom::config::{Config, Secrets};
use refrom::cycle::Parts;
use refrom::net::{self, Network, Redirects};
use refrom::serve::http::Limits;
use refrom::serve::metrics::Metrics;
use refrom::serve::{Clock, CycleEnd, Ending, Instruments, Outcome, Server, Setup, Signal};
use reqwest::{RequestBuilder, Response};
use sha2::Sha256;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::cycle::world::{WEBHOOK_SECRET, World, environment};
use crate::forge::RETRY;

/// Listens on a port of the system's choice.
pub const LISTEN: &str = "serve: { listen: '127.0.0.1:0' }";
/// After which a test fails instead of waiting for what does not come.
const PATIENCE: Duration = Duration::from_secs(60);

/// A clock that only moves when it is moved.
#[derive(Debug, Clone)]
pub struct ScriptedClock {
    pub now: watch::Sender<Timestamp>,
    /// Until when the loop waits, while it does.
    pub waiting: watch::Sender<Option<Timestamp>>,
}

impl ScriptedClock {
    pub fn at(now: Timestamp) -> Self {
        Self { now: watch::Sender::new(now), waiting: watch::Sender::new(None) }
    }
}

/// Notes that nobody waits any more, however the waiting ended.
struct Waiting<'a>(&'a watch::Sender<Option<Timestamp>>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_replace(None);
    }
}

#[async_trait]
impl Clock for ScriptedClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    async fn wait_until(&self, at: Timestamp) {
        let _waiting = Waiting(&self.waiting);
        self.waiting.send_replace(Some(at));
        self.now.subscribe().wait_for(|now| *now >= at).await.unwrap();
    }
}

/// The metrics; and tells when a cycle has ended, and over what.
#[derive(Debug, Default)]
pub struct Watched {
    metrics: Metrics,
    /// Which of the cycles that have ended were over the whole fleet.
    pub cycles: watch::Sender<Vec<bool>>,
}

#[async_trait]
impl Instruments for Watched {
    fn cycle_ended(&self, end: &CycleEnd<'_>) {
        self.metrics.cycle_ended(end);
        self.cycles.send_modify(|cycles| cycles.push(end.request.repositories.is_empty()));
    }

    fn webhook(&self, source: &str, outcome: Outcome) {
        self.metrics.webhook(source, outcome);
    }

    async fn exposition(&self, parts: &Parts, now: Timestamp) -> String {
        self.metrics.exposition(parts, now).await
    }
}

/// A world with a service over it.
pub struct House {
    pub world: World,
    pub clock: ScriptedClock,
    pub signals: mpsc::Sender<Signal>,
    client: reqwest::Client,
    url: String,
    watched: Arc<Watched>,
    task: JoinHandle<Ending>,
    before: BTreeMap<String, String>,
    deliveries: std::cell::Cell<u32>,
}

impl House {
    /// Runs the service and waits until it has looked at everything once.
    pub async fn open(world: World) -> Self {
        Self::with_limits(world, Limits::default()).await
    }

    pub async fn with_limits(world: World, limits: Limits) -> Self {
        let house = Self::start(world, limits).await;
        house.cycles(1).await;
        house
    }

    /// Runs the service.
    pub async fn start(mut world: World, limits: Limits) -> Self {
        let before = world.begin();
        let path = world.configuration();
        let load = move || Config::load(&path, &environment, Secrets::Read);
        let clock = ScriptedClock::at(world.time());
        let watched = Arc::new(Watched::default());
        let setup = Setup {
            load: Box::new(load.clone()),
            clock: Arc::new(clock.clone()),
            retry: RETRY,
            limits,
            instruments: Arc::clone(&watched) as Arc<dyn Instruments>,
        };
        let server = Server::start(load().unwrap(), setup).await.unwrap();
        let url = format!("http://127.0.0.1:{}", server.address().port());
        let (signals, receiver) = mpsc::channel(8);
        let task = tokio::spawn(server.run(receiver));
        let client = net::client(&Network::default(), Redirects::Manual).unwrap();
        let deliveries = std::cell::Cell::new(0);
        Self { world, clock, signals, client, url, watched, task, before, deliveries }
    }

    /// Waits until so many cycles have ended; which of them were over the whole fleet.
    pub async fn cycles(&self, count: usize) -> Vec<bool> {
        self.watched.cycles.subscribe().wait_for(|cycles| cycles.len() >= count).await.unwrap().clone()
    }

    /// Waits until the loop waits for this time, by seconds after the start, and lets it come.
    pub async fn reach(&self, seconds: i64) {
        let at = self.after(seconds);
        let mut waiting = self.clock.waiting.subscribe();
        let comes = waiting.wait_for(|waiting| *waiting == Some(at));
        let Ok(found) = tokio::time::timeout(PATIENCE, comes).await else {
            panic!("it waits until {:?} and not until {at}", *self.clock.waiting.borrow());
        };
        drop(found);
        self.clock.now.send_replace(at);
    }

    /// Waits until the loop waits; until when, by seconds after the start.
    pub async fn idle(&self) -> i64 {
        let now = self.clock.now();
        let mut waiting = self.clock.waiting.subscribe();
        let until = waiting.wait_for(|until| until.is_some_and(|until| until > now)).await.unwrap().unwrap();
        until.duration_since(self.world.time()).as_secs()
    }

    /// Time goes by, whoever waits for what.
    pub fn pass(&self, seconds: i64) {
        self.clock.now.send_modify(|now| *now += SignedDuration::from_secs(seconds));
    }

    fn after(&self, seconds: i64) -> Timestamp {
        self.world.time() + SignedDuration::from_secs(seconds)
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// A delivery of GitHub's, signed, with an id of its own.
    pub async fn github(&self, event: &str, payload: &serde_json::Value) -> Response {
        self.deliveries.set(self.deliveries.get() + 1);
        let delivery = format!("delivery-{}", self.deliveries.get());
        let body = payload.to_string();
        let request = self.post("/webhooks/github").header("x-hub-signature-256", sign(body.as_bytes()));
        request.header("x-github-event", event).header("x-github-delivery", delivery).body(body).send().await.unwrap()
    }

    /// How many webhooks of this source ended so, as `/metrics` tells.
    pub async fn webhooks(&self, source: &str, outcome: &str) -> u64 {
        let (status, text) = answer(self.get("/metrics")).await;
        assert_eq!(status, 200, "{text}");
        let series = format!("refrom_webhooks_total{{source=\"{source}\",outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).map_or(0, |count| count.parse().unwrap())
    }

    /// Stops the service and looks what it did.
    pub async fn close(self) -> (Ending, World) {
        let _ = self.signals.send(Signal::Stop).await;
        self.ended().await
    }

    /// The same for a service that somebody else stops.
    pub async fn ended(self) -> (Ending, World) {
        let ending = tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
        let mut world = self.world;
        world.end(&self.before);
        (ending, world)
    }

    pub async fn finish(self) {
        let (ending, world) = self.close().await;
        assert_eq!(ending, Ending::Clean);
        world.finish();
    }
}

/// What GitHub puts into `X-Hub-Signature-256`.
pub fn sign(body: &[u8]) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_SECRET.as_bytes()).unwrap().chain_update(body);
    let digits: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={digits}")
}

/// Status and text.
pub async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}
