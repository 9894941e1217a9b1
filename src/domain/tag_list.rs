//! The tags of an image, and what is higher than one of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use super::follow;
use super::policy::Follow;
use super::reference::Tag;

/// The tags of an image that begin with a version. What is higher than a tag is found out once, however many pins ask, and
/// however often: lists have thousands of tags, and every pin goes through its own some times in a cycle. Clones share
/// both.
#[derive(Debug, Clone, Default)]
pub struct TagList {
    tags: Arc<BTreeSet<Tag>>,
    higher: Arc<Mutex<HigherTags>>,
}

type HigherTags = BTreeMap<(Tag, Follow), Arc<[Tag]>>;

impl TagList {
    pub fn new(tags: Arc<BTreeSet<Tag>>) -> Self {
        Self { tags, higher: Arc::default() }
    }

    pub fn tags(&self) -> &BTreeSet<Tag> {
        &self.tags
    }

    /// Adds one that was published since. Clones stay as they were.
    pub fn insert(&mut self, tag: Tag) {
        if !self.tags.contains(&tag) {
            Arc::make_mut(&mut self.tags).insert(tag);
            self.higher = Arc::default();
        }
    }

    /// [`follow::higher`] among these.
    pub fn higher(&self, tag: &Tag, follow: Follow) -> Arc<[Tag]> {
        let mut higher = self.higher.lock().unwrap_or_else(PoisonError::into_inner);
        let found = higher.entry((tag.clone(), follow));
        Arc::clone(found.or_insert_with(|| follow::higher(tag, &self.tags, follow).into()))
    }
}

impl FromIterator<Tag> for TagList {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        Self::new(Arc::new(tags.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn higher(list: &TagList, from: &str, follow: Follow) -> String {
        list.higher(&tag(from), follow).iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_is_higher_is_found_out_once_for_each_tag_and_follow() {
        let list: TagList = ["1.27", "1.28", "2.0"].map(tag).into_iter().collect();
        assert_eq!(higher(&list, "1.27", Follow::Minor), "1.28");
        assert_eq!(higher(&list, "1.27", Follow::Major), "2.0 1.28");
        assert_eq!(higher(&list, "1.28", Follow::Minor), "");
        let shared = list.clone();
        assert!(Arc::ptr_eq(&list.higher(&tag("1.27"), Follow::Minor), &shared.higher(&tag("1.27"), Follow::Minor)));
    }

    #[test]
    fn what_is_published_later_is_found_too_and_not_in_a_clone_of_before() {
        let mut list: TagList = ["1.27", "1.28"].map(tag).into_iter().collect();
        let before = list.clone();
        assert_eq!(higher(&list, "1.27", Follow::Minor), "1.28");
        list.insert(tag("1.29"));
        assert_eq!(higher(&list, "1.27", Follow::Minor), "1.29 1.28");
        assert_eq!((higher(&before, "1.27", Follow::Minor).as_str(), before.tags().len()), ("1.28", 2));
    }
}
