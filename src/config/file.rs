//! The mirror of the YAML file: every key as it is written, not yet checked. Its doc comments are the schema's.
//!
//! **Invariant**: every key can be left out, and `null` means left out, so that what is readable of a file with
//! mistakes can be read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

pub use super::cadence_file::FreezeFile;
pub use super::policy_file::{PolicyFile, PolicyKey};
pub use super::serve_file::{ServeFile, WebhookFile, WebhookKind};
pub use super::waves_file::{AdvanceFile, WaveFile};

/// Settings of refrom.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of settings")]
pub struct ConfigFile {
    /// Where refrom remembers between cycles: `sqlite://` and a path, relative to `state_dir`. All of it can be lost.
    pub store: Option<String>,
    /// Folder of the store and of git's object caches, relative to this file's folder.
    pub state_dir: Option<String>,
    /// Where repositories and pull requests live.
    pub forges: Option<Vec<ForgeFile>>,
    /// Settings for registries, by host and port: `dhi.io`, `docker.io`, `registry.local:5000`.
    pub registries: Option<BTreeMap<String, Option<RegistryFile>>>,
    /// For everything that talks, git included.
    pub network: Option<NetworkFile>,
    /// How refrom's commits are made.
    pub commit: Option<CommitFile>,
    /// How many pull requests may be opened within an hour in the whole fleet; no limit where it is left out.
    pub max_new_per_hour: Option<u32>,
    /// How often a tag is asked for at most: `15m`. `run` asks in each cycle where it is left out, `serve` each 15 minutes.
    pub poll: Option<String>,
    /// Dates between which no pull request is opened or updated in the whole fleet.
    pub freeze: Option<Vec<FreezeFile>>,
    /// Waves of repositories, in their order: a digest reaches the next one when those before have merged it. The first
    /// one that matches counts; what none matches belongs to the last one.
    pub waves: Option<Vec<WaveFile>>,
    /// When a digest reaches the next wave.
    pub advance: Option<AdvanceFile>,
    /// The keys of `policy` that a repository's own `.refrom.yaml` may set.
    pub repository_may_set: Option<Vec<PolicyKey>>,
    /// Defaults for every repository.
    pub policy: Option<PolicyFile>,
    /// Overrides for some repositories, in order; for each key the last match wins.
    pub repositories: Option<Vec<OverrideFile>>,
    /// What is remembered of tags.
    pub ledger: Option<LedgerFile>,
    /// `refrom serve`: where it listens, and who may wake it.
    pub serve: Option<ServeFile>,
}

/// A forge.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a forge: a mapping with `auth` and `repositories`")]
pub struct ForgeFile {
    /// Its name in reports and in the store; its `kind` where it is left out.
    pub name: Option<String>,
    /// What it speaks.
    pub kind: Option<ForgeKind>,
    /// Its address; an Enterprise Server's, or that of a self-managed GitLab, gives its API.
    pub url: Option<String>,
    /// The REST API's address, where it cannot be told from `url`.
    pub api_url: Option<String>,
    /// How refrom signs in.
    pub auth: Option<ForgeAuthFile>,
    /// Which repositories are looked at.
    pub repositories: Option<SelectionFile>,
    /// The least time between two writes: `1s`, `500ms`.
    pub write_interval: Option<String>,
    /// What the forge proves its webhooks with, which `refrom serve` takes at `/webhooks/NAME`.
    pub webhook_secret: Option<SecretReference>,
}

/// The protocols of forges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// github.com and GitHub Enterprise Server.
    #[default]
    Github,
    /// gitlab.com and self-managed GitLab.
    Gitlab,
}

/// One of the two ways to sign in.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ token: … }` or `{ app: … }`")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ForgeAuthFile {
    /// A token of a user or a bot; on GitLab a personal, project or group access token.
    pub token: Option<SecretReference>,
    /// A GitHub App; not for GitLab.
    pub app: Option<AppFile>,
}

/// A GitHub App.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ id: NUMBER, private_key: … }`")]
pub struct AppFile {
    /// The App's id.
    pub id: Option<u64>,
    /// The App's private key, PEM.
    pub private_key: Option<SecretReference>,
}

/// Where a secret is kept; the secret itself never stands in the configuration.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "where the secret is kept, `{ env: NAME }` or `{ file: PATH }`, and never the secret itself"
)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct SecretReference {
    /// The name of an environment variable.
    pub env: Option<String>,
    /// A file, relative to this file's folder; read anew at each use.
    pub file: Option<String>,
}

/// Which repositories of a forge are looked at. Patterns are globs, or regular expressions between slashes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ include: [OWNER/NAME, …] }`")]
pub struct SelectionFile {
    /// Patterns over the full name: `acme/*`, `acme/web`.
    pub include: Option<Vec<String>>,
    /// Patterns over the full name.
    pub exclude: Option<Vec<String>>,
    /// Repositories with any of these topics only, where there are some.
    pub topics: Option<Vec<String>>,
    /// Whether archived repositories are listed too.
    pub archived: Option<bool>,
    /// Whether forks are looked at too.
    pub forks: Option<bool>,
}

/// Settings for one registry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping with `endpoint`, `auth`, `poll` or `mirrors`")]
pub struct RegistryFile {
    /// Where the registry is asked instead: scheme, host, port and a path prefix of a pull-through mirror.
    pub endpoint: Option<String>,
    /// How refrom signs in; the Docker configuration where it is left out.
    pub auth: Option<RegistryAuthFile>,
    /// How often a tag of this registry is asked for at most; the top-level `poll` where it is left out.
    pub poll: Option<String>,
    /// Which names of this registry are a mirror's: the beginning of the path in it (`dhi/`), and what takes its place at
    /// the upstream (`dhi.io/`).
    pub mirrors: Option<BTreeMap<String, String>>,
}

/// How refrom signs in at a registry: one of the four ways, and the realm.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(
    default,
    deny_unknown_fields,
    expecting = "a mapping with `username` and `password`, or `token`, or `anonymous`"
)]
pub struct RegistryAuthFile {
    /// With `password`.
    pub username: Option<String>,
    /// With `username`.
    pub password: Option<SecretReference>,
    /// A bearer token.
    pub token: Option<SecretReference>,
    /// `true`: without signing in.
    pub anonymous: Option<bool>,
    /// `true`: the Docker configuration with its credential helpers; the default.
    pub docker: Option<bool>,
    /// The address of a token service on another host that may get the credentials; `https` only.
    pub realm: Option<String>,
}

/// For everything that talks, git included.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of settings")]
pub struct NetworkFile {
    /// `http://proxy.example:3128`, without user name and password. The environment's proxies are not used.
    pub proxy: Option<String>,
    /// Who signs in at the proxy.
    pub proxy_auth: Option<ProxyAuthFile>,
    /// PEM certificates that are trusted besides the system's; relative to this file's folder.
    pub ca_file: Option<String>,
}

/// Who signs in at the proxy.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ username: NAME, password: … }`")]
pub struct ProxyAuthFile {
    /// The user's name.
    pub username: Option<String>,
    /// The user's password.
    pub password: Option<SecretReference>,
}

/// How refrom's commits are made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of settings")]
pub struct CommitFile {
    /// Author and committer.
    pub author: Option<AuthorFile>,
    /// Whether a `Signed-off-by` line is added.
    pub sign_off: Option<bool>,
    /// An SSH private key without a passphrase that signs the commits.
    pub signing_key: Option<SecretReference>,
}

/// Author and committer. refrom knows its own commits by the address.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ name: NAME, email: ADDRESS }`")]
pub struct AuthorFile {
    /// The name.
    pub name: Option<String>,
    /// The e-mail address.
    pub email: Option<String>,
}

/// What is remembered of tags.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ retention: DURATION }`")]
pub struct LedgerFile {
    /// How long a digest is remembered after its tag last pointed to it: `400d`.
    pub retention: Option<String>,
}

/// An override for some repositories.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ match: PATTERN, policy: … }`")]
pub struct OverrideFile {
    /// A pattern over the full name.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// What holds for them instead.
    pub policy: Option<PolicyFile>,
}
