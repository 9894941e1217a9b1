//! What an administrator and a repository's owners allow: the effective policy of one repository.

use std::sync::{Arc, LazyLock};

use jiff::SignedDuration;
use regex::Regex;

use super::cadence::Cadence;
use super::digest::Digest;
use super::image::Platform;
use super::mirror::Mirrors;
use super::pattern::Pattern;
use super::pull_request::BranchName;
use super::reference::{ImageName, Tag};

/// The label of new pull requests where nobody says another one.
const DEFAULT_LABEL: &str = "base-image";
/// Test data is no image that anybody builds.
const DEFAULT_EXCLUDE: &str = "**/testdata/**";

/// The default patterns, compiled once for all policies. Both are valid; a test holds it.
static ALL_IMAGES: LazyLock<Vec<Pattern>> = LazyLock::new(|| Pattern::new("**").into_iter().collect());
static TEST_DATA: LazyLock<Vec<Pattern>> = LazyLock::new(|| Pattern::new(DEFAULT_EXCLUDE).into_iter().collect());

/// The effective policy of one repository: defaults, overrides and the repository's own file, merged.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether refrom does anything in the repository.
    pub enabled: bool,
    /// Which pins to follow, over `registry/repository` and over the familiar name.
    pub images: Vec<Pattern>,
    /// The tag to track for pins that have none in reference and comment; the first match counts.
    pub tags: Vec<(Pattern, Tag)>,
    /// Which files are read.
    pub files: FilePolicy,
    /// How proposals become pull requests.
    pub group: Grouping,
    /// What happens to version comments.
    pub comment: CommentMode,
    /// Other file formats, by regular expression.
    pub patterns: Vec<FilePattern>,
    /// Labels of new pull requests.
    pub labels: Vec<String>,
    /// Users, and teams as `@org/team`.
    pub reviewers: Vec<String>,
    /// Users that new pull requests are assigned to.
    pub assignees: Vec<String>,
    /// Whether new pull requests are drafts.
    pub draft: bool,
    /// The branch to follow and to propose to; the repository's default branch where absent.
    pub base: Option<BranchName>,
    /// How many of refrom's pull requests may be open at once in the repository; no limit where absent.
    pub max_open: Option<u32>,
    /// How commits are made.
    pub commits: CommitMode,
    /// Whether the forge is told to merge by itself.
    pub automerge: AutoMerge,
    /// When the repository may be proposed to.
    pub cadence: Cadence,
    /// How long ago a digest must have been seen first, by refrom's clock.
    pub min_age: SignedDuration,
    /// How far apart two looks must be in which a digest was the head.
    pub settle: SignedDuration,
    /// Which digests are no news.
    pub unchanged: Unchanged,
    /// The platforms that are in use; all of an image's, where none is named.
    pub platforms: Vec<Platform>,
    /// Digests that are never proposed.
    pub denied: Vec<DeniedDigest>,
    /// Which stages' images are followed.
    pub stages: Stages,
    /// Whether an image and its `-dev` wait for each other.
    pub pair: Pairing,
    /// The least time between two openings of pull requests in the repository.
    pub min_interval: SignedDuration,
    /// After how long a tag that does not move is told; never, where absent.
    pub stale_after: Option<SignedDuration>,
    /// To which tags pins may move.
    pub follow: Follow,
    /// Whether tags without a digest get one.
    pub pin: PinMode,
    /// Which names are a mirror's: the same for all repositories, and shared by their policies.
    pub mirrors: Arc<Mirrors>,
    /// Minijinja template of the pull request's title; `domain::message` has the default, as for the next two.
    pub title: Option<String>,
    /// Minijinja template of the pull request's body.
    pub body: Option<String>,
    /// Minijinja template of the commit message.
    pub commit_message: Option<String>,
}

/// Which files are read besides those with a Dockerfile's name, and which are not. Patterns over the path from the
/// repository's root, with `/`.
#[derive(Debug, Clone, Default)]
pub struct FilePolicy {
    pub include: Vec<Pattern>,
    pub exclude: Vec<Pattern>,
}

/// How proposals are put together into pull requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grouping {
    /// One pull request for everything that is behind.
    Repository,
    /// One for each image (registry and repository).
    Image,
    /// One for each file.
    File,
}

/// What happens to version comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommentMode {
    /// Comments that are there follow the pin.
    Update,
    /// The same, and pins without one get one.
    Write,
    /// Comments are left as they are.
    Keep,
}

/// How commits are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitMode {
    /// By refrom, as its author, with an SSH signature where a key is configured.
    Git,
    /// By the forge, as the account that refrom is signed in as; the forge signs those of an App.
    Api,
}

/// Whether the forge is told to merge by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AutoMerge {
    Off,
    /// Once the checks that the base branch requires have passed.
    WhenGreen,
}

/// Which digests change nothing for the platforms in use, and are therefore not proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    Off,
    /// Those with the same manifests.
    Platforms,
    /// Those, and those with the same configuration and layers: a rebuild of attestations alone.
    Content,
}

/// A digest that is never proposed, by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedDigest {
    pub digest: Digest,
    /// For people.
    pub reason: Option<String>,
}

/// Which stages' images are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stages {
    All,
    /// Those that the final image is made of: the last stage and those it begins from.
    Final,
}

/// Whether an image and its `-dev` wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    Together,
    Off,
}

/// To which tags pins may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Follow {
    /// To none: the tag stays, its digest moves.
    #[default]
    Digest,
    /// To those that differ in the third part of the version and below.
    Patch,
    /// In the second part and below.
    Minor,
    /// In any part.
    Major,
}

/// Whether tags without a digest get one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinMode {
    Off,
    Digest,
}

/// Another file format, taught by a regular expression.
#[derive(Debug, Clone)]
pub struct FilePattern {
    pub files: Vec<Pattern>,
    /// Has the named groups `image`, and `digest`; may have `tag` and `comment`. Shared by all policies that have it.
    pub regex: Arc<Regex>,
}

impl Default for Policy {
    /// What holds where nobody says otherwise.
    fn default() -> Self {
        Self {
            enabled: true,
            images: ALL_IMAGES.clone(),
            tags: Vec::new(),
            files: FilePolicy { include: Vec::new(), exclude: TEST_DATA.clone() },
            group: Grouping::Repository,
            comment: CommentMode::Update,
            patterns: Vec::new(),
            labels: vec![DEFAULT_LABEL.to_owned()],
            reviewers: Vec::new(),
            assignees: Vec::new(),
            draft: false,
            base: None,
            max_open: None,
            commits: CommitMode::Git,
            automerge: AutoMerge::Off,
            cadence: Cadence::default(),
            min_age: SignedDuration::ZERO,
            settle: SignedDuration::ZERO,
            unchanged: Unchanged::Off,
            platforms: Vec::new(),
            denied: Vec::new(),
            stages: Stages::All,
            pair: Pairing::Together,
            min_interval: SignedDuration::ZERO,
            stale_after: None,
            follow: Follow::Digest,
            pin: PinMode::Off,
            mirrors: Arc::default(),
            title: None,
            body: None,
            commit_message: None,
        }
    }
}

impl Policy {
    /// Whether pins of this image are followed.
    pub fn follows(&self, image: &ImageName) -> bool {
        matches_image(&self.images, image)
    }

    /// The tag that the configuration gives for an image.
    pub fn tag_for(&self, image: &ImageName) -> Option<&Tag> {
        self.tags.iter().find(|(pattern, _)| matches_image([pattern], image)).map(|(_, tag)| tag)
    }
}

impl Grouping {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Repository => "repository",
            Self::Image => "image",
            Self::File => "file",
        }
    }
}

impl CommentMode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Write => "write",
            Self::Keep => "keep",
        }
    }
}

impl CommitMode {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Api => "api",
        }
    }
}

impl AutoMerge {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::WhenGreen => "when_green",
        }
    }
}

macro_rules! words {
    ($name:ty { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $name {
            /// Every value, in the order in which the configuration lists them.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in the configuration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words!(Unchanged { Off => "off", Platforms => "platforms", Content => "content" });
words!(Stages { All => "all", Final => "final" });
words!(Pairing { Together => "together", Off => "off" });
words!(Follow { Digest => "digest", Patch => "patch", Minor => "minor", Major => "major" });
words!(PinMode { Off => "off", Digest => "digest" });

fn matches_image<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, image: &ImageName) -> bool {
    let (full, familiar) = (image.to_string(), image.familiar());
    patterns.into_iter().any(|pattern| pattern.matches(&full) || pattern.matches(&familiar))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(text: &str) -> ImageName {
        text.parse().unwrap()
    }

    #[test]
    fn the_default_follows_every_image_and_leaves_test_data_out() {
        let policy = Policy::default();
        assert!(policy.follows(&image("dhi.io/a/b/nginx")) && policy.follows(&image("nginx")));
        assert!(policy.files.exclude.iter().any(|pattern| pattern.matches("a/testdata/Dockerfile")));
    }

    #[test]
    fn the_policies_of_a_fleet_share_their_compiled_patterns() {
        let (one, other) = (Policy::default(), Policy::default().clone());
        assert!(one.images[0].is_shared_with(&other.images[0]));
        assert!(one.files.exclude[0].is_shared_with(&other.files.exclude[0]));
    }

    #[test]
    fn images_are_matched_by_their_full_and_their_familiar_name() {
        let mut policy = Policy { images: vec![Pattern::new("dhi.io/*").unwrap()], ..Policy::default() };
        assert!(policy.follows(&image("dhi.io/nginx")) && !policy.follows(&image("nginx")));
        for pattern in ["nginx", "docker.io/library/*", "/nginx$/"] {
            policy.images = vec![Pattern::new(pattern).unwrap()];
            assert!(policy.follows(&image("nginx")), "{pattern}");
        }
    }

    #[test]
    fn the_first_tag_that_matches_counts() {
        let tags = [("dhi.io/nginx", "1"), ("dhi.io/*", "2")];
        let tags = tags.map(|(pattern, tag)| (Pattern::new(pattern).unwrap(), tag.parse().unwrap())).to_vec();
        let policy = Policy { tags, ..Policy::default() };
        let tag = |name| policy.tag_for(&image(name)).map(Tag::as_str);
        assert_eq!((tag("dhi.io/nginx"), tag("dhi.io/node"), tag("node")), (Some("1"), Some("2"), None));
    }
}
