//! Pins in other files, found by the regular expressions of `policy.patterns`.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::{Captures, Match};

use super::comment::{self, Form, LineReading, NamesOfImage};
use super::digest::Digest;
use super::image_use::{BoundComment, ImageUse, SkipReason, Status, UseKind};
use super::line_index::LineIndex;
use super::pin::{CommentBinding, read_reference, settle};
use super::policy::FilePattern;

/// Stands for a byte that is not UTF-8; one byte long, so that offsets stay what they are.
const NOT_TEXT: &str = "\u{1a}";

/// Finds every image use that one of the patterns matches, in the order of the file. Where two match the same image,
/// the earlier pattern counts.
pub fn scan(bytes: &[u8], patterns: &[&FilePattern]) -> Vec<ImageUse> {
    let text = same_length_text(bytes);
    let lines = LineIndex::new(bytes);
    // By where the image begins, with where it ends; no two of them overlap.
    let mut found: BTreeMap<usize, (usize, ImageUse)> = BTreeMap::new();
    for captures in patterns.iter().flat_map(|pattern| pattern.regex.captures_iter(&text)) {
        let Some((place, image_use)) = read_match(&captures, &lines) else { continue };
        let before = found.range(..place.end).next_back();
        if before.is_none_or(|(_, (end, _))| *end <= place.start) {
            found.insert(place.start, (place.end, image_use));
        }
    }
    found.into_values().map(|(_, image_use)| image_use).collect()
}

/// The file as text in which every byte keeps its offset.
fn same_length_text(bytes: &[u8]) -> String {
    bytes.utf8_chunks().fold(String::with_capacity(bytes.len()), |text, chunk| {
        text + chunk.valid() + &NOT_TEXT.repeat(chunk.invalid().len())
    })
}

/// The use that one match describes, and the place of its image. A match without the group `image` is none.
fn read_match(captures: &Captures<'_>, lines: &LineIndex) -> Option<(Range<usize>, ImageUse)> {
    let group = |name: &str| captures.name(name).filter(|group| !group.is_empty());
    let (image, tag, digest) = (group("image")?, group("tag"), group("digest"));
    let mut reference = image.as_str().to_owned();
    if let Some(tag) = tag {
        reference = format!("{reference}:{}", tag.as_str());
    }
    if let Some(digest) = digest {
        // The algorithm may stand outside of the group.
        let algorithm = if digest.as_str().contains(':') { "" } else { Digest::ALGORITHM };
        reference = format!("{reference}@{algorithm}{}", digest.as_str());
    }
    let digest_range = digest.or(Some(image)).and_then(digits);
    let place = digest_range.clone().or(digest.map(|digest| digest.range())).unwrap_or_else(|| image.range());
    let mut image_use = read_reference(Some(&reference), digest_range).into_use(UseKind::Pattern);
    image_use.line = lines.line(place.start);
    image_use.tag_range = match (tag, &image_use.tag) {
        (Some(group), Some(_)) => Some(group.range()),
        (None, Some(written)) => {
            let start = image.start() + image_use.written_name.len() + ":".len();
            Some(start..start + written.as_str().len())
        }
        (_, None) => None,
    };
    let text = group("comment");
    let binding = text.and_then(|text| binding(text, &image_use, lines)).unwrap_or(CommentBinding::None);
    settle(&mut image_use, binding);
    if text.is_some_and(|text| text.as_str().lines().any(|line| comment::is_ignore_directive(line.as_bytes()))) {
        image_use.status = Status::Skipped(SkipReason::Ignored);
    }
    Some((image.range(), image_use))
}

/// Where the hex digits of a digest stand at the end of a group: its last 64 bytes.
fn digits(group: Match<'_>) -> Option<Range<usize>> {
    let start = group.end().checked_sub(Digest::HEX_DIGITS).filter(|start| *start >= group.start())?;
    Some(start..group.end())
}

/// Reads the group `comment`; where it has several lines the last that names the image counts, as above a FROM.
fn binding(text: Match<'_>, image_use: &ImageUse, lines: &LineIndex) -> Option<CommentBinding> {
    let names = NamesOfImage::of(image_use)?;
    let mut end = text.end();
    text.as_str().split('\n').rev().find_map(|line| {
        let start = end - line.len();
        end = start.saturating_sub(1);
        match comment::read_line(line.as_bytes(), &names, Form::Any) {
            LineReading::Nothing => None,
            LineReading::Several => Some(CommentBinding::Ambiguous { line_start: start }),
            LineReading::Version { tag, range } => Some(CommentBinding::Bound(BoundComment {
                line: lines.line(start),
                range: start..start + line.len(),
                tag_range: start + range.start..start + range.end,
                tag,
            })),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use regex::Regex;

    fn uses(regex: &str, text: &[u8]) -> Vec<String> {
        let pattern = FilePattern { files: Vec::new(), regex: Arc::new(Regex::new(regex).unwrap()) };
        let show = |found: &ImageUse| {
            let range = found.digest_range.clone().map(|range| String::from_utf8_lossy(&text[range]).into_owned());
            let image = found.image.as_ref().map(ToString::to_string).unwrap_or_default();
            let tag = found.tag.as_ref().map(ToString::to_string).unwrap_or_default();
            let digest = range.map_or(0, |digest| digest.len());
            format!("{}: {image}:{tag} {digest} {:?}", found.line, found.status)
        };
        scan(text, &[&pattern]).iter().map(show).collect()
    }

    const MAKEFILE: &str =
        r"(?m)^(?:# (?<comment>.*)\n)?BASE\s*=\s*(?<image>[^\s:@]+)(?::(?<tag>[^\s@]+))?(?:@(?<digest>\S+))?$";

    #[test]
    fn groups_make_a_use() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            (format!("BASE = nginx:1.27@{digest}\n"), "1: docker.io/library/nginx:1.27 64 Pinned"),
            (format!("# nginx 1.27\nBASE = nginx@{digest}\n"), "2: docker.io/library/nginx:1.27 64 Pinned"),
            (format!("BASE = nginx@{digest}\n"), "1: docker.io/library/nginx: 64 Skipped(NoTag)"),
            ("BASE = nginx:1.27\n".to_owned(), "1: docker.io/library/nginx:1.27 0 Unpinned"),
            (format!("# refrom: ignore\nBASE=a:1@{digest}\n"), "2: docker.io/library/a:1 64 Skipped(Ignored)"),
            ("BASE=nginx@sha256:abc\n".to_owned(), "1: docker.io/library/nginx: 0 Skipped(Malformed)"),
        ] {
            assert_eq!(uses(MAKEFILE, text.as_bytes()), [expected], "{text}");
        }
    }

    #[test]
    fn the_image_group_may_hold_the_whole_reference() {
        let text = format!("FROM=a/b:1@sha256:{}", "b".repeat(64));
        assert_eq!(uses(r"FROM=(?<image>\S+)", text.as_bytes()), ["1: docker.io/a/b:1 64 Pinned"]);
    }

    #[test]
    fn bytes_that_are_not_text_keep_the_offsets() {
        let mut text = b"\xff\xfe\xc3 \nBASE = nginx:1@sha256:".to_vec();
        text.extend([b'a'; 64]);
        assert_eq!(uses(MAKEFILE, &text), ["2: docker.io/library/nginx:1 64 Pinned"]);
    }
}
