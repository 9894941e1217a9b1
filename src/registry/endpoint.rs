//! Where a registry's repositories are asked for.

use url::Url;

use super::error::Failure;
use crate::domain::reference::{DOCKER_HUB, ImageName};

/// Docker Hub's data host; `docker.io` itself serves web pages.
const DOCKER_HUB_ENDPOINT: &str = "https://registry-1.docker.io";
/// The hosts whose credentials are Docker Hub's.
pub(super) const DOCKER_HUB_HOSTS: [&str; 3] = [DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];

/// A registry's origin and the path under which its repositories are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    origin: Url,
    /// Without slashes at its ends; empty where there is none.
    prefix: String,
}

impl Endpoint {
    /// The endpoint that the configuration gives for a registry, else the registry itself over https.
    pub(super) fn of(registry: &str, configured: Option<&Url>) -> Result<Self, Failure> {
        let url = match configured {
            Some(url) => url.clone(),
            None => {
                let https = format!("https://{registry}");
                let text = if registry == DOCKER_HUB { DOCKER_HUB_ENDPOINT } else { &https };
                text.parse().map_err(|_| Failure::invalid(format!("`{registry}` is no host")))?
            }
        };
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(Failure::invalid(format!("the endpoint of `{registry}` is no http or https URL")));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        let mut origin = url;
        origin.set_path("/");
        origin.set_query(None);
        origin.set_fragment(None);
        // Credentials have their own place; one in a URL would end up in messages.
        let _ = origin.set_username("");
        let _ = origin.set_password(None);
        Ok(Self { origin, prefix })
    }

    /// The key of the endpoint's credentials: host and port, `docker.io` for Docker Hub's own.
    pub(super) fn host(&self) -> String {
        let host = self.origin.host_str().unwrap_or_default();
        match self.origin.port() {
            Some(port) => format!("{host}:{port}"),
            None if DOCKER_HUB_HOSTS.contains(&host) => DOCKER_HUB.to_owned(),
            None => host.to_owned(),
        }
    }

    pub(super) fn origin(&self) -> &Url {
        &self.origin
    }

    /// The repository's path at the endpoint, which is what a token is asked for.
    pub(super) fn repository(&self, name: &ImageName) -> String {
        if self.prefix.is_empty() {
            name.repository().to_owned()
        } else {
            format!("{}/{}", self.prefix, name.repository())
        }
    }

    /// `/v2/`: the question whether and how to sign in.
    pub(super) fn base_url(&self) -> Url {
        self.with_path("/v2/")
    }

    /// `part` is `manifests`, `blobs` or `tags`; tags and digests need no escaping in a path.
    pub(super) fn url(&self, repository: &str, part: &str, reference: &str) -> Url {
        self.with_path(&format!("/v2/{repository}/{part}/{reference}"))
    }

    fn with_path(&self, path: &str) -> Url {
        let mut url = self.origin.clone();
        url.set_path(path);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(image: &str, endpoint: Option<&str>) -> (String, String) {
        let name: ImageName = image.parse().unwrap();
        let url = endpoint.map(|text| text.parse().unwrap());
        let endpoint = Endpoint::of(name.registry(), url.as_ref()).unwrap();
        (endpoint.host(), endpoint.url(&endpoint.repository(&name), "manifests", "1").to_string())
    }

    #[test]
    fn docker_hub_is_asked_at_its_data_host() {
        let url = "https://registry-1.docker.io/v2/library/nginx/manifests/1";
        assert_eq!(asked("nginx", None), ("docker.io".into(), url.into()));
        assert_eq!(asked("nginx", Some("https://registry-1.docker.io")), ("docker.io".into(), url.into()));
    }

    #[test]
    fn other_registries_are_asked_over_https_at_their_port() {
        let url = "https://registry.example:5000/v2/a/b/manifests/1";
        assert_eq!(asked("registry.example:5000/a/b", None), ("registry.example:5000".into(), url.into()));
    }

    #[test]
    fn a_mirrors_prefix_stands_before_the_repository() {
        let url = "https://mirror.example/v2/hub/library/nginx/manifests/1";
        for endpoint in ["https://mirror.example/hub", "https://me:secret@mirror.example/hub/?a#b"] {
            assert_eq!(asked("nginx", Some(endpoint)), ("mirror.example".into(), url.into()));
        }
        assert_eq!(asked("dhi.io/a", Some("http://127.0.0.1:81")).1, "http://127.0.0.1:81/v2/a/manifests/1");
    }

    #[test]
    fn an_endpoint_that_is_not_http_is_refused() {
        assert!(Endpoint::of("a.example", Some(&"ftp://a.example".parse().unwrap())).is_err());
    }
}
