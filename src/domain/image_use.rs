//! One use of an image in a file: what was found, where its bytes stand, and what may be done with it.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use super::digest::Digest;
use super::reference::{ImageName, Tag, TagRef};

/// How a file uses an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UseKind {
    From,
    CopyFrom,
    MountFrom,
    Syntax,
    /// Found by a regular expression of `policy.patterns`.
    Pattern,
}

/// What can be done with a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has a digest and a known tag: it is followed.
    Pinned,
    /// It has no digest.
    Unpinned,
    /// It is not followed, for this reason.
    Skipped(SkipReason),
}

/// The closed list of reasons why a use is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// A digest, and no tag in reference, comment or configuration; or neither, where `pin` would give it a digest.
    NoTag,
    /// A variable with no known value.
    Variable,
    /// No image reference by the grammar, or an instruction that is a build error.
    Malformed,
    /// A digest by another algorithm than SHA-256.
    UnsupportedAlgorithm,
    /// Two comments on one line, or one ARG that would need two digests, or serves more than the image that gets one.
    Ambiguous,
    /// `# refrom: ignore`, or not among the policy's `images`.
    Ignored,
    /// The final image is not made of it, and the policy follows nothing else (`stages: final`).
    Stage,
}

/// Where the tracked tag comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagSource {
    Reference,
    Comment,
    Config,
}

/// Something about a use that a person should know. Shown, never acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Finding {
    /// The comment names another version than the tag in the reference.
    CommentDisagrees,
    /// The pin is one platform's manifest where the tag is an index.
    SinglePlatform,
    /// The pinned digest is one that the policy denies.
    DeniedDigest,
    /// The pinned digest is gone from its registry.
    DigestGone,
}

/// The comment that describes a pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundComment {
    /// 1-based.
    pub line: u32,
    /// The comment line's bytes in the file, without its line ending.
    pub range: Range<usize>,
    /// The bytes of the tag token in the file.
    pub tag_range: Range<usize>,
    pub tag: Tag,
}

/// One use of an image in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageUse {
    pub kind: UseKind,
    /// 1-based: the line of the digest's bytes, else of the reference, else of the instruction.
    pub line: u32,
    pub image: Option<ImageName>,
    /// The name as written, without tag and digest; empty where it could not be read.
    pub written_name: String,
    /// The tracked tag; see `tag_source`.
    pub tag: Option<Tag>,
    pub digest: Option<Digest>,
    /// The 64 hex digits of the digest in the file, wherever they stand (the reference, an ARG's default). The
    /// algorithm may stand elsewhere: `nginx@sha256:${DIGEST}`.
    pub digest_range: Option<Range<usize>>,
    /// The bytes of the tracked tag in the file, where a change of them changes this tag and nothing else. `None` where it
    /// stands in several parts or in the configuration, or where its bytes serve other uses, too.
    pub tag_range: Option<Range<usize>>,
    /// Where the digest is written that the policy's `pin` gives it: behind the reference's last byte. `None` where it has
    /// one, where it gets none, or where the place serves other uses, too.
    pub digest_insertion: Option<usize>,
    pub status: Status,
    /// The stage's name in lower case.
    pub stage: Option<String>,
    /// Whether it stands in the last stage.
    pub is_final_stage: bool,
    /// Whether the final image is made of it: the last stage begins from it, itself or over other stages, or it is copied
    /// from in one of these.
    pub makes_final_image: bool,
    pub platform: Option<String>,
    /// The ARG whose default holds the digest's bytes.
    pub via: Option<String>,
    pub tag_source: Option<TagSource>,
    pub comment: Option<BoundComment>,
    pub findings: BTreeSet<Finding>,
    /// Where a version comment for this use would be inserted: the first byte of the line of the instruction (or of
    /// the ARG that holds the digest). `None` where none may be written (`# syntax=`).
    pub comment_insertion: Option<usize>,
}

impl ImageUse {
    /// A use of which nothing but this is known yet.
    pub(super) fn new(kind: UseKind, status: Status) -> Self {
        Self {
            kind,
            line: 1,
            image: None,
            written_name: String::new(),
            tag: None,
            digest: None,
            digest_range: None,
            tag_range: None,
            digest_insertion: None,
            status,
            stage: None,
            is_final_stage: false,
            makes_final_image: false,
            platform: None,
            via: None,
            tag_source: None,
            comment: None,
            findings: BTreeSet::new(),
            comment_insertion: None,
        }
    }

    /// Where the digest's hex digits begin. Uses with the same place share it: an ARG that serves two FROMs.
    pub fn digest_start(&self) -> Option<usize> {
        self.digest_range.as_ref().map(|range| range.start)
    }

    /// Where its digest begins, or where the one begins that it gets.
    pub fn place(&self) -> Option<usize> {
        self.digest_start().or(self.digest_insertion)
    }

    /// The question to ask the registry about this use; `None` unless it is pinned, or gets its digest.
    pub fn tracked(&self) -> Option<TagRef> {
        let is_followed = match self.status {
            Status::Pinned => true,
            Status::Unpinned => self.digest_insertion.is_some(),
            Status::Skipped(_) => false,
        };
        is_followed.then_some(TagRef { image: self.image.clone()?, tag: self.tag.clone()? })
    }

    /// Whether it can be moved to another tag.
    pub fn can_change_tag(&self) -> bool {
        self.tag_range.is_some() && self.tracked().is_some()
    }

    /// `nginx:1.27`, for people.
    pub fn shown(&self) -> String {
        let name = match &self.image {
            Some(image) => image.familiar(),
            None if self.written_name.is_empty() => "?".to_owned(),
            None => self.written_name.clone(),
        };
        match &self.tag {
            Some(tag) => format!("{name}:{tag}"),
            None => name,
        }
    }

    /// `skipped: no-tag`, with the findings, for people.
    pub fn shown_status(&self) -> String {
        let status = match self.status {
            Status::Skipped(reason) => format!("skipped: {reason}"),
            Status::Pinned | Status::Unpinned => self.status.to_string(),
        };
        self.findings.iter().fold(status, |shown, finding| format!("{shown} ({finding})"))
    }
}

macro_rules! words {
    ($name:ty { $($variant:pat => $word:literal),+ $(,)? }) => {
        impl $name {
            /// The word in tables and JSON.
            pub fn as_str(self) -> &'static str {
                match self { $($variant => $word),+ }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words!(UseKind {
    UseKind::From => "from",
    UseKind::CopyFrom => "copy-from",
    UseKind::MountFrom => "mount-from",
    UseKind::Syntax => "syntax",
    UseKind::Pattern => "pattern",
});
words!(Status {
    Status::Pinned => "pinned",
    Status::Unpinned => "unpinned",
    Status::Skipped(_) => "skipped",
});
words!(SkipReason {
    SkipReason::NoTag => "no-tag",
    SkipReason::Variable => "variable",
    SkipReason::Malformed => "malformed",
    SkipReason::UnsupportedAlgorithm => "unsupported-algorithm",
    SkipReason::Ambiguous => "ambiguous",
    SkipReason::Ignored => "ignored",
    SkipReason::Stage => "stage",
});
words!(TagSource {
    TagSource::Reference => "reference",
    TagSource::Comment => "comment",
    TagSource::Config => "config",
});
words!(Finding {
    Finding::CommentDisagrees => "comment-disagrees",
    Finding::SinglePlatform => "single-platform",
    Finding::DeniedDigest => "denied-digest",
    Finding::DigestGone => "digest-gone",
});
