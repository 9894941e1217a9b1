//! The configuration as the commands at a work tree need it.

use std::path::Path;

use super::Failure;
use crate::config::{Config, ConfigErrors, REPOSITORY_FILE, RepositoryFile, process_environment};
use crate::domain::policy::Policy;
use crate::git::Remote;

pub use crate::config::Secrets;

/// Reads the configuration; without a file the defaults hold.
pub fn load(path: Option<&Path>, secrets: Secrets) -> Result<Config, Failure> {
    match path {
        Some(path) => Config::load(path, &process_environment, secrets).map_err(Failure::usage),
        None => Ok(Config::default_for_work_tree(&process_environment)),
    }
}

/// The policy of a work tree: the configuration's, with the overrides for the repository that its remote `origin` names,
/// and the tree's own `.refrom.yaml`.
pub fn policy_of_work_tree(config: &Config, root: &Path) -> Result<Policy, Failure> {
    let path = root.join(REPOSITORY_FILE);
    let own = match std::fs::read(&path) {
        Ok(bytes) => Some(RepositoryFile::read(&bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::usage(anyhow::Error::new(error).context(path.display().to_string()))),
    };
    let name = Remote::origin_of(root).and_then(|remote| config.repository_at(&remote));
    let effective = config.policy_for_work_tree(name.as_ref(), own.as_ref());
    match effective.problem {
        Some(problem) => Err(Failure::usage(ConfigErrors { file: path, ..problem })),
        None => Ok(effective.policy),
    }
}
