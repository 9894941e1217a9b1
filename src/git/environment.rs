//! What a git process gets to know: nothing of its user, and secrets through its environment only.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretString};

use super::error::GitError;
use crate::net::{Network, Remote};
use crate::secret::Secret;

/// The name under which a fetch finds its remote in its environment; no file of the cache knows its URL.
pub(super) const REMOTE: &str = "refrom";

/// Seconds of next to no traffic after which git itself gives up.
const LOW_SPEED_SECONDS: &str = "60";
/// Bytes per second that count as traffic.
const LOW_SPEED_BYTES: &str = "100";

/// The bundles of certificate authorities of the usual systems, the first one found.
const SYSTEM_CERTIFICATES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What all git processes share.
#[derive(Debug)]
pub(super) struct House {
    /// An empty directory: neither git nor curl (`.netrc`) finds anything of a user in it.
    home: PathBuf,
    certificates: Option<Bundle>,
    proxy: Option<url::Url>,
    proxy_auth: Option<(String, Secret)>,
}

/// The system's authorities and those of the configuration in one file: git knows only one.
#[derive(Debug)]
struct Bundle {
    path: PathBuf,
    own: PathBuf,
}

/// What git talks to a remote for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    FetchCommit,
    /// By their ids; there is nothing to negotiate.
    FetchBlobs,
    /// **Invariant**: the remote promises no objects, so that a push fetches none.
    Push,
}

/// One process's environment.
pub(super) struct Environment {
    variables: Vec<(OsString, OsString)>,
    configuration: Vec<(String, String)>,
    /// What must not be seen in what git prints.
    pub(super) secrets: Vec<SecretString>,
}

impl House {
    /// Makes the empty home and the bundle of certificates in this directory.
    pub(super) fn new(directory: &Path, network: &Network) -> Result<Self, GitError> {
        let bundle = |own: &PathBuf| Bundle { path: directory.join("certificates.pem"), own: own.clone() };
        let house = Self {
            home: directory.join("home"),
            certificates: network.ca_file.as_ref().map(bundle),
            proxy: network.proxy.clone(),
            proxy_auth: network.proxy_auth.clone(),
        };
        house.furnish()?;
        // The configuration's file may be another one than the last time.
        house.certificates.iter().try_for_each(Bundle::write)?;
        Ok(house)
    }

    /// Makes what is missing: somebody may have thrown the directory away since.
    fn furnish(&self) -> Result<(), GitError> {
        std::fs::create_dir_all(&self.home).map_err(failed(&self.home))?;
        match &self.certificates {
            Some(bundle) if !bundle.path.exists() => bundle.write(),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    /// For work without a network.
    pub(super) fn local(&self) -> Environment {
        let mut environment = Environment { variables: Vec::new(), configuration: Vec::new(), secrets: Vec::new() };
        // PATH: git finds its own programs by it.
        environment.variables.extend(std::env::var_os("PATH").map(|path| (OsString::from("PATH"), path)));
        environment.variables.push(("HOME".into(), self.home.clone().into()));
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("LC_ALL", "C"),
        ] {
            environment.variables.push((name.into(), value.into()));
        }
        for (key, value) in [
            ("core.hooksPath", "/dev/null"),
            ("core.askPass", ""),
            ("credential.helper", ""),
            ("gc.auto", "0"),
            ("maintenance.auto", "false"),
            // The state directory may belong to another user, as a mounted volume does.
            ("safe.directory", "*"),
        ] {
            environment.set(key, value);
        }
        environment
    }

    /// For talking to this remote.
    pub(super) fn remote(&self, remote: &Remote, purpose: Purpose) -> Result<Environment, GitError> {
        let url = &remote.url;
        let is_plain =
            matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none();
        if !is_plain {
            return Err(GitError::Url { host: url.host_str().unwrap_or_default().to_owned() });
        }
        self.furnish()?;
        let mut environment = self.local();
        for (key, value) in [
            ("protocol.allow", "never"),
            ("protocol.http.allow", "always"),
            ("protocol.https.allow", "always"),
            // git's header goes wherever a redirect points to.
            ("http.followRedirects", "false"),
            ("http.lowSpeedLimit", LOW_SPEED_BYTES),
            ("http.lowSpeedTime", LOW_SPEED_SECONDS),
        ] {
            environment.set(key, value);
        }
        let proxy = self.proxy_url(&mut environment.secrets)?;
        environment.set("http.proxy", &proxy);
        if let Some(bundle) = &self.certificates {
            environment.set("http.sslCAInfo", &bundle.path.to_string_lossy());
            environment.set("http.proxySSLCAInfo", &bundle.path.to_string_lossy());
        }
        if let Some((user, token)) = &remote.credentials {
            let pair = format!("{user}:{}", token.expose_secret());
            let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
            let key = format!("http.{}/.extraHeader", url.origin().ascii_serialization());
            environment.set(&key, &format!("Authorization: Basic {encoded}"));
            environment.secrets.extend([token.clone(), SecretString::from(encoded)]);
        }
        if purpose != Purpose::Push {
            environment.set(&format!("remote.{REMOTE}.url"), url.as_str());
            environment.set(&format!("remote.{REMOTE}.promisor"), "true");
        }
        if purpose == Purpose::FetchBlobs {
            environment.set("fetch.negotiationAlgorithm", "noop");
        }
        Ok(environment)
    }

    /// The proxy with its credentials, which git takes in this form only; empty for none.
    fn proxy_url(&self, secrets: &mut Vec<SecretString>) -> Result<String, GitError> {
        let Some(proxy) = &self.proxy else { return Ok(String::new()) };
        let mut url = proxy.clone();
        if let Some((user, password)) = &self.proxy_auth {
            let password = password.read()?;
            let refused = |()| GitError::Url { host: proxy.host_str().unwrap_or_default().to_owned() };
            url.set_username(user).map_err(refused)?;
            url.set_password(Some(password.expose_secret())).map_err(refused)?;
            secrets.extend(url.password().map(|encoded| SecretString::from(encoded.to_owned())));
            secrets.push(password);
        }
        Ok(url.into())
    }
}

impl Environment {
    /// A configuration value that comes before all files.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.configuration.push((key.to_owned(), value.to_owned()));
    }

    /// All variables, the configuration in the form of git-config(1), `GIT_CONFIG_COUNT`.
    pub(super) fn variables(&self) -> Vec<(OsString, OsString)> {
        let mut variables = self.variables.clone();
        for (index, (key, value)) in self.configuration.iter().enumerate() {
            variables.push((format!("GIT_CONFIG_KEY_{index}").into(), key.into()));
            variables.push((format!("GIT_CONFIG_VALUE_{index}").into(), value.into()));
        }
        variables.push(("GIT_CONFIG_COUNT".into(), self.configuration.len().to_string().into()));
        variables
    }
}

impl Bundle {
    fn write(&self) -> Result<(), GitError> {
        let mut bundle = std::fs::read(&self.own).map_err(failed(&self.own))?;
        if let Some(system) = SYSTEM_CERTIFICATES.iter().find_map(|path| std::fs::read(path).ok()) {
            bundle.push(b'\n');
            bundle.extend(system);
        }
        std::fs::write(&self.path, bundle).map_err(failed(&self.path))
    }
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> GitError {
    let path = path.to_owned();
    move |source| GitError::Cache { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(url: &str) -> Remote {
        Remote { url: url.parse().unwrap(), credentials: Some(("x".to_owned(), SecretString::from("t0ken"))) }
    }

    #[test]
    fn credentials_are_bound_to_their_origin() {
        let directory = tempfile::tempdir().unwrap();
        let house = House::new(directory.path(), &Network::default()).unwrap();
        let environment = house.remote(&remote("https://example.com:8443/acme/web.git"), Purpose::Push).unwrap();
        let header = environment.configuration.iter().find(|(_, value)| value.starts_with("Authorization: "));
        let encoded = "Authorization: Basic eDp0MGtlbg==".to_owned();
        assert_eq!(header, Some(&("http.https://example.com:8443/.extraHeader".to_owned(), encoded)));
    }

    #[test]
    fn other_protocols_and_credentials_in_the_url_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        let house = House::new(directory.path(), &Network::default()).unwrap();
        for url in ["file:///etc", "ssh://example.com/a", "https://u:p@example.com/a/b.git", "ext::sh"] {
            let result = house.remote(&remote(url), Purpose::Push);
            assert!(matches!(result, Err(GitError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn the_proxy_has_its_credentials_and_our_certificates_come_with_the_systems() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("own.pem");
        std::fs::write(&own, "-----OURS-----").unwrap();
        let network = Network {
            proxy: Some("http://proxy.example:3128".parse().unwrap()),
            proxy_auth: Some(("me".to_owned(), Secret::from("p@ss"))),
            ca_file: Some(own),
        };
        let house = House::new(directory.path(), &network).unwrap();
        let environment = house.remote(&remote("https://example.com/a/b.git"), Purpose::Push).unwrap();
        let value = |key: &str| environment.configuration.iter().find(|(name, _)| name == key).unwrap().1.clone();
        assert_eq!(value("http.proxy"), "http://me:p%40ss@proxy.example:3128/");
        let bundle = std::fs::read(value("http.sslCAInfo")).unwrap();
        assert!(bundle.starts_with(b"-----OURS-----"));
        let shown: Vec<&str> = environment.secrets.iter().map(|secret| secret.expose_secret()).collect();
        assert!(shown.contains(&"p%40ss") && shown.contains(&"p@ss") && shown.contains(&"t0ken"), "{shown:?}");
    }
}
