//! What is known of a digest, in the JSON of `refrom history` and in lines of a ledger, which a replay reads too: a contract
//! with the programs that read it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::digest::Digest;
use super::image::{Configuration, Content, Image, ManifestKind, Platform};

/// What is made of text and becomes text again.
#[derive(Debug, Clone)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    }
}

/// What is known of a digest. Absent values are `null`, times are RFC 3339 in UTC.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageRecord {
    kind: KindRecord,
    media_type: Option<String>,
    version: Option<String>,
    created: Option<Timestamp>,
    size_bytes: Option<u64>,
    end_of_life: Option<Date>,
    #[serde(default)]
    manifests: Vec<ManifestRecord>,
    configuration: Option<ConfigurationRecord>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindRecord {
    Index,
    Image,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManifestRecord {
    os: String,
    architecture: String,
    variant: Option<String>,
    digest: Text<Digest>,
    /// With `layers`, where it was looked into.
    config: Option<Text<Digest>>,
    layers: Option<Vec<Text<Digest>>>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigurationRecord {
    user: String,
    entrypoint: Vec<String>,
    command: Vec<String>,
    working_directory: String,
    environment: BTreeMap<String, String>,
    ports: BTreeSet<String>,
    distribution: Option<String>,
}

impl ImageRecord {
    pub fn new(image: &Image, contents: &BTreeMap<Digest, Content>) -> Self {
        let manifest = |(platform, digest): (&Platform, &Digest)| {
            let Platform { os, architecture, variant } = platform.clone();
            let content = contents.get(digest);
            let layers = content.map(|content| content.layers.iter().copied().map(Text).collect());
            let config = content.map(|content| Text(content.config));
            ManifestRecord { os, architecture, variant, digest: Text(*digest), config, layers }
        };
        Self {
            kind: match image.kind {
                ManifestKind::Index => KindRecord::Index,
                ManifestKind::Image => KindRecord::Image,
            },
            media_type: image.media_type.clone(),
            version: image.version.clone(),
            created: image.created,
            size_bytes: image.size_bytes,
            end_of_life: image.end_of_life,
            manifests: image.manifests.iter().map(manifest).collect(),
            configuration: image.configuration.as_ref().map(ConfigurationRecord::from),
        }
    }

    /// The image of this digest, and what its manifests are made of.
    pub fn image(self, digest: Digest) -> (Image, BTreeMap<Digest, Content>) {
        let (mut manifests, mut contents) = (BTreeMap::new(), BTreeMap::new());
        for record in self.manifests {
            let ManifestRecord { os, architecture, variant, digest: Text(digest), config, layers } = record;
            if let (Some(Text(config)), Some(layers)) = (config, layers) {
                let layers = layers.into_iter().map(|Text(layer)| layer).collect();
                contents.insert(digest, Content { config, layers });
            }
            manifests.insert(Platform { os, architecture, variant }, digest);
        }
        let kind = match self.kind {
            KindRecord::Index => ManifestKind::Index,
            KindRecord::Image => ManifestKind::Image,
        };
        let Self { media_type, version, created, size_bytes, end_of_life, configuration, .. } = self;
        let configuration = configuration.map(Configuration::from);
        let image =
            Image { digest, kind, media_type, manifests, version, created, size_bytes, end_of_life, configuration };
        (image, contents)
    }
}

impl From<&Configuration> for ConfigurationRecord {
    fn from(configuration: &Configuration) -> Self {
        let Configuration { user, entrypoint, command, working_directory, environment, ports, distribution } =
            configuration.clone();
        Self { user, entrypoint, command, working_directory, environment, ports, distribution }
    }
}

impl From<ConfigurationRecord> for Configuration {
    fn from(record: ConfigurationRecord) -> Self {
        let ConfigurationRecord { user, entrypoint, command, working_directory, environment, ports, distribution } =
            record;
        Self { user, entrypoint, command, working_directory, environment, ports, distribution }
    }
}
