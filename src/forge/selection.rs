//! Which repositories are looked at: the same words for every forge.

use super::ForgeError;
use crate::domain::pattern::Pattern;
use crate::domain::pull_request::{RepoName, RepositoryHead};

/// Which repositories of a forge are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Patterns over the full name. One without wildcards names one repository: that one is asked for even where it is
    /// a fork or has none of the topics, and it is a problem where it cannot be served. None, with topics: everything
    /// that the account sees.
    pub include: Vec<Pattern>,
    pub exclude: Vec<Pattern>,
    /// Any of these, where there are some, for what patterns find.
    pub topics: Vec<String>,
    pub archived: bool,
    pub forks: bool,
    /// Whether it is asked, too, how the checks of the default branches' heads stand.
    pub pipelines: bool,
}

impl Selection {
    /// Whether a pattern includes this name and none excludes it. Owners have no case: `Acme/*` is about `acme/web`.
    pub fn names(&self, name: &RepoName) -> bool {
        let is_included = self.include.is_empty() || self.include.iter().any(|pattern| matches(pattern, name));
        is_included && !self.excludes(name)
    }

    /// Whether a pattern leaves this name out; that holds for repositories given by name, too.
    pub fn excludes(&self, name: &RepoName) -> bool {
        self.exclude.iter().any(|pattern| matches(pattern, name))
    }

    /// Whether a repository found by a pattern belongs to the selection.
    pub fn includes(&self, repository: &RepositoryHead) -> bool {
        self.names(&repository.name)
            && (self.topics.is_empty() || repository.topics.iter().any(|topic| self.topics.contains(topic)))
            && (self.archived || !repository.is_archived)
            && (self.forks || !repository.is_fork)
            && !repository.is_disabled
    }

    /// A repository that was asked for by its name is asked for as a fork, too; anything else that keeps it from being
    /// served is said.
    pub(super) fn served(&self, asked: &RepoName, head: RepositoryHead) -> Result<RepositoryHead, ForgeError> {
        let what = format!("`{asked}`");
        if !head.name.as_str().eq_ignore_ascii_case(asked.as_str()) {
            return Err(ForgeError::Renamed { what, now: head.name.to_string() });
        }
        if head.is_archived && !self.archived {
            return Err(ForgeError::Archived { what });
        }
        if head.is_disabled {
            return Err(ForgeError::Denied { message: format!("{what} is disabled") });
        }
        Ok(head)
    }
}

fn matches(pattern: &Pattern, name: &RepoName) -> bool {
    let as_written = literal_owner(pattern).zip(name.as_str().split_once('/'));
    match as_written {
        Some((written, (owner, rest))) if written.eq_ignore_ascii_case(owner) => {
            pattern.matches(&format!("{written}/{rest}"))
        }
        _ => pattern.matches(name.as_str()),
    }
}

/// The owner in a glob whose first segment has no wildcard.
pub(super) fn literal_owner(pattern: &Pattern) -> Option<&str> {
    let (owner, _) = pattern.as_str().split_once('/')?;
    (!owner.is_empty() && is_literal(owner)).then_some(owner)
}

/// Whether a glob has no wildcard.
pub(super) fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_has_no_case_and_an_exclusion_wins() {
        let patterns = |text: &str| vec![Pattern::new(text).unwrap()];
        let selection =
            Selection { include: patterns("Acme/*"), exclude: patterns("acme/old-*"), ..Selection::default() };
        assert!(selection.names(&"acme/web".parse().unwrap()));
        assert!(!selection.names(&"acme/old-web".parse().unwrap()));
        assert!(!selection.names(&"other/web".parse().unwrap()));
    }
}
