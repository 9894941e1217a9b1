//! The JSON of `refrom history`: a contract with the programs that read it.

use jiff::Timestamp;
use serde::Serialize;

use super::history::{Seen, TagHistory};
use crate::domain::digest::Digest;
use crate::domain::image_record::{ImageRecord, Text};

/// What was seen of a tag. Absent values are `null`, times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub struct HistoryRecord {
    reference: String,
    /// Another name than `reference` where that is a mirror's.
    asked: String,
    /// Newest first.
    digests: Vec<SeenRecord>,
    pinned_and_never_seen: Vec<PinnedRecord>,
}

#[derive(Debug, Serialize)]
struct SeenRecord {
    digest: Text<Digest>,
    first_seen: Timestamp,
    last_seen: Timestamp,
    head_seconds: i64,
    head: bool,
    withdrawn: bool,
    denied: Option<String>,
    pinned_by: Vec<String>,
    image: Option<ImageRecord>,
}

#[derive(Debug, Serialize)]
struct PinnedRecord {
    digest: Text<Digest>,
    pinned_by: Vec<String>,
}

impl From<&TagHistory> for HistoryRecord {
    fn from(history: &TagHistory) -> Self {
        let pinned = |(digest, repositories): (&Digest, &Vec<String>)| PinnedRecord {
            digest: Text(*digest),
            pinned_by: repositories.clone(),
        };
        Self {
            reference: history.written.to_string(),
            asked: history.asked.to_string(),
            digests: history.seen.iter().map(SeenRecord::from).collect(),
            pinned_and_never_seen: history.never_seen.iter().map(pinned).collect(),
        }
    }
}

impl From<&Seen> for SeenRecord {
    fn from(seen: &Seen) -> Self {
        let image = seen.image.as_ref();
        Self {
            digest: Text(seen.sighting.digest),
            first_seen: seen.sighting.first_seen,
            last_seen: seen.sighting.last_seen,
            head_seconds: seen.head_for().as_secs(),
            head: seen.is_head,
            withdrawn: seen.is_withdrawn,
            denied: seen.denied.clone(),
            pinned_by: seen.pinned_by.clone(),
            image: image.map(|image| ImageRecord::new(image, &seen.contents)),
        }
    }
}
