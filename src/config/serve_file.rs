//! The mirror of `serve`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::SecretReference;

/// `refrom serve`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of settings")]
pub struct ServeFile {
    /// Address and port to listen on: `127.0.0.1:8080`. Elsewhere than on loopback a `token` is needed.
    pub listen: Option<String>,
    /// The bearer token: always for requests that wake a repository, elsewhere than on loopback for pages and metrics too.
    pub token: Option<SecretReference>,
    /// The hosts, without port, under which the service is asked.
    pub allowed_hosts: Option<Vec<String>>,
    /// How long a cycle may go on after SIGTERM: `30s`.
    pub shutdown_grace: Option<String>,
    /// Registries that tell of pushes, each at `/webhooks/registries/NAME`.
    pub webhooks: Option<Vec<WebhookFile>>,
}

/// A registry that tells of pushes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ name: NAME, kind: KIND, secret: … }`")]
pub struct WebhookFile {
    /// The last part of its address.
    pub name: Option<String>,
    /// Who tells.
    pub kind: Option<WebhookKind>,
    /// The registry's host, as it stands in `FROM`; left out, the vendor's own.
    pub registry: Option<String>,
    /// What proves who tells: Harbor's `Auth Header`, GitHub's secret; for the others the last part of the address.
    pub secret: Option<SecretReference>,
}

/// The forms in which registries tell of pushes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WebhookKind {
    /// Harbor, both payload formats.
    Harbor,
    /// Docker Hub, which proves nothing: the secret is in the address.
    DockerHub,
    /// Quay, which proves nothing: the secret is in the address.
    Quay,
    /// Packages of a GitHub organization, signed.
    GithubPackages,
    /// Chainguard's CloudEvents: the secret is in the address.
    Chainguard,
}
