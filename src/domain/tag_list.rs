//! The tags of an image, and which of them a pin of one tries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::follow;
use super::policy::Follow;
use super::reference::Tag;

/// How many of the highest tags are tried, and of those that have been known for long enough as many again. The highest one
/// is nearly always the one; the next ones are there for the days on which it is not yet in the mirror.
const HIGHEST_TRIED_MAX: usize = 3;

/// How many higher tags are tried for a pin.
pub const TRIED_MAX: usize = 2 * HIGHEST_TRIED_MAX;

/// How many of the highest tags are kept for each tag: more than people refuse. Lists have thousands.
const HIGHEST_MAX: usize = 100;

/// The tags of an image that begin with a version. What is higher than a tag is found out once, however many pins ask, and
/// however often: lists have thousands of tags, and every pin goes through its own some times in a cycle. Clones share
/// both.
#[derive(Debug, Clone, Default)]
pub struct TagList {
    tags: Arc<BTreeSet<Tag>>,
    /// When those were first seen that were ever asked for.
    first_seen: Arc<BTreeMap<Tag, Timestamp>>,
    higher: Arc<Mutex<HigherByTag>>,
}

type HigherByTag = BTreeMap<(Tag, Follow), Arc<HigherTags>>;

/// The tags that are higher than one, the highest first.
#[derive(Debug, Default)]
pub struct HigherTags {
    /// [`HIGHEST_MAX`] at most.
    highest: Vec<Tag>,
    /// Those that were asked for before, with their first sight.
    known: Vec<(Tag, Timestamp)>,
}

/// A higher tag that a pin comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tried<'a> {
    Open(&'a Tag),
    /// With the number of the pull request that somebody closed. It takes no other one's place.
    Refused(&'a Tag, u64),
}

impl TagList {
    pub fn new(tags: Arc<BTreeSet<Tag>>) -> Self {
        Self { tags, ..Self::default() }
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

    /// Notes when one was first seen that was asked for in an earlier cycle. Clones stay as they were.
    pub fn see(&mut self, tag: &Tag, first_seen: Timestamp) {
        if self.first_seen.get(tag) != Some(&first_seen) {
            Arc::make_mut(&mut self.first_seen).insert(tag.clone(), first_seen);
            self.higher = Arc::default();
        }
    }

    /// [`follow::higher`] among these.
    pub fn higher(&self, tag: &Tag, follow: Follow) -> Arc<HigherTags> {
        let mut higher = self.higher.lock().unwrap_or_else(PoisonError::into_inner);
        let found = higher.entry((tag.clone(), follow));
        Arc::clone(found.or_insert_with(|| Arc::new(self.find_higher(tag, follow))))
    }

    fn find_higher(&self, tag: &Tag, follow: Follow) -> HigherTags {
        let mut highest = follow::higher(tag, self.tags.iter(), follow);
        highest.truncate(HIGHEST_MAX);
        highest.shrink_to_fit();
        let listed = self.first_seen.keys().filter(|tag| self.tags.contains(*tag));
        let known = follow::higher(tag, listed, follow).into_iter();
        let known = known.filter_map(|tag| self.first_seen.get(&tag).map(|at| (tag.clone(), *at))).collect();
        HigherTags { highest, known }
    }
}

impl HigherTags {
    /// The higher tags that a pin comes to, the highest first: the highest ones, and besides the highest of those that were
    /// first seen by this time. Where there is a new tag each day, the highest are always too young, and these never are.
    ///
    /// `refused` says by which pull request a tag was refused.
    pub fn tried(&self, seen_by: Timestamp, refused: impl Fn(&Tag) -> Option<u64>) -> Vec<Tried<'_>> {
        let (mut tried, mut places) = (Vec::new(), HIGHEST_TRIED_MAX);
        for tag in &self.highest {
            if places == 0 {
                break;
            }
            match refused(tag) {
                Some(number) => tried.push(Tried::Refused(tag, number)),
                None => {
                    tried.push(Tried::Open(tag));
                    places -= 1;
                }
            }
        }
        // What is not among the highest is lower than these.
        let known = self.known.iter().filter(|(tag, at)| *at <= seen_by && refused(tag).is_none());
        for (tag, _) in known.take(HIGHEST_TRIED_MAX) {
            if !tried.contains(&Tried::Open(tag)) {
                tried.push(Tried::Open(tag));
            }
        }
        tried
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

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(day * 24 * 3600).unwrap()
    }

    fn higher(list: &TagList, from: &str, follow: Follow) -> String {
        list.higher(&tag(from), follow).highest.iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
    }

    /// What a pin at `20` tries; refused ones in brackets.
    fn tried(list: &TagList, seen_by: i64, refused: &[&str]) -> String {
        let higher = list.higher(&tag("20"), Follow::Major);
        let tried = higher.tried(at(seen_by), |tag| refused.contains(&tag.as_str()).then_some(1));
        let shown = tried.iter().map(|tried| match tried {
            Tried::Open(tag) => tag.to_string(),
            Tried::Refused(tag, _) => format!("({tag})"),
        });
        shown.collect::<Vec<_>>().join(" ")
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

    #[test]
    fn the_three_highest_are_tried_and_three_that_have_been_known_for_long_enough() {
        let mut list: TagList = (20..=32).map(|number| tag(&number.to_string())).collect();
        assert_eq!(tried(&list, 99, &[]), "32 31 30", "of the others nobody knows how old they are");
        // One a day, and the first of them was never asked for.
        for number in 22..=32 {
            list.see(&tag(&number.to_string()), at(number));
        }
        assert_eq!(tried(&list, 29, &[]), "32 31 30 29 28 27");
        assert_eq!(tried(&list, 31, &[]), "32 31 30 29", "those that are among the highest are no others");
        assert_eq!(tried(&list, 32, &[]), "32 31 30");
        assert_eq!(tried(&list, 22, &[]), "32 31 30 22");
        assert_eq!(tried(&list, 21, &[]), "32 31 30");
        list.see(&tag("33"), at(1));
        assert_eq!(tried(&list, 32, &[]), "32 31 30", "what the list has no more");
    }

    #[test]
    fn what_was_refused_takes_no_place() {
        let mut list: TagList = (20..=27).map(|number| tag(&number.to_string())).collect();
        assert_eq!(tried(&list, 0, &["27", "26", "25"]), "(27) (26) (25) 24 23 22");
        assert_eq!(tried(&list, 0, &["26", "22"]), "27 (26) 25 24");
        for number in 21..=27 {
            list.see(&tag(&number.to_string()), at(number));
        }
        assert_eq!(tried(&list, 24, &["26", "23"]), "27 (26) 25 24 22 21");
    }
}
