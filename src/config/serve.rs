//! The mirror of `serve` → [`ServeConfig`].

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::check::Checker;
use super::file::{ServeFile, WebhookFile};
use super::mistake::KeyPath;
use super::registries::registry_host;
use super::{ServeConfig, WebhookConfig, WebhookKind};

const DEFAULT_LISTEN: &str = "127.0.0.1:8080";
const DEFAULT_ALLOWED_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// What Kubernetes waits for before it kills (`terminationGracePeriodSeconds`).
const DEFAULT_SHUTDOWN_GRACE: &str = "30s";
/// Whoever waits longer for a process to end kills it.
const SHUTDOWN_GRACE_MAX: Duration = Duration::from_secs(600);

/// Checks everything; what is wrong goes to `checker`, and its place in the result is a default.
pub fn serve(checker: &mut Checker<'_>, path: &KeyPath, file: Option<&ServeFile>) -> ServeConfig {
    let no_file = ServeFile::default();
    let file = file.unwrap_or(&no_file);
    let token_path = path.key("token");
    let reference = file.token.as_ref();
    let token = checker.for_the_service(|checker| reference.and_then(|token| checker.secret(&token_path, token)));
    ServeConfig {
        listen: listen(checker, &path.key("listen"), file),
        token,
        allowed_hosts: allowed_hosts(checker, &path.key("allowed_hosts"), file.allowed_hosts.as_deref()),
        shutdown_grace: shutdown_grace(checker, &path.key("shutdown_grace"), file.shutdown_grace.as_deref()),
        webhooks: webhooks(checker, &path.key("webhooks"), file.webhooks.as_deref().unwrap_or_default()),
    }
}

fn listen(checker: &mut Checker<'_>, path: &KeyPath, file: &ServeFile) -> SocketAddr {
    let text = file.listen.as_deref().unwrap_or(DEFAULT_LISTEN);
    let listen = checker.parse(path, text, "an address with a port like `127.0.0.1:8080` or `[::]:8080`");
    let listen = listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    if !listen.ip().is_loopback() && file.token.is_none() {
        checker.wrong(path, format!("whoever reaches `{listen}` would see everything: it needs a `serve.token`"));
    }
    listen
}

fn allowed_hosts(checker: &mut Checker<'_>, path: &KeyPath, texts: Option<&[String]>) -> BTreeSet<String> {
    let Some(texts) = texts else { return DEFAULT_ALLOWED_HOSTS.map(str::to_owned).into() };
    if texts.is_empty() {
        checker.wrong(path, "expected a host; without one every request is refused");
    }
    for (index, text) in texts.iter().enumerate() {
        if !is_host(text) {
            checker.wrong(&path.index(index), format!("expected a host without scheme and port, found `{text}`"));
        }
    }
    texts.iter().map(|text| text.to_ascii_lowercase()).collect()
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text.parse::<IpAddr>().is_ok_and(|address| address.is_ipv4()) || text.split('.').all(is_label)
}

fn shutdown_grace(checker: &mut Checker<'_>, path: &KeyPath, text: Option<&str>) -> Duration {
    let text = text.unwrap_or(DEFAULT_SHUTDOWN_GRACE);
    let grace = text.parse::<jiff::SignedDuration>().ok().and_then(|grace| Duration::try_from(grace).ok());
    grace.filter(|grace| *grace <= SHUTDOWN_GRACE_MAX).unwrap_or_else(|| {
        let most = SHUTDOWN_GRACE_MAX.as_secs() / 60;
        checker.wrong(path, format!("expected a duration like `30s` of at most {most} minutes, found `{text}`"));
        Duration::ZERO
    })
}

fn webhooks(checker: &mut Checker<'_>, path: &KeyPath, files: &[WebhookFile]) -> Vec<WebhookConfig> {
    let mut names = BTreeSet::new();
    let mut webhooks = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        if let Some(name) = &file.name
            && !names.insert(name)
        {
            checker.wrong(&path.key("name"), format!("a second webhook with the name `{name}`"));
        }
        webhooks.extend(webhook(checker, &path, file));
    }
    webhooks
}

fn webhook(checker: &mut Checker<'_>, path: &KeyPath, file: &WebhookFile) -> Option<WebhookConfig> {
    let is_name =
        |name: &String| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    match &file.name {
        Some(name) if !is_name(name) => {
            checker.wrong(&path.key("name"), "expected a name of letters, digits, `-`, `_` and `.`");
        }
        Some(_) => {}
        None => checker.missing(&path.key("name"), "missing: the last part of the webhook's address"),
    }
    if file.kind.is_none() {
        checker
            .missing(&path.key("kind"), "missing: `harbor`, `docker_hub`, `quay`, `github_packages` or `chainguard`");
    }
    let registry = registry(checker, &path.key("registry"), file);
    let path = path.key("secret");
    if file.secret.is_none() {
        checker.missing(&path, "missing: `{ env: NAME }` or `{ file: PATH }`");
    }
    let reference = file.secret.as_ref();
    let secret = checker.for_the_service(|checker| reference.and_then(|secret| checker.secret(&path, secret)));
    Some(WebhookConfig { name: file.name.clone()?, kind: file.kind?, registry: registry?, secret: secret? })
}

fn registry(checker: &mut Checker<'_>, path: &KeyPath, file: &WebhookFile) -> Option<String> {
    let Some(written) = &file.registry else {
        let vendor = file.kind.map(vendor);
        if vendor == Some(None) {
            checker.missing(path, "missing: the registry's host, as it stands in `FROM`");
        }
        return vendor.flatten().map(str::to_owned);
    };
    let host = registry_host(written);
    if host.is_none() {
        checker.wrong(path, "expected a registry's host, with a port where it has one: `registry.example.com:5000`");
    }
    host
}

/// The host of the one registry that tells in this form, where there is one.
fn vendor(kind: WebhookKind) -> Option<&'static str> {
    match kind {
        WebhookKind::Harbor => None,
        WebhookKind::DockerHub => Some("docker.io"),
        WebhookKind::Quay => Some("quay.io"),
        WebhookKind::GithubPackages => Some("ghcr.io"),
        WebhookKind::Chainguard => Some("cgr.dev"),
    }
}
