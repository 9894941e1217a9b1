//! The program itself, as a service: signals, a store that is held, and being killed.

use std::path::Path;
use std::process::Stdio;

use refrom::demo::forge::Face;
use refrom::domain::pull_request::Pipeline;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::cycle::meddling::Meddling;
use crate::cycle::world::{
    BRANCH, FORGE_TOKEN, REGISTRY_PASSWORD, SERVE_TOKEN, WEBHOOK_SECRET, World, branch, environment, name, nginx,
};

use super::house::LISTEN;

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const SECRETS: [(&str, &str); 4] = [
    ("FORGE_TOKEN", FORGE_TOKEN),
    ("REGISTRY_PASSWORD", REGISTRY_PASSWORD),
    ("WEBHOOK_SECRET", WEBHOOK_SECRET),
    ("SERVE_TOKEN", SERVE_TOKEN),
];

/// `refrom serve` and what it says.
pub(super) struct Process {
    pub child: Child,
    /// `None`: somebody else reads them.
    pub lines: Option<Lines<BufReader<ChildStderr>>>,
}

impl Process {
    pub fn start(configuration: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refrom"));
        command.args(["serve", "--config"]).arg(configuration);
        command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path))).env("HOME", "/nonexistent");
        command.envs(SECRETS.map(|(name, _)| (name, environment(name).unwrap())));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines: Some(lines) }
    }

    /// Waits until it says this; the line.
    pub async fn says(&mut self, text: &str) -> String {
        let mut said = Vec::new();
        while let Some(line) = self.lines.as_mut().unwrap().next_line().await.unwrap() {
            assert!(SECRETS.iter().all(|(_, secret)| !line.contains(secret)), "{line}");
            if line.contains(text) {
                return line;
            }
            said.push(line);
        }
        panic!("it never said `{text}`: {said:#?}");
    }

    pub fn tell(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        rustix::process::kill_process(rustix::process::Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    async fn ended(mut self) -> Option<i32> {
        while self.lines.as_mut().unwrap().next_line().await.unwrap().is_some() {}
        self.child.wait().await.unwrap().code()
    }
}

async fn behind() -> World {
    behind_on(Face::GitHub).await
}

async fn behind_on(face: Face) -> World {
    let mut world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(IMAGE, "1.27", "2");
    world.setting(LISTEN);
    world
}

/// The value of a series that a scrape brings.
async fn metric(client: &reqwest::Client, address: &str, series: &str) -> f64 {
    let text = client.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series));
    value.unwrap_or_else(|| panic!("no `{series}` in {text}")).trim().parse().unwrap()
}

#[tokio::test]
async fn it_serves_reads_its_configuration_anew_and_ends_when_it_is_told_to() {
    let mut world = behind().await;
    let before = world.begin();
    let mut process = Process::start(&world.configuration());
    let line = process.says("serving").await;
    let address = line.split("address=").nth(1).unwrap().trim().to_owned();
    process.says("opened a pull request").await;
    process.says("the cycle ended").await;
    let client = refrom::net::client(&Default::default(), refrom::net::Redirects::Manual).unwrap();
    let ready = client.get(format!("http://{address}/readyz")).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    assert_eq!(metric(&client, &address, "refrom_actions_total{action=\"open\",outcome=\"done\"}").await, 1.0);
    let requests = "refrom_requests_total{kind=\"forge\",name=\"github\"}";
    let asked = metric(&client, &address, requests).await;
    world.policy(&["enabled: maybe"]);
    world.configuration();
    process.tell(rustix::process::Signal::HUP);
    process.says("a mistake in the configuration").await;
    process.says("the old one stays in use").await;
    world.policy(&["enabled: true"]);
    world.configuration();
    process.tell(rustix::process::Signal::HUP);
    process.says("the configuration was read anew").await;
    process.says("the cycle ended").await;
    // Another configuration has other clients; what was counted goes on.
    assert!(metric(&client, &address, requests).await > asked);
    assert_eq!(metric(&client, &address, "refrom_pull_requests{state=\"open\"}").await, 1.0);
    process.tell(rustix::process::Signal::TERM);
    assert_eq!(process.ended().await, Some(0));
    world.end(&before);
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn the_second_of_two_services_on_one_store_says_who_holds_it() {
    let mut world = behind().await;
    let before = world.begin();
    let configuration = world.configuration();
    let mut first = Process::start(&configuration);
    first.says("the cycle ended").await;
    let mut second = Process::start(&configuration);
    let line = second.says("is in use by").await;
    assert!(line.contains(&format!("process {} on ", first.child.id().unwrap())), "{line}");
    assert_eq!(second.ended().await, Some(3));
    first.tell(rustix::process::Signal::INT);
    assert_eq!(first.ended().await, Some(0));
    world.end(&before);
    world.run().await;
    world.finish();
}

#[tokio::test]
async fn a_cycle_that_does_not_end_in_its_grace_is_dropped_and_carried_on_by_the_next_start() {
    let mut world = behind().await;
    world.setting("serve: { listen: '127.0.0.1:0', shutdown_grace: 0s }");
    let before = world.begin();
    world.meddlings.next("write POST /repos/acme/web/pulls", Meddling::HangAfterEffect);
    let process = Process::start(&world.configuration());
    world.meddlings.hanging().await;
    process.tell(rustix::process::Signal::TERM);
    assert_eq!(process.ended().await, Some(3));
    world.end(&before);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.finish();
}

/// Starts the service and kills it right after the next thing that it changed, until a start has nothing left to
/// change; how often it was killed.
async fn killed_piece_by_piece(world: &mut World) -> usize {
    for killed in 0..40 {
        world.meddlings.next("write ", Meddling::HangAfterEffect);
        let before = world.begin();
        let mut process = Process::start(&world.configuration());
        let meddlings = world.meddlings.clone();
        let was_killed = tokio::select! {
            biased;
            () = meddlings.hanging() => true,
            _ = process.says("the cycle ended") => false,
        };
        // SIGKILL: the process can do nothing about it.
        process.child.kill().await.unwrap();
        world.meddlings.clear();
        world.end(&before);
        if !was_killed {
            return killed;
        }
    }
    panic!("the starts come to no end");
}

#[tokio::test]
async fn a_service_that_is_killed_at_every_step_doubles_nothing_and_loses_nothing() {
    for face in [Face::GitHub, Face::GitLab] {
        killed_at_every_step(behind_on(face).await).await;
    }
}

async fn killed_at_every_step(mut world: World) {
    // Pushed, opened; on GitHub labelled, too.
    assert!(killed_piece_by_piece(&mut world).await >= 2);
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    let third = world.release(IMAGE, "1.27", "3");
    // Pushed, its text changed.
    assert_eq!(killed_piece_by_piece(&mut world).await, 2);
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    assert!(world.pull_request(WEB, 1).body.contains(&third.to_string()));
    // Nobody needs it any more: withdrawn, explained, closed, its branch deleted.
    world.commit(WEB, "main", &[("Dockerfile", &nginx("1.27.3", &third))]);
    assert!(killed_piece_by_piece(&mut world).await >= 3);
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    // Refusals are people's alone: the next build is proposed.
    let fourth = world.release(IMAGE, "1.27", "4");
    killed_piece_by_piece(&mut world).await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.expect_branches(WEB, &[BRANCH]);
    world.expect_proposal(WEB, 2, &nginx("1.27.4", &fourth));
    // The forge is told to merge, once.
    world.policy(&["automerge: when_green"]);
    let head = world.bare(WEB).head(&branch(BRANCH)).unwrap().unwrap();
    world.forge.set_checks(&name(WEB), &head, Pipeline::Pending).unwrap();
    assert_eq!(killed_piece_by_piece(&mut world).await, 1);
    assert!(world.pull_request(WEB, 2).is_auto_merging);
    // Somebody works on the branch, and is told once that it is theirs.
    world.commit(WEB, BRANCH, &[("notes.txt", "mine")]);
    assert_eq!(killed_piece_by_piece(&mut world).await, 1);
    assert_eq!(world.pull_request(WEB, 2).comments.len(), 1);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}
