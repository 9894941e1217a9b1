//! What a digest holds, as far as a decision needs it.

use std::collections::BTreeSet;
use std::fmt;

use jiff::Timestamp;

use super::digest::Digest;

/// What kind of manifest a digest names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ManifestKind {
    /// An OCI image index or a Docker manifest list: one manifest per platform.
    Index,
    /// A single image manifest.
    Image,
}

/// A platform of an image (OCI image index, `platform`). Entries with `unknown` parts, which hold attestations,
/// are no platforms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
}

/// What is known of one digest. Content never changes under a digest, so this can be kept for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    pub digest: Digest,
    pub kind: ManifestKind,
    /// The platforms of an index; the one of a single manifest, where its configuration tells it.
    pub platforms: BTreeSet<Platform>,
    /// The resolved version, by annotation or label: `1.27.3`.
    pub version: Option<String>,
    /// When the image says it was built; absent where it says nothing or 1970 (a reproducible build).
    pub created: Option<Timestamp>,
    /// Compressed bytes of configuration and layers, of the first platform where there are several.
    pub size_bytes: Option<u64>,
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}
