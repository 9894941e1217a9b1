//! The program as a service under load and faults for a while: memory and descriptors stay where they are.
//!
//! Twenty seconds with all other tests; for longer: `REFROM_SOAK_SECONDS=300 cargo test --test it soak -- --nocapture`.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refrom::demo::forge::{Fault, FaultKind};
use refrom::demo::registry::Fault as RegistryFault;
use reqwest::{Client, RequestBuilder};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::house::{answer, sign};
use super::processes::Process;
use crate::cycle::world::{SERVE_TOKEN, WEBHOOK_SECRET, World, nginx};

const SECONDS_NAME: &str = "REFROM_SOAK_SECONDS";
const SECONDS: u64 = 20;
const IMAGE: &str = "dhi.io/nginx";
const REPOSITORIES: usize = 12;
const SETTING: &str = "poll: 1m
serve:
  listen: 127.0.0.1:0
  token: { env: SERVE_TOKEN }
  webhooks: [{ name: harbor, kind: harbor, registry: dhi.io, secret: { env: WEBHOOK_SECRET } }]";
/// More than the largest body that is read.
const HUGE_BYTES: usize = (4 << 20) + 1;
/// What the last third of the time may have more than the middle third: allocators round up.
const GROWTH_PERCENT: u64 = 10;
const GROWTH_KIB: u64 = 8 << 10;
const GROWTH_DESCRIPTORS: usize = 8;

/// What the process holds at a time.
#[derive(Debug, Clone, Copy)]
struct Sample {
    resident_kib: u64,
    descriptors: usize,
}

struct Soak {
    world: World,
    process: Process,
    client: Client,
    url: String,
    said: Arc<Mutex<Vec<String>>>,
    requests: usize,
    builds: usize,
}

fn repository(number: usize) -> String {
    format!("acme/web-{number}")
}

impl Soak {
    async fn start() -> Self {
        let mut world = World::new().await;
        let digest = world.release(IMAGE, "1.27", "1");
        for number in 0..REPOSITORIES {
            world.repository(&repository(number), &[("Dockerfile", &nginx("1.27.1", &digest))]);
        }
        world.setting(SETTING);
        world.takes_webhooks();
        let mut process = Process::start(&world.configuration());
        let line = process.says("serving").await;
        let url = format!("http://{}", line.split("address=").nth(1).unwrap().trim());
        process.says("the cycle ended").await;
        let client = refrom::net::client(&Default::default(), refrom::net::Redirects::Manual).unwrap();
        Self { world, process, client, url, said: Arc::default(), requests: 0, builds: 1 }
    }

    fn sample(&self) -> Sample {
        let folder = PathBuf::from(format!("/proc/{}", self.process.child.id().unwrap()));
        let status = std::fs::read_to_string(folder.join("status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Sample {
            resident_kib: resident.trim().trim_end_matches(" kB").parse().unwrap(),
            descriptors: std::fs::read_dir(folder.join("fd")).unwrap().count(),
        }
    }

    async fn ask(&mut self, request: RequestBuilder, expected: &[u16]) {
        self.requests += 1;
        let (status, text) = answer(request).await;
        assert!(expected.contains(&status), "{status}: {text}");
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.url))
    }

    fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.url))
    }

    fn github(&self, body: &Value, signature: &str) -> RequestBuilder {
        let request = self.post("/webhooks/github").header("x-github-event", "push");
        request.header("x-hub-signature-256", signature).body(body.to_string())
    }

    /// Everything that anybody sends.
    async fn round(&mut self, number: usize) {
        let name = repository(number % REPOSITORIES);
        let push = json!({ "ref": "refs/heads/main", "after": number,
            "repository": { "full_name": name, "default_branch": "main" } });
        let signature = sign(push.to_string().as_bytes());
        self.ask(self.github(&push, &signature), &[202]).await;
        self.ask(self.github(&push, &signature), &[200]).await;
        self.ask(self.github(&push, &sign(b"another body")), &[401]).await;
        self.ask(self.post("/webhooks/nobody").body(push.to_string()), &[404]).await;
        let moved = json!({ "type": "PUSH_ARTIFACT", "event_data": { "number": number,
            "repository": { "repo_full_name": "nginx" } } });
        let harbor = self.post("/webhooks/registries/harbor").body(moved.to_string());
        self.ask(harbor.header("authorization", WEBHOOK_SECRET), &[202]).await;
        let run = self.post(&format!("/api/v1/repositories/{name}/run"));
        self.ask(run.bearer_auth(SERVE_TOKEN), &[202]).await;
        self.ask(self.post(&format!("/api/v1/repositories/{name}/run")), &[401]).await;
        for path in ["/", "/?state=behind&sort=name", "/api/v1/status", "/metrics", "/healthz"] {
            self.ask(self.get(path), &[200]).await;
        }
        // Not while a broken configuration lies there.
        self.ask(self.get("/readyz"), &[200, 503]).await;
        if number.is_multiple_of(10) {
            let huge = vec![b' '; HUGE_BYTES];
            let request = self.post("/webhooks/github").header("x-hub-signature-256", sign(&huge)).body(huge);
            self.ask(request, &[413]).await;
        }
    }

    /// What goes wrong, and what moves.
    fn meddle(&mut self, number: usize) {
        match number % 40 {
            5 => {
                self.builds += 1;
                self.world.release(IMAGE, "1.27", &self.builds.to_string());
            }
            10 => self.world.registry.inject(RegistryFault::status("/v2/dhi.io/", 503).times(3)),
            15 if self.world.forge.has_no_fault_left() => {
                self.world.forge.fail(Fault::next("POST /graphql", FaultKind::Status(502)));
            }
            20 => self.reload(&["enabled: maybe"]),
            30 => self.reload(&["enabled: true"]),
            _ => {}
        }
    }

    fn reload(&mut self, policy: &[&str]) {
        self.world.policy(policy);
        self.world.configuration();
        self.process.tell(Signal::HUP);
    }
}

/// The middle one of each, over a part of the samples.
fn middle(samples: &[Sample]) -> Sample {
    let mut resident: Vec<u64> = samples.iter().map(|sample| sample.resident_kib).collect();
    let mut descriptors: Vec<usize> = samples.iter().map(|sample| sample.descriptors).collect();
    resident.sort_unstable();
    descriptors.sort_unstable();
    Sample { resident_kib: resident[resident.len() / 2], descriptors: descriptors[descriptors.len() / 2] }
}

#[tokio::test]
async fn under_webhooks_and_faults_memory_and_descriptors_are_steady() {
    let seconds = std::env::var(SECONDS_NAME).map_or(SECONDS, |text| text.parse().unwrap());
    let mut soak = Soak::start().await;
    let (begun, said) = (Instant::now(), Arc::clone(&soak.said));
    let before = soak.world.begin();
    // Somebody reads what it says, or it waits for that.
    let mut lines = soak.process.lines.take().unwrap();
    let reader = tokio::spawn(async move {
        while let Some(line) = lines.next_line().await.unwrap() {
            said.lock().unwrap().push(line);
        }
    });
    let (mut samples, mut round) = (Vec::new(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        soak.round(round).await;
        soak.meddle(round);
        samples.push(soak.sample());
        round += 1;
    }
    let Soak { mut world, mut process, said, requests, builds, .. } = soak;
    process.tell(Signal::TERM);
    let ended = tokio::time::timeout(Duration::from_secs(60), process.child.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    reader.await.unwrap();
    let third = samples.len() / 3;
    let thirds = [&samples[..third], &samples[third..2 * third], &samples[2 * third..]].map(middle);
    let [_, second, last] = thirds;
    eprintln!("{seconds} s, {round} rounds, {requests} requests, {builds} builds; thirds: {thirds:?}");
    let allowed = second.resident_kib + second.resident_kib * GROWTH_PERCENT / 100 + GROWTH_KIB;
    assert!(last.resident_kib <= allowed, "{thirds:?}");
    assert!(last.descriptors <= second.descriptors + GROWTH_DESCRIPTORS, "{thirds:?}");
    let is_expected = |line: &&String| line.contains("configuration") || line.contains("50");
    let said = said.lock().unwrap().clone();
    let errors: Vec<&String> = said.iter().filter(|line| line.contains("ERROR")).collect();
    assert!(errors.iter().all(is_expected), "{errors:#?}");
    assert!(said.iter().any(|line| line.contains("the cycle ended")), "{said:#?}");
    world.registry.clear_faults();
    world.policy(&["enabled: true"]);
    world.expect_errors();
    world.end(&before);
    world.run().await;
    for number in 0..REPOSITORIES {
        world.expect_pull_requests(&repository(number), &["#1 open refrom/base-images -> main"]);
    }
    world.finish();
}
