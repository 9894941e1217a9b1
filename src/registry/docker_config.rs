//! Docker's `config.json` and podman's `auth.json`: whose credentials are where.
//!
//! The keys of `auths` are hosts, URLs (Docker's `https://index.docker.io/v1/`) or, with podman, a host with a path:
//! the longest path counts (`containers-auth.json(5)`).

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;
use serde::Deserialize;

use super::credentials::Credentials;
use super::endpoint::DOCKER_HUB_HOSTS;
use super::error::Failure;
use crate::domain::reference::DOCKER_HUB;

/// The largest configuration that is read, in bytes; a file with a token for each of 100 registries has about 200 KiB.
const CONFIG_BYTES_MAX: u64 = 1 << 20;
/// The name under which Docker keeps Docker Hub's credentials.
const DOCKER_HUB_SERVER: &str = "https://index.docker.io/v1/";
/// Tools write `auth` with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The parts of a Docker configuration that concern credentials.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DockerConfigFile {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// A credential helper and the server name that it is asked about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HelperQuestion {
    /// The program's name without `docker-credential-`.
    pub helper: String,
    pub server: String,
}

impl DockerConfigFile {
    /// Reads a configuration; `None` where there is no such file.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Failure> {
        use std::io::Read as _;
        let failure =
            |message: &str| Failure::DockerConfig { path: path.display().to_string(), message: message.into() };
        let file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failure(&error.to_string())),
        };
        let mut text = Vec::new();
        file.take(CONFIG_BYTES_MAX + 1).read_to_end(&mut text).map_err(|error| failure(&error.to_string()))?;
        if u64::try_from(text.len()).is_ok_and(|length| length > CONFIG_BYTES_MAX) {
            return Err(failure("it is larger than 1 MiB"));
        }
        // The parser's message could quote a secret; its position is enough.
        let config = serde_json::from_slice(&text)
            .map_err(|error| failure(&format!("not valid at line {} column {}", error.line(), error.column())))?;
        Ok(Some(config))
    }

    /// The helper to ask about a host: its own, else the store of all.
    pub(super) fn helper(&self, host: &str) -> Option<HelperQuestion> {
        let own = self.cred_helpers.iter().find(|(key, _)| is_host(key, host)).map(|(_, helper)| helper);
        let helper = own.or(self.creds_store.as_ref()).filter(|helper| !helper.is_empty())?.clone();
        let server = if host == DOCKER_HUB { DOCKER_HUB_SERVER } else { host }.to_owned();
        Some(HelperQuestion { helper, server })
    }

    /// The credentials that stand in the file itself, for a repository at a host.
    pub(super) fn credentials(&self, host: &str, repository: &str) -> Option<Result<Credentials, &'static str>> {
        let scoped = self.auths.iter().filter(|(key, _)| is_scope_of(key, host, repository));
        let scoped = scoped.max_by_key(|(key, _)| key.len()).map(|(_, entry)| entry);
        let entry = scoped.or_else(|| self.auths.iter().find(|(key, _)| is_host(key, host)).map(|(_, entry)| entry))?;
        entry.credentials()
    }
}

impl Entry {
    /// `None` for the empty entry that Docker leaves beside a credential store.
    fn credentials(&self) -> Option<Result<Credentials, &'static str>> {
        let secret = |text: &str| SecretString::from(text.to_owned());
        if !self.registrytoken.is_empty() {
            return Some(Ok(Credentials::Token(secret(&self.registrytoken))));
        }
        if !self.identitytoken.is_empty() {
            return Some(Ok(Credentials::Identity(secret(&self.identitytoken))));
        }
        if self.auth.is_empty() {
            let basic = Credentials::Basic { username: self.username.clone(), password: secret(&self.password) };
            return (!self.username.is_empty()).then_some(Ok(basic));
        }
        let decoded = BASE64.decode(&self.auth).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
        // Docker pads old passwords with NUL bytes and cuts them off again.
        Some(pair.ok_or("an `auth` is not base64 of `username:password`").map(|(username, password)| {
            Credentials::Basic { username: username.to_owned(), password: secret(password.trim_end_matches('\0')) }
        }))
    }
}

/// Whether a key without a scheme names the repository or a path above it.
fn is_scope_of(key: &str, host: &str, repository: &str) -> bool {
    let Some((key_host, path)) = key.trim_end_matches('/').split_once('/') else { return false };
    let rest = repository.strip_prefix(path);
    !key.contains("://") && is_host(key_host, host) && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whether a key means the whole host: the host itself, or a URL at it with whatever path (`…/v1/`, `…/v2/`).
fn is_host(key: &str, host: &str) -> bool {
    let key = match key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")) {
        Some(rest) => rest.split('/').next().unwrap_or(rest),
        None => key.trim_end_matches('/'),
    };
    key == host || (host == DOCKER_HUB && DOCKER_HUB_HOSTS.contains(&key))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn config(text: &str) -> DockerConfigFile {
        serde_json::from_str(text).unwrap()
    }

    fn entry(user: &str) -> String {
        format!(r#"{{"auth": "{}"}}"#, base64::engine::general_purpose::STANDARD.encode(format!("{user}:p:w")))
    }

    fn user(config: &DockerConfigFile, host: &str, repository: &str) -> Option<String> {
        match config.credentials(host, repository)?.unwrap() {
            Credentials::Basic { username, password } => {
                assert_eq!(password.expose_secret(), "p:w");
                Some(username)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_path_counts_then_the_host() {
        let config = config(&format!(
            r#"{{"auths": {{"r.example/team/app": {}, "r.example/team": {}, "r.example": {}}}}}"#,
            entry("app"),
            entry("team"),
            entry("host")
        ));
        for (repository, expected) in
            [("team/app", "app"), ("team/app/x", "app"), ("team/application", "team"), ("other", "host")]
        {
            assert_eq!(user(&config, "r.example", repository).as_deref(), Some(expected), "{repository}");
        }
        assert_eq!(user(&config, "r.example:5000", "team/app"), None);
        assert_eq!(user(&config, "other.example", "team/app"), None);
    }

    #[test]
    fn docker_hub_has_its_own_key() {
        let hub = config(&format!(r#"{{"auths": {{"https://index.docker.io/v1/": {}}}}}"#, entry("me")));
        assert_eq!(user(&hub, "docker.io", "library/nginx").as_deref(), Some("me"));
        assert_eq!(user(&hub, "dhi.io", "nginx"), None);
        let other = config(&format!(r#"{{"auths": {{"https://r.example:5000/v2/": {}}}}}"#, entry("me")));
        assert_eq!(user(&other, "r.example:5000", "a").as_deref(), Some("me"));
    }

    #[test]
    fn tokens_and_plain_fields_are_read_and_empty_entries_are_none() {
        let config = config(
            r#"{"auths": {"a.example": {"identitytoken": "i", "auth": "eDp5"}, "b.example": {"registrytoken": "t"},
                "c.example": {}, "d.example": {"username": "u", "password": "p:w"}, "e.example": {"auth": "?"}}}"#,
        );
        assert!(matches!(config.credentials("a.example", "x"), Some(Ok(Credentials::Identity(_)))));
        assert!(matches!(config.credentials("b.example", "x"), Some(Ok(Credentials::Token(_)))));
        assert!(config.credentials("c.example", "x").is_none());
        assert_eq!(user(&config, "d.example", "x").as_deref(), Some("u"));
        assert!(matches!(config.credentials("e.example", "x"), Some(Err(_))));
    }

    #[test]
    fn a_hosts_own_helper_comes_before_the_store() {
        let config = config(r#"{"credsStore": "desktop", "credHelpers": {"r.example": "ecr-login"}}"#);
        let question = |helper: &str, server: &str| HelperQuestion { helper: helper.into(), server: server.into() };
        assert_eq!(config.helper("r.example"), Some(question("ecr-login", "r.example")));
        assert_eq!(config.helper("docker.io"), Some(question("desktop", "https://index.docker.io/v1/")));
    }

    #[test]
    fn a_missing_file_is_none_and_a_broken_one_says_where_but_not_what() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config.json");
        assert!(DockerConfigFile::read(&path).unwrap().is_none());
        std::fs::write(&path, "{\"auths\": {\"a\": \"hunter2\"}}").unwrap();
        let message = DockerConfigFile::read(&path).err().unwrap().to_string();
        assert!(message.contains("line 1") && !message.contains("hunter2"), "{message}");
    }
}
