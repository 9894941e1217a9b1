//! A bound comment follows its pin: exactly the words that described the old digest change.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::digest::Digest;
use crate::domain::edit::Edit;
use crate::domain::image::Image;
use crate::domain::image_use::{BoundComment, ImageUse, TagSource};

/// How many hex digits make a word a prefix of a digest rather than a number.
pub(super) const DIGEST_PREFIX_MIN: usize = 8;
/// How long a version from a label may be to be written into a file; tags have at most as many bytes.
const VERSION_BYTES_MAX: usize = 128;

/// What is known of both sides of a move.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    pub from: &'a Digest,
    pub to: &'a Digest,
    pub old: Option<&'a Image>,
    pub new: Option<&'a Image>,
}

/// The edits that make a bound comment describe the new digest.
///
/// The word that gives the tracked tag stays, since the tag stays; elsewhere these words change: a prefix of the old
/// digest, the old resolved version, and a date after "as of" or equal to the old image's. A word that is part of a
/// longer one is another word.
pub fn edits(bytes: &[u8], comment: &BoundComment, image_use: &ImageUse, moved: Move<'_>) -> Vec<Edit> {
    let line = bytes.get(comment.range.clone()).unwrap_or_default();
    let words = words(line).into_iter().map(|word| comment.range.start + word.start..comment.range.start + word.end);
    let tracked = image_use.tag_source == Some(TagSource::Comment);
    words
        .filter(|word| !(tracked && word.start < comment.tag_range.end && comment.tag_range.start < word.end))
        .filter_map(|word| {
            let text = std::str::from_utf8(bytes.get(word.clone())?).ok()?;
            let before = bytes.get(comment.range.start..word.start)?;
            let variant = image_use.tag.as_ref().filter(|_| word == comment.tag_range).map(|tag| tag.as_str());
            let replacement = digest_prefix(text, moved)
                .or_else(|| date(text, before, moved))
                .or_else(|| version(text, variant, moved))?;
            Some(Edit { range: word, expected: text.as_bytes().to_vec(), replacement: replacement.into_bytes() })
        })
        .filter(|edit| edit.expected != edit.replacement)
        .collect()
}

/// Whether a version can stand in a comment as one word. It comes from a label, so it may hold anything.
pub fn is_word(version: &str) -> bool {
    !version.is_empty() && version.len() <= VERSION_BYTES_MAX && version.bytes().all(is_word_byte)
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._+-".contains(&byte)
}

/// The words of a line, without the punctuation of the sentence around them.
fn words(line: &[u8]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut position = 0;
    for run in line.split(|byte| !is_word_byte(*byte)) {
        let is_inner = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if let (Some(first), Some(last)) = (run.iter().position(is_inner), run.iter().rposition(is_inner)) {
            words.push(position + first..position + last + 1);
        }
        position += run.len() + 1;
    }
    words
}

fn digest_prefix(word: &str, moved: Move<'_>) -> Option<String> {
    let is_prefix = word.len() >= DIGEST_PREFIX_MIN && moved.from.hex().starts_with(word);
    is_prefix.then(|| moved.to.hex().chars().take(word.len()).collect())
}

/// An ISO date after "as of", or the day on which the old image was made.
fn date(word: &str, before: &[u8], moved: Move<'_>) -> Option<String> {
    let written: Date = word.parse().ok().filter(|_| word.len() == "2022-07-04".len())?;
    let before = before.trim_ascii_end().to_ascii_lowercase();
    let is_after_as_of =
        before.strip_suffix(b"as of").is_some_and(|rest| rest.last().is_none_or(|byte| !byte.is_ascii_alphanumeric()));
    let is_old = moved.old.and_then(|old| day(old.created?)) == Some(written);
    let new = moved.new.and_then(|new| day(new.created?))?;
    (is_after_as_of || is_old).then(|| new.to_string())
}

/// The day in UTC; a reproducible build's 1970 is no day.
fn day(created: Timestamp) -> Option<Date> {
    Some(created.to_zoned(TimeZone::UTC).date()).filter(|date| date.year() != 1970)
}

/// The resolved version. In the word that refines the reference's tag the tag's variant may follow it: `1.27.3-alpine`
/// beside `1.27-alpine`.
fn version(word: &str, tag: Option<&str>, moved: Move<'_>) -> Option<String> {
    let old = moved.old?.version.as_deref().filter(|version| is_word(version))?;
    let new = moved.new?.version.as_deref().filter(|version| is_word(version))?;
    let is_number = |text: &str| text.starts_with(|first: char| first.is_ascii_digit());
    let bare = |text: &'_ str| text.strip_prefix('v').filter(|rest| is_number(rest)).map_or(0, |_| 1);
    let (prefix, number) = word.split_at(bare(word));
    let (old, new) = (old.split_at(bare(old)).1, new.split_at(bare(new)).1);
    let variant = number.strip_prefix(old)?;
    let is_variant_of = |tag: &str| variant.starts_with('-') && tag.ends_with(variant);
    (variant.is_empty() || tag.is_some_and(is_variant_of)).then(|| format!("{prefix}{new}{variant}"))
}
