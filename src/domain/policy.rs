//! What an administrator and a repository's owners allow: the effective policy of one repository.

use regex::Regex;

use super::pattern::Pattern;
use super::pull_request::BranchName;
use super::reference::{ImageName, Tag};

/// The effective policy of one repository: defaults, overrides and the repository's own file, merged.
#[derive(Debug, Clone)]
pub struct Policy {
    pub enabled: bool,
    /// Which pins to follow, over `registry/repository` and over the familiar name.
    pub images: Vec<Pattern>,
    /// The tag to track for pins that have none in reference and comment; the first match counts.
    pub tags: Vec<(Pattern, Tag)>,
    pub files: FilePolicy,
    pub group: Grouping,
    pub comment: CommentMode,
    pub patterns: Vec<FilePattern>,
    pub labels: Vec<String>,
    /// Users, or `@org/team` and bare team names as the forge reads them.
    pub reviewers: Vec<String>,
    pub assignees: Vec<String>,
    pub draft: bool,
    /// The branch to follow and to propose to; the repository's default branch where absent.
    pub base: Option<BranchName>,
    /// How many of refrom's pull requests may be open at once in the repository; no limit where absent.
    pub max_open: Option<u32>,
    /// Minijinja templates; `domain::message` has the defaults.
    pub title: Option<String>,
    pub body: Option<String>,
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

/// Another file format, taught by a regular expression.
#[derive(Debug, Clone)]
pub struct FilePattern {
    pub files: Vec<Pattern>,
    /// Has the named groups `image`, and `digest`; may have `tag` and `comment`.
    pub regex: Regex,
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

fn matches_image<'a>(patterns: impl IntoIterator<Item = &'a Pattern>, image: &ImageName) -> bool {
    let (full, familiar) = (image.to_string(), image.familiar());
    patterns.into_iter().any(|pattern| pattern.matches(&full) || pattern.matches(&familiar))
}
