//! Images made up from a description: the same description gives the same bytes.

use std::collections::BTreeMap;

use oci_client::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_LAYER_GZIP_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use serde_json::{Value, json};

use crate::domain::digest::Digest;

/// What an image is to be like.
#[derive(Debug, Clone, Default)]
pub struct ImageSpec {
    /// `linux/amd64`, `linux/arm64/v8`, …
    pub platforms: Vec<String>,
    pub form: Form,
    /// `org.opencontainers.image.version`, as annotation of the index (or the single manifest).
    pub version: Option<String>,
    /// `created` of the configuration, RFC 3339.
    pub created: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// More annotations of the index (or the single manifest).
    pub annotations: BTreeMap<String, String>,
    /// What the layer holds: another text is another digest.
    pub content: String,
    /// More of how it runs, besides the labels: `User`, `Env`, … (OCI image specification, `config.md`).
    pub execution: BTreeMap<String, Value>,
    /// Of which build the attestations tell: another one is another index over the same manifests, where there are some.
    pub attestation: Option<String>,
    /// An annotation of each platform's manifest: another one is another manifest of the same configuration and layers.
    pub rebuild: Option<String>,
}

/// How an image's platforms are put together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Index,
    /// With an entry for BuildKit's attestations.
    IndexWithAttestation,
    /// An index whose only entry is an index.
    NestedIndex,
    /// The first platform's manifest alone.
    Single,
}

/// An image's objects, in the order in which a registry takes them.
#[derive(Debug, Clone, Default)]
pub struct Content {
    pub blobs: BTreeMap<Digest, Vec<u8>>,
    pub manifests: Vec<StoredManifest>,
}

/// A manifest's bytes and what they are.
#[derive(Debug, Clone)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Vec<u8>,
}

impl ImageSpec {
    /// An index for these platforms.
    pub fn index(platforms: &[&str], content: &str) -> Self {
        let platforms = platforms.iter().map(|platform| (*platform).to_owned()).collect();
        Self { platforms, content: content.to_owned(), ..Self::default() }
    }

    /// One platform's manifest.
    pub fn single(platform: &str, content: &str) -> Self {
        Self { form: Form::Single, ..Self::index(&[platform], content) }
    }

    /// The image's objects; the last manifest is the image itself.
    pub fn build(&self) -> Content {
        let mut content = Content::default();
        let mut annotations = self.annotations.clone();
        annotations.extend(self.version.clone().map(|version| (VERSION.to_owned(), version)));
        if self.form == Form::Single {
            let platform = self.platforms.first().map_or("linux/amd64", String::as_str);
            content.add_image(self, platform, &annotations);
            return content;
        }
        let noted = |note: &Option<String>| note.iter().map(|text| (NOTE.to_owned(), text.clone())).collect();
        let rebuild = noted(&self.rebuild);
        let mut entries: Vec<Value> =
            self.platforms.iter().map(|platform| content.add_image(self, platform, &rebuild)).collect();
        if self.form == Form::IndexWithAttestation {
            let entry = content.add_image(self, "unknown/unknown", &noted(&self.attestation));
            let mark = json!({ "vnd.docker.reference.type": "attestation-manifest" });
            entries.push(with(entry, "annotations", mark));
        }
        if self.form == Form::NestedIndex {
            entries = vec![content.add_index(&entries, &BTreeMap::new())];
        }
        content.add_index(&entries, &annotations);
        content
    }
}

const VERSION: &str = "org.opencontainers.image.version";
const NOTE: &str = "org.example.build";

impl Content {
    /// The image's digest.
    pub fn digest(&self) -> Option<Digest> {
        self.manifests.last().map(|manifest| manifest.digest)
    }

    /// Adds one platform's manifest with its blobs, and answers its descriptor.
    fn add_image(&mut self, spec: &ImageSpec, platform: &str, annotations: &BTreeMap<String, String>) -> Value {
        let mut parts = platform.split('/');
        let mut platform = json!({ "os": parts.next(), "architecture": parts.next() });
        if let Some(variant) = parts.next() {
            platform = with(platform, "variant", json!(variant));
        }
        let config = with(platform.clone(), "created", json!(spec.created));
        let execution = spec
            .execution
            .iter()
            .fold(json!({ "Labels": spec.labels }), |execution, (name, value)| with(execution, name, value.clone()));
        let config = with(config, "config", execution);
        let config = with(config, "rootfs", json!({ "type": "layers", "diff_ids": [] }));
        let layer = self.add_blob(IMAGE_LAYER_GZIP_MEDIA_TYPE, format!("{} {platform}", spec.content).into_bytes());
        let config = self.add_blob(IMAGE_CONFIG_MEDIA_TYPE, config.to_string().into_bytes());
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_IMAGE_MEDIA_TYPE, "config": config, "layers": [layer],
        });
        let descriptor = self.add_manifest(OCI_IMAGE_MEDIA_TYPE, annotated(manifest, annotations));
        with(descriptor, "platform", platform)
    }

    fn add_index(&mut self, entries: &[Value], annotations: &BTreeMap<String, String>) -> Value {
        let index = json!({ "schemaVersion": 2, "mediaType": OCI_IMAGE_INDEX_MEDIA_TYPE, "manifests": entries });
        self.add_manifest(OCI_IMAGE_INDEX_MEDIA_TYPE, annotated(index, annotations))
    }

    fn add_blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (Digest::of(&bytes), bytes.len());
        self.blobs.insert(digest, bytes);
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
    }

    fn add_manifest(&mut self, media_type: &str, manifest: Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let (digest, size) = (Digest::of(&bytes), bytes.len());
        self.manifests.push(StoredManifest { digest, media_type: media_type.to_owned(), bytes });
        json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size })
    }
}

fn annotated(manifest: Value, annotations: &BTreeMap<String, String>) -> Value {
    if annotations.is_empty() { manifest } else { with(manifest, "annotations", json!(annotations)) }
}

/// An object with one more field.
fn with(mut object: Value, name: &str, field: Value) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.insert(name.to_owned(), field);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_description_gives_the_same_digest_and_another_content_another() {
        let digest = |content| ImageSpec::index(&["linux/amd64", "linux/arm64/v8"], content).build().digest();
        assert!(digest("a").is_some());
        assert_eq!(digest("a"), digest("a"));
        assert_ne!(digest("a"), digest("b"));
    }
}
