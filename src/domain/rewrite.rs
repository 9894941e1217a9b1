//! Pins move: the digest's bytes, and the words of the comment that described the old one.

use std::collections::{BTreeMap, BTreeSet};

use super::comment::{self, Move};
use super::digest::Digest;
use super::edit::{Edit, EditError, apply};
use super::image::Image;
use super::image_use::{ImageUse, SkipReason, Status};
use super::policy::{CommentMode, Policy};
use super::source_file;

/// A file as it was read.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// From the repository's root, with `/`.
    pub path: &'a str,
    pub bytes: &'a [u8],
    pub policy: &'a Policy,
}

/// One pin's move to another digest of the same tag.
#[derive(Debug, Clone)]
pub struct PinMove {
    /// Which of the file's uses.
    pub use_index: usize,
    pub to: Digest,
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
    #[error("the edits do not fit the file")]
    Edit(#[from] EditError),
    /// The edited file was read again and does not show the same uses with the new digests.
    #[error("the edited file does not show the same images with the new digests")]
    NotProven,
}

/// The file with its pins moved. **Invariant**: read again it shows the same uses with the new digests, or it is an
/// error.
pub fn rewrite(file: SourceFile<'_>, uses: &[ImageUse], moves: &[PinMove]) -> Result<Vec<u8>, RewriteError> {
    let expected = expected_digests(uses, moves)?;
    let mut edits = Vec::new();
    for pin_move in moves {
        let image_use = uses.get(pin_move.use_index).ok_or(RewriteError::NoPin { use_index: pin_move.use_index })?;
        edits.extend(edits_of(file, image_use, pin_move));
    }
    let after = apply(file.bytes, edits)?;
    let reread = source_file::read(file.path, &after, file.policy);
    let is_proven = reread.len() == uses.len()
        && uses.iter().zip(&reread).zip(&expected).all(|((old, new), digest)| is_same_use(old, new, *digest));
    if is_proven { Ok(after) } else { Err(RewriteError::NotProven) }
}

/// The digest that every use must show afterwards. Every use of the same bytes goes along, or none does.
fn expected_digests(uses: &[ImageUse], moves: &[PinMove]) -> Result<Vec<Option<Digest>>, RewriteError> {
    // By where the digest begins: where it goes, and the pin that wants it.
    let mut targets: BTreeMap<usize, (Digest, &ImageUse)> = BTreeMap::new();
    for PinMove { use_index, to, .. } in moves {
        let pin = uses.get(*use_index).filter(|pin| pin.status == Status::Pinned);
        let (pin, start) = pin
            .and_then(|pin| Some((pin, pin.digest_start()?)))
            .ok_or(RewriteError::NoPin { use_index: *use_index })?;
        if targets.insert(start, (*to, pin)).is_some_and(|(other, _)| other != *to) {
            return Err(RewriteError::Shared { line: pin.line });
        }
    }
    let moved: BTreeSet<usize> = moves.iter().map(|pin_move| pin_move.use_index).collect();
    let expected = uses.iter().enumerate().map(|(index, one)| {
        let Some((to, pin)) = one.digest_start().and_then(|start| targets.get(&start)) else { return Ok(one.digest) };
        // One of the same image without a tag of its own stays equal to the pin that it shares the digest with.
        let goes_along = one.status == Status::Skipped(SkipReason::NoTag) && one.image == pin.image;
        if moved.contains(&index) || goes_along { Ok(Some(*to)) } else { Err(RewriteError::Shared { line: pin.line }) }
    });
    expected.collect()
}

/// The edits of one move. A new tag would be one more edit here, of the reference's or the comment's tag.
fn edits_of(file: SourceFile<'_>, image_use: &ImageUse, pin_move: &PinMove) -> Vec<Edit> {
    let (Some(range), Some(from)) = (&image_use.digest_range, &image_use.digest) else { return Vec::new() };
    let mut edits = vec![Edit {
        range: range.clone(),
        expected: from.hex().into_bytes(),
        replacement: pin_move.to.hex().into_bytes(),
    }];
    let moved = Move { from, to: &pin_move.to, old: pin_move.old.as_ref(), new: pin_move.new.as_ref() };
    match (file.policy.comment, &image_use.comment) {
        (CommentMode::Update | CommentMode::Write, Some(bound)) => {
            edits.extend(comment::edits(file.bytes, bound, image_use, moved));
        }
        (CommentMode::Write, None) => edits.extend(new_comment(file.bytes, image_use, moved)),
        (CommentMode::Update, None) | (CommentMode::Keep, _) => {}
    }
    edits
}

/// `# base image: <name>:<tag> (<version>)` above the instruction, with its indentation and the file's line ending.
fn new_comment(bytes: &[u8], image_use: &ImageUse, moved: Move<'_>) -> Option<Edit> {
    let (at, tag) = (image_use.comment_insertion?, image_use.tag.as_ref()?);
    let rest = bytes.get(at..)?;
    let indentation = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let ending = line_ending(bytes, at);
    let version = moved.new.and_then(|new| new.version.as_deref()).filter(|version| comment::is_word(version));
    let version = version.map(|version| format!(" ({version})")).unwrap_or_default();
    let mut replacement = rest.get(..indentation)?.to_vec();
    replacement
        .extend_from_slice(format!("# base image: {}:{tag}{version}{ending}", image_use.written_name).as_bytes());
    Some(Edit { range: at..at, expected: Vec::new(), replacement })
}

/// How the line at `at` ends; the last line of a file, which may have no ending, as the one before it.
fn line_ending(bytes: &[u8], at: usize) -> &'static str {
    let line_feed = |bytes: &[u8]| bytes.iter().position(|byte| *byte == b'\n');
    let end = match line_feed(bytes.get(at..).unwrap_or_default()) {
        Some(length) => at + length,
        None => at.saturating_sub(1),
    };
    if bytes.get(..end).is_some_and(|before| before.ends_with(b"\r")) { "\r\n" } else { "\n" }
}

/// Whether a use is the same but for its digest, its place and its comment.
fn is_same_use(old: &ImageUse, new: &ImageUse, digest: Option<Digest>) -> bool {
    (new.kind, &new.image, &new.written_name, &new.tag) == (old.kind, &old.image, &old.written_name, &old.tag)
        && (new.status, &new.stage, new.is_final_stage) == (old.status, &old.stage, old.is_final_stage)
        && (&new.platform, &new.via, new.digest) == (&old.platform, &old.via, digest)
}
