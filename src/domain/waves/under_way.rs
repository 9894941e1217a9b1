//! The digests that have not reached everybody yet, for people.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{WaveCandidate, WaveCause, WaveStanding, Waves};
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Ledger};
use crate::domain::policy::DeniedDigest;
use crate::domain::policy::Follow;
use crate::domain::reference::TagRef;

/// How many digests of one tag are told, newest first: of a tag that moves each hour nobody reads more.
const DIGESTS_MAX: usize = 5;

/// A digest on its way through the waves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    pub tag: TagRef,
    pub digest: Digest,
    /// When it was first seen for the tag.
    pub first_seen: Timestamp,
    /// In their order.
    pub waves: Vec<WaveStanding>,
}

impl Waves {
    /// The digests that somebody has, is to get or could have, and not everybody who pins the tag: by tag, then newest
    /// first. `ledger` has the sightings of these tags, at least those of their heads and of these digests; `denied`
    /// and `follow` are what everybody's policy says.
    pub fn under_way(
        &self,
        ledger: &Ledger,
        (denied, follow): (&[DeniedDigest], Follow),
        now: Timestamp,
    ) -> Vec<UnderWay> {
        if self.is_empty() {
            return Vec::new();
        }
        let tags: BTreeSet<&TagRef> = self.facts.adoptions.keys().chain(self.facts.sought.keys()).collect();
        let of_tag =
            |tag: &TagRef| ledger.history(tag).map(|history| self.of_tag((tag, history), (denied, follow), now));
        tags.into_iter().filter_map(of_tag).flatten().collect()
    }

    fn of_tag(
        &self,
        (tag, history): (&TagRef, &History),
        (denied, follow): (&[DeniedDigest], Follow),
        now: Timestamp,
    ) -> Vec<UnderWay> {
        let holding = self.facts.adoptions.get(tag).into_iter().flat_map(BTreeMap::values).flatten();
        let pinned: BTreeSet<Option<Digest>> = holding.filter(|row| row.holds()).map(|row| row.digest).collect();
        let sought = self.facts.sought.get(tag);
        let head = history.head().map(|sighting| sighting.digest).filter(|_| !pinned.is_empty());
        // What was taken back is on its way to nobody.
        let taken_back = self.facts.denied.iter().filter(|denial| denial.scope().covers(tag));
        let goes_nowhere: BTreeSet<Digest> =
            taken_back.map(|denial| denial.digest).chain(denied.iter().map(|denied| denied.digest)).collect();
        let is_told = |digest: &Digest| {
            let is_known = pinned.contains(&Some(*digest)) || head == Some(*digest);
            (is_known || sought.is_some_and(|sought| sought.contains_key(digest)))
                && !history.is_withdrawn(digest)
                && !goes_nowhere.contains(digest)
        };
        let newest_first = history.sightings().iter().rev().filter(|sighting| is_told(&sighting.digest));
        let under_way = newest_first.map(|sighting| {
            let candidate =
                WaveCandidate { tag, digest: &sighting.digest, left: None, follow, history: Some(history), denied };
            UnderWay {
                tag: tag.clone(),
                digest: sighting.digest,
                first_seen: sighting.first_seen,
                waves: self.standings_at(candidate, now),
            }
        });
        under_way.filter(|it| !it.is_everywhere()).take(DIGESTS_MAX).collect()
    }

    fn standings_at(&self, candidate: WaveCandidate<'_>, now: Timestamp) -> Vec<WaveStanding> {
        let left = self.facts.sought.get(candidate.tag).and_then(|sought| sought.get(candidate.digest));
        let standings = self.standings(candidate, left.into_iter().flatten().cloned().collect());
        // Who is in the first wave is not known.
        let unlisted = std::iter::once(self.unlisted()).chain(std::iter::repeat(None));
        let at = |(standing, unlisted): (&WaveStanding, Option<WaveCause>)| WaveStanding {
            blocked: unlisted.or_else(|| standing.blocked_at(now)),
            ..standing.clone()
        };
        standings.iter().zip(unlisted).map(at).collect()
    }
}

impl UnderWay {
    fn is_everywhere(&self) -> bool {
        self.waves.iter().all(|wave| wave.have == wave.of)
    }

    /// The index of the last wave that it has reached.
    pub fn reached(&self) -> usize {
        let last = self.waves.len().saturating_sub(1);
        self.waves.iter().position(|wave| wave.blocked.is_some()).unwrap_or(last).min(last)
    }

    /// What the wave after that waits for; `None`: there is none, it has reached the last one.
    pub fn waits(&self) -> Option<&WaveStanding> {
        let reached = self.reached();
        self.waves.get(reached).filter(|_| reached + 1 < self.waves.len())
    }
}
