//! Digests that people took back, and where pins at them go.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::candidates::RepositoryKey;
use super::digest::Digest;
use super::reference::{ImageName, Tag, TagRef};

/// A digest that somebody took back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// As a registry is asked for it: the upstream's name where it has mirrors.
    pub image: ImageName,
    /// `None`: all of its tags.
    pub tag: Option<Tag>,
    pub digest: Digest,
    /// Where pins at it go; `None`: to the last other one that the repository had on its base branch.
    pub to: Option<Digest>,
    /// For people.
    pub reason: String,
    pub at: Timestamp,
}

/// All of them that hold now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Denials {
    pub denials: Vec<Denial>,
    /// The digests that pins of a repository had on its base branch, oldest first.
    pub merged: BTreeMap<(RepositoryKey, TagRef), Vec<Digest>>,
}

impl Denials {
    /// The denial of a digest of this tag (as a registry is asked for it), the newest where there are several.
    pub fn of(&self, tag: &TagRef, digest: &Digest) -> Option<&Denial> {
        let is_it = |denial: &&Denial| {
            denial.digest == *digest
                && denial.image == tag.image
                && denial.tag.as_ref().is_none_or(|denied| *denied == tag.tag)
        };
        self.denials.iter().filter(is_it).max_by_key(|denial| denial.at)
    }

    /// Where a pin at a digest that was taken back goes; `None`: it was not, or nothing is known to go back to.
    pub fn way_back(&self, repository: &RepositoryKey, tag: &TagRef, pinned: &Digest) -> Option<(Digest, &Denial)> {
        let denial = self.of(tag, pinned)?;
        let is_good = |digest: &&Digest| self.of(tag, digest).is_none();
        let merged = self.merged.get(&(repository.clone(), tag.clone())).into_iter().flatten();
        let last = merged.take_while(|digest| *digest != pinned).filter(is_good).last().copied();
        Some((denial.to.or(last)?, denial))
    }
}
