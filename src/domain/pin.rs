//! What a use is, once its reference and its comment are known.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::image_use::{BoundComment, Finding, ImageUse, SkipReason, Status, TagSource, UseKind};
use super::reference::{Reference, ReferenceError};
use super::tag_version::refines;

/// What a reference's text tells, as far as it can be read.
#[derive(Debug)]
pub(super) struct ReadReference {
    reference: Option<Reference>,
    digest_range: Option<Range<usize>>,
    problem: Option<SkipReason>,
}

/// What the comments around a use say.
#[derive(Debug)]
pub(super) enum CommentBinding {
    None,
    Bound(BoundComment),
    /// The nearest line that names the image names it twice.
    Ambiguous {
        line_start: usize,
    },
}

/// Reads a reference; `digest_range` is where the digest's hex digits stand in the file, if they stand in one place.
pub(super) fn read_reference(text: Option<&str>, digest_range: Option<Range<usize>>) -> ReadReference {
    let text = text.unwrap_or_default();
    match text.parse::<Reference>() {
        Ok(reference) => {
            let is_split = reference.digest.is_some() && digest_range.is_none();
            let problem = is_split.then_some(SkipReason::Variable);
            let digest_range = digest_range.filter(|_| reference.digest.is_some());
            ReadReference { reference: Some(reference), digest_range, problem }
        }
        Err(error) => {
            let problem = match error {
                ReferenceError::UnsupportedAlgorithm => SkipReason::UnsupportedAlgorithm,
                ReferenceError::Malformed => SkipReason::Malformed,
            };
            // Name and tag may be in order where the digest is not.
            let reference = text.split_once('@').and_then(|(rest, _)| rest.parse().ok());
            ReadReference { reference, digest_range: None, problem: Some(problem) }
        }
    }
}

impl ReadReference {
    /// The use that this reference makes, before any comment is looked at.
    pub fn into_use(self, kind: UseKind) -> ImageUse {
        let digest = self.reference.as_ref().and_then(|reference| reference.digest);
        let status = match (self.problem, digest) {
            (Some(reason), _) => Status::Skipped(reason),
            (None, Some(_)) => Status::Pinned,
            (None, None) => Status::Unpinned,
        };
        let mut image_use = ImageUse::new(kind, status);
        if let Some(reference) = self.reference {
            image_use.image = Some(reference.image);
            image_use.written_name = reference.written_name;
            image_use.tag_source = reference.tag.as_ref().map(|_| TagSource::Reference);
            image_use.tag = reference.tag;
        }
        image_use.digest = digest;
        image_use.digest_range = self.digest_range;
        image_use
    }
}

/// Takes up what the comments say: a pin without a tag of its own tracks the comment's; the reference's tag wins over
/// the comment's. A pin that has neither is reported, never compared with `latest`.
pub(super) fn settle(image_use: &mut ImageUse, binding: CommentBinding) {
    let is_untagged_pin = image_use.status == Status::Pinned && image_use.tag.is_none();
    match binding {
        CommentBinding::Bound(comment) => {
            match &image_use.tag {
                Some(tag) if !refines(&comment.tag, tag) => {
                    image_use.findings.insert(Finding::CommentDisagrees);
                }
                None if is_untagged_pin => {
                    image_use.tag = Some(comment.tag.clone());
                    image_use.tag_range = Some(comment.tag_range.clone());
                    image_use.tag_source = Some(TagSource::Comment);
                }
                Some(_) | None => {}
            }
            image_use.comment = Some(comment);
        }
        CommentBinding::Ambiguous { .. } if is_untagged_pin => {
            image_use.status = Status::Skipped(SkipReason::Ambiguous);
        }
        CommentBinding::None if is_untagged_pin => image_use.status = Status::Skipped(SkipReason::NoTag),
        CommentBinding::Ambiguous { .. } | CommentBinding::None => {}
    }
}

impl CommentBinding {
    /// Where the line begins that this came from.
    pub fn line_start(&self) -> Option<usize> {
        match self {
            Self::None => None,
            Self::Bound(comment) => Some(comment.range.start),
            Self::Ambiguous { line_start } => Some(*line_start),
        }
    }
}

/// Marks pins whose digest's place, or the place for their digest, also serves a use that must stay as it is:
/// `ambiguous`.
///
/// Such a use is one that is ignored or ambiguous itself, or one of another image without a known tag. One of the same
/// image without a tag, or in a stage that is not followed, goes along: whoever wrote one digest for both wants them equal.
pub(super) fn mark_shared_with_fixed(uses: &mut [ImageUse]) {
    let mut sharing: BTreeMap<usize, Vec<&mut ImageUse>> = BTreeMap::new();
    for image_use in uses {
        if let Some(place) = image_use.place() {
            sharing.entry(place).or_default().push(image_use);
        }
    }
    for together in sharing.values_mut().filter(|together| holds_fixed(together)) {
        for pin in together.iter_mut().filter(|one| one.tracked().is_some()) {
            pin.status = Status::Skipped(SkipReason::Ambiguous);
        }
    }
}

/// Forgets where tags stand whose bytes serve uses that do not move together: of another image, or with a digest of their
/// own.
pub(super) fn forget_shared_tags(uses: &mut [ImageUse]) {
    let mut sharing: BTreeMap<usize, Vec<&mut ImageUse>> = BTreeMap::new();
    for image_use in uses {
        if let Some(range) = image_use.tag_range.clone() {
            sharing.entry(range.start).or_default().push(image_use);
        }
    }
    for together in sharing.values_mut() {
        let subjects: BTreeSet<_> = together.iter().map(|one| (one.image.clone(), one.place())).collect();
        if subjects.len() > 1 {
            together.iter_mut().for_each(|one| one.tag_range = None);
        }
    }
}

/// Whether one of the uses of a place keeps its pins from moving.
fn holds_fixed(together: &[&mut ImageUse]) -> bool {
    let pins = together.iter().filter(|one| one.tracked().is_some());
    let images: BTreeSet<_> = pins.map(|pin| &pin.image).collect();
    together.iter().any(|one| match one.status {
        Status::Pinned | Status::Unpinned => false,
        Status::Skipped(SkipReason::NoTag | SkipReason::Stage) => images.iter().any(|image| **image != one.image),
        Status::Skipped(_) => true,
    })
}
