//! What the fuzz targets do with their bytes. An ordinary test runs the saved corpus through the same functions.

use refrom::domain::comment::{Form, LineReading, NamesOfImage, read_line};
use refrom::domain::digest::Digest;
use refrom::domain::dockerfile;
use refrom::domain::image_use::{ImageUse, Status};
use refrom::domain::policy::{CommentMode, FilePolicy, Policy};
use refrom::domain::rewrite::{PinMove, RewriteError, SourceFile, rewrite};
use refrom::domain::source_file;

/// A policy that follows every image.
pub fn policy(comment: CommentMode) -> Policy {
    Policy { files: FilePolicy::default(), comment, labels: Vec::new(), ..Policy::default() }
}

/// Every range lies in the file, and shows what it is said to hold.
pub fn scan(bytes: &[u8]) {
    for image_use in dockerfile::scan(bytes) {
        if let (Some(range), Some(digest)) = (&image_use.digest_range, &image_use.digest) {
            assert_eq!(bytes.get(range.clone()), Some(digest.hex().as_bytes()));
        }
        if let (Some(range), Some(tag)) = (&image_use.tag_range, &image_use.tag) {
            assert_eq!(bytes.get(range.clone()), Some(tag.as_str().as_bytes()));
        }
        if let Some(comment) = &image_use.comment {
            assert_eq!(bytes.get(comment.tag_range.clone()), Some(comment.tag.as_str().as_bytes()));
        }
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!((1..=lines).contains(&(image_use.line as usize)));
    }
}

/// A comment line is read without a panic, and its tag stands where it is said to.
pub fn comment(bytes: &[u8]) {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    for from in [&b"FROM nginx@sha256:"[..], b"FROM registry.local:5000/a/b@sha256:"] {
        let pin: Vec<u8> = [from, &[b'a'; 64]].concat();
        for image_use in dockerfile::scan(&pin) {
            let names = NamesOfImage::of(&image_use).expect("an image");
            for form in [Form::Any, Form::NameColonTag] {
                if let LineReading::Version { tag, range } = read_line(line, &names, form) {
                    assert_eq!(line.get(range), Some(tag.as_str().as_bytes()));
                }
            }
        }
    }
}

/// Moving every pin shows the new digests, and moving them again changes nothing.
pub fn edit(bytes: &[u8]) {
    for mode in [CommentMode::Update, CommentMode::Write, CommentMode::Keep] {
        let policy = policy(mode);
        let file = SourceFile { path: "Dockerfile", bytes, policy: &policy };
        let uses = source_file::read(file.path, bytes, &policy);
        match rewrite(file, &uses, &moves(&uses)) {
            Ok(after) => {
                let again = SourceFile { bytes: &after, ..file };
                let uses = source_file::read(file.path, &after, &policy);
                assert!(uses.iter().all(|one| one.status != Status::Pinned || one.digest == Some(target())));
                assert_eq!(rewrite(again, &uses, &moves(&uses)).as_ref(), Ok(&after));
            }
            // A file may be made so that its own words fight; then nothing is written, which is what is asked.
            Err(RewriteError::NotProven | RewriteError::Edit(_) | RewriteError::Shared { .. }) => {}
            Err(error @ (RewriteError::NoPin { .. } | RewriteError::FixedTag { .. })) => panic!("{error}"),
        }
    }
}

/// The digest that everything moves to.
pub fn target() -> Digest {
    format!("sha256:{}", "c".repeat(64)).parse().expect("a digest")
}

/// A move of every pin to the same digest.
pub fn moves(uses: &[ImageUse]) -> Vec<PinMove> {
    let pins = uses.iter().enumerate().filter(|(_, image_use)| image_use.status == Status::Pinned);
    pins.map(|(use_index, _)| PinMove { use_index, to: target(), new_tag: None, old: None, new: None }).collect()
}
