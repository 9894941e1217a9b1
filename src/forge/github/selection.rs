//! What of a selection is asked of GitHub, and what is left out of the answer.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::pattern::Pattern;
use crate::domain::pull_request::{RepoName, RepositoryHead};
use crate::forge::Selection;

/// Which questions a selection comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Repositories by name.
    pub names: BTreeSet<RepoName>,
    /// Owners in lower case, each as it was written first.
    pub owners: BTreeMap<String, String>,
    /// Whether a pattern can only be answered from everything that the account sees.
    pub is_everything: bool,
}

impl Wanted {
    /// Topics without any pattern are looked for in everything.
    pub fn of(selection: &Selection) -> Self {
        let mut wanted = Self { is_everything: selection.include.is_empty(), ..Self::default() };
        wanted.is_everything &= !selection.topics.is_empty();
        for pattern in &selection.include {
            match literal_owner(pattern) {
                Some(_) if is_literal(pattern.as_str()) => {
                    wanted.names.extend(pattern.as_str().parse::<RepoName>().ok());
                }
                Some(owner) => {
                    wanted.owners.entry(owner.to_lowercase()).or_insert_with(|| owner.to_owned());
                }
                None => wanted.is_everything = true,
            }
        }
        wanted
    }
}

/// Whether a repository found by a pattern belongs to the selection.
pub(super) fn is_selected(selection: &Selection, repository: &RepositoryHead) -> bool {
    is_named(selection, &repository.name)
        && (selection.topics.is_empty() || repository.topics.iter().any(|topic| selection.topics.contains(topic)))
        && (selection.archived || !repository.is_archived)
        && (selection.forks || !repository.is_fork)
        && !repository.is_disabled
}

/// Whether a pattern includes this name and none excludes it.
pub(super) fn is_named(selection: &Selection, name: &RepoName) -> bool {
    let is_included = selection.include.is_empty() || selection.include.iter().any(|pattern| matches(pattern, name));
    is_included && !is_excluded(selection, name)
}

/// Whether a pattern leaves this name out; that holds for repositories given by name, too.
pub(super) fn is_excluded(selection: &Selection, name: &RepoName) -> bool {
    selection.exclude.iter().any(|pattern| matches(pattern, name))
}

/// GitHub's owners have no case: `Acme/*` is about `acme/web`.
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
fn literal_owner(pattern: &Pattern) -> Option<&str> {
    let (owner, _) = pattern.as_str().split_once('/')?;
    (!owner.is_empty() && is_literal(owner)).then_some(owner)
}

fn is_literal(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '{', '}', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selection(include: &[&str], exclude: &[&str]) -> Selection {
        let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Selection { include: patterns(include), exclude: patterns(exclude), ..Selection::default() }
    }

    #[test]
    fn a_pattern_is_asked_for_in_the_smallest_question() {
        let wanted = Wanted::of(&selection(&["acme/web", "Acme/*", "acme/api-?", "tools/{a,b}"], &[]));
        assert_eq!(wanted.names.iter().map(RepoName::as_str).collect::<Vec<_>>(), ["acme/web"]);
        assert_eq!(
            wanted.owners.into_iter().collect::<Vec<_>>(),
            [("acme".into(), "Acme".into()), ("tools".into(), "tools".into())]
        );
        assert!(!wanted.is_everything);
        for pattern in ["*/api", "**", "/^acme\\/web$/", "{a,b}/web"] {
            assert!(Wanted::of(&selection(&[pattern], &[])).is_everything, "{pattern}");
        }
    }

    #[test]
    fn topics_alone_are_looked_for_in_everything_and_nothing_selects_nothing() {
        let topics = Selection { topics: vec!["docker".into()], ..Selection::default() };
        assert!(Wanted::of(&topics).is_everything);
        assert_eq!(Wanted::of(&Selection::default()), Wanted::default());
    }

    #[test]
    fn an_owner_has_no_case_and_an_exclusion_wins() {
        let selection = selection(&["Acme/*"], &["acme/old-*"]);
        assert!(is_named(&selection, &"acme/web".parse().unwrap()));
        assert!(!is_named(&selection, &"acme/old-web".parse().unwrap()));
        assert!(!is_named(&selection, &"other/web".parse().unwrap()));
    }
}
