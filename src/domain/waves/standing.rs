//! How far each wave is with a digest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::memo::{FirstSights, Question};
use super::{Adoption, Advance, BasePipeline, Wave, WaveCandidate, WaveCause, Waves};
use crate::domain::candidates::RepositoryKey;
use crate::domain::digest::Digest;
use crate::domain::reference::TagRef;

/// How far a wave is with a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveStanding {
    /// Its name.
    pub wave: String,
    /// How many of its repositories are at the digest, or at one that came after it.
    pub have: usize,
    /// How many have a pin that could be.
    pub of: usize,
    /// When the last one had it that was needed; `None`: not enough have, or none is needed.
    pub merged: Option<Timestamp>,
    /// What keeps the digest from going on to the next wave. [`WaveCause::Green`] stays after its time: see
    /// [`Self::blocked_at`].
    pub blocked: Option<WaveCause>,
}

/// A repository with a pin of the tag, and since when it is at the digest, or at one that came after it.
type Follower<'a> = (&'a RepositoryKey, Option<Timestamp>);

/// What a repository has to be at, to be at a digest or at one that came after it.
struct Goal<'a> {
    digest: Digest,
    first_sights: &'a FirstSights,
    /// Digests that prove nothing for an older one.
    denied: BTreeSet<Digest>,
}

impl WaveStanding {
    /// What keeps the digest from going on to the next wave now.
    pub fn blocked_at(&self, now: Timestamp) -> Option<&WaveCause> {
        self.blocked.as_ref().filter(|cause| !matches!(cause, WaveCause::Green { until } if *until <= now))
    }
}

impl Waves {
    /// How far the waves are, in their order. Repositories count that have a pin of the tag, or of one of `left`, which
    /// are the tags that pins leave for it: who has one of those has not followed, and who had one has since it left it.
    pub(super) fn standings(&self, candidate: WaveCandidate<'_>, left: Vec<TagRef>) -> Arc<[WaveStanding]> {
        let WaveCandidate { tag, digest, history, denied, .. } = candidate;
        let denied = denied.iter().map(|denied| denied.digest).collect();
        let question = Question { digest: *digest, left, denied };
        self.memo.answer((tag, history), question, |question, first_sights| self.answer(tag, question, first_sights))
    }

    fn answer(&self, tag: &TagRef, question: &Question, first_sights: &FirstSights) -> Vec<WaveStanding> {
        let taken_back = self.facts.denied.iter().filter(|denial| denial.scope().covers(tag));
        let denied = taken_back.map(|denial| denial.digest).chain(question.denied.iter().copied()).collect();
        let goal = Goal { digest: question.digest, first_sights, denied };
        let adopted = self.holders(tag).map(|(repository, rows)| {
            let left = question.left.iter().flat_map(|left| self.rows(repository, left)).filter_map(|row| row.until);
            (repository, goal.adopted_since(rows).map(|since| left.fold(since, Timestamp::max)))
        });
        let mut followers: BTreeMap<&RepositoryKey, Option<Timestamp>> = adopted.collect();
        let left = question.left.iter().flat_map(|left| self.holders(left));
        followers.extend(left.map(|(repository, _)| (repository, None)));
        let mut of_waves: Vec<Vec<Follower<'_>>> = self.waves.iter().map(|_| Vec::new()).collect();
        for (repository, adopted) in followers {
            if let Some(wave) = of_waves.get_mut(self.wave_of(repository)) {
                wave.push((repository, adopted));
            }
        }
        let standing = |(wave, followers): (&Wave, Vec<Follower<'_>>)| WaveStanding {
            wave: wave.name.clone(),
            have: followers.iter().filter(|(_, adopted)| adopted.is_some()).count(),
            of: followers.len(),
            merged: self.merged(&followers),
            blocked: self.blocked(&followers),
        };
        self.waves.iter().zip(of_waves).map(standing).collect()
    }

    /// The repositories that have a pin of a tag now.
    fn holders(&self, tag: &TagRef) -> impl Iterator<Item = (&RepositoryKey, &[Adoption])> {
        let all = self.facts.adoptions.get(tag).into_iter().flatten();
        all.filter(|(_, rows)| rows.iter().any(Adoption::holds)).map(|(repository, rows)| (repository, rows.as_slice()))
    }

    fn merged(&self, followers: &[Follower<'_>]) -> Option<Timestamp> {
        let mut adopted: Vec<Timestamp> = followers.iter().filter_map(|(_, adopted)| *adopted).collect();
        adopted.sort();
        let last = self.advance.needed(followers.len()).checked_sub(1)?;
        adopted.get(last).copied()
    }

    /// What keeps a digest in a wave with these repositories, or did so until a time: a failure first, then who has not
    /// merged it, then time.
    fn blocked(&self, followers: &[Follower<'_>]) -> Option<WaveCause> {
        let of = followers.len();
        let needed = self.advance.needed(of);
        let mut have = 0;
        let mut greens = Vec::new();
        let mut not_green = None;
        for (repository, adopted) in followers {
            let Some(adopted) = *adopted else { continue };
            have += 1;
            match self.facts.pipelines.get(*repository) {
                Some(BasePipeline::Failed { .. }) => return Some(WaveCause::Failed((*repository).clone())),
                Some(BasePipeline::Green { since, seen } | BasePipeline::Without { since, seen })
                    if *seen >= adopted =>
                {
                    greens.push(adopted.max(*since));
                }
                Some(BasePipeline::Green { .. } | BasePipeline::Without { .. } | BasePipeline::Pending { .. }) => {
                    not_green.get_or_insert_with(|| WaveCause::Pending((*repository).clone()));
                }
                None => {
                    not_green.get_or_insert_with(|| WaveCause::Unknown((*repository).clone()));
                }
            }
        }
        if have < needed {
            return Some(WaveCause::Merged { have, of });
        }
        greens.sort();
        // Of an empty wave none is needed.
        let last = needed.checked_sub(1)?;
        match greens.get(last) {
            None => not_green,
            Some(green) => {
                let until = green.saturating_add(self.advance.green_for).unwrap_or(Timestamp::MAX);
                Some(WaveCause::Green { until })
            }
        }
    }
}

impl Advance {
    /// How many of so many repositories must have a digest.
    fn needed(self, of: usize) -> usize {
        of.saturating_mul(usize::from(self.merged_percent)).div_ceil(100)
    }
}

impl Goal<'_> {
    /// Whether a digest is the one, or came after it. One that is denied took its place and proves nothing for it.
    fn is_met_by(&self, digest: &Digest) -> bool {
        let first_seen = |digest: &Digest| self.first_sights.get(digest);
        let is_later = || first_seen(digest).zip(first_seen(&self.digest)).is_some_and(|(it, goal)| it > goal);
        *digest == self.digest || !self.denied.contains(digest) && is_later()
    }

    /// Since when all pins meet it, so that a digest that takes its place does not begin again; `None`: one of them does
    /// not, or cannot be told to.
    fn adopted_since(&self, rows: &[Adoption]) -> Option<Timestamp> {
        let is_at = |row: &&Adoption| row.digest.is_some_and(|digest| self.is_met_by(&digest));
        let (at, elsewhere): (Vec<&Adoption>, Vec<&Adoption>) = rows.iter().partition(is_at);
        if elsewhere.iter().any(|row| row.holds()) {
            return None;
        }
        let mut since = at.iter().filter(|row| row.holds()).map(|row| row.since).min()?;
        // One of those before that lasted until then.
        while let Some(earlier) = at
            .iter()
            .filter(|row| row.since < since && row.until.is_some_and(|until| until >= since))
            .map(|row| row.since)
            .min()
        {
            since = earlier;
        }
        let left = elsewhere.iter().filter_map(|row| row.until).max();
        Some(left.map_or(since, |left| left.max(since)))
    }
}
