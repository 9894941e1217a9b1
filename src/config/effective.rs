//! What holds for one repository, and where each key of it comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::layer::Layer;
use super::mistake::{ConfigErrors, KeyPath, Mistake};
use super::repository_file::{REPOSITORY_FILE, RepositoryFile};
use super::setting::Setting;
use super::yaml::Place;
use super::{Config, Override, PolicyKey};
use crate::domain::cadence::{Cadence, shown_duration};
use crate::domain::pattern::Pattern;
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
    /// `policy` of the configuration, or a key beside it.
    Policy { file: PathBuf, place: Place },
    /// `repositories[index]` of the configuration.
    Override { file: PathBuf, place: Place, index: usize, pattern: String },
    /// The repository's own file.
    Repository { place: Place },
}

impl Config {
    /// Defaults, then `policy`, then each of `repositories` that matches, in order, then the repository's own file as
    /// far as `repository_may_set` allows. For each key the last one holds; lists replace lists. Freezes add up, and the
    /// repository's own file loosens no lock: its window is cut with the administrator's, its `max_open` counts where it is
    /// smaller, its `enabled: true` undoes nothing.
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

    /// The policy without overrides, then each of `repositories` over it, with its pattern.
    pub fn layers(&self) -> Vec<(Option<&Pattern>, EffectivePolicy)> {
        let of = |other: &Override| self.by_administrator(|it| std::ptr::eq(it, other));
        let overrides = self.overrides.iter().map(|other| (Some(&other.pattern), of(other)));
        std::iter::once((None, self.by_administrator(|_| false))).chain(overrides).collect()
    }

    fn effective_policy(&self, repository: Option<&str>, own: Option<&RepositoryFile>) -> EffectivePolicy {
        let mut effective = self.by_administrator(|other| repository.is_some_and(|name| other.pattern.matches(name)));
        if let Some(own) = own {
            self.apply_own(&mut effective, own);
        }
        effective
    }

    /// What the administrator says where these of `repositories` match.
    fn by_administrator(&self, matches: impl Fn(&Override) -> bool) -> EffectivePolicy {
        let policy = Policy { mirrors: self.mirrors.clone(), ..Policy::default() };
        let mut effective = EffectivePolicy { policy, origins: BTreeMap::new(), problem: None };
        let of_file = |place: Place| Origin::Policy { file: self.file.clone(), place };
        if let Some((place, _)) = self.freezes.first() {
            effective.apply(&Setting::Freeze(self.freezes.clone()), of_file(*place));
        }
        for (place, setting) in &self.policy.0 {
            effective.apply(setting, of_file(*place));
        }
        for (index, other) in self.overrides.iter().enumerate().filter(|(_, other)| matches(other)) {
            for (place, setting) in &other.layer.0 {
                let (file, pattern) = (self.file.clone(), other.pattern.as_str().to_owned());
                effective.apply(setting, Origin::Override { file, place: *place, index, pattern });
            }
        }
        effective
    }

    fn apply_own(&self, effective: &mut EffectivePolicy, own: &RepositoryFile) {
        effective.problem = own.problem(|key| self.repository_may_set.contains(&key));
        if effective.problem.is_none() {
            let mut with_own = effective.clone();
            for (place, setting) in &own.layer.0 {
                with_own.tighten(setting, Origin::Repository { place: *place });
            }
            let forgotten = || self.forgotten_too_early(&own.layer, &with_own.policy);
            match conflict(&own.layer, &KeyPath::default(), &with_own.policy.cadence).or_else(forgotten) {
                Some(mistake) => {
                    effective.problem = Some(ConfigErrors::new(Path::new(REPOSITORY_FILE), vec![mistake]));
                }
                None => *effective = with_own,
            }
        }
        if effective.problem.is_some()
            && self.repository_may_set.contains(&PolicyKey::Enabled)
            && let Some((place, setting)) = own.opt_out()
        {
            effective.apply(setting, Origin::Repository { place: *place });
        }
    }

    /// A `min_age` of the own file that no digest reaches before it is forgotten.
    fn forgotten_too_early(&self, own: &Layer, policy: &Policy) -> Option<Mistake> {
        let (place, setting) = own.0.iter().find(|(_, setting)| setting.key() == PolicyKey::MinAge)?;
        let message =
            format!("expected less than the administrator's `ledger.retention`, {}", shown_duration(self.retention));
        let path = KeyPath::default().key(setting.path());
        (policy.min_age >= self.retention).then_some(Mistake { place: Some(*place), path, message })
    }

    /// The rules about time that leave none: of `policy`, and of each of `repositories` over it.
    pub(super) fn conflicts(&self) -> Vec<Mistake> {
        let top = KeyPath::default();
        let overrides = self.overrides.iter().enumerate().map(|(index, other)| {
            let path = top.key("repositories").index(index).key("policy");
            (path, &other.layer)
        });
        let layers = std::iter::once((top.key("policy"), &self.policy)).chain(overrides);
        let effective = self.layers().into_iter().map(|(_, effective)| effective.policy.cadence);
        layers.zip(effective).filter_map(|((path, layer), cadence)| conflict(layer, &path, &cadence)).collect()
    }
}

/// Rules that leave no time at all, as a mistake at the key of this layer that makes them so.
fn conflict(layer: &Layer, path: &KeyPath, cadence: &Cadence) -> Option<Mistake> {
    let keys = [PolicyKey::Schedule, PolicyKey::Window];
    let (place, setting) = keys.iter().find_map(|key| layer.0.iter().find(|(_, setting)| setting.key() == *key))?;
    let message = cadence.conflict()?.to_string();
    Some(Mistake { place: Some(*place), path: path.key(setting.path()), message })
}

impl EffectivePolicy {
    fn apply(&mut self, setting: &Setting, origin: Origin) {
        setting.apply(&mut self.policy, &origin);
        self.origins.insert(setting.path(), origin);
    }

    /// The same for a key of the repository's own file, which loosens nothing that the administrator locked: what would
    /// has no effect, and the value still comes from where it came from.
    fn tighten(&mut self, setting: &Setting, origin: Origin) {
        let policy = &mut self.policy;
        match setting {
            Setting::Enabled(true) if !policy.enabled => return,
            Setting::MaxOpen(own) if policy.max_open.is_some_and(|locked| locked <= *own) => return,
            Setting::Window(window) => policy.cadence.add_window(window.clone(), origin.to_string()),
            Setting::Timezone(zone) => policy.cadence.set_own_zone(zone.clone()),
            Setting::MinAge(own) if policy.min_age >= *own => return,
            Setting::Settle(own) if policy.settle >= *own => return,
            Setting::MinInterval(own) if policy.min_interval >= *own => return,
            other => other.apply(policy, &origin),
        }
        self.origins.insert(setting.path(), origin);
    }

    /// Where a key comes from, for people: `default`, `refrom.yaml:12:3`.
    pub fn origin(&self, path: &str) -> String {
        self.origins.get(path).map_or_else(|| "default".to_owned(), ToString::to_string)
    }
}

impl Origin {
    /// Another place in the same file.
    pub(super) fn at(&self, place: Place) -> Self {
        match self.clone() {
            Self::Policy { file, .. } => Self::Policy { file, place },
            Self::Override { file, index, pattern, .. } => Self::Override { file, place, index, pattern },
            Self::Repository { .. } => Self::Repository { place },
        }
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
