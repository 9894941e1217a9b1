//! An organization made up for measuring: an embedded registry, an embedded forge, and the real program as a process of
//! its own, so that its time and memory are told apart from those of the servers.

pub mod measure;

use std::path::{Path, PathBuf};
use std::process::Command;

use refrom::demo::forge::Forge;
use refrom::demo::git_repository::Content;
use refrom::demo::registry::{Access, ImageSpec, Registry};
use refrom::domain::pull_request::RepoName;
use tempfile::TempDir;
use tokio::runtime::Runtime;

pub use measure::{Cost, Measured};

/// What each image is published as.
const TAGS: [&str; 2] = ["1.27-alpine", "1.27-dev"];
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64/v8"];
const HOST: &str = "dhi.io";
/// Below `dhi/` it has what its upstream had when [`World::copy_to_mirror`] was called the last time.
const MIRROR: &str = "mirror.acme.internal";
const USER: &str = "acme";
const PASSWORD: (&str, &str) = ("REFROM_BENCH_REGISTRY_PASSWORD", "bench-registry-password");
const TOKEN: (&str, &str) = ("REFROM_BENCH_FORGE_TOKEN", "bench-forge-token");
/// What a repository holds besides its Dockerfiles, in bytes. Noise, so that no compression makes it small.
pub const BALLAST_BYTES: usize = 64 << 10;
/// Dockerfiles of a repository, of two pins each.
const FILES: usize = 2;

/// How the registry lets its clients in.
#[derive(Debug, Clone, Copy)]
pub enum Door {
    Open,
    /// A token for each repository.
    Token,
}

/// The organization. Dropping it ends its servers and removes its files.
#[derive(Debug)]
pub struct World {
    registry: Registry,
    forge: Forge,
    images: usize,
    folder: TempDir,
    _runtime: Runtime,
}

impl World {
    /// Servers with this many images of two tags each, and a configuration.
    pub fn new(images: usize, door: Door) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let access = match door {
            Door::Open => Access::Open,
            Door::Token => Access::bearer(USER, PASSWORD.1),
        };
        let registry = runtime.block_on(Registry::start(access)).unwrap();
        let forge = runtime.block_on(Forge::start(folder.path().join("forge"))).unwrap();
        forge.add_user("refrom", TOKEN.1);
        let world = Self { registry, forge, images, folder, _runtime: runtime };
        std::fs::write(world.configuration(), world.yaml()).unwrap();
        world.release("1");
        world
    }

    /// The same with a fleet of repositories that pin what the tags point to now.
    pub fn with_fleet(images: usize, repositories: usize) -> Self {
        let world = Self::new(images, Door::Token);
        for number in 0..repositories {
            world.add_repository(number);
        }
        world
    }

    /// The same with repositories that pin by the name of a mirror.
    pub fn behind_mirror(images: usize, repositories: usize) -> Self {
        let world = Self::new(images, Door::Open);
        let mirror = format!(
            "  {MIRROR}: {{ endpoint: \"{}{MIRROR}\", mirrors: {{ \"dhi/\": \"{HOST}/\" }} }}\n",
            world.registry.url()
        );
        std::fs::write(world.configuration(), world.yaml() + &mirror).unwrap();
        world.copy_to_mirror();
        for number in 0..repositories {
            world.add_pins(number, |text| text.replace(&format!("{HOST}/"), &format!("{MIRROR}/dhi/")));
        }
        world
    }

    /// The mirror catches up.
    pub fn copy_to_mirror(&self) {
        for image in (0..self.images).map(name) {
            self.registry.mirror(&format!("{MIRROR}/dhi/{image}"), &self.registry, &format!("{HOST}/{image}"));
        }
    }

    /// The first tenth of the repositories gets every digest before the others.
    pub fn in_waves(self) -> Self {
        let waves = "waves: [{ name: canary, match: ['acme/service-??0'] }, { name: rest, match: ['**'] }]\n";
        std::fs::write(self.configuration(), format!("{}{waves}", self.yaml())).unwrap();
        self
    }

    /// Every tag moves to a new build.
    pub fn release(&self, build: &str) {
        for image in 0..self.images {
            for tag in TAGS {
                self.registry.publish(&format!("{HOST}/{}", name(image)), tag, &specification(image, tag, build));
            }
        }
    }

    /// From now on nothing is proposed.
    pub fn freeze(&self) {
        let freeze = "freeze: [{ from: 2000-01-01, to: 2999-12-31, reason: measuring }]\n";
        std::fs::write(self.configuration(), self.yaml() + freeze).unwrap();
    }

    /// A work tree with a Dockerfile for each image, which uses both of its tags.
    pub fn work_tree(&self) -> PathBuf {
        let root = self.folder.path().join("tree");
        for image in 0..self.images {
            let folder = root.join(name(image));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("Dockerfile"), dockerfile(image)).unwrap();
        }
        root
    }

    /// How many distinct tags there are.
    pub fn tags(&self) -> usize {
        self.images * TAGS.len()
    }

    /// Runs `refrom check` over a work tree.
    pub fn check(&self, tree: &Path) -> Cost {
        self.cost(self.check_command(tree))
    }

    /// Runs one cycle with `refrom run`.
    pub fn cycle(&self) -> Cost {
        self.cost(self.cycle_command())
    }

    /// [`World::check`] with its time and memory.
    pub fn measure_check(&self, tree: &Path) -> Measured {
        self.measured(self.check_command(tree))
    }

    /// [`World::cycle`] with its time and memory.
    pub fn measure_cycle(&self) -> Measured {
        self.measured(self.cycle_command())
    }

    fn check_command(&self, tree: &Path) -> Command {
        let mut command = self.refrom("check");
        command.arg(tree);
        command
    }

    fn cycle_command(&self) -> Command {
        self.refrom("run")
    }

    fn refrom(&self, subcommand: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_refrom"));
        command
            .arg(subcommand)
            .args(["--format", "json", "--config"])
            .arg(self.configuration())
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .env("HOME", self.folder.path())
            .envs([PASSWORD, TOKEN]);
        command
    }

    fn cost(&self, mut command: Command) -> Cost {
        self.forget();
        let output = command.output().unwrap();
        Cost::new(&output, self.registry.traffic().take(), self.forge.traffic().take())
    }

    fn measured(&self, command: Command) -> Measured {
        self.forget();
        let (output, usage) = measure::run(command);
        let cost = Cost::new(&output, self.registry.traffic().take(), self.forge.traffic().take());
        Measured { cost, usage }
    }

    fn forget(&self) {
        self.registry.traffic().take();
        self.forge.traffic().take();
    }

    fn add_repository(&self, number: usize) {
        self.add_pins(number, |text| text);
    }

    fn add_pins(&self, number: usize, written: impl Fn(String) -> String) {
        let repository: RepoName = format!("acme/service-{number:03}").parse().unwrap();
        let files: Vec<(String, Vec<u8>)> = (0..FILES)
            .map(|file| {
                (format!("images/{file}/Dockerfile"), written(dockerfile((number + file) % self.images)).into_bytes())
            })
            .chain([("data/model.bin".to_owned(), noise(number)), ("README.md".to_owned(), b"A service.\n".to_vec())])
            .collect();
        let changes: Vec<(&str, Content<'_>)> =
            files.iter().map(|(path, bytes)| (path.as_str(), Content::File(bytes))).collect();
        let bare = self.forge.add_repository(&repository).unwrap();
        bare.commit(&"main".parse().unwrap(), &changes, "Pin base images").unwrap();
    }

    fn configuration(&self) -> PathBuf {
        self.folder.path().join("refrom.yaml")
    }

    fn yaml(&self) -> String {
        format!(
            r#"forges:
  - name: forge
    kind: github
    url: {forge}
    auth: {{ token: {{ env: {token} }} }}
    repositories: {{ include: ["acme/*"] }}
    write_interval: 0s
registries:
  {HOST}: {{ endpoint: "{registry}{HOST}" }}
  "{host}": {{ auth: {{ username: {USER}, password: {{ env: {password} }} }} }}
"#,
            forge = self.forge.url().unwrap(),
            token = TOKEN.0,
            registry = self.registry.url(),
            host = self.registry.host(),
            password = PASSWORD.0,
        )
    }
}

fn name(image: usize) -> String {
    format!("base-{image:02}")
}

/// Two pins of the first build: one with its tag, one with the comment above it.
fn dockerfile(image: usize) -> String {
    let name = name(image);
    let [build, run] = TAGS.map(|tag| (tag, specification(image, tag, "1").build().digest().unwrap()));
    format!(
        "FROM {HOST}/{name}:{}@{} AS build\nCOPY . /src\nRUN make -C /src install\n\n# base image: {name} {} (1.27.1)\n\
         FROM {HOST}/{name}@{}\nCOPY --from=build /out /usr/\n",
        build.0, build.1, run.0, run.1
    )
}

/// The same description is the same digest.
fn specification(image: usize, tag: &str, build: &str) -> ImageSpec {
    let mut specification = ImageSpec::index(&PLATFORMS, &format!("{image} {tag} {build}"));
    specification.version = Some(format!("1.27.{build}"));
    specification.created = Some("2026-11-02T04:00:00Z".to_owned());
    specification.labels.insert("org.opencontainers.image.version".to_owned(), format!("1.27.{build} of {tag}"));
    specification
}

/// Bytes that do not compress, the same in every run: Marsaglia's xorshift.
fn noise(seed: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ u64::try_from(seed + 1).unwrap();
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..BALLAST_BYTES / 8).flat_map(|_| next()).collect()
}
