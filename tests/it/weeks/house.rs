//! The service in this process, between embedded registries and forges, with a clock that the test moves.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse as _;
use jiff::Timestamp;
use refrom::config::{Config, Secrets};
use refrom::demo::forge::{Face, Forge};
use refrom::demo::git_repository::Content;
use refrom::demo::registry::{Access, Fault, ImageSpec, Registry};
use refrom::demo::server::{Exchange, is_mutation};
use refrom::domain::digest::Digest;
use refrom::serve::http::Limits;
use refrom::serve::{Ending, Instruments, Server, Setup, Signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::PATIENCE;
use super::fleet::{self, IMAGES, OF_FIRST_REGISTRY, Repository};
use crate::forge::{RETRY, TOKEN, branch};
use crate::serve::house::{ScriptedClock, Watched};

const TAG: &str = "1.27";

pub struct House {
    pub repositories: Vec<Repository>,
    pub forges: [Forge; 2],
    registries: [Registry; 2],
    /// Whether the first forge answers.
    is_out: Arc<AtomicBool>,
    /// The number of each image's last build, and all builds by digest.
    pub builds: [usize; IMAGES],
    pub by_digest: BTreeMap<Digest, (usize, usize)>,
    pub clock: ScriptedClock,
    pub watched: Arc<Watched>,
    folder: tempfile::TempDir,
    running: Option<(mpsc::Sender<Signal>, JoinHandle<Ending>)>,
}

impl House {
    /// The fleet with every pin current, and nothing that runs.
    pub async fn build(begin: Timestamp) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let is_out = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&is_out);
        let outage = move |request: Request, next: Next| {
            let is_out = switch.load(Ordering::Relaxed);
            async move {
                if is_out {
                    axum::http::StatusCode::SERVICE_UNAVAILABLE.into_response()
                } else {
                    next.run(request).await
                }
            }
        };
        let root = |forge: &str| folder.path().join(forge);
        let front = move |router: axum::Router| router.layer(from_fn(outage));
        let github = Forge::start_behind(root("github"), Face::GitHub, front).await.unwrap();
        let gitlab = Forge::start_gitlab(root("gitlab")).await.unwrap();
        let registries = [Registry::start(Access::Open).await.unwrap(), Registry::start(Access::Open).await.unwrap()];
        let mut house = Self {
            repositories: fleet::repositories(),
            forges: [github, gitlab],
            registries,
            is_out,
            builds: [0; IMAGES],
            by_digest: BTreeMap::new(),
            clock: ScriptedClock::at(begin),
            watched: Arc::default(),
            folder,
            running: None,
        };
        let digests: Vec<Digest> = (0..IMAGES).map(|image| house.release(image)).collect();
        for forge in &house.forges {
            forge.add_user("refrom-machine", TOKEN);
        }
        for repository in &house.repositories {
            let bare = house.forges[repository.forge].add_repository(&repository.name).unwrap();
            let pin = |(path, number): &(String, usize)| {
                (path.clone(), format!("FROM {}:{TAG}@{}\n", fleet::image(*number), digests[*number]))
            };
            let mut files: Vec<(String, String)> = repository.pins.iter().map(pin).collect();
            files.extend(repository.own_file.map(|text| (".refrom.yaml".to_owned(), text.to_owned())));
            let files: Vec<_> =
                files.iter().map(|(path, text)| (path.as_str(), Content::File(text.as_bytes()))).collect();
            bare.commit(&branch("main"), &files, "pins").unwrap();
        }
        house
    }

    /// The vendor moves the image's tag.
    pub fn release(&mut self, image: usize) -> Digest {
        self.builds[image] += 1;
        let build = self.builds[image];
        let spec = ImageSpec::index(&["linux/amd64"], &format!("{image} {build}"));
        let registry = &self.registries[usize::from(image >= OF_FIRST_REGISTRY)];
        let digest = registry.publish(&fleet::image(image), TAG, &spec);
        self.by_digest.insert(digest, (image, build));
        digest
    }

    /// The second registry answers or does not.
    pub fn registry_is_out(&self, is_out: bool) {
        self.registries[1].clear_faults();
        if is_out {
            self.registries[1].inject(Fault::status("/v2/", 503));
        }
    }

    /// The first forge answers or does not.
    pub fn forge_is_out(&self, is_out: bool) {
        self.is_out.store(is_out, Ordering::Relaxed);
    }

    pub fn write_configuration(&self, version: usize) -> PathBuf {
        let path = self.folder.path().join("refrom.yaml");
        let forges = self.forges.each_ref().map(|forge| forge.url().unwrap().to_string());
        let registries = self.registries.each_ref().map(Registry::url);
        let text = fleet::configuration(
            version,
            forges.each_ref().map(String::as_str),
            registries.each_ref().map(String::as_str),
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Runs the service until its first cycle has ended.
    pub async fn start(&mut self) {
        let path = self.write_configuration(0);
        let environment = |name: &str| (name == "TOKEN").then(|| TOKEN.to_owned());
        let load = move || Config::load(&path, &environment, Secrets::Read);
        let setup = Setup {
            load: Box::new(load.clone()),
            clock: Arc::new(self.clock.clone()),
            retry: RETRY,
            limits: Limits::default(),
            instruments: Arc::clone(&self.watched) as Arc<dyn Instruments>,
        };
        let server = Server::start(load().unwrap(), setup).await.unwrap();
        let (signals, receiver) = mpsc::channel(1);
        self.running = Some((signals, tokio::spawn(server.run(receiver))));
        self.a_cycle_after(0).await;
    }

    pub async fn stop(&mut self) {
        let (signals, task) = self.running.take().unwrap();
        signals.send(Signal::Stop).await.unwrap();
        assert_eq!(tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap(), Ending::Clean);
    }

    /// Waits until the loop waits; until when.
    pub async fn idle(&self) -> Timestamp {
        let now = *self.clock.now.borrow();
        let mut waiting = self.clock.waiting.subscribe();
        let idle = waiting.wait_for(|until| until.is_some_and(|until| until > now));
        tokio::time::timeout(PATIENCE, idle).await.unwrap().unwrap().unwrap()
    }

    /// Time goes by while the loop waits for a later one.
    pub fn clock_shows(&self, now: Timestamp) {
        self.clock.now.send_replace(now);
    }

    /// The time comes that the loop waits for.
    pub async fn reach(&self, until: Timestamp) {
        let before = self.watched.cycles.borrow().len();
        self.clock_shows(until);
        self.a_cycle_after(before).await;
    }

    /// The configuration changes while the loop waits.
    pub async fn reload(&self, version: usize) {
        self.write_configuration(version);
        let before = self.watched.cycles.borrow().len();
        self.running.as_ref().unwrap().0.send(Signal::Reload).await.unwrap();
        self.a_cycle_after(before).await;
    }

    async fn a_cycle_after(&self, before: usize) {
        let mut cycles = self.watched.cycles.subscribe();
        let ended = cycles.wait_for(|cycles| cycles.len() > before);
        drop(tokio::time::timeout(PATIENCE, ended).await.expect("a cycle ends").unwrap());
    }

    /// What was asked of the forges since the last time and changed something, on each of them.
    pub fn take_writes(&self) -> [Vec<Exchange>; 2] {
        self.forges.each_ref().map(|forge| {
            let is_write = |it: &Exchange| match it.path.split('?').next().unwrap() {
                path if path.ends_with("/graphql") => is_mutation(&it.request_body),
                path if path.ends_with("/git-upload-pack") => false,
                _ => it.method != "GET" && it.method != "HEAD",
            };
            forge.traffic().take().into_iter().filter(is_write).collect()
        })
    }

    /// The tags that the registries were asked for since the last time.
    pub fn take_heads(&self) -> Vec<Exchange> {
        let asked = self.registries.iter().flat_map(|registry| registry.traffic().take());
        asked.filter(|it| it.method == "HEAD").collect()
    }
}
