//! Which token service may have a registry's credentials.

use url::Url;

use super::error::Failure;

/// Registries whose token service is on another host by their own documentation: endpoint host and service host.
/// All others (`dhi.io`, `cgr.dev`, `ghcr.io`, `gcr.io`, `quay.io`, `registry.redhat.io`, …) serve their own tokens.
const KNOWN_REALMS: &[(&str, &str)] = &[("docker.io", "auth.docker.io"), ("registry.gitlab.com", "gitlab.com")];

/// Whether credentials go along with a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    Anonymous,
    WithCredentials,
}

/// The token service's URL, where it may be asked.
///
/// `endpoint` is the origin that sent the challenge, `host` the key of its credentials, `named` what the configuration
/// allows. Without credentials any service over https may be asked; with them only the registry itself, a known
/// service over https, or the named one. Plain http is used where the endpoint or the named service is written so.
pub(super) fn allowed(
    realm: &str,
    (endpoint, host): (&Url, &str),
    named: Option<&Url>,
    sender: Sender,
) -> Result<Url, Failure> {
    // Odd registries send a path.
    let url = endpoint.join(realm).map_err(|_| Failure::invalid("the challenge names no URL of a token service"))?;
    let is_own = url.origin() == endpoint.origin();
    let is_named = named.is_some_and(|named| named.origin() == url.origin());
    let is_https = url.scheme() == "https";
    let is_known = is_https
        && url.port().is_none()
        && KNOWN_REALMS.iter().any(|(known, service)| *known == host && url.host_str() == Some(service));
    let is_allowed = is_own || is_named || is_known || (is_https && sender == Sender::Anonymous);
    if !is_allowed {
        let realm = url.origin().ascii_serialization();
        return Err(Failure::RealmNotAllowed { host: host.to_owned(), realm });
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(realm: &str, endpoint: (&str, &str), named: Option<&str>, sender: Sender) -> bool {
        let named: Option<Url> = named.map(|text| text.parse().unwrap());
        let url: Url = endpoint.0.parse().unwrap();
        allowed(realm, (&url, endpoint.1), named.as_ref(), sender).is_ok()
    }

    const HUB: (&str, &str) = ("https://registry-1.docker.io/", "docker.io");
    const OTHER: (&str, &str) = ("https://r.example/", "r.example");
    const LOOPBACK: (&str, &str) = ("http://127.0.0.1:5000/", "127.0.0.1:5000");

    #[test]
    fn a_registry_gets_its_own_credentials() {
        assert!(is_allowed("https://r.example/token", OTHER, None, Sender::WithCredentials));
        assert!(is_allowed("/token", OTHER, None, Sender::WithCredentials));
        assert!(is_allowed("http://127.0.0.1:5000/token", LOOPBACK, None, Sender::WithCredentials));
    }

    #[test]
    fn docker_hubs_token_service_is_known_for_docker_hub_only() {
        assert!(is_allowed("https://auth.docker.io/token", HUB, None, Sender::WithCredentials));
        assert!(!is_allowed("https://auth.docker.io/token", OTHER, None, Sender::WithCredentials));
        for realm in ["http://auth.docker.io/token", "https://auth.docker.io:444/token", "https://auth.docker.io.x/t"] {
            assert!(!is_allowed(realm, HUB, None, Sender::WithCredentials), "{realm}");
        }
    }

    #[test]
    fn another_host_gets_them_only_where_it_is_named() {
        let realm = "https://auth.example/token";
        assert!(!is_allowed(realm, OTHER, None, Sender::WithCredentials));
        assert!(is_allowed(realm, OTHER, Some("https://auth.example/"), Sender::WithCredentials));
        assert!(!is_allowed(realm, OTHER, Some("http://auth.example/"), Sender::WithCredentials));
        assert!(!is_allowed("http://127.0.0.1:6000/t", LOOPBACK, None, Sender::WithCredentials));
        assert!(is_allowed(
            "http://127.0.0.1:6000/t",
            LOOPBACK,
            Some("http://127.0.0.1:6000/t"),
            Sender::WithCredentials
        ));
        assert!(!is_allowed("http://r.example/token", OTHER, None, Sender::WithCredentials), "a downgrade");
    }

    #[test]
    fn without_credentials_any_service_over_https_may_be_asked() {
        assert!(is_allowed("https://auth.example/token", OTHER, None, Sender::Anonymous));
        assert!(!is_allowed("http://auth.example/token", OTHER, None, Sender::Anonymous));
    }

    #[test]
    fn the_error_says_what_to_write() {
        let url: Url = OTHER.0.parse().unwrap();
        let error = allowed("https://auth.example/t?a", (&url, OTHER.1), None, Sender::WithCredentials).unwrap_err();
        let expected = r#"write `registries: { "r.example": { auth: { realm: "https://auth.example" } } }`"#;
        assert!(error.to_string().contains(expected), "{error}");
    }
}
