//! The digests that have not reached everybody yet, for people.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Adoption, WaveCandidate, WaveCause, WaveStanding, Waves};
use crate::domain::digest::Digest;
use crate::domain::ledger::{History, Ledger, Sighting};
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
    /// The digests that somebody has or could have, and not everybody who pins the tag: by tag, then newest first.
    /// `ledger` has the sightings of the tags that are pinned, at least those of their heads and of pinned digests.
    pub fn under_way(&self, ledger: &Ledger, now: Timestamp) -> Vec<UnderWay> {
        let mut all = Vec::new();
        if self.is_empty() {
            return all;
        }
        for (tag, repositories) in &self.facts.adoptions {
            let Some(history) = ledger.history(tag) else { continue };
            let pinned: BTreeSet<Digest> =
                repositories.values().flatten().filter(|row| row.holds()).filter_map(|row| row.digest).collect();
            let is_followed = repositories.values().flatten().any(Adoption::holds);
            let head = history.head().map(|sighting| sighting.digest).filter(|_| is_followed);
            // What was taken back is on its way to nobody.
            let is_taken_back =
                |digest| self.facts.denied.iter().any(|it| it.digest == digest && it.scope().covers(tag));
            let is_told = |digest: &Digest| {
                (pinned.contains(digest) || head == Some(*digest))
                    && !history.is_withdrawn(digest)
                    && !is_taken_back(*digest)
            };
            let newest_first = history.sightings().iter().rev().filter(|sighting| is_told(&sighting.digest));
            let under_way = newest_first.map(|sighting| UnderWay {
                tag: tag.clone(),
                digest: sighting.digest,
                first_seen: sighting.first_seen,
                waves: self.standings_at((tag, sighting), history, now),
            });
            all.extend(under_way.filter(|it| !it.is_everywhere()).take(DIGESTS_MAX));
        }
        all
    }

    fn standings_at(&self, (tag, of): (&TagRef, &Sighting), history: &History, now: Timestamp) -> Vec<WaveStanding> {
        let candidate = WaveCandidate { tag, digest: &of.digest, history: Some(history), denied: &[] };
        let standings = self.standings(candidate, Vec::new());
        // Who is in the first wave is not known.
        let unlisted = std::iter::once(self.unlisted()).chain(std::iter::repeat(None));
        let at = |(standing, unlisted): (&WaveStanding, Option<WaveCause>)| WaveStanding {
            blocked: unlisted.or_else(|| standing.blocked_at(now).cloned()),
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
