//! Pins move: the bytes of digest and tag, and the words of the comment that described the old ones.

mod edits;

use std::collections::BTreeMap;

use super::digest::Digest;
use super::edit::{EditError, apply};
use super::image::Image;
use super::image_use::{ImageUse, SkipReason, Status};
use super::policy::Policy;
use super::reference::Tag;
use super::source_file;

use edits::{FirstDigest, edits_of};

/// A file as it was read.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// From the repository's root, with `/`.
    pub path: &'a str,
    pub bytes: &'a [u8],
    pub policy: &'a Policy,
}

/// One pin's move to another digest; a use without one gets its first.
#[derive(Debug, Clone)]
pub struct PinMove {
    /// Which of the file's uses.
    pub use_index: usize,
    pub to: Digest,
    /// The tag that it gets, where that changes.
    pub new_tag: Option<Tag>,
    /// What is known of the old digest; for the version and the date in the comment.
    pub old: Option<Image>,
    pub new: Option<Image>,
}

/// Why a file was not rewritten. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RewriteError {
    #[error("there is no pin number {use_index} to move")]
    NoPin { use_index: usize },
    /// One place in the file serves several uses, and not all of them move to the same digest.
    #[error("the digest on line {line} serves several images that would need different digests")]
    Shared { line: u32 },
    #[error("the tag of the image on line {line} stands where it cannot be changed")]
    FixedTag { line: u32 },
    #[error("the edits do not fit the file")]
    Edit(#[from] EditError),
    /// The edited file was read again and does not show the same uses with the new tags and digests.
    #[error("the edited file does not show the same images with the new tags and digests")]
    NotProven,
}

/// What a use must show afterwards.
#[derive(Debug, Clone, Copy)]
struct Shown<'a> {
    tag: Option<&'a Tag>,
    digest: Option<Digest>,
}

/// The file with its pins moved. **Invariant**: read again it shows the same uses with the new tags and digests, or it is
/// an error.
///
/// With `comment: write` a first digest takes the place of the tag, which goes into the comment above; where that reads
/// otherwise (two images in one instruction have one line above them) the tag stays in front of the digest.
pub fn rewrite(file: SourceFile<'_>, uses: &[ImageUse], moves: &[PinMove]) -> Result<Vec<u8>, RewriteError> {
    let expected = expected(uses, moves)?;
    match rewritten(file, (uses, &expected), moves, FirstDigest::ByPolicy) {
        Err(RewriteError::NotProven | RewriteError::Edit(_)) => {
            rewritten(file, (uses, &expected), moves, FirstDigest::AfterTag)
        }
        result => result,
    }
}

fn rewritten(
    file: SourceFile<'_>,
    (uses, expected): (&[ImageUse], &[Shown<'_>]),
    moves: &[PinMove],
    first: FirstDigest,
) -> Result<Vec<u8>, RewriteError> {
    let moving = moves.iter().filter_map(|pin_move| Some((uses.get(pin_move.use_index)?, pin_move)));
    let edits = moving.flat_map(|(image_use, pin_move)| edits_of(file, image_use, pin_move, first)).collect();
    let after = apply(file.bytes, edits)?;
    let reread = source_file::read(file.path, &after, file.policy);
    let is_proven = reread.len() == uses.len()
        && uses.iter().zip(&reread).zip(expected).all(|((old, new), shown)| is_same_use(old, new, *shown));
    if is_proven { Ok(after) } else { Err(RewriteError::NotProven) }
}

/// What every use must show afterwards. Every use of the same bytes goes along, or none does.
fn expected<'a>(uses: &'a [ImageUse], moves: &'a [PinMove]) -> Result<Vec<Shown<'a>>, RewriteError> {
    // By where the digest begins: where it goes, and the pin that wants it.
    let mut targets: BTreeMap<usize, (Digest, &ImageUse)> = BTreeMap::new();
    for PinMove { use_index, to, new_tag, .. } in moves {
        let pin = uses.get(*use_index).filter(|pin| pin.tracked().is_some());
        let (pin, place) =
            pin.and_then(|pin| Some((pin, pin.place()?))).ok_or(RewriteError::NoPin { use_index: *use_index })?;
        if new_tag.is_some() && !pin.can_change_tag() {
            return Err(RewriteError::FixedTag { line: pin.line });
        }
        if targets.insert(place, (*to, pin)).is_some_and(|(other, _)| other != *to) {
            return Err(RewriteError::Shared { line: pin.line });
        }
    }
    let moved: BTreeMap<usize, &PinMove> = moves.iter().map(|pin_move| (pin_move.use_index, pin_move)).collect();
    let expected = uses.iter().enumerate().map(|(index, one)| {
        let Some((to, pin)) = one.place().and_then(|place| targets.get(&place)) else {
            return Ok(Shown { tag: one.tag.as_ref(), digest: one.digest });
        };
        let pin_move = moved.get(&index);
        // One of the same image without a tag of its own stays equal to the pin that it shares the digest with.
        let goes_along = one.status == Status::Skipped(SkipReason::NoTag) && one.image == pin.image;
        if pin_move.is_none() && !goes_along {
            return Err(RewriteError::Shared { line: pin.line });
        }
        let tag = pin_move.and_then(|pin_move| pin_move.new_tag.as_ref()).or(one.tag.as_ref());
        Ok(Shown { tag, digest: Some(*to) })
    });
    expected.collect()
}

/// Whether a use is the same but for its digest and its tag, its place and its comment.
fn is_same_use(old: &ImageUse, new: &ImageUse, shown: Shown<'_>) -> bool {
    let gets_first = old.status == Status::Unpinned && shown.digest.is_some();
    let status = if gets_first { Status::Pinned } else { old.status };
    (new.kind, &new.image, &new.written_name) == (old.kind, &old.image, &old.written_name)
        && (new.status, &new.stage, new.is_final_stage) == (status, &old.stage, old.is_final_stage)
        && (new.tag.as_ref(), new.digest, &new.platform) == (shown.tag, shown.digest, &old.platform)
        // A first digest may be the first thing of the image that stands in an ARG.
        && (new.via == old.via || gets_first)
}
