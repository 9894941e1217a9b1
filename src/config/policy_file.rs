//! The mirror of `policy`, which is also the whole of a repository's own `.refrom.yaml`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserializer, SeqAccess, Visitor};

pub use super::cadence_file::{FreezeFile, ScheduleFile, WindowFile};
pub use super::digest_file::{DeniedFile, FollowFile, PairFile, PinFile, StagesFile, UnchangedFile};
pub use super::policy_key::PolicyKey;
use crate::domain::policy::{AutoMerge, CommentMode, CommitMode, Grouping};

/// What is followed in a repository, and how it is proposed. Lists replace those of the layer below.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "a mapping of policy keys")]
pub struct PolicyFile {
    /// Whether refrom does anything in the repository.
    pub enabled: Option<bool>,
    /// Which pins to follow: patterns over registry and repository, `dhi.io/*`, or over Docker Hub's short names.
    pub images: Option<Vec<String>>,
    /// The tags of digest-only pins that have none in a comment; the first match counts.
    pub tags: Option<Vec<TagFile>>,
    /// Which files are read.
    pub files: Option<FilesFile>,
    /// How proposals are put together into pull requests.
    pub group: Option<GroupFile>,
    /// What happens to version comments.
    pub comment: Option<CommentFile>,
    /// Other files, by regular expression.
    pub patterns: Option<Vec<PatternFile>>,
    /// Labels of new pull requests.
    pub labels: Option<Vec<String>>,
    /// Users, and teams as `@org/team` or by their bare name.
    pub reviewers: Option<Vec<String>>,
    /// Users that new pull requests are assigned to.
    pub assignees: Option<Vec<String>>,
    /// Whether new pull requests are drafts.
    pub draft: Option<bool>,
    /// The branch to follow and to propose to; the default branch where it is left out.
    pub base: Option<String>,
    /// How many of refrom's pull requests may be open at once in a repository; no limit where it is left out.
    pub max_open: Option<u32>,
    /// How commits are made.
    pub commits: Option<CommitsFile>,
    /// Whether the forge is told to merge by itself.
    pub automerge: Option<AutoMergeFile>,
    /// When a repository's turn to be proposed to comes; always, where it is left out.
    pub schedule: Option<ScheduleFile>,
    /// By whose clock schedule, window and freezes count: `Europe/Berlin`.
    pub timezone: Option<String>,
    /// The days and hours in which pull requests may be opened or updated; a repository's own is cut with the
    /// administrator's.
    pub window: Option<Vec<WindowFile>>,
    /// Dates between which none may be. Those of all layers hold together.
    pub freeze: Option<Vec<FreezeFile>>,
    /// Over how long the turns of one time are spread: each repository has a place of its own, which stays.
    pub jitter: Option<String>,
    /// How long ago a digest must have been seen first; the newest one that was is proposed.
    pub min_age: Option<String>,
    /// How far apart two looks must be in which a digest was the tag's.
    pub settle: Option<String>,
    /// Which digests are no news.
    pub unchanged: Option<UnchangedFile>,
    /// The platforms that are in use: `linux/amd64`; all of an image's where none is named.
    pub platforms: Option<Vec<String>>,
    /// Digests that are never proposed. Those of all layers hold together.
    pub denied: Option<Vec<DeniedFile>>,
    /// Which stages' images are followed.
    pub stages: Option<StagesFile>,
    /// Whether an image and its `-dev` wait for each other.
    pub pair: Option<PairFile>,
    /// The least time between two openings of pull requests in a repository.
    pub min_interval: Option<String>,
    /// After how long a tag that does not move is told; `never`, where it is left out.
    pub stale_after: Option<String>,
    /// To which tags pins may move.
    pub follow: Option<FollowFile>,
    /// Whether tags without a digest get one.
    pub pin: Option<PinFile>,
    /// Template (minijinja) of the title; refrom's own where it is left out.
    pub title: Option<String>,
    /// Template (minijinja) of the body; refrom's own where it is left out.
    pub body: Option<String>,
    /// Template (minijinja) of the commit message; refrom's own where it is left out.
    pub commit_message: Option<String>,
}

/// A tag for pins of an image.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ image: PATTERN, tag: TAG }`")]
pub struct TagFile {
    /// A pattern over registry and repository.
    pub image: Option<String>,
    /// The tag to track.
    pub tag: Option<String>,
}

/// Which files are read. Patterns over the path from the repository's root.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ include: […], exclude: […] }`")]
pub struct FilesFile {
    /// Files that are read as Dockerfiles besides those with a Dockerfile's name.
    pub include: Option<Vec<String>>,
    /// Files that are not read.
    pub exclude: Option<Vec<String>>,
}

/// How proposals are put together into pull requests.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupFile {
    /// One pull request for everything that is behind.
    Repository,
    /// One for each image.
    Image,
    /// One for each file.
    File,
}

/// What happens to version comments.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommentFile {
    /// Comments that are there follow the pin.
    Update,
    /// The same, and pins without one get one.
    Write,
    /// Comments are left as they are.
    Keep,
}

/// How commits are made.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CommitsFile {
    /// By refrom, as `commit.author`, with `commit.signing_key`.
    Git,
    /// By the forge, as the account that refrom is signed in as; GitHub signs those of an App.
    Api,
}

/// Whether the forge is told to merge by itself.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AutoMergeFile {
    /// People merge. `off` is a boolean in YAML 1.1, and what other tools write may say so.
    #[serde(alias = "false")]
    Off,
    /// Once the checks that the base branch requires have passed.
    WhenGreen,
}

/// Another file, by a regular expression.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, expecting = "`{ files: PATTERN, regex: EXPRESSION }`")]
pub struct PatternFile {
    /// A pattern over the path, or a list of them.
    pub files: Option<OneOrMany>,
    /// With the named groups `image` and `digest`; `tag` and `comment` where there are such.
    pub regex: Option<String>,
}

/// One text, or a list of them.
#[derive(Debug, Default)]
pub enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<OneOrMany, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(access)).map(OneOrMany::Many)
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl JsonSchema for OneOrMany {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "OneOrMany".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
    }
}

impl From<GroupFile> for Grouping {
    fn from(group: GroupFile) -> Self {
        match group {
            GroupFile::Repository => Self::Repository,
            GroupFile::Image => Self::Image,
            GroupFile::File => Self::File,
        }
    }
}

impl From<CommentFile> for CommentMode {
    fn from(comment: CommentFile) -> Self {
        match comment {
            CommentFile::Update => Self::Update,
            CommentFile::Write => Self::Write,
            CommentFile::Keep => Self::Keep,
        }
    }
}

impl From<CommitsFile> for CommitMode {
    fn from(commits: CommitsFile) -> Self {
        match commits {
            CommitsFile::Git => Self::Git,
            CommitsFile::Api => Self::Api,
        }
    }
}

impl From<AutoMergeFile> for AutoMerge {
    fn from(automerge: AutoMergeFile) -> Self {
        match automerge {
            AutoMergeFile::Off => Self::Off,
            AutoMergeFile::WhenGreen => Self::WhenGreen,
        }
    }
}
