//! The configuration: YAML, checked with file, line and column, into a validated model.
//!
//! Text → `yaml`'s tree (syntax, duplicate keys) → `file`'s mirror (keys and types) → [`Config`] (values). Each step
//! tells all of its mistakes, and the next one goes on with the rest. This module is the only one that reads the
//! environment.

mod cadence;
mod cadence_file;
mod check;
mod digest;
mod digest_file;
mod effective;
mod file;
mod layer;
mod ledger;
mod mistake;
mod policy_file;
mod policy_key;
mod read;
mod registries;
mod repository_file;
pub mod schema;
mod serve;
mod serve_file;
mod setting;
mod settings;
mod waves;
mod waves_file;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use url::Url;

use crate::domain::cadence::Freeze;
use crate::domain::mirror::Mirrors;
use crate::domain::pattern::Pattern;
use crate::domain::waves::{Advance, Wave};
use crate::forge::Selection;
use crate::net::Network;
use crate::secret::Secret;
use check::Checker;
use file::ConfigFile;
use layer::Layer;
use yaml::{Node, Value};

pub use check::{Environment, Secrets};
pub use effective::{EffectivePolicy, Origin};
pub use file::{ForgeKind, PolicyKey, WebhookKind};
pub use mistake::{ConfigErrors, KeyPath, Mistake, Segment};
pub use repository_file::{REPOSITORY_FILE, RepositoryFile};
pub use yaml::Place;

/// The largest configuration, in bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// How often the whole fleet is looked at unless the configuration says otherwise.
pub const DEFAULT_PACE: Duration = Duration::from_secs(15 * 60);

/// How many patterns the configuration may have; large fleets have hundreds.
const PATTERNS_MAX: usize = 10_000;

/// Settings, checked: nothing in here can be wrong by itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// The SQLite file of the store.
    pub store: PathBuf,
    /// The folder of the store and of git's object caches.
    pub state_dir: PathBuf,
    /// Each with a name of its own.
    pub forges: Vec<ForgeConfig>,
    /// By host and port; `docker.io` for Docker Hub.
    pub registries: BTreeMap<String, RegistryConfig>,
    /// The names that are a mirror's.
    pub mirrors: Arc<Mirrors>,
    /// The folder of Docker's `config.json`: `DOCKER_CONFIG`, else `.docker` in `HOME`.
    pub docker_config_dir: Option<PathBuf>,
    pub network: Network,
    pub commit: CommitConfig,
    /// Pull requests that may be opened within an hour in the whole fleet.
    pub max_new_per_hour: Option<u32>,
    /// How often a tag is asked for at most; `None`: in each cycle of `run`, and at the pace of `serve`.
    pub poll: Option<Duration>,
    /// In their order; none: every digest reaches every repository at once.
    pub waves: Vec<Wave>,
    /// When a digest reaches the next wave.
    pub advance: Advance,
    pub repository_may_set: BTreeSet<PolicyKey>,
    /// How long a digest is remembered after its tag last pointed to it.
    pub retention: SignedDuration,
    pub serve: ServeConfig,
    /// As it was given.
    file: PathBuf,
    /// Of the whole fleet, each with its place.
    freezes: Vec<(Place, Freeze)>,
    policy: Layer,
    overrides: Vec<Override>,
}

/// A forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgeConfig {
    pub name: String,
    pub kind: ForgeKind,
    pub url: Url,
    /// The REST API's address where `url` does not give it.
    pub api_url: Option<Url>,
    pub auth: ForgeAuth,
    pub selection: Selection,
    /// The least time between two writes.
    pub write_interval: Duration,
    /// What the forge proves its webhooks with; without one none is taken.
    pub webhook_secret: Option<Secret>,
}

/// How refrom signs in at a forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForgeAuth {
    Token(Secret),
    /// A GitHub App with its private key, PEM.
    App {
        id: u64,
        private_key: Secret,
    },
}

/// Settings for one registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Where it is asked instead, with a path prefix.
    pub endpoint: Option<Url>,
    pub auth: RegistryAuth,
    /// A token service on another host that may get the credentials; `https` only.
    pub realm: Option<Url>,
    /// How often a tag is asked for at most, where it is not the top-level `poll`.
    pub poll: Option<Duration>,
}

/// How refrom signs in at a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RegistryAuth {
    /// The Docker configuration with its credential helpers; anonymous where that has nothing.
    #[default]
    Docker,
    Anonymous,
    Password {
        username: String,
        password: Secret,
    },
    Token(Secret),
}

/// How commits are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitConfig {
    pub author_name: String,
    /// By which refrom knows its own commits.
    pub author_email: String,
    pub sign_off: bool,
    /// An SSH private key.
    pub signing_key: Option<Secret>,
}

/// `refrom serve`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeConfig {
    /// **Invariant**: on loopback, or there is a token.
    pub listen: SocketAddr,
    pub token: Option<Secret>,
    /// In lower case, without port; IPv6 addresses in brackets.
    pub allowed_hosts: BTreeSet<String>,
    /// How long a cycle may go on after the process was told to end.
    pub shutdown_grace: Duration,
    /// Each with a name of its own.
    pub webhooks: Vec<WebhookConfig>,
}

/// A registry that tells of pushes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    pub name: String,
    pub kind: WebhookKind,
    /// As it stands in references: `docker.io`, `registry.example.com:5000`.
    pub registry: String,
    pub secret: Secret,
}

/// What holds for the repositories that match.
#[derive(Debug, Clone)]
struct Override {
    pattern: Pattern,
    layer: Layer,
}

impl Config {
    /// Reads and checks a file; asks no network. Relative paths in it are relative to its folder.
    pub fn load(path: &Path, environment: Environment<'_>, secrets: Secrets) -> Result<Self, ConfigErrors> {
        let text = read_file(path)?;
        Self::from_text(&text, path, environment, secrets)
    }

    /// Checks the text of a configuration; `path` is where it stands.
    pub fn from_text(
        text: &str,
        path: &Path,
        environment: Environment<'_>,
        secrets: Secrets,
    ) -> Result<Self, ConfigErrors> {
        let (mut tree, mut mistakes) = yaml::parse(text).map_err(|mistake| ConfigErrors::new(path, vec![mistake]))?;
        if tree.value == Value::Null {
            return Err(ConfigErrors::of_file(path, "the configuration is empty"));
        }
        let file: ConfigFile = read::read(&mut tree, &mut mistakes);
        let folder = path.parent().unwrap_or(Path::new(""));
        let patterns_left = Some(PATTERNS_MAX);
        let mut checker = Checker { tree: &tree, folder, environment, secrets, patterns_left, mistakes };
        let config = settings::config(&mut checker, &file, path);
        let mut mistakes = checker.mistakes;
        if mistakes.is_empty() {
            mistakes = config.conflicts();
            mistakes.extend(ledger::conflict(&config, &tree));
        }
        if mistakes.is_empty() { Ok(config) } else { Err(ConfigErrors::new(path, mistakes)) }
    }

    /// How often a tag of this registry, by host and port, is asked for at most; `None`: in each cycle.
    pub fn poll_of(&self, registry: &str) -> Option<Duration> {
        self.registries.get(registry).and_then(|registry| registry.poll).or(self.poll)
    }

    /// How often a service looks at the whole fleet: as often as the registry that is asked most often.
    pub fn pace(&self) -> Duration {
        let of_registries = self.registries.values().filter_map(|registry| registry.poll);
        of_registries.fold(self.poll.unwrap_or(DEFAULT_PACE), Duration::min)
    }

    /// What holds at a work tree without a configuration: the defaults, and whatever its own file says, since there is
    /// no administrator whom it could go against. Docker's configuration is used as always.
    pub fn default_for_work_tree(environment: Environment<'_>) -> Self {
        let tree = Node { place: Place { line: 1, column: 1 }, value: Value::Null };
        let (folder, secrets, patterns_left) = (Path::new(""), Secrets::Skip, None);
        let mut checker = Checker { tree: &tree, folder, environment, secrets, patterns_left, mistakes: Vec::new() };
        let config = settings::config(&mut checker, &ConfigFile::default(), Path::new(""));
        Self { repository_may_set: PolicyKey::ALL.iter().copied().collect(), ..config }
    }
}

/// The environment of this process, for [`Config::load`].
pub fn process_environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn read_file(path: &Path) -> Result<String, ConfigErrors> {
    let failed = |error: std::io::Error| ConfigErrors::of_file(path, format!("cannot be read: {error}"));
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    decode(&bytes).map_err(|mistake| ConfigErrors::new(path, vec![mistake]))
}

/// UTF-8 without a byte order mark, within the limit.
fn decode(bytes: &[u8]) -> Result<String, Mistake> {
    let mistake = |place, message: String| Mistake { place, path: KeyPath::default(), message };
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(mistake(None, format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    std::str::from_utf8(bytes).map(ToOwned::to_owned).map_err(|error| {
        let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let valid = String::from_utf8_lossy(valid);
        let last_line = valid.rsplit('\n').next().unwrap_or_default();
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX).saturating_add(1);
        let place = Place { line: count(valid.matches('\n').count()), column: count(last_line.chars().count()) };
        mistake(Some(place), "not UTF-8".to_owned())
    })
}
