//! The edits of one move.

use std::ops::Range;

use super::{PinMove, SourceFile};
use crate::domain::comment::{self, Move};
use crate::domain::digest::Digest;
use crate::domain::edit::Edit;
use crate::domain::image_use::{ImageUse, TagSource, UseKind};
use crate::domain::policy::CommentMode;

/// Where the first digest of a use is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstDigest {
    /// With `comment: write` in the place of the tag, which goes into the comment above.
    ByPolicy,
    AfterTag,
}

/// Everything that one move changes: digest, tag, comment.
pub(super) fn edits_of(
    file: SourceFile<'_>,
    image_use: &ImageUse,
    pin_move: &PinMove,
    first: FirstDigest,
) -> Vec<Edit> {
    let moved = Move {
        from: image_use.digest.as_ref(),
        to: &pin_move.to,
        new_tag: pin_move.new_tag.as_ref(),
        old: pin_move.old.as_ref(),
        new: pin_move.new.as_ref(),
    };
    let replaced = colon_and_tag(file, image_use).filter(|_| first == FirstDigest::ByPolicy);
    let mut edits: Vec<Edit> = Vec::new();
    match replaced {
        Some((range, expected)) => edits.push(Edit { range, expected, replacement: written(moved.to) }),
        None => {
            edits.extend(digest(image_use, moved));
            edits.extend(tag(image_use, moved));
        }
    }
    match (file.policy.comment, &image_use.comment) {
        (CommentMode::Update | CommentMode::Write, Some(bound)) => {
            edits.extend(comment::edits(file.bytes, bound, image_use, moved));
        }
        (CommentMode::Write, None) => edits.extend(new_comment(file.bytes, image_use, moved)),
        (CommentMode::Update, None) | (CommentMode::Keep, _) => {}
    }
    edits
}

/// The hex digits of the digest, or the whole of a first one.
fn digest(image_use: &ImageUse, moved: Move<'_>) -> Option<Edit> {
    match (&image_use.digest_range, moved.from) {
        (Some(range), Some(from)) => {
            let (expected, replacement) = (from.hex().into_bytes(), moved.to.hex().into_bytes());
            Some(Edit { range: range.clone(), expected, replacement })
        }
        _ => {
            let at = image_use.digest_insertion?;
            Some(Edit { range: at..at, expected: Vec::new(), replacement: written(moved.to) })
        }
    }
}

fn written(digest: &Digest) -> Vec<u8> {
    format!("@{digest}").into_bytes()
}

fn tag(image_use: &ImageUse, moved: Move<'_>) -> Option<Edit> {
    let (expected, replacement) = (image_use.tag.as_ref()?.to_string(), moved.new_tag?.to_string());
    let (range, expected, replacement) = (image_use.tag_range.clone()?, expected.into(), replacement.into());
    Some(Edit { range, expected, replacement })
}

/// The place and the bytes of the `:tag` of a use whose first digest takes its place: `comment: write` puts the tag
/// into the comment, or it is there already. A comment that says more than the tag would change what is followed.
fn colon_and_tag(file: SourceFile<'_>, image_use: &ImageUse) -> Option<(Range<usize>, Vec<u8>)> {
    let is_alone = matches!(image_use.kind, UseKind::From | UseKind::CopyFrom);
    let is_written = file.policy.comment == CommentMode::Write && image_use.comment_insertion.is_some();
    let says_the_same = image_use.comment.as_ref().is_none_or(|comment| Some(&comment.tag) == image_use.tag.as_ref());
    let range = image_use.tag_range.clone().filter(|_| image_use.tag_source == Some(TagSource::Reference))?;
    let colon = range.start.checked_sub(1)?;
    let is_whole = file.bytes.get(colon) == Some(&b':') && image_use.digest_insertion == Some(range.end);
    let text = format!(":{}", image_use.tag.as_ref()?).into_bytes();
    (is_alone && is_written && says_the_same && is_whole).then_some((colon..range.end, text))
}

/// `# base image: <name>:<tag> (<version>)` above the instruction, with its indentation and the file's line ending.
fn new_comment(bytes: &[u8], image_use: &ImageUse, moved: Move<'_>) -> Option<Edit> {
    let (at, tag) = (image_use.comment_insertion?, moved.new_tag.or(image_use.tag.as_ref())?);
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
