//! What the configuration says about registries.

use std::path::PathBuf;

use url::Url;

use crate::secret::Secret;

/// What is known of one registry host, `docker.io` for Docker Hub.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the host's repositories are asked for: scheme, host, port and a path prefix. A pull-through mirror
    /// `https://mirror.example.com/hub` is asked for `/v2/hub/library/nginx/…`, with the credentials of
    /// `mirror.example.com`, which has an entry of its own. Plain http only where this says so.
    pub endpoint: Option<Url>,
    /// The host's own credentials. They are sent to this host and to its token service, and nowhere else.
    pub auth: Auth,
    /// The token service on another host that may have the credentials; its origin counts.
    pub realm: Option<Url>,
}

/// How refrom signs in at a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// As Docker would: its configuration and credential helpers; anonymous where they know nothing.
    #[default]
    Docker,
    /// User name and password (or access token), for Basic authentication or a token service.
    Basic {
        username: String,
        password: Secret,
    },
    /// A bearer token that the registry takes as it is.
    Token(Secret),
    Anonymous,
}

/// Where Docker's (and podman's) configuration is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerConfig {
    /// `config.json` or `auth.json`; the first that has credentials for a host counts. Missing files are no error.
    pub files: Vec<PathBuf>,
    /// The folder of the `docker-credential-…` programs; the process's search path where absent.
    pub helper_directory: Option<PathBuf>,
}
