//! What holds for one repository, and where each key of it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::layer::Setting;
use super::mistake::ConfigErrors;
use super::repository_file::{REPOSITORY_FILE, RepositoryFile};
use super::yaml::Place;
use super::{Config, PolicyKey};
use crate::domain::policy::Policy;
use crate::domain::pull_request::RepoName;
use crate::git::Remote;

/// The policy of one repository.
#[derive(Debug, Clone)]
pub struct EffectivePolicy {
    pub policy: Policy,
    /// Where the keys come from that are not a default, by their path below `policy`: `group`, `files.include`.
    pub origins: BTreeMap<&'static str, Origin>,
    /// What is wrong with the repository's own file. Nothing of that file holds then but `enabled: false`.
    pub problem: Option<ConfigErrors>,
}

/// Where the value of a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// `policy` of the configuration.
    Policy { file: PathBuf, place: Place },
    /// `repositories[index]` of the configuration.
    Override { file: PathBuf, place: Place, index: usize, pattern: String },
    /// The repository's own file.
    Repository { place: Place },
}

impl Config {
    /// Defaults, then `policy`, then each of `repositories` that matches, in order, then the repository's own file as
    /// far as `repository_may_set` allows. For each key the last one holds; lists replace lists.
    pub fn policy_for(&self, repository: &RepoName, own: Option<&RepositoryFile>) -> EffectivePolicy {
        self.effective_policy(Some(repository.as_str()), own)
    }

    /// The same at a work tree, whose remote may tell its name; without `repositories` where no name is known.
    pub fn policy_for_work_tree(&self, name: Option<&RepoName>, own: Option<&RepositoryFile>) -> EffectivePolicy {
        self.effective_policy(name.map(RepoName::as_str), own)
    }

    /// The name that a remote's address gives to a repository; `None` where it is on none of the configured forges.
    pub fn repository_at(&self, remote: &Remote) -> Option<RepoName> {
        let hosts = self.forges.iter().filter_map(|forge| forge.url.host_str());
        let is_ours = hosts.into_iter().any(|host| host.eq_ignore_ascii_case(&remote.host));
        is_ours.then(|| remote.repository.clone())
    }

    fn effective_policy(&self, repository: Option<&str>, own: Option<&RepositoryFile>) -> EffectivePolicy {
        let mut effective = EffectivePolicy { policy: Policy::default(), origins: BTreeMap::new(), problem: None };
        for (place, setting) in &self.policy.0 {
            effective.apply(setting, Origin::Policy { file: self.file.clone(), place: *place });
        }
        for (index, other) in self.overrides.iter().enumerate() {
            if !repository.is_some_and(|name| other.pattern.matches(name)) {
                continue;
            }
            for (place, setting) in &other.layer.0 {
                let (file, pattern) = (self.file.clone(), other.pattern.as_str().to_owned());
                effective.apply(setting, Origin::Override { file, place: *place, index, pattern });
            }
        }
        if let Some(own) = own {
            self.apply_own(&mut effective, own);
        }
        effective
    }

    fn apply_own(&self, effective: &mut EffectivePolicy, own: &RepositoryFile) {
        effective.problem = own.problem(|key| self.repository_may_set.contains(&key));
        if effective.problem.is_none() {
            for (place, setting) in &own.layer.0 {
                effective.apply(setting, Origin::Repository { place: *place });
            }
        } else if self.repository_may_set.contains(&PolicyKey::Enabled)
            && let Some((place, setting)) = own.opt_out()
        {
            effective.apply(setting, Origin::Repository { place: *place });
        }
    }
}

impl EffectivePolicy {
    fn apply(&mut self, setting: &Setting, origin: Origin) {
        setting.apply(&mut self.policy);
        self.origins.insert(setting.path(), origin);
    }

    /// Where a key comes from, for people: `default`, `refrom.yaml:12:3`.
    pub fn origin(&self, path: &str) -> String {
        self.origins.get(path).map_or_else(|| "default".to_owned(), ToString::to_string)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy { file, place } => write!(f, "{}:{}:{}", file.display(), place.line, place.column),
            Self::Override { file, place, index, pattern } => {
                let Place { line, column } = place;
                // It stands in a comment, where a line may not end.
                let pattern = pattern.replace(char::is_control, " ");
                write!(f, "{}:{line}:{column}, repositories[{index}] (match `{pattern}`)", file.display())
            }
            Self::Repository { place } => write!(f, "{REPOSITORY_FILE}:{}:{}", place.line, place.column),
        }
    }
}
