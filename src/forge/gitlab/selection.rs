//! What of a selection is asked of GitLab, whose groups have groups below them.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::pull_request::RepoName;
use crate::forge::Selection;
use crate::forge::selection::{is_literal, literal_owner};

/// Whether the groups below a group are looked into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    Direct,
    Subgroups,
}

/// Which questions a selection comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Repositories by name.
    pub names: BTreeSet<RepoName>,
    /// Groups and users in lower case, each as it was written first.
    pub namespaces: BTreeMap<String, (String, Depth)>,
    /// Whether a pattern can only be answered from everything that the account is a member of.
    pub is_everything: bool,
}

impl Wanted {
    /// Topics without any pattern are looked for in everything.
    pub fn of(selection: &Selection) -> Self {
        let mut wanted = Self { is_everything: selection.include.is_empty(), ..Self::default() };
        wanted.is_everything &= !selection.topics.is_empty();
        for pattern in &selection.include {
            let text = pattern.as_str();
            match literal_owner(pattern) {
                Some(_) if is_literal(text) => wanted.names.extend(text.parse::<RepoName>().ok()),
                Some(_) => wanted.add_namespace(text),
                None => wanted.is_everything = true,
            }
        }
        wanted
    }

    /// The group that is named before the first wildcard, and whether the pattern reaches below it.
    fn add_namespace(&mut self, pattern: &str) {
        let segments: Vec<&str> = pattern.split('/').collect();
        let literal = segments.iter().take_while(|segment| is_literal(segment)).count();
        let namespace = segments.get(..literal).unwrap_or_default().join("/");
        let rest = segments.get(literal..).unwrap_or_default();
        let is_direct = matches!(rest, [last] if !last.contains("**") && !last.contains('{'));
        let depth = if is_direct { Depth::Direct } else { Depth::Subgroups };
        let found = self.namespaces.entry(namespace.to_lowercase()).or_insert((namespace, depth));
        found.1 = found.1.max(depth);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::pattern::Pattern;

    fn wanted(include: &[&str]) -> Wanted {
        let include = include.iter().map(|text| Pattern::new(text).unwrap()).collect();
        Wanted::of(&Selection { include, ..Selection::default() })
    }

    #[test]
    fn a_pattern_is_asked_for_in_the_smallest_question() {
        for (pattern, namespace, depth) in [
            ("acme/*", "acme", Depth::Direct),
            ("acme/**", "acme", Depth::Subgroups),
            ("acme/tools/web-?", "acme/tools", Depth::Direct),
            ("acme/*/web", "acme", Depth::Subgroups),
            ("acme/{a,b/c}", "acme", Depth::Subgroups),
        ] {
            let expected = BTreeMap::from([(namespace.to_owned(), (namespace.to_owned(), depth))]);
            assert_eq!(wanted(&[pattern]).namespaces, expected, "{pattern}");
        }
        let both = wanted(&["Acme/*", "acme/**", "acme/tools/web"]);
        assert_eq!(both.namespaces["acme"], ("Acme".to_owned(), Depth::Subgroups));
        assert_eq!(both.names.iter().map(RepoName::as_str).collect::<Vec<_>>(), ["acme/tools/web"]);
        assert!(!both.is_everything);
    }

    #[test]
    fn what_names_no_group_is_looked_for_in_everything() {
        for pattern in ["*/api", "**", "/^acme\\/web$/", "{a,b}/web"] {
            assert!(wanted(&[pattern]).is_everything, "{pattern}");
        }
        assert_eq!(wanted(&[]), Wanted::default());
        let topics = Selection { topics: vec!["docker".into()], ..Selection::default() };
        assert!(Wanted::of(&topics).is_everything);
    }
}
