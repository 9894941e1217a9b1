//! Registries: where they are asked, with which credentials, and which of them are mirrors.

use std::collections::BTreeMap;

use super::cadence;
use super::check::Checker;
use super::file::{ConfigFile, RegistryAuthFile, RegistryFile};
use super::mistake::KeyPath;
use super::settings::HTTP;
use super::{RegistryAuth, RegistryConfig};
use crate::domain::mirror::Mirrors;
use crate::domain::reference::ImageName;

/// How many prefixes of one registry may be a mirror's.
const MIRRORS_MAX: usize = 1000;

/// Settings for single registries.
pub fn registries(checker: &mut Checker<'_>, path: &KeyPath, file: &ConfigFile) -> BTreeMap<String, RegistryConfig> {
    let mut registries = BTreeMap::new();
    for (written, file) in file.registries.iter().flatten() {
        let path = path.key(written);
        let Some(host) = registry_host(written) else {
            checker
                .wrong(&path, "expected a registry's host, with a port where it has one: `registry.example.com:5000`");
            continue;
        };
        let config = file.as_ref().map(|file| registry(checker, &path, file)).unwrap_or_default();
        if registries.insert(host.clone(), config).is_some() {
            checker.wrong(&path, format!("a second entry for `{host}`"));
        }
    }
    registries
}

/// The host of a registry as it stands in references.
pub fn registry_host(written: &str) -> Option<String> {
    let name: ImageName = format!("{written}/name").parse().ok()?;
    let is_host = name.registry() == written || written == "index.docker.io";
    is_host.then(|| name.registry().to_owned())
}

fn registry(checker: &mut Checker<'_>, path: &KeyPath, file: &RegistryFile) -> RegistryConfig {
    let endpoint = file.endpoint.as_ref().and_then(|text| checker.url(&path.key("endpoint"), text, &HTTP));
    let poll = file.poll.as_ref().and_then(|text| cadence::poll(checker, &path.key("poll"), text));
    let path = path.key("auth");
    let no_auth = RegistryAuthFile::default();
    let auth = file.auth.as_ref().unwrap_or(&no_auth);
    let realm = auth.realm.as_ref().and_then(|text| checker.url(&path.key("realm"), text, &["https"]));
    RegistryConfig { endpoint, auth: registry_auth(checker, &path, auth).unwrap_or_default(), realm, poll }
}

fn registry_auth(checker: &mut Checker<'_>, path: &KeyPath, file: &RegistryAuthFile) -> Option<RegistryAuth> {
    let ways = [
        file.username.is_some() || file.password.is_some(),
        file.token.is_some(),
        file.anonymous == Some(true),
        file.docker == Some(true),
    ];
    if ways.into_iter().filter(|is_chosen| *is_chosen).count() > 1 {
        checker.wrong(path, "expected one of `username` with `password`, `token`, `anonymous` and `docker`");
        return None;
    }
    if let Some(token) = &file.token {
        return checker.secret(&path.key("token"), token).map(RegistryAuth::Token);
    }
    match (&file.username, &file.password) {
        (Some(username), Some(password)) => {
            let password = checker.secret(&path.key("password"), password)?;
            Some(RegistryAuth::Password { username: username.clone(), password })
        }
        (Some(_), None) => {
            checker.missing(&path.key("password"), "missing: `{ env: NAME }` or `{ file: PATH }`");
            None
        }
        (None, Some(_)) => {
            checker.missing(&path.key("username"), "missing: the user's name");
            None
        }
        (None, None) if file.anonymous == Some(true) => Some(RegistryAuth::Anonymous),
        (None, None) => Some(RegistryAuth::Docker),
    }
}

/// The names that are a mirror's, of all registries.
pub fn mirrors(checker: &mut Checker<'_>, path: &KeyPath, file: &ConfigFile) -> Mirrors {
    let mut mirrors = Mirrors::default();
    let mut upstreams = Vec::new();
    for (written, file) in file.registries.iter().flatten() {
        let path = path.key(written).key("mirrors");
        let (Some(host), Some(prefixes)) = (registry_host(written), file.as_ref().and_then(|it| it.mirrors.as_ref()))
        else {
            continue;
        };
        if prefixes.len() > MIRRORS_MAX {
            checker.wrong(&path, format!("too many: {} of at most {MIRRORS_MAX}", prefixes.len()));
            continue;
        }
        for (prefix, upstream) in prefixes {
            let path = path.key(prefix);
            let is_path = prefix.ends_with('/') && format!("{host}/{prefix}name").parse::<ImageName>().is_ok();
            if !prefix.is_empty() && !is_path {
                checker
                    .wrong(&path, "expected the beginning of a path that ends with `/`: `dhi/`; \"\" for all of them");
            } else if let Some(example) = example(upstream) {
                mirrors.insert(&host, prefix, upstream);
                upstreams.push((path, example));
            } else {
                checker.wrong(&path, format!("expected an upstream's host, or host and path, with `/` at its end: `dhi.io/`, found `{upstream}`"));
            }
        }
    }
    for (path, example) in upstreams.iter().filter(|(_, example)| mirrors.upstream(example).is_some()) {
        checker.wrong(path, format!("its upstream is a mirror itself: `{}` has one in here", example.registry()));
    }
    mirrors
}

/// An image of the upstream, where it is one.
fn example(upstream: &str) -> Option<ImageName> {
    let path = upstream.strip_suffix('/')?;
    let host = path.split('/').next()?;
    registry_host(host)?;
    format!("{upstream}name").parse().ok()
}
