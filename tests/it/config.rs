//! The configuration from outside: what is refused and how, what holds where, and the example.

mod cadence;
mod commands;
mod digests;
mod example;
mod layers;
mod mistakes;
mod serve;
mod settings;
mod waves;

use std::path::Path;

use refrom::config::{Config, Environment, Secrets};
use refrom::domain::pattern::Pattern;
use refrom::domain::pull_request::RepoName;

const SECRET: &str = "ghp_hunter2hunter2hunter2hunter2hunter2";

/// Every way to sign in.
const SIGNED_IN: &str = "
forges:
  - auth: { token: { env: GITHUB_TOKEN } }
    repositories: { include: [acme/web] }
registries:
  dhi.io: { auth: { username: acme, password: { file: password.txt } } }
  a.io: { auth: { token: { env: A_TOKEN }, realm: https://auth.a.io/token } }
  b.io: { auth: { anonymous: true } }
  c.io: { auth: { docker: true } }
  d.io: { endpoint: 'http://127.0.0.1:5000/prefix' }
  e.io:
network: { proxy: 'http://proxy.example:3128', proxy_auth: { username: me, password: { env: A_TOKEN } } }
commit: { signing_key: { file: password.txt } }
";

/// Overrides over `policy`.
const LAYERS: &str = "policy:
  group: image
  labels: [a, b]
  comment: write
repositories:
  - match: 'acme/*'
    policy: { labels: [c], files: { include: [Build] } }
  - match: '/^acme\\/(web|api)$/'
    policy: { labels: [d], draft: true, max_open: 2 }
  - match: 'other/*'
    policy: { enabled: false }
";

fn no_environment(_: &str) -> Option<String> {
    None
}

fn load(text: &str, environment: Environment<'_>, secrets: Secrets) -> Result<Config, String> {
    Config::from_text(text, Path::new("refrom.yaml"), environment, secrets).map_err(|errors| errors.to_string())
}

fn config_of(text: &str) -> Config {
    load(text, &no_environment, Secrets::Skip).unwrap_or_else(|errors| panic!("{errors}"))
}

fn name(text: &str) -> RepoName {
    text.parse().unwrap()
}

fn sources(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(Pattern::as_str).collect()
}
