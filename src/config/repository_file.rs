//! A repository's own `.refrom.yaml`: the keys of `policy` at its root.

use std::path::Path;

use super::check::{Checker, Secrets};
use super::layer::{Layer, layer};
use super::mistake::{ConfigErrors, KeyPath, Mistake};
use super::policy_file::{PolicyFile, PolicyKey};
use super::setting::Setting;
use super::yaml::Value;
use super::{decode, read, yaml};

/// Its path in a repository.
pub const REPOSITORY_FILE: &str = ".refrom.yaml";

/// How many patterns it may have: anybody who may push to the repository writes it.
const PATTERNS_MAX: usize = 100;

/// A repository's own file, read as far as it can be.
///
/// Half a file guesses what was meant, so nothing of a file with a mistake counts, but for one thing: `enabled: false`
/// holds wherever it can be read, since refrom writes nowhere it was told not to.
#[derive(Debug, Clone)]
pub struct RepositoryFile {
    pub(super) layer: Layer,
    mistakes: Vec<Mistake>,
}

impl RepositoryFile {
    /// Reads the file's bytes. A file with nothing but comments sets nothing.
    pub fn read(bytes: &[u8]) -> Self {
        let parsed = decode(bytes).and_then(|text| yaml::parse(&text));
        let (mut tree, mut mistakes) = match parsed {
            Ok(parsed) => parsed,
            Err(mistake) => return Self { layer: Layer::default(), mistakes: vec![mistake] },
        };
        if tree.value == Value::Null {
            return Self { layer: Layer::default(), mistakes };
        }
        let file: PolicyFile = read::read(&mut tree, &mut mistakes);
        let (folder, environment, secrets) = (Path::new(""), &|_: &str| None, Secrets::Skip);
        let patterns_left = Some(PATTERNS_MAX);
        let mut checker = Checker { tree: &tree, folder, environment, secrets, patterns_left, mistakes };
        let layer = layer(&mut checker, &KeyPath::default(), &file);
        Self { layer, mistakes: checker.mistakes }
    }

    /// What is wrong with the file where only these keys may be set.
    pub(super) fn problem(&self, may_set: impl Fn(PolicyKey) -> bool) -> Option<ConfigErrors> {
        let overreaching = self.layer.0.iter().filter(|(_, setting)| !may_set(setting.key()));
        let refused = overreaching.map(|(place, setting)| {
            let path = setting.path().split('.').fold(KeyPath::default(), |path, key| path.key(key));
            let message = "only the administrator of refrom may set this (`repository_may_set`)".to_owned();
            Mistake { place: Some(*place), path, message }
        });
        let mistakes: Vec<Mistake> = self.mistakes.iter().cloned().chain(refused).collect();
        (!mistakes.is_empty()).then(|| ConfigErrors::new(Path::new(REPOSITORY_FILE), mistakes))
    }

    /// `enabled: false`, wherever it can be read.
    pub(super) fn opt_out(&self) -> Option<&(super::Place, Setting)> {
        self.layer.0.iter().find(|(_, setting)| matches!(setting, Setting::Enabled(false)))
    }
}
