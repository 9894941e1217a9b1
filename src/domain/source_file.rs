//! The one way from a file to its image uses, which the whole program takes.

use std::collections::BTreeSet;

use super::dockerfile;
use super::file_name::{FileFormat, formats};
use super::file_pattern;
use super::image_use::{ImageUse, SkipReason, Status, TagSource, UseKind};
use super::pin::{forget_shared_tags, mark_shared_with_fixed};
use super::policy::{CommentMode, FilePattern, PinMode, Policy, Stages};

/// Reads the image uses of one file under a policy, in the order of the file; those that only
/// a pattern finds in a Dockerfile come last.
///
/// `path` is relative to the repository's root, with `/`. What the policy does not follow comes out as ignored; a pin
/// without a tag in reference and comment gets the one that the configuration has for its image.
pub fn read(path: &str, bytes: &[u8], policy: &Policy) -> Vec<ImageUse> {
    let formats = formats(path, policy);
    let is_dockerfile = formats.iter().any(|format| matches!(format, FileFormat::Dockerfile));
    let mut uses = if is_dockerfile { dockerfile::scan(bytes) } else { Vec::new() };
    let patterns: Vec<&FilePattern> = formats
        .into_iter()
        .filter_map(|format| match format {
            FileFormat::Pattern(pattern) => Some(pattern),
            FileFormat::Dockerfile => None,
        })
        .collect();
    if !patterns.is_empty() {
        let starts: BTreeSet<usize> = uses.iter().filter_map(ImageUse::digest_start).collect();
        let is_new = |other: &ImageUse| other.digest_start().is_none_or(|start| !starts.contains(&start));
        uses.extend(file_pattern::scan(bytes, &patterns).into_iter().filter(is_new));
    }
    for image_use in &mut uses {
        apply_policy(image_use, policy);
    }
    mark_shared_with_fixed(&mut uses);
    forget_shared_tags(&mut uses);
    uses
}

fn apply_policy(image_use: &mut ImageUse, policy: &Policy) {
    let Some(image) = &image_use.image else { return };
    match image_use.status {
        Status::Pinned | Status::Unpinned | Status::Skipped(SkipReason::NoTag) if !policy.follows(image) => {
            image_use.status = Status::Skipped(SkipReason::Ignored);
        }
        Status::Skipped(SkipReason::NoTag) => {
            if let Some(tag) = policy.tag_for(image) {
                image_use.tag = Some(tag.clone());
                image_use.tag_source = Some(TagSource::Config);
                image_use.status = Status::Pinned;
            }
        }
        Status::Unpinned if policy.pin == PinMode::Digest => pin_if_possible(image_use),
        Status::Pinned | Status::Unpinned | Status::Skipped(_) => {}
    }
    let is_elsewhere =
        policy.stages == Stages::Final && image_use.kind != UseKind::Pattern && !image_use.makes_final_image;
    let is_followed =
        matches!(image_use.status, Status::Pinned | Status::Unpinned | Status::Skipped(SkipReason::NoTag));
    if is_elsewhere && is_followed {
        image_use.status = Status::Skipped(SkipReason::Stage);
    }
    if policy.pin == PinMode::Off {
        image_use.digest_insertion = None;
    }
    if policy.comment == CommentMode::Keep && image_use.tag_source == Some(TagSource::Comment) {
        image_use.tag_range = None;
    }
}

/// A use without a digest gets the one of its tag; without a tag nobody knows which. In other formats the pattern alone
/// knows where digests stand: it has a group for them, or the use stays as it is.
fn pin_if_possible(image_use: &mut ImageUse) {
    match (&image_use.tag, image_use.digest_insertion) {
        (None, _) => image_use.status = Status::Skipped(SkipReason::NoTag),
        (Some(_), None) if image_use.kind != UseKind::Pattern => {
            image_use.status = Status::Skipped(SkipReason::Ambiguous);
        }
        (Some(_), _) => {}
    }
}
