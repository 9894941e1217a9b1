//! Higher tags of the same shape.

use std::collections::BTreeSet;

use super::policy::Follow;
use super::reference::Tag;

/// The higher ones of these tags that a pin of `tag` may move to, highest first.
pub fn higher(_tag: &Tag, _tags: &BTreeSet<Tag>, _follow: Follow) -> Vec<Tag> {
    Vec::new()
}
