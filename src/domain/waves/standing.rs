//! How far each wave is with a digest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::memo::{FirstSights, Question};
use super::{Adoption, Advance, BasePipeline, Wave, WaveCandidate, WaveCause, Waves};
use crate::domain::candidates::RepositoryKey;
use crate::domain::digest::Digest;
use crate::domain::follow;
use crate::domain::policy::Follow;
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
    /// What keeps the digest from going on to the next wave. [`WaveCause::Green`] stays until the pipelines were seen to
    /// be so: see [`Self::blocked_at`].
    pub blocked: Option<WaveCause>,
    /// A repository that is waited for by [`WaveCause::Green`], of which that was not seen yet.
    pub unseen: Option<RepositoryKey>,
}

/// Repositories that have a pin of the tag, or could, and since when each is at the digest, or at what came after it.
type Followers<'a> = BTreeMap<&'a RepositoryKey, Option<Timestamp>>;

/// A repository whose pipelines have been green since it is there.
struct Green<'a> {
    until: Timestamp,
    /// Whether they were seen so when that time was over, or later.
    is_seen: bool,
    repository: &'a RepositoryKey,
}

/// What a repository has to be at, to be at a digest or at one that came after it.
struct Goal<'a> {
    digest: Digest,
    first_sights: &'a FirstSights,
    /// Digests that prove nothing for an older one.
    denied: BTreeSet<Digest>,
}

impl WaveStanding {
    /// What keeps the digest from going on to the next wave now. After its time a green pipeline is one of which nobody
    /// knows how it stands, until the next look.
    pub fn blocked_at(&self, now: Timestamp) -> Option<WaveCause> {
        match &self.blocked {
            Some(WaveCause::Green { until }) if *until <= now => self.unseen.clone().map(WaveCause::Unknown),
            blocked => blocked.clone(),
        }
    }
}

impl Waves {
    /// How far the waves are, in their order. Repositories count that have a pin of the tag, or of one of `left`, which
    /// are the tags that pins leave for it: who has one of those has not followed, and who had one has since it left it.
    /// And those that have none of them, and a higher tag by the candidate's `follow`: they went on from it, or past it, and
    /// what has become of them speaks for it.
    pub(super) fn standings(&self, candidate: WaveCandidate<'_>, left: Vec<TagRef>) -> Arc<[WaveStanding]> {
        let WaveCandidate { tag, digest, history, denied, follow, .. } = candidate;
        let denied = denied.iter().map(|denied| denied.digest).collect();
        let is_beyond = |it: &&TagRef| it.image == tag.image && follow::is_higher(&tag.tag, &it.tag, follow);
        let beyond = match follow {
            // Nothing is higher, and every pin of a fleet asks.
            Follow::Digest => Vec::new(),
            _ => self.facts.adoptions.keys().filter(is_beyond).cloned().collect(),
        };
        let question = Question { digest: *digest, left, beyond, denied };
        self.memo.answer((tag, history), question, |question, first_sights| self.answer(tag, question, first_sights))
    }

    fn answer(&self, tag: &TagRef, question: &Question, first_sights: &FirstSights) -> Vec<WaveStanding> {
        let taken_back = self.facts.denied.iter().filter(|denial| denial.scope().covers(tag));
        let denied = taken_back.map(|denial| denial.digest).chain(question.denied.iter().copied()).collect();
        let goal = Goal { digest: question.digest, first_sights, denied };
        let mut of_waves: Vec<Followers<'_>> = self.waves.iter().map(|_| Followers::new()).collect();
        for (repository, adopted) in self.followers(tag, question, &goal) {
            if let Some(wave) = of_waves.get_mut(self.wave_of(repository)) {
                wave.insert(repository, adopted);
            }
        }
        let standing = |(wave, followers): (&Wave, Followers<'_>)| {
            let (blocked, unseen) = self.blocked(&followers);
            WaveStanding {
                wave: wave.name.clone(),
                have: followers.values().flatten().count(),
                of: followers.len(),
                merged: self.merged(&followers),
                blocked,
                unseen,
            }
        };
        self.waves.iter().zip(of_waves).map(standing).collect()
    }

    fn followers(&self, tag: &TagRef, question: &Question, goal: &Goal<'_>) -> Followers<'_> {
        let of_tag =
            self.holders(tag).map(|repository| (repository, goal.adopted_since(self.rows(repository, tag), &[])));
        let mut followers: Followers<'_> = of_tag.collect();
        for repository in question.beyond.iter().flat_map(|beyond| self.holders(beyond)) {
            followers.entry(repository).or_insert_with(|| {
                let beyond: Vec<Adoption> =
                    question.beyond.iter().flat_map(|beyond| self.rows(repository, beyond)).copied().collect();
                goal.adopted_since(self.rows(repository, tag), &beyond)
            });
        }
        for (repository, adopted) in &mut followers {
            let left = question.left.iter().flat_map(|left| self.rows(repository, left)).filter_map(|row| row.until);
            *adopted = adopted.map(|since| left.fold(since, Timestamp::max));
        }
        let left = question.left.iter().flat_map(|left| self.holders(left));
        followers.extend(left.map(|repository| (repository, None)));
        followers
    }

    /// The repositories that have a pin of a tag now.
    fn holders(&self, tag: &TagRef) -> impl Iterator<Item = &RepositoryKey> {
        let all = self.facts.adoptions.get(tag).into_iter().flatten();
        all.filter(|(_, rows)| rows.iter().any(Adoption::holds)).map(|(repository, _)| repository)
    }

    fn merged(&self, followers: &Followers<'_>) -> Option<Timestamp> {
        let mut adopted: Vec<Timestamp> = followers.values().flatten().copied().collect();
        adopted.sort();
        let last = self.advance.needed(followers.len()).checked_sub(1)?;
        adopted.get(last).copied()
    }

    /// What keeps a digest in a wave with these repositories: a failure first, then who has not merged it, then time, with a
    /// repository that was not seen to be green when it was over.
    fn blocked(&self, followers: &Followers<'_>) -> (Option<WaveCause>, Option<RepositoryKey>) {
        let of = followers.len();
        let needed = self.advance.needed(of);
        let mut have = 0;
        let mut greens = Vec::new();
        let mut not_green = None;
        for (repository, adopted) in followers {
            let Some(adopted) = *adopted else { continue };
            have += 1;
            match self.facts.pipelines.get(*repository) {
                Some(BasePipeline::Failed { .. }) => return (Some(WaveCause::Failed((*repository).clone())), None),
                Some(BasePipeline::Green { since, seen } | BasePipeline::Without { since, seen })
                    if *seen >= adopted =>
                {
                    let from = adopted.max(*since);
                    let until = from.saturating_add(self.advance.green_for).unwrap_or(Timestamp::MAX);
                    greens.push(Green { until, is_seen: *seen >= until, repository });
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
            return (Some(WaveCause::Merged { have, of }), None);
        }
        if greens.iter().filter(|green| green.is_seen).count() >= needed {
            return (None, None);
        }
        greens.sort_by_key(|green| green.until);
        match needed.checked_sub(1).and_then(|last| greens.get(last)) {
            None => (not_green, None),
            Some(last) => {
                let unseen = greens.iter().find(|green| !green.is_seen).map(|green| green.repository.clone());
                (Some(WaveCause::Green { until: last.until }), unseen)
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

    /// Since when all pins meet it, so that a digest that takes its place, or a higher tag (`beyond`), does not begin again;
    /// `None`: one of them does not, or cannot be told to.
    fn adopted_since(&self, rows: &[Adoption], beyond: &[Adoption]) -> Option<Timestamp> {
        let is_at = |row: &&Adoption| row.digest.is_some_and(|digest| self.is_met_by(&digest));
        let (mut at, elsewhere): (Vec<&Adoption>, Vec<&Adoption>) = rows.iter().partition(is_at);
        at.extend(beyond);
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
