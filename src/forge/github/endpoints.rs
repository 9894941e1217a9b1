//! Where GitHub's faces are: REST, GraphQL and git, on github.com, on `*.ghe.com` and on an Enterprise Server.

use url::Url;

use crate::domain::pull_request::RepoName;
use crate::forge::ForgeError;

/// The base addresses, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoints {
    /// `https://api.github.com`, `https://github.example.com/api/v3`
    pub rest: String,
    /// What `/graphql` is appended to: `https://api.github.com`, `https://github.example.com/api`. On an Enterprise
    /// Server it is not below the REST address.
    pub graphql: String,
    /// Where people and git go: `https://github.com`.
    web: String,
}

impl Endpoints {
    /// The addresses that follow from the forge's URL, or from the API's where that is given.
    ///
    /// github.com and `TENANT.ghe.com` have their API on the host `api.…`, an Enterprise Server has it under `/api`
    /// (<https://docs.github.com/en/enterprise-server/rest/using-the-rest-api/getting-started-with-the-rest-api>).
    pub fn new(url: &Url, api_url: Option<&Url>) -> Self {
        let web = url.as_str().trim_end_matches('/').to_owned();
        let host = url.host_str().unwrap_or_default();
        let rest = match api_url {
            Some(api) => api.as_str().trim_end_matches('/').to_owned(),
            None if matches!(host, "github.com" | "www.github.com") => "https://api.github.com".to_owned(),
            None if host.ends_with(".ghe.com") => format!("https://api.{host}"),
            None => format!("{web}/api/v3"),
        };
        let graphql = rest.strip_suffix("/v3").unwrap_or(&rest).to_owned();
        Self { rest, graphql, web }
    }

    /// The host of the addresses `…@users.noreply.HOST` and `noreply@HOST`.
    pub fn mail_host(&self) -> String {
        let host = Url::parse(&self.web).ok().and_then(|url| url.host_str().map(ToOwned::to_owned)).unwrap_or_default();
        if host == "www.github.com" { "github.com".to_owned() } else { host }
    }

    /// Where git finds a repository; without credentials.
    pub fn git(&self, repository: &RepoName) -> Result<Url, ForgeError> {
        Url::parse(&format!("{}/{repository}.git", self.web))
            .map_err(|error| ForgeError::Protocol { message: format!("no git address for `{repository}`: {error}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(url: &str, api_url: Option<&str>) -> (String, String) {
        let api_url = api_url.map(|url| Url::parse(url).unwrap());
        let endpoints = Endpoints::new(&Url::parse(url).unwrap(), api_url.as_ref());
        (endpoints.rest, endpoints.graphql)
    }

    #[test]
    fn each_kind_of_github_has_its_addresses() {
        for (url, api_url, rest, graphql) in [
            ("https://github.com", None, "https://api.github.com", "https://api.github.com"),
            ("https://acme.ghe.com/", None, "https://api.acme.ghe.com", "https://api.acme.ghe.com"),
            ("https://git.acme.example", None, "https://git.acme.example/api/v3", "https://git.acme.example/api"),
            (
                "https://git.acme.example",
                Some("http://10.0.0.1:8080/api/v3/"),
                "http://10.0.0.1:8080/api/v3",
                "http://10.0.0.1:8080/api",
            ),
            (
                "https://github.com",
                Some("https://proxy.example/gh"),
                "https://proxy.example/gh",
                "https://proxy.example/gh",
            ),
        ] {
            assert_eq!(endpoints(url, api_url), (rest.to_owned(), graphql.to_owned()), "{url}");
        }
    }

    #[test]
    fn git_goes_where_people_go() {
        let endpoints = Endpoints::new(&Url::parse("https://github.com/").unwrap(), None);
        let url = endpoints.git(&"acme/web".parse().unwrap()).unwrap();
        assert_eq!(url.as_str(), "https://github.com/acme/web.git");
    }
}
