//! What the checks of all parts share: texts become values, and what cannot becomes a mistake at its key.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::SecretString;
use url::Url;

use super::file::SecretReference;
use super::mistake::{KeyPath, Mistake};
use super::yaml::Node;
use crate::domain::pattern::Pattern;
use crate::secret::Secret;

/// The longest name of an environment variable that a message repeats. What is longer, or not written in the usual
/// capitals, may be a secret that stands in the wrong place.
const VARIABLE_LENGTH_MAX: usize = 64;

/// Looks up an environment variable; [`super::process_environment`] outside of tests.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Whether secrets are read, so that a missing one is a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Variables are read, files are looked into.
    Read,
    /// All but those that `refrom serve` alone needs.
    ReadForCycle,
    /// Only those that a work tree needs: of registries and of the proxy. A person's machine has no other.
    ReadForRegistries,
    /// Neither; who uses such a secret gets an error.
    Skip,
}

/// What is known while a file is checked, and what was found wrong.
pub struct Checker<'a> {
    pub tree: &'a Node,
    /// Relative paths begin here.
    pub folder: &'a Path,
    pub environment: Environment<'a>,
    pub secrets: Secrets,
    /// How many patterns may still come; each may take a MiB of memory. `None`: none, and that was told.
    pub patterns_left: Option<usize>,
    pub mistakes: Vec<Mistake>,
}

impl Checker<'_> {
    pub fn wrong(&mut self, path: &KeyPath, message: impl Into<String>) {
        let place = Some(self.tree.place_of(path));
        self.mistakes.push(Mistake { place, path: path.clone(), message: message.into() });
    }

    /// Something that should stand at `path` does not, unless it was left out because of a mistake in it.
    pub fn missing(&mut self, path: &KeyPath, message: &str) {
        if !self.mistakes.iter().any(|mistake| mistake.path.starts_with(path)) {
            self.wrong(path, message);
        }
    }

    /// Reads a text as a `T`; `what` names what is expected.
    pub fn parse<T: FromStr>(&mut self, path: &KeyPath, text: &str, what: &str) -> Option<T> {
        let value = text.parse().ok();
        if value.is_none() {
            self.wrong(path, format!("expected {what}, found `{text}`"));
        }
        value
    }

    /// Whether one more pattern may be compiled.
    pub fn takes_pattern(&mut self, path: &KeyPath) -> bool {
        let left = self.patterns_left.map(|left| left.checked_sub(1));
        self.patterns_left = left.flatten();
        if left == Some(None) {
            self.wrong(path, "too many patterns in this file, from here on");
        }
        self.patterns_left.is_some()
    }

    pub fn pattern(&mut self, path: &KeyPath, text: &str) -> Option<Pattern> {
        if !self.takes_pattern(path) {
            return None;
        }
        Pattern::new(text).map_err(|error| self.wrong(path, error.to_string())).ok()
    }

    pub fn patterns(&mut self, path: &KeyPath, texts: &[String]) -> Vec<Pattern> {
        texts.iter().enumerate().filter_map(|(index, text)| self.pattern(&path.index(index), text)).collect()
    }

    /// An absolute address of one of `schemes`, without user name, password, query and fragment.
    pub fn url(&mut self, path: &KeyPath, text: &str, schemes: &[&str]) -> Option<Url> {
        let form = || format!("expected an address that begins with `{}://`", schemes.join("://` or `"));
        let Some(url) = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host()) else {
            self.wrong(path, form());
            return None;
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.wrong(path, "no user name or password may stand in an address; they have keys of their own");
            return None;
        }
        if url.query().is_some() || url.fragment().is_some() {
            self.wrong(path, "expected an address without `?` and `#`");
            return None;
        }
        Some(url)
    }

    /// A path of this machine, relative to the file's folder.
    pub fn file_path(&self, text: &str) -> PathBuf {
        self.folder.join(text)
    }

    /// Checks what only a cycle over the fleet needs the secrets of.
    pub fn for_the_fleet<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> T {
        self.unread_where(&[Secrets::ReadForRegistries], check)
    }

    /// Checks what only `refrom serve` needs the secrets of.
    pub fn for_the_service<T>(&mut self, check: impl FnOnce(&mut Self) -> T) -> T {
        self.unread_where(&[Secrets::ReadForCycle, Secrets::ReadForRegistries], check)
    }

    fn unread_where<T>(&mut self, needless: &[Secrets], check: impl FnOnce(&mut Self) -> T) -> T {
        let secrets = self.secrets;
        if needless.contains(&secrets) {
            self.secrets = Secrets::Skip;
        }
        let checked = check(self);
        self.secrets = secrets;
        checked
    }

    pub fn secret(&mut self, path: &KeyPath, reference: &SecretReference) -> Option<Secret> {
        match (&reference.env, &reference.file) {
            (Some(name), None) => self.variable(&path.key("env"), name),
            (None, Some(file)) if file.is_empty() => {
                self.wrong(&path.key("file"), "expected a path, found an empty text");
                None
            }
            (None, Some(file)) => {
                let secret = Secret::File(self.file_path(file));
                if self.secrets != Secrets::Skip
                    && let Err(error) = secret.read()
                {
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    self.wrong(&path.key("file"), format!("{error}{}", cause.unwrap_or_default()));
                    return None;
                }
                Some(secret)
            }
            (Some(_), Some(_)) => {
                self.wrong(path, "expected one of `env` and `file`, found both");
                None
            }
            (None, None) => {
                self.missing(path, "expected `{ env: NAME }` or `{ file: PATH }`");
                None
            }
        }
    }

    fn variable(&mut self, path: &KeyPath, name: &str) -> Option<Secret> {
        if name.is_empty() || name.contains(['=', '\0', '$', ' ']) {
            self.wrong(path, "expected the name of an environment variable");
            return None;
        }
        if self.secrets == Secrets::Skip {
            return Some(Secret::Unread);
        }
        let value = (self.environment)(name).filter(|value| !value.trim().is_empty());
        if value.is_none() {
            let is_usual = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
            let message = if name.len() <= VARIABLE_LENGTH_MAX && name.bytes().all(is_usual) {
                format!("the environment variable `{name}` is not set or empty")
            } else {
                "the environment variable of this name is not set or empty".to_owned()
            };
            self.wrong(path, message);
        }
        value.map(|value| Secret::Value(SecretString::from(value)))
    }
}
