//! What a digest holds, as far as a decision needs it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;

use super::candidates::Unknown;
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
    /// The media type by which the registry announced it; absent where only its kind was asked for.
    pub media_type: Option<String>,
    /// The manifests of an index by platform; a single manifest under its own, where its configuration tells it.
    pub manifests: BTreeMap<Platform, Digest>,
    /// The resolved version, by annotation or label: `1.27.3`.
    pub version: Option<String>,
    /// When the image says it was built; absent where it says nothing or 1970 (a reproducible build).
    pub created: Option<Timestamp>,
    /// Compressed bytes of configuration and layers, of the first platform where there are several.
    pub size_bytes: Option<u64>,
    /// The day on which its vendor stops to rebuild it, where the family says so.
    pub end_of_life: Option<Date>,
    /// How it runs, of the first platform where there are several; absent where it was not asked for.
    pub configuration: Option<Configuration>,
}

/// How an image runs (OCI image specification, `config.md`), as far as a change of it breaks what is built on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Configuration {
    /// `65532`, `nonroot:nonroot`; empty: root.
    pub user: String,
    pub entrypoint: Vec<String>,
    pub command: Vec<String>,
    pub working_directory: String,
    pub environment: BTreeMap<String, String>,
    /// `8080/tcp`.
    pub ports: BTreeSet<String>,
    /// The distribution and its release, where the family says so: `debian-13`.
    pub distribution: Option<String>,
}

/// What one platform's manifest is made of: two with the same content differ in annotations and attestations alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub config: Digest,
    /// From the lowest up.
    pub layers: Vec<Digest>,
}

impl Image {
    /// An image of which only this is known.
    pub fn bare(digest: Digest, kind: ManifestKind) -> Self {
        Self {
            digest,
            kind,
            media_type: None,
            manifests: BTreeMap::new(),
            version: None,
            created: None,
            size_bytes: None,
            end_of_life: None,
            configuration: None,
        }
    }

    /// Whether it is an index of which nobody knows the manifests: no more than where nobody looked at it.
    pub fn is_unread(&self) -> bool {
        self.kind == ManifestKind::Index && self.manifests.is_empty()
    }

    pub fn platforms(&self) -> BTreeSet<&Platform> {
        self.manifests.keys().collect()
    }
}

/// Why it is not known what the manifest of one platform is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoContent {
    /// Its registry does not answer now.
    ForNow(Unknown),
    /// Asking again would change nothing.
    ForGood,
}

/// Why a text is no [`Platform`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a platform like `linux/amd64` or `linux/arm/v7`")]
pub struct PlatformError;

impl FromStr for Platform {
    type Err = PlatformError;

    /// Reads `os/architecture[/variant]`.
    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let is_part = |part: &&str| {
            !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        };
        let parts: Vec<&str> = text.split('/').collect();
        let (os, architecture, variant) = match parts.as_slice() {
            [os, architecture] => (os, architecture, None),
            [os, architecture, variant] => (os, architecture, Some((*variant).to_owned())),
            _ => return Err(PlatformError),
        };
        if !parts.iter().all(is_part) {
            return Err(PlatformError);
        }
        Ok(Self { os: (*os).to_owned(), architecture: (*architecture).to_owned(), variant })
    }
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
