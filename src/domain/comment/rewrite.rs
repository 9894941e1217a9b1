//! A bound comment follows its pin: exactly the words that described the old digest and the old tag change.

use std::ops::Range;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::digest::Digest;
use crate::domain::edit::Edit;
use crate::domain::image::Image;
use crate::domain::image_use::{BoundComment, ImageUse, TagSource};
use crate::domain::reference::Tag;
use crate::domain::tag_version::{TagVersion, refines};

/// How many hex digits make a word a prefix of a digest rather than a number.
pub(super) const DIGEST_PREFIX_MIN: usize = 8;
/// How long a version from a label may be to be written into a file; tags have at most as many bytes.
const VERSION_BYTES_MAX: usize = 128;

/// What is known of both sides of a move.
#[derive(Debug, Clone, Copy)]
pub struct Move<'a> {
    /// `None`: it gets its first digest.
    pub from: Option<&'a Digest>,
    pub to: &'a Digest,
    /// The tag that it gets, where that changes.
    pub new_tag: Option<&'a Tag>,
    pub old: Option<&'a Image>,
    pub new: Option<&'a Image>,
}

/// The edits that make a bound comment describe the new digest, and the new tag where that changes.
///
/// The word that gives the tracked tag is left to whoever changes the tag; elsewhere these words change: a prefix of the
/// old digest, the old resolved version, a date after "as of" or equal to the old image's, and the old tag. A word that is
/// part of a longer one is another word.
pub fn edits(bytes: &[u8], comment: &BoundComment, image_use: &ImageUse, moved: Move<'_>) -> Vec<Edit> {
    let line = bytes.get(comment.range.clone()).unwrap_or_default();
    let words = words(line).into_iter().map(|word| comment.range.start + word.start..comment.range.start + word.end);
    let tracked = image_use.tag_source == Some(TagSource::Comment);
    words
        .filter(|word| !(tracked && word.start < comment.tag_range.end && comment.tag_range.start < word.end))
        .filter_map(|word| {
            let text = std::str::from_utf8(bytes.get(word.clone())?).ok()?;
            let before = bytes.get(comment.range.start..word.start)?;
            let of_reference = image_use.tag.as_ref().filter(|_| word == comment.tag_range);
            let replacement = digest_prefix(text, moved)
                .or_else(|| date(text, before, moved))
                .or_else(|| same_tag(text, of_reference?, moved))
                .or_else(|| version(text, of_reference.map(Tag::as_str), moved))
                .or_else(|| more_exact_tag(text, of_reference?, moved))
                .or_else(|| tag_elsewhere(text, before, (image_use.tag.as_ref()?, moved)))?;
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
    let is_prefix = word.len() >= DIGEST_PREFIX_MIN && moved.from?.hex().starts_with(word);
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

/// The word that says what the reference's tag says.
fn same_tag(word: &str, tag: &Tag, moved: Move<'_>) -> Option<String> {
    moved.new_tag.filter(|_| word == tag.as_str()).map(ToString::to_string)
}

/// The word that says more than the reference's tag, `1.27.3-alpine` beside `1.27-alpine`, where the version that it names
/// was not known as the old image's: the new version in the same form, else the new tag. A first digest may have come
/// after the version that the comment names.
fn more_exact_tag(word: &str, tag: &Tag, moved: Move<'_>) -> Option<String> {
    let is_more_exact = word != tag.as_str() && word.parse().is_ok_and(|word: Tag| refines(&word, tag));
    if !is_more_exact || moved.from.is_some() && moved.new_tag.is_none() {
        return None;
    }
    let tag = moved.new_tag.unwrap_or(tag);
    let variant = TagVersion::read(tag).map(|tag| tag.variant()).unwrap_or_default();
    let version = moved.new.and_then(|new| new.version.as_deref()).unwrap_or_default();
    let with_version = [version.to_owned(), format!("{version}{variant}")]
        .into_iter()
        .find(|text| text.parse().is_ok_and(|text: Tag| refines(&text, tag)));
    with_version.or_else(|| moved.new_tag.map(ToString::to_string))
}

/// Another word that is the old tag. One without any point or hyphen may be any number or word, and one behind a colon is
/// another image's.
fn tag_elsewhere(word: &str, before: &[u8], (tag, moved): (&Tag, Move<'_>)) -> Option<String> {
    let is_unmistakable = tag.as_str().contains(['.', '-']) && !before.ends_with(b":");
    same_tag(word, tag, moved).filter(|_| is_unmistakable)
}
