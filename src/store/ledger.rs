//! The ledger as it moves from one store to another.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::reference::TagRef;

/// How long a digest is remembered after a tag last pointed to it, where nobody says otherwise: longer than any pin that
/// is kept fresh stays.
pub const RETENTION: SignedDuration = SignedDuration::from_hours(400 * 24);

/// A digest that a tag pointed to, with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    pub tag: TagRef,
    pub digest: Digest,
    pub first_seen: Timestamp,
    /// The last look in which the tag pointed to it. `None`, in what others noted: until the tag was first seen at another
    /// digest after it, as far as the same source says.
    pub last_seen: Option<Timestamp>,
    pub image: Option<Image>,
    /// What the manifests of its platforms are made of, by their digest.
    pub contents: BTreeMap<Digest, Content>,
}

/// What an import came to, in digests of tags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// They were not known.
    pub new: u64,
    /// They were known, and were seen earlier or later than that now.
    pub merged: u64,
    /// Everything about them was known.
    pub unchanged: u64,
    /// They were not known, and are older than what is remembered, or more than that of one tag.
    pub left_out: u64,
}
