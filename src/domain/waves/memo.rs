//! What was worked out for one repository holds for all others that may get the same digest: it is kept until the facts
//! change, because a fleet asks about a few digests a thousand times.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::WaveStanding;
use crate::domain::digest::Digest;
use crate::domain::ledger::History;
use crate::domain::reference::TagRef;

/// The answers so far. A copy begins without any.
#[derive(Debug, Default)]
pub(super) struct Memo(Mutex<BTreeMap<TagRef, OfTag>>);

/// Everything that an answer depends on besides the facts, the tag and its history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Question {
    pub(super) digest: Digest,
    /// The tags that are left for it.
    pub(super) left: Vec<TagRef>,
    /// The tags that are higher: who has one of those went on from it.
    pub(super) beyond: Vec<TagRef>,
    /// What the repository's policy denies.
    pub(super) denied: Vec<Digest>,
}

#[derive(Debug)]
struct OfTag {
    seen: Mark,
    first_sights: FirstSights,
    answers: BTreeMap<Question, Answer>,
}

/// When digests were first seen for a tag.
pub(super) type FirstSights = Arc<BTreeMap<Digest, Timestamp>>;

type Answer = Arc<[WaveStanding]>;

/// What tells a history from the same one with a later look.
type Mark = (usize, Option<(Digest, Timestamp)>);

impl Memo {
    /// The answer to a question about a tag that was seen so: that of before, or what `answer` makes of the first sights
    /// of its digests.
    pub(super) fn answer(
        &self,
        (tag, history): (&TagRef, Option<&History>),
        question: Question,
        answer: impl FnOnce(&Question, &FirstSights) -> Vec<WaveStanding>,
    ) -> Answer {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tag = known.entry(tag.clone()).or_insert_with(|| OfTag::new(history));
        if of_tag.seen != mark(history) {
            *of_tag = OfTag::new(history);
        }
        if let Some(known) = of_tag.answers.get(&question) {
            return Arc::clone(known);
        }
        let new: Answer = answer(&question, &of_tag.first_sights).into();
        of_tag.answers.insert(question, Arc::clone(&new));
        new
    }
}

impl Clone for Memo {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl OfTag {
    fn new(history: Option<&History>) -> Self {
        let sightings = history.map(History::sightings).unwrap_or_default();
        let first_sights = sightings.iter().map(|sighting| (sighting.digest, sighting.first_seen)).collect();
        Self { seen: mark(history), first_sights: Arc::new(first_sights), answers: BTreeMap::new() }
    }
}

fn mark(history: Option<&History>) -> Mark {
    let sightings = history.map(History::sightings).unwrap_or_default();
    (sightings.len(), sightings.last().map(|last| (last.digest, last.first_seen)))
}
