//! The program itself: the real binary, in an environment with nothing of this machine's user.

mod bump;
mod cases;
mod check;
mod commands;
mod history;
mod ledger;
mod list;
mod logs;
mod rollback;
mod run;
mod schedule;
mod simulate;
mod streams;
mod work_trees;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::domain::digest::Digest;
use serde_json::Value;
use tempfile::TempDir;

/// The hosts that the embedded registry answers for, each under a path of its own.
const HOSTS: [&str; 3] = ["docker.io", "dhi.io", "cgr.dev"];
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];
/// What a pin of the tests is written with; no registry has it.
const GONE: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

/// A folder with files, and a home of its own beside them.
struct World {
    folder: TempDir,
}

/// How a command ended and what it said.
#[derive(Debug)]
struct Answer {
    status: i32,
    stdout: String,
    stderr: String,
    bytes: Vec<u8>,
}

impl World {
    fn new(files: &[(&str, &str)]) -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir_all(world.tree()).unwrap();
        std::fs::create_dir_all(world.home()).unwrap();
        for (path, text) in files {
            world.write(path, text.as_bytes());
        }
        world
    }

    /// The work tree, in which commands run.
    fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.tree().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    fn bytes(&self, path: &str) -> Vec<u8> {
        std::fs::read(self.path(path)).unwrap()
    }

    fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path)).unwrap()
    }

    /// A repository's own marks, without the git program.
    fn make_repository(&self, path: &str) {
        self.write(&format!("{path}/.git/HEAD"), b"ref: refs/heads/main\n");
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", self.home())
            .env("DOCKER_CONFIG", self.home().join("docker"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .current_dir(self.tree());
        command
    }

    /// Runs refrom in the work tree.
    fn refrom(&self, arguments: &[&str]) -> Answer {
        answer(self.command(env!("CARGO_BIN_EXE_refrom"), arguments).output().unwrap())
    }

    /// The uses that `list` prints, from a run in which nothing was wrong.
    #[track_caller]
    fn list(&self, arguments: &[&str]) -> Vec<Value> {
        let answer = self.refrom(&[&["list", "--format", "json"], arguments].concat());
        assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{answer:?}");
        answer.json().as_array().unwrap().clone()
    }

    /// The paths that `list` names, each once.
    #[track_caller]
    fn listed(&self, arguments: &[&str]) -> Vec<String> {
        let mut paths: Vec<String> =
            self.list(arguments).iter().map(|found| found["path"].as_str().unwrap().to_owned()).collect();
        paths.dedup();
        paths
    }

    /// Writes a diff into the work tree with `git apply`.
    #[track_caller]
    fn git_apply(&self, diff: &[u8]) {
        let file = self.folder.path().join("a.diff");
        std::fs::write(&file, diff).unwrap();
        let arguments = ["-c", "core.autocrlf=false", "apply", "--whitespace=nowarn", file.to_str().unwrap()];
        let answer = answer(self.command("git", &arguments).output().unwrap());
        assert_eq!(answer.status, 0, "{}\n{}", answer.stderr, String::from_utf8_lossy(diff));
    }
}

fn answer(output: Output) -> Answer {
    Answer {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}

impl Answer {
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn ended(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// A registry that answers for [`HOSTS`], and the configuration that leads there, `refrom.yaml` beside the work tree.
struct Shop {
    registry: Registry,
    world: World,
}

impl Shop {
    async fn open(files: &[(&str, &str)]) -> Self {
        Self::with_policy(files, "").await
    }

    /// With more lines of configuration.
    async fn with_policy(files: &[(&str, &str)], more: &str) -> Self {
        let registry = Registry::start(Access::Open).await.unwrap();
        let shop = Self { registry, world: World::new(files) };
        shop.configure(more);
        shop
    }

    fn configure(&self, more: &str) {
        let url = self.registry.url();
        let endpoints = HOSTS.map(|host| format!("  {host}: {{ endpoint: '{url}{host}' }}\n")).concat();
        std::fs::write(self.configuration(), format!("registries:\n{endpoints}{more}")).unwrap();
    }

    fn configuration(&self) -> PathBuf {
        self.world.folder.path().join("refrom.yaml")
    }

    /// Publishes an image; another content is another digest.
    fn publish(&self, image: &str, tag: &str, content: &str) -> Digest {
        self.registry.publish(image, tag, &ImageSpec::index(&PLATFORMS, content))
    }

    /// Runs a command of the work tree with the configuration.
    fn refrom(&self, arguments: &[&str]) -> Answer {
        let configuration = self.configuration();
        self.world.refrom(&[arguments, &["--config", configuration.to_str().unwrap()]].concat())
    }

    /// How often each question was asked since the last time.
    fn questions(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for exchange in self.registry.traffic().take() {
            *counts.entry(format!("{} {}", exchange.method, exchange.path)).or_default() += 1;
        }
        counts
    }
}

fn pin(image: &str, digest: impl std::fmt::Display) -> String {
    format!("FROM {image}@{digest}\n")
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}
