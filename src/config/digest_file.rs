//! The mirror of `policy`'s keys about which digest is proposed.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::policy::{Follow, Pairing, PinMode, Stages, Unchanged};

/// Which digests are no news. `off` is a boolean in YAML 1.1, and what other tools write may say so; as below.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnchangedFile {
    /// All of them are.
    #[serde(alias = "false")]
    Off,
    /// Those with the same manifests for the platforms in use.
    Platforms,
    /// Those, and those with the same configuration and layers: a rebuild of attestations alone.
    Content,
}

/// Which stages' images are followed.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StagesFile {
    /// Those of all stages.
    All,
    /// Those that the final image is made of.
    Final,
}

/// Whether an image and its `-dev` wait for each other.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PairFile {
    /// They move in one pull request, or wait for each other.
    Together,
    /// Each moves for itself.
    #[serde(alias = "false")]
    Off,
}

/// To which tags pins may move.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FollowFile {
    /// To none: the tag stays, its digest moves.
    Digest,
    /// To those that differ in the third part of the version and below.
    Patch,
    /// In the second part and below.
    Minor,
    /// In any part.
    Major,
}

/// Whether tags without a digest get one.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PinFile {
    /// They stay as they are.
    #[serde(alias = "false")]
    Off,
    /// They get the digest of their tag.
    Digest,
}

/// A digest that is never proposed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ digest: DIGEST, reason: TEXT }`")]
pub struct DeniedFile {
    /// `sha256:` and 64 hex digits.
    pub digest: Option<String>,
    /// Why, for people.
    pub reason: Option<String>,
}

macro_rules! same {
    ($($file:ident => $value:ident { $($variant:ident),+ }),+ $(,)?) => {
        $(impl From<$file> for $value {
            fn from(file: $file) -> Self {
                match file { $($file::$variant => Self::$variant),+ }
            }
        })+
    };
}

same! {
    UnchangedFile => Unchanged { Off, Platforms, Content },
    StagesFile => Stages { All, Final },
    PairFile => Pairing { Together, Off },
    FollowFile => Follow { Digest, Patch, Minor, Major },
    PinFile => PinMode { Off, Digest },
}
