//! Which repositories are shown, and in what order.

use std::cmp::Reverse;
use std::str::FromStr;

use jiff::Timestamp;

use super::{FleetStatus, PinStatus, RepositoryStatus, Standing};
use crate::domain::pull_request::Pipeline;

/// Which repositories are shown, and in what order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    pub state: Option<StateFilter>,
    /// The forge's name in the configuration.
    pub forge: Option<String>,
    /// A part of the repository's name, of an image, a path, a digest or a pull request's title, in any case.
    pub text: Option<String>,
    pub sort: Sort,
}

/// What a repository must have to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateFilter {
    /// Something that somebody has to see to.
    Attention,
    /// A pin that is behind.
    Behind,
    /// A pin that could be elsewhere and stands in no pull request.
    Waiting,
    /// An open pull request.
    Open,
    /// An open pull request whose checks failed.
    Failed,
    /// A pin of which nothing is known now.
    Unknown,
    /// Something went wrong.
    Error,
    /// Nothing to do.
    Current,
    /// The policy's `enabled: false`.
    Off,
}

/// The order of repositories; those that are equal in it stand by forge and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Sort {
    /// What needs a person first, then what is behind, for longest first.
    #[default]
    Urgency,
    /// What has been behind for longest first.
    Oldest,
    Name,
    /// What is due next first.
    Due,
}

/// A word that is no filter or order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {what} `{word}`: choose one of {choices}")]
pub struct FilterError {
    what: &'static str,
    word: String,
    choices: String,
}

impl FleetStatus {
    /// The repositories that a filter shows, in its order.
    pub fn select(&self, filter: &Filter) -> Vec<&RepositoryStatus> {
        let mut selected: Vec<_> = self.repositories.iter().filter(|repository| filter.shows(repository)).collect();
        // What was never behind comes after everything that was.
        let since = |it: &RepositoryStatus| it.behind_since().unwrap_or(Timestamp::MAX);
        match filter.sort {
            Sort::Urgency => selected.sort_by_key(|it| (it.standing(), since(it), it.repository.clone())),
            Sort::Oldest => selected.sort_by_key(|it| (since(it), Reverse(it.is_behind()), it.repository.clone())),
            Sort::Name => selected.sort_by_key(|it| it.repository.clone()),
            Sort::Due => selected.sort_by_key(|it| (it.due_at.unwrap_or(Timestamp::MIN), it.repository.clone())),
        }
        selected
    }
}

impl Filter {
    fn shows(&self, repository: &RepositoryStatus) -> bool {
        self.state.is_none_or(|state| state.holds(repository))
            && self.forge.as_ref().is_none_or(|forge| *forge == repository.repository.forge)
            && self.text.as_ref().is_none_or(|text| mentions(repository, &text.to_lowercase()))
    }
}

/// `text` is in lower case.
fn mentions(repository: &RepositoryStatus, text: &str) -> bool {
    let has = |part: String| part.to_lowercase().contains(text);
    has(repository.repository.name.to_string())
        || repository.pins.iter().any(|pin| {
            has(pin.path.clone())
                || has(pin.tag.to_string())
                || has(pin.tag.image.familiar())
                || pin.digest.is_some_and(|digest| has(digest.to_string()))
        })
        || repository.noticed.iter().any(|it| has(it.path.clone()) || has(it.image.clone()))
        || repository.pull_requests.iter().any(|it| has(it.title.clone()))
}

impl StateFilter {
    pub const ALL: [Self; 9] = [
        Self::Attention,
        Self::Behind,
        Self::Waiting,
        Self::Open,
        Self::Failed,
        Self::Unknown,
        Self::Error,
        Self::Current,
        Self::Off,
    ];

    /// The word in the address line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attention => "attention",
            Self::Behind => "behind",
            Self::Waiting => "waiting",
            Self::Open => "open",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
            Self::Error => "error",
            Self::Current => "current",
            Self::Off => "off",
        }
    }

    fn holds(self, repository: &RepositoryStatus) -> bool {
        let has_pin = |is: fn(&PinStatus) -> bool| repository.pins.iter().any(is);
        match self {
            Self::Attention => repository.needs_person(),
            Self::Behind => repository.is_behind(),
            Self::Waiting => has_pin(PinStatus::is_waiting),
            Self::Open => !repository.pull_requests.is_empty(),
            Self::Failed => repository.pull_requests.iter().any(|it| it.pipeline == Pipeline::Failed),
            Self::Unknown => has_pin(PinStatus::is_unknown),
            Self::Error => repository.error.is_some(),
            Self::Current => repository.standing() == Standing::Current,
            Self::Off => !repository.is_enabled,
        }
    }
}

impl Sort {
    pub const ALL: [Self; 4] = [Self::Urgency, Self::Oldest, Self::Name, Self::Due];

    /// The word in the address line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Urgency => "urgency",
            Self::Oldest => "oldest",
            Self::Name => "name",
            Self::Due => "due",
        }
    }
}

impl FromStr for StateFilter {
    type Err = FilterError;

    fn from_str(word: &str) -> Result<Self, FilterError> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == word);
        found.ok_or_else(|| FilterError::new("state", word, Self::ALL.map(Self::as_str)))
    }
}

impl FromStr for Sort {
    type Err = FilterError;

    fn from_str(word: &str) -> Result<Self, FilterError> {
        let found = Self::ALL.into_iter().find(|sort| sort.as_str() == word);
        found.ok_or_else(|| FilterError::new("order", word, Self::ALL.map(Self::as_str)))
    }
}

impl FilterError {
    fn new<const N: usize>(what: &'static str, word: &str, choices: [&str; N]) -> Self {
        Self { what, word: word.to_owned(), choices: choices.join(", ") }
    }
}
