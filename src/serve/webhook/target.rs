//! Names that somebody told → what the configuration has of that name.

use std::collections::BTreeSet;

use super::News;
use crate::config::{Config, ForgeConfig, PolicyKey};
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::RepoName;
use crate::domain::reference::ImageName;
use crate::serve::wake::Wake;

/// GitHub's own registry, and where those of its Enterprise Servers are ("Working with the Container registry").
const GITHUB_REGISTRY: &str = "ghcr.io";
const GITHUB_HOST: &str = "github.com";
const ENTERPRISE_REGISTRY_PREFIX: &str = "containers.";

/// What names are held against.
#[derive(Debug, Clone, Copy)]
pub struct Targets<'a> {
    pub config: &'a Config,
    /// The repositories of the last cycle over the whole fleet; `None`: there was none yet.
    pub fleet: Option<&'a BTreeSet<RepositoryKey>>,
}

/// Why news wakes nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ignored {
    /// Nothing that matters here.
    Nothing,
    /// Nothing that the configuration selects.
    UnknownName,
}

impl Targets<'_> {
    /// What a forge's news is about. Images come as candidates: whether anybody pins them, the store knows.
    pub fn of_forge(&self, forge: &ForgeConfig, news: News) -> Result<Vec<Wake>, Ignored> {
        match news {
            News::Branch { repository, branch, default_branch } => {
                let key = self.repository(forge, &repository)?;
                if self.is_followed(&key.name, &branch, default_branch.as_deref()) {
                    Ok(vec![self.wake(key)])
                } else {
                    Err(Ignored::Nothing)
                }
            }
            News::Repository(repository) => Ok(vec![self.wake(self.repository(forge, &repository)?)]),
            News::Package(path) => self.of_registry(&package_registry(forge), News::Package(path)),
            News::Fleet => Ok(vec![Wake::Everything]),
            News::Image(_) | News::Nothing => Err(Ignored::Nothing),
        }
    }

    /// What the news of this registry is about: the image of that name, and those that are read through this registry
    /// as a mirror.
    pub fn of_registry(&self, registry: &str, news: News) -> Result<Vec<Wake>, Ignored> {
        let (News::Image(told) | News::Package(told)) = news else { return Err(Ignored::Nothing) };
        // Some tell the host with it.
        let path = told.strip_prefix(registry).and_then(|path| path.strip_prefix('/')).unwrap_or(&told);
        let own = format!("{registry}/{path}").parse::<ImageName>().ok();
        let mirrored = self.config.registries.iter().filter_map(|(host, config)| {
            let endpoint = config.endpoint.as_ref()?;
            let authority = endpoint.port().map_or_else(
                || endpoint.host_str().unwrap_or_default().to_owned(),
                |port| format!("{}:{port}", endpoint.host_str().unwrap_or_default()),
            );
            let prefix = endpoint.path().trim_matches('/');
            let rest = if prefix.is_empty() { path } else { path.strip_prefix(prefix)?.strip_prefix('/')? };
            (authority == registry).then(|| format!("{host}/{rest}").parse().ok()).flatten()
        });
        let wakes: Vec<Wake> = own.into_iter().chain(mirrored).map(Wake::Image).collect();
        if wakes.is_empty() { Err(Ignored::UnknownName) } else { Ok(wakes) }
    }

    /// A repository that this forge's selection found. A cycle over a repository that is given by name looks at it even
    /// where it is a fork or has none of the topics; a webhook must not widen what the administrator selected.
    fn repository(&self, forge: &ForgeConfig, name: &str) -> Result<RepositoryKey, Ignored> {
        let name: RepoName = name.parse().map_err(|_| Ignored::UnknownName)?;
        if !forge.selection.names(&name) {
            return Err(Ignored::UnknownName);
        }
        let key = RepositoryKey { forge: forge.name.clone(), name };
        let is_known = self.fleet.is_none_or(|fleet| fleet.contains(&key));
        is_known.then_some(key).ok_or(Ignored::UnknownName)
    }

    fn wake(&self, key: RepositoryKey) -> Wake {
        if self.fleet.is_some() { Wake::Repository(key) } else { Wake::Everything }
    }

    /// Whether refrom reads this branch: the policy's base, else the default branch; any, where repositories say it
    /// themselves.
    fn is_followed(&self, name: &RepoName, branch: &str, default: Option<&str>) -> bool {
        if self.config.repository_may_set.contains(&PolicyKey::Base) {
            return true;
        }
        let policy = self.config.policy_for(name, None).policy;
        // Its own file stands on the default branch, whatever the base is.
        let is_default = default.is_none_or(|default| default == branch);
        is_default || policy.base.is_some_and(|base| base.as_str() == branch)
    }
}

/// Where a forge's packages are pulled from.
fn package_registry(forge: &ForgeConfig) -> String {
    match forge.url.host_str() {
        Some(GITHUB_HOST) | None => GITHUB_REGISTRY.to_owned(),
        Some(host) => format!("{ENTERPRISE_REGISTRY_PREFIX}{host}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Secrets;

    fn config(more: &str) -> Config {
        let text = format!(
            "forges:\n  - auth: {{ token: {{ env: T }} }}\n    repositories: {{ include: ['acme/*'], exclude: [acme/old] }}\n{more}"
        );
        Config::from_text(&text, Path::new("refrom.yaml"), &|_| None, Secrets::Skip).unwrap()
    }

    fn fleet() -> BTreeSet<RepositoryKey> {
        [key("acme/web")].into()
    }

    fn key(name: &str) -> RepositoryKey {
        RepositoryKey { forge: "github".to_owned(), name: name.parse().unwrap() }
    }

    fn push(repository: &str, branch: &str) -> News {
        let default_branch = Some("main".to_owned());
        News::Branch { repository: repository.to_owned(), branch: branch.to_owned(), default_branch }
    }

    fn of_forge(config: &Config, news: News) -> Result<Vec<Wake>, Ignored> {
        let fleet = fleet();
        Targets { config, fleet: Some(&fleet) }.of_forge(&config.forges[0], news)
    }

    #[test]
    fn only_repositories_of_the_fleet_wake() {
        let config = config("");
        let named = |name: &str| of_forge(&config, News::Repository(name.to_owned()));
        assert_eq!(named("acme/web"), Ok(vec![Wake::Repository(key("acme/web"))]));
        // A fork or something without the topic: selected by its name, and not found by the selection.
        for other in ["acme/fork", "acme/old", "other/web", "../etc", "acme/web\n", ""] {
            assert_eq!(named(other), Err(Ignored::UnknownName), "{other}");
        }
    }

    #[test]
    fn before_the_first_cycle_nobody_knows_the_fleet() {
        let config = config("");
        let targets = Targets { config: &config, fleet: None };
        let told = |name: &str| targets.of_forge(&config.forges[0], News::Repository(name.to_owned()));
        assert_eq!(told("acme/fork"), Ok(vec![Wake::Everything]));
        assert_eq!(told("other/web"), Err(Ignored::UnknownName));
    }

    #[test]
    fn a_push_counts_on_the_branches_that_are_read() {
        let woken = |more: &str, branch: &str| of_forge(&config(more), push("acme/web", branch)).is_ok();
        assert!(woken("", "main") && !woken("", "feature"));
        let base = "policy: { base: develop }\n";
        assert!(woken(base, "develop") && woken(base, "main") && !woken(base, "feature"));
        assert!(woken("repository_may_set: [base]\n", "feature"));
    }

    #[test]
    fn images_are_those_of_the_registry_and_of_what_it_mirrors() {
        let mirrors = "registries:\n  docker.io: { endpoint: 'https://harbor.example.com/hub' }\n  \
                       dhi.io: { endpoint: 'https://other.example.com/dhi' }\n";
        let config = config(mirrors);
        let targets = Targets { config: &config, fleet: None };
        let images = |registry: &str, path: &str| {
            targets.of_registry(registry, News::Image(path.to_owned())).map(|wakes| {
                let names = wakes.into_iter().map(|wake| match wake {
                    Wake::Image(image) => image.to_string(),
                    other => panic!("{other:?}"),
                });
                names.collect::<Vec<_>>()
            })
        };
        assert_eq!(images("cgr.dev", "chainguard/nginx").unwrap(), ["cgr.dev/chainguard/nginx"]);
        assert_eq!(images("cgr.dev", "cgr.dev/chainguard/nginx").unwrap(), ["cgr.dev/chainguard/nginx"]);
        assert_eq!(
            images("harbor.example.com", "hub/library/nginx").unwrap(),
            ["harbor.example.com/hub/library/nginx", "docker.io/library/nginx"]
        );
        assert_eq!(images("cgr.dev", "no image:at all"), Err(Ignored::UnknownName));
    }

    #[test]
    fn packages_are_at_the_forges_own_registry() {
        let config = config("");
        let image = |wakes: Result<Vec<Wake>, Ignored>| wakes.unwrap();
        let expected = vec![Wake::Image("ghcr.io/acme/base".parse().unwrap())];
        assert_eq!(image(of_forge(&config, News::Package("acme/base".to_owned()))), expected);
        assert_eq!(of_forge(&config, News::Fleet), Ok(vec![Wake::Everything]));
        assert_eq!(of_forge(&config, News::Nothing), Err(Ignored::Nothing));
    }
}
