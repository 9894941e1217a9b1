//! Manifests and indexes, as far as they are read.

use std::collections::BTreeMap;

use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE,
    ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageIndex, OciImageManifest,
};
use serde::Deserialize;

use super::error::Failure;
use super::execution::Execution;
use crate::domain::digest::Digest;
use crate::domain::image::{Configuration, Content, ManifestKind, Platform};

/// All four types, so that a tag on an index gives the index. Without them registries answer 404, or convert the index
/// to one platform's manifest, which has another digest.
pub(super) const ACCEPT_MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json";
/// What registries accept on a push (distribution specification, "Pushing Manifests"), in bytes.
pub(super) const MANIFEST_BYTES_MAX: usize = 4 << 20;
/// Entries of an index. The largest known, with attestations for each of some twenty platforms, have less than 100.
const INDEX_ENTRIES_MAX: usize = 1000;
/// Layers of an image. Container engines take 127 (overlayfs mounts no more).
const LAYERS_MAX: usize = 500;
/// BuildKit's mark of an entry that holds attestations.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// A manifest that was read. **Invariant**: its bytes had the digest that it is kept under.
#[derive(Debug, Clone)]
pub(super) enum Manifest {
    Index(Box<OciImageIndex>),
    Image(Box<OciImageManifest>),
}

/// An entry of an index that is an image or an index.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub digest: Digest,
    pub kind: ManifestKind,
    pub platform: Option<Platform>,
}

/// Annotations or labels.
pub(super) type Texts = BTreeMap<String, String>;

/// The kind of a media type; `None` for what is no manifest.
pub(super) fn kind_of(media_type: &str) -> Option<ManifestKind> {
    match media_type {
        OCI_IMAGE_INDEX_MEDIA_TYPE | IMAGE_MANIFEST_LIST_MEDIA_TYPE => Some(ManifestKind::Index),
        OCI_IMAGE_MEDIA_TYPE | IMAGE_MANIFEST_MEDIA_TYPE => Some(ManifestKind::Image),
        _ => None,
    }
}

/// The kind that a header announces: none where there is no header, a failure for another type (a login page).
pub(super) fn announced_kind(media_type: Option<&str>) -> Result<Option<ManifestKind>, Failure> {
    let unknown = |media_type| Failure::invalid(format!("`{media_type}` is no type of a manifest"));
    media_type.map(|media_type| kind_of(media_type).ok_or_else(|| unknown(media_type))).transpose()
}

impl Manifest {
    /// Reads a manifest that was announced with this media type.
    pub(super) fn read(bytes: &[u8], media_type: Option<&str>) -> Result<Self, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Shape {
            media_type: Option<String>,
            manifests: Option<serde::de::IgnoredAny>,
        }
        let malformed = |error: serde_json::Error| {
            let (line, column) = (error.line(), error.column());
            Failure::invalid(format!("not a manifest, at line {line} column {column}"))
        };
        let shape: Shape = serde_json::from_slice(bytes).map_err(malformed)?;
        let shown = if shape.manifests.is_some() { ManifestKind::Index } else { ManifestKind::Image };
        for announced in [media_type, shape.media_type.as_deref()] {
            if announced_kind(announced)?.is_some_and(|kind| kind != shown) {
                return Err(Failure::invalid("a manifest that says it is of another kind than it is"));
            }
        }
        let media_type = media_type.map(ToOwned::to_owned).or(shape.media_type);
        match shown {
            ManifestKind::Image => {
                let image: OciImageManifest = serde_json::from_slice(bytes).map_err(malformed)?;
                Ok(Self::Image(Box::new(OciImageManifest { media_type, ..image })))
            }
            ManifestKind::Index => {
                let index: OciImageIndex = serde_json::from_slice(bytes).map_err(malformed)?;
                if index.manifests.len() > INDEX_ENTRIES_MAX {
                    return Err(Failure::Nested);
                }
                Ok(Self::Index(Box::new(OciImageIndex { media_type, ..index })))
            }
        }
    }

    pub(super) fn kind(&self) -> ManifestKind {
        match self {
            Self::Index(_) => ManifestKind::Index,
            Self::Image(_) => ManifestKind::Image,
        }
    }

    /// As it was announced, else as it says itself.
    pub(super) fn media_type(&self) -> Option<&str> {
        match self {
            Self::Index(index) => index.media_type.as_deref(),
            Self::Image(image) => image.media_type.as_deref(),
        }
    }

    /// What one platform's manifest is made of.
    pub(super) fn content(&self) -> Result<Content, Failure> {
        let Self::Image(image) = self else { return Err(Failure::invalid("an index where a manifest should be")) };
        if image.layers.len() > LAYERS_MAX {
            return Err(Failure::invalid(format!("a manifest with more than {LAYERS_MAX} layers")));
        }
        let digest = |descriptor: &OciDescriptor| {
            descriptor.digest.parse().map_err(|_| Failure::invalid("a manifest with a digest that is not sha256"))
        };
        let layers = image.layers.iter().map(digest).collect::<Result<_, _>>()?;
        Ok(Content { config: digest(&image.config)?, layers })
    }

    pub(super) fn annotations(&self) -> Texts {
        match self {
            Self::Index(index) => index.annotations.clone(),
            Self::Image(image) => image.annotations.clone(),
        }
        .unwrap_or_default()
    }
}

/// The images and indexes in an index, without attestations and other artifacts.
pub(super) fn entries(index: &OciImageIndex) -> Result<Vec<Entry>, Failure> {
    index
        .manifests
        .iter()
        .filter(|entry| !is_attestation(entry))
        .filter_map(|entry| read_entry(entry).transpose())
        .collect()
}

fn read_entry(entry: &ImageIndexEntry) -> Result<Option<Entry>, Failure> {
    let Some(kind) = kind_of(&entry.media_type) else { return Ok(None) };
    let digest = entry.digest.parse().map_err(|_| Failure::invalid("an index with a digest that is not sha256"))?;
    let platform = entry.platform.as_ref().and_then(|platform| {
        let (os, architecture) = (platform.os.to_string(), platform.architecture.to_string());
        known_platform(os, architecture, platform.variant.clone())
    });
    Ok(Some(Entry { digest, kind, platform }))
}

fn is_attestation(entry: &ImageIndexEntry) -> bool {
    let has_mark = entry.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(REFERENCE_TYPE));
    let is_unknown = entry
        .platform
        .as_ref()
        .is_some_and(|platform| platform.os.to_string() == "unknown" || platform.architecture.to_string() == "unknown");
    has_mark || is_unknown
}

fn known_platform(os: String, architecture: String, variant: Option<String>) -> Option<Platform> {
    let is_known = |part: &str| !part.is_empty() && part != "unknown";
    let variant = variant.filter(|variant| !variant.is_empty());
    (is_known(&os) && is_known(&architecture)).then_some(Platform { os, architecture, variant })
}

/// The configuration of an image (OCI image specification, `config.md`), as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ImageConfig {
    pub created: Option<String>,
    os: String,
    architecture: String,
    variant: Option<String>,
    config: Option<Execution>,
}

impl ImageConfig {
    /// Whether a descriptor's media type is that of an image's configuration; other artifacts have others.
    pub(super) fn is_type(media_type: &str) -> bool {
        matches!(media_type, IMAGE_CONFIG_MEDIA_TYPE | IMAGE_DOCKER_CONFIG_MEDIA_TYPE)
    }

    pub(super) fn platform(&self) -> Option<Platform> {
        known_platform(self.os.clone(), self.architecture.clone(), self.variant.clone())
    }

    pub(super) fn labels(&self) -> Texts {
        self.config.as_ref().and_then(|config| config.labels.clone()).unwrap_or_default()
    }

    /// How the image runs, but for its distribution.
    pub(super) fn configuration(&self) -> Configuration {
        self.config.as_ref().map(Execution::configuration).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str, rest: &str) -> String {
        format!(r#"{{"mediaType":"{media_type}","digest":"sha256:{}","size":1{rest}}}"#, "a".repeat(64))
    }

    fn index(entries: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","))
    }

    #[test]
    fn attestations_and_unknown_platforms_are_no_platforms() {
        let text = index(&[
            descriptor(OCI_IMAGE_MEDIA_TYPE, r#","platform":{"os":"linux","architecture":"arm64","variant":"v8"}"#),
            descriptor(OCI_IMAGE_MEDIA_TYPE, r#","platform":{"os":"unknown","architecture":"unknown"}"#),
            descriptor(OCI_IMAGE_MEDIA_TYPE, r#","annotations":{"vnd.docker.reference.type":"attestation-manifest"}"#),
            descriptor("application/vnd.example", ""),
            descriptor(OCI_IMAGE_INDEX_MEDIA_TYPE, ""),
        ]);
        let Manifest::Index(index) = Manifest::read(text.as_bytes(), Some(OCI_IMAGE_INDEX_MEDIA_TYPE)).unwrap() else {
            panic!("an index")
        };
        let entries = entries(&index).unwrap();
        let shown: Vec<_> = entries.iter().map(|e| (e.kind, e.platform.as_ref().map(ToString::to_string))).collect();
        let expected = [(ManifestKind::Image, Some("linux/arm64/v8".to_owned())), (ManifestKind::Index, None)];
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_manifest_of_another_kind_than_announced_is_refused() {
        let text = index(&[]);
        assert!(Manifest::read(text.as_bytes(), None).is_ok());
        assert!(Manifest::read(text.as_bytes(), Some(IMAGE_MANIFEST_LIST_MEDIA_TYPE)).is_ok());
        for media_type in [OCI_IMAGE_MEDIA_TYPE, "text/html", "application/vnd.docker.distribution.manifest.v1+json"] {
            assert!(Manifest::read(text.as_bytes(), Some(media_type)).is_err(), "{media_type}");
        }
    }

    #[test]
    fn nonsense_and_endless_indexes_are_refused() {
        for text in ["", "<html>", "[]", "{}", r#"{"schemaVersion":2,"manifests":[{"digest":1}]}"#] {
            assert!(matches!(Manifest::read(text.as_bytes(), None), Err(Failure::InvalidContent { .. })), "{text}");
        }
        let many = index(&vec![descriptor(OCI_IMAGE_MEDIA_TYPE, ""); INDEX_ENTRIES_MAX + 1]);
        assert!(matches!(Manifest::read(many.as_bytes(), None), Err(Failure::Nested)));
    }
}
