//! What of a selection is asked of GitHub.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::pull_request::RepoName;
use crate::forge::Selection;
use crate::forge::selection::{is_literal, literal_owner};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pattern::Pattern;

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
}
