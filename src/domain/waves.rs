//! Waves: a digest reaches the next ones when those before have merged it and stayed green.

mod adoption;
mod base_pipeline;
mod memo;
mod standing;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::candidates::RepositoryKey;
use super::denial::Denial;
use super::digest::Digest;
use super::follow;
use super::ledger::History;
use super::pattern::Pattern;
use super::policy::{DeniedDigest, Follow};
use super::pull_request::RepoName;
use super::reference::TagRef;

pub use adoption::{Adoption, AdoptionChanges, Adoptions, Pinned, changes};
pub use base_pipeline::BasePipeline;
use memo::Memo;
pub use standing::WaveStanding;
pub use under_way::UnderWay;

/// One wave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wave {
    pub name: String,
    /// Over the repository's full name. The first wave that matches counts; what none matches belongs to the last one.
    pub repositories: Vec<Pattern>,
}

/// When a digest reaches the next wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// How many of the wave's repositories must have it on their base branch, in percent: 1 to 100.
    pub merged_percent: u8,
    /// How long their pipelines must have been green since.
    pub green_for: SignedDuration,
}

/// What is known of the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WaveFacts {
    pub adoptions: Adoptions,
    pub pipelines: BTreeMap<RepositoryKey, BasePipeline>,
    /// Forges, by their name in the configuration, whose repositories were never listed as a whole, and why, where that is
    /// known: who is in a wave is not known there.
    pub unlisted: BTreeMap<String, Option<String>>,
    /// Digests that people took back: who has one has proved no older one.
    pub denied: Vec<Denial>,
    /// Digests that pins are to move to, by the tag that they get, each with the tags that these pins leave for it: in a
    /// pull request, or once what they wait for is over. They are shown and decide nothing.
    pub sought: BTreeMap<TagRef, BTreeMap<Digest, BTreeSet<TagRef>>>,
}

/// Which forges' repositories were listed, by the forge's name in the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listings {
    /// As a whole.
    pub whole: BTreeSet<String>,
    /// Why not as a whole the last time, for people.
    pub problems: BTreeMap<String, String>,
}

/// The rules, and what is known of the fleet.
#[derive(Debug, Clone, Default)]
pub struct Waves {
    /// In their order; none: every digest reaches every repository at once.
    waves: Vec<Wave>,
    advance: Advance,
    /// The index of the wave of each repository that has an adoption: patterns are matched once.
    members: BTreeMap<RepositoryKey, usize>,
    facts: WaveFacts,
    memo: Memo,
}

/// A digest that a repository may get.
#[derive(Debug, Clone, Copy)]
pub struct WaveCandidate<'a> {
    /// As a registry is asked for it, with the tag that the pin gets.
    pub tag: &'a TagRef,
    pub digest: &'a Digest,
    /// The tag that the pin leaves for it; `None`: it has it.
    pub left: Option<&'a TagRef>,
    /// How far the repository follows: what may come to the tag from there counts, besides the one that the pin leaves.
    pub follow: Follow,
    pub history: Option<&'a History>,
    /// What the repository's policy denies besides what people took back.
    pub denied: &'a [DeniedDigest],
}

/// A digest that a pin of a repository is to move to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sought {
    /// As a registry is asked for it, with the tag that the pin gets.
    pub tag: TagRef,
    pub digest: Digest,
    /// The tag that the pin leaves for it; `None`: it has it.
    pub left: Option<TagRef>,
}

/// What an earlier wave still has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveWait {
    /// The wave that is waited for.
    pub wave: String,
    pub digest: Digest,
    pub cause: WaveCause,
}

/// An earlier wave that has proved a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveProof {
    /// Its name.
    pub wave: String,
    /// When enough of its repositories had the digest, or a later one.
    pub merged: Timestamp,
    /// For how long their pipelines had to stay green.
    pub green_for: SignedDuration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaveCause {
    /// So many of its repositories have the digest, of so many.
    Merged { have: usize, of: usize },
    /// Its pipelines have to stay green until then.
    Green { until: Timestamp },
    /// No pipeline of this repository has passed since it has the digest.
    Pending(RepositoryKey),
    /// The pipeline of this repository failed: nothing goes on until it is green again.
    Failed(RepositoryKey),
    /// The forge never said how the pipeline of this repository stands.
    Unknown(RepositoryKey),
    /// The repositories of this forge were never all listed, for this reason where it is known.
    Unlisted { forge: String, problem: Option<String> },
}

impl Waves {
    pub fn new(waves: Vec<Wave>, advance: Advance, facts: WaveFacts) -> Self {
        let mut all = Self { waves, advance, facts, ..Self::default() };
        let members: BTreeSet<RepositoryKey> = all.facts.adoptions.values().flat_map(BTreeMap::keys).cloned().collect();
        members.iter().for_each(|key| all.index(key));
        all
    }

    /// The same where people took these digests back.
    pub fn denying(mut self, denied: Vec<Denial>) -> Self {
        self.facts.denied = denied;
        self.memo = Memo::default();
        self
    }

    /// What is known of the fleet.
    pub fn facts(&self) -> &WaveFacts {
        &self.facts
    }

    /// Notes what became of adoptions and pipelines.
    pub fn note(
        &mut self,
        changes: &AdoptionChanges,
        pipelines: impl IntoIterator<Item = (RepositoryKey, BasePipeline)>,
        now: Timestamp,
    ) {
        changes.apply(&mut self.facts.adoptions, now);
        for (key, _, _) in &changes.begun {
            self.index(key);
        }
        self.facts.pipelines.extend(pipelines);
        self.memo = Memo::default();
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.waves.is_empty()
    }

    /// Their names, in their order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.waves.iter().map(|wave| wave.name.as_str())
    }

    /// Whether a digest has reached a repository, or what it waits for.
    ///
    /// **Invariant**: where this is `Ok` in a wave, it is in all waves before it, for pins that leave the same tag and
    /// policies that follow as far and deny the same digests.
    pub fn reached(
        &self,
        repository: &RepositoryKey,
        candidate: WaveCandidate<'_>,
        now: Timestamp,
    ) -> Result<(), WaveWait> {
        let before = self.waves.get(..self.wave_of(repository)).unwrap_or_default();
        let wait = |wave: &Wave, cause| Err(WaveWait { wave: wave.name.clone(), digest: *candidate.digest, cause });
        if let (Some(wave), Some(cause)) = (before.first(), self.unlisted()) {
            return wait(wave, cause);
        }
        if before.is_empty() {
            return Ok(());
        }
        let standings = self.standings(candidate, self.left_for(candidate));
        for (wave, standing) in before.iter().zip(standings.iter()) {
            if let Some(cause) = standing.blocked_at(now) {
                return wait(wave, cause);
            }
        }
        Ok(())
    }

    /// The tags that are left for the one of a candidate: that of its pin, and those that pins of the same policy elsewhere
    /// would leave for it, too.
    pub(in crate::domain) fn left_for(&self, candidate: WaveCandidate<'_>) -> Vec<TagRef> {
        let Some(left) = candidate.left else { return Vec::new() };
        let WaveCandidate { tag, follow, .. } = candidate;
        let is_left =
            |it: &&TagRef| it.image == tag.image && (*it == left || follow::is_higher(&it.tag, &tag.tag, follow));
        self.facts.adoptions.keys().filter(is_left).cloned().collect()
    }

    /// The waves that proved a digest for a repository which it has reached: those before that have the tag.
    pub fn proofs(&self, repository: &RepositoryKey, candidate: WaveCandidate<'_>, now: Timestamp) -> Vec<WaveProof> {
        if self.wave_of(repository) == 0 || self.reached(repository, candidate, now).is_err() {
            return Vec::new();
        }
        let standings = self.standings(candidate, self.left_for(candidate));
        let proof = |standing: &WaveStanding| {
            let (wave, green_for) = (standing.wave.clone(), self.advance.green_for);
            Some(WaveProof { wave, merged: standing.merged?, green_for })
        };
        standings.iter().take(self.wave_of(repository)).filter_map(proof).collect()
    }

    /// What keeps every digest in the first wave.
    fn unlisted(&self) -> Option<WaveCause> {
        let (forge, problem) = self.facts.unlisted.first_key_value()?;
        Some(WaveCause::Unlisted { forge: forge.clone(), problem: problem.clone() })
    }

    /// The index of a repository's wave.
    fn wave_of(&self, repository: &RepositoryKey) -> usize {
        self.members.get(repository).copied().unwrap_or_else(|| index_of(&self.waves, &repository.name))
    }

    /// Notes the wave of a repository.
    fn index(&mut self, repository: &RepositoryKey) {
        let wave = self.wave_of(repository);
        self.members.insert(repository.clone(), wave);
    }

    fn rows(&self, repository: &RepositoryKey, tag: &TagRef) -> &[Adoption] {
        let rows = self.facts.adoptions.get(tag).and_then(|repositories| repositories.get(repository));
        rows.map(Vec::as_slice).unwrap_or_default()
    }
}

/// The wave of a repository; `None` where there are none.
pub fn wave_of<'a>(waves: &'a [Wave], repository: &RepoName) -> Option<&'a Wave> {
    waves.get(index_of(waves, repository))
}

fn index_of(waves: &[Wave], repository: &RepoName) -> usize {
    let is_member = |wave: &Wave| wave.repositories.iter().any(|pattern| pattern.matches(repository.as_str()));
    waves.iter().position(is_member).unwrap_or(waves.len().saturating_sub(1))
}

impl Default for Advance {
    fn default() -> Self {
        Self { merged_percent: 100, green_for: SignedDuration::from_hours(24) }
    }
}

impl Advance {
    /// From when on what a repository had still counts: what it left before says nothing of the time that is asked for.
    pub fn counts_since(self, now: Timestamp) -> Timestamp {
        now.saturating_sub(self.green_for).unwrap_or(Timestamp::MIN)
    }
}

impl Listings {
    /// Those of these forges that were never listed as a whole, and why.
    pub fn unlisted<'a>(&self, forges: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Option<String>> {
        let never = forges.into_iter().filter(|forge| !self.whole.contains(*forge));
        never.map(|forge| (forge.to_owned(), self.problems.get(forge).cloned())).collect()
    }
}

impl WaveCause {
    /// The words of [`Self::word`].
    pub const WORDS: [&'static str; 5] = ["merged", "green", "pending", "failed", "unknown"];

    /// The word in JSON and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Merged { .. } => "merged",
            Self::Green { .. } => "green",
            Self::Pending(_) => "pending",
            Self::Failed(_) => "failed",
            Self::Unknown(_) | Self::Unlisted { .. } => "unknown",
        }
    }

    /// The same for people; `digest` is what they call it.
    pub fn told(&self, digest: &str) -> String {
        match self {
            Self::Merged { have, of } => format!("{have} of its {of} repositories have merged {digest}"),
            Self::Green { until } => format!("its pipelines have to stay green until {until} with {digest}"),
            Self::Pending(repository) => format!("the pipeline of `{repository}` has not passed with {digest} yet"),
            Self::Failed(repository) => format!("the pipeline of `{repository}` failed"),
            Self::Unknown(repository) => format!("how the pipeline of `{repository}` stands is not known"),
            Self::Unlisted { forge, problem } => {
                let because = problem.as_ref().map(|problem| format!(": {problem}")).unwrap_or_default();
                format!("the repositories of `{forge}` were not all listed yet{because}")
            }
        }
    }
}

impl fmt::Display for WaveWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wave `{}`: {}", self.wave, self.cause.told(&self.digest.short()))
    }
}
