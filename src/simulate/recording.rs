//! A recorded ledger: which digest each tag pointed to, and from when on; and what the digests hold, where that was
//! recorded.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::lines::{self, InputError};
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::image_record::ImageRecord;
use crate::domain::reference::{ImageName, Reference, TagRef};

/// How soon after a digest was last seen the one before it is taken to be back: nobody looked in between.
const BACK_AFTER: SignedDuration = SignedDuration::from_secs(1);

/// What was recorded of every tag.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    /// In the order of time. **Invariant**: no tag without a move.
    tags: BTreeMap<TagRef, Vec<Moved>>,
    /// When a digest was last seen, of all; `None`: no line says that.
    last_seen: Option<Timestamp>,
    /// What digests hold, where a line says so.
    images: BTreeMap<(ImageName, Digest), Image>,
    /// What the manifests of single platforms are made of.
    contents: BTreeMap<Digest, Content>,
}

/// From when on a tag pointed to a digest, until its next move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    pub at: Timestamp,
    pub digest: Digest,
}

/// A digest that was seen for a tag.
#[derive(Debug, Deserialize)]
struct Seen {
    #[serde(deserialize_with = "lines::parsed")]
    reference: Reference,
    #[serde(deserialize_with = "lines::parsed")]
    digest: Digest,
    first_seen: Timestamp,
    /// Where it is not known, the digest was there until the next one came.
    last_seen: Option<Timestamp>,
    /// What it holds, where somebody looked.
    image: Option<ImageRecord>,
}

impl Recording {
    /// Reads JSON lines with `reference`, `digest`, `first_seen` and, where they are known, `last_seen` and `image`: what
    /// `refrom ledger export` writes. In any order.
    pub fn read(file: &Path) -> Result<Self, InputError> {
        let (mut seen, mut recording): (BTreeMap<TagRef, Vec<Seen>>, _) = (BTreeMap::new(), Self::default());
        lines::each(file, |mut line: Seen| {
            let Reference { image, tag, digest, .. } = line.reference.clone();
            let tag = tag.ok_or_else(|| format!("`{image}` has no tag"))?;
            if digest.is_some_and(|written| written != line.digest) {
                return Err(format!("the `reference` has another digest than `digest`, which is `{}`", line.digest));
            }
            recording.last_seen = recording.last_seen.max(line.last_seen);
            if let Some(record) = line.image.take() {
                recording.note(&image, record.image(line.digest));
            }
            seen.entry(TagRef { image, tag }).or_default().push(line);
            Ok(())
        })?;
        if seen.is_empty() {
            return Err(InputError::Empty { file: file.to_owned(), what: "sighting" });
        }
        recording.tags = seen.into_iter().map(|(tag, seen)| (tag, moves(&seen))).collect();
        Ok(recording)
    }

    /// Content never changes under a digest: whichever line says more is right.
    fn note(&mut self, name: &ImageName, (image, contents): (Image, BTreeMap<Digest, Content>)) {
        // Of an index without its manifests nothing more is known than of one that nobody looked at.
        if !image.is_unread() {
            self.images.insert((name.clone(), image.digest), image);
        }
        self.contents.extend(contents);
    }

    /// What a digest holds; `None`: no line says so.
    pub(super) fn image(&self, name: &ImageName, digest: Digest) -> Option<&Image> {
        self.images.get(&(name.clone(), digest))
    }

    /// What the manifest of a single platform is made of; `None`: no line says so.
    pub(super) fn content(&self, manifest: &Digest) -> Option<&Content> {
        self.contents.get(manifest)
    }

    /// Whether any tag pointed to a digest.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.tags.values().flatten().any(|moved| moved.digest == *digest)
    }

    /// The moves of one tag, in the order of time.
    pub fn moves(&self, tag: &TagRef) -> Option<&[Moved]> {
        self.tags.get(tag).map(Vec::as_slice)
    }

    pub fn tags(&self) -> impl Iterator<Item = &TagRef> {
        self.tags.keys()
    }

    /// From the first move to the last one, or to when something was seen last: who looked on saw that nothing moved.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let times = || self.tags.values().flatten().map(|moved| moved.at);
        times().min().zip(times().max().max(self.last_seen))
    }
}

/// A digest is the head from its first sight until the next one's. Where it was last seen before one that is older, the
/// tag went back to that.
fn moves(seen: &[Seen]) -> Vec<Moved> {
    let mut moves: Vec<Moved> = seen.iter().map(|seen| Moved { at: seen.first_seen, digest: seen.digest }).collect();
    for ended in seen {
        let Some(end) = ended.last_seen else { continue };
        let is_there = |other: &&Seen| other.first_seen <= end && other.last_seen.is_some_and(|last| last > end);
        if let Some(back) = seen.iter().filter(is_there).max_by_key(|other| other.first_seen) {
            let at = end.saturating_add(BACK_AFTER).unwrap_or(end);
            moves.push(Moved { at, digest: back.digest });
        }
    }
    moves.sort_by_key(|moved| moved.at);
    moves.dedup_by_key(|moved| moved.digest);
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(letter: &str, first: i64, last: Option<i64>) -> Seen {
        Seen {
            reference: "dhi.io/nginx:1".parse().unwrap(),
            digest: Digest::of(letter.as_bytes()),
            first_seen: Timestamp::from_second(first).unwrap(),
            last_seen: last.map(|last| Timestamp::from_second(last).unwrap()),
            image: None,
        }
    }

    fn shown(seen: &[Seen]) -> Vec<(&'static str, i64)> {
        let letter = |digest| ["a", "b", "c"].into_iter().find(|it| Digest::of(it.as_bytes()) == digest).unwrap();
        moves(seen).into_iter().map(|moved| (letter(moved.digest), moved.at.as_second())).collect()
    }

    #[test]
    fn a_digest_is_the_head_until_the_next_one_is_seen_first() {
        assert_eq!(shown(&[seen("b", 20, None), seen("a", 10, None)]), [("a", 10), ("b", 20)]);
        assert_eq!(shown(&[seen("a", 10, Some(19)), seen("b", 20, Some(90))]), [("a", 10), ("b", 20)]);
        let twice = [seen("a", 10, None), seen("b", 20, None), seen("a", 30, None)];
        assert_eq!(shown(&twice), [("a", 10), ("b", 20), ("a", 30)]);
    }

    #[test]
    fn a_tag_that_went_back_is_known_by_the_last_sights() {
        let flap = [seen("a", 10, Some(90)), seen("b", 20, Some(30))];
        assert_eq!(shown(&flap), [("a", 10), ("b", 20), ("a", 31)]);
        let flap = [seen("a", 10, Some(90)), seen("b", 20, Some(30)), seen("c", 40, Some(50))];
        assert_eq!(shown(&flap), [("a", 10), ("b", 20), ("a", 31), ("c", 40), ("a", 51)]);
    }

    #[test]
    fn a_file_without_sightings_and_a_reference_without_a_tag_are_mistakes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("h.jsonl");
        let read = |text: &str| {
            std::fs::write(&file, text).unwrap();
            Recording::read(&file).map_err(|error| error.to_string().replace(&file.display().to_string(), "h.jsonl"))
        };
        assert_eq!(read("\n"), Err("`h.jsonl` has no sighting".to_owned()));
        let digest = Digest::of(b"a");
        let line = |reference: &str, time: &str| {
            format!("{{\"first_seen\": \"{time}\", \"reference\": \"{reference}\", \"digest\": \"{digest}\"}}\n")
        };
        let tagless = read(&line("dhi.io/nginx", "2026-07-01T00:00:00Z"));
        assert_eq!(tagless, Err("h.jsonl:1:1: `dhi.io/nginx` has no tag".to_owned()));
        let broken = read(&line("dhi.io/nginx:1", "yesterday")).unwrap_err();
        assert!(broken.starts_with("h.jsonl:1:26: "), "{broken}");
        let good = read(&line("dhi.io/nginx:1", "2026-07-01T00:00:00Z")).unwrap();
        assert_eq!(good.tags().map(ToString::to_string).collect::<Vec<_>>(), ["dhi.io/nginx:1"]);
        let pinned = |digest: Digest| read(&line(&format!("dhi.io/nginx:1@{digest}"), "2026-07-01T00:00:00Z"));
        assert_eq!(pinned(digest).unwrap(), good);
        let told = format!("h.jsonl:1:1: the `reference` has another digest than `digest`, which is `{digest}`");
        assert_eq!(pinned(Digest::of(b"b")), Err(told));
    }

    #[test]
    fn it_ends_where_something_was_seen_last() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("h.jsonl");
        let line = |(tag, first, last): (&str, &str, &str)| {
            let digest = Digest::of(tag.as_bytes());
            let last = if last.is_empty() { "null".to_owned() } else { format!("\"2026-07-{last}T00:00:00Z\"") };
            format!(
                "{{\"first_seen\": \"2026-07-{first}T00:00:00Z\", \"last_seen\": {last}, \
                 \"reference\": \"nginx:{tag}\", \"digest\": \"{digest}\"}}\n"
            )
        };
        for (lines, days) in [
            ([("1", "01", "20"), ("2", "05", "")], ("01", "20")),
            ([("1", "01", "02"), ("2", "05", "")], ("01", "05")),
            ([("1", "03", ""), ("2", "05", "")], ("03", "05")),
        ] {
            std::fs::write(&file, lines.map(line).concat()).unwrap();
            let (from, to) = Recording::read(&file).unwrap().span().unwrap();
            assert_eq!(
                (from.strftime("%d").to_string(), to.strftime("%d").to_string()),
                (days.0.into(), days.1.into())
            );
        }
    }
}
