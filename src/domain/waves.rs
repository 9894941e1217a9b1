//! Waves: a digest reaches the next ones when those before have merged it and stayed green.

use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::candidates::RepositoryKey;
use super::digest::Digest;
use super::ledger::History;
use super::pattern::Pattern;
use super::reference::TagRef;

/// One wave.
#[derive(Debug, Clone)]
pub struct Wave {
    pub name: String,
    /// Over the repository's full name. The first wave that matches counts; what none matches belongs to the last one.
    pub repositories: Vec<Pattern>,
}

/// When a digest reaches the next wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// How many of the wave's repositories must have it on their base branch, in percent.
    pub merged_percent: u8,
    /// How long their pipelines must have been green since.
    pub green_for: SignedDuration,
}

/// Which digest a repository's pins of one tag have on its base branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adoption {
    pub digest: Digest,
    /// When it was first read there.
    pub since: Timestamp,
    /// When another one was first read in its place; `None`: it is there.
    pub until: Option<Timestamp>,
}

/// How the pipelines of a repository's base branch stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasePipeline {
    /// They have not failed since then; nothing failed where there are none.
    Green {
        since: Timestamp,
    },
    Failed {
        since: Timestamp,
    },
    /// The first one since then has not ended.
    Pending {
        since: Timestamp,
    },
}

/// The rules, and what is known of the fleet.
#[derive(Debug, Clone, Default)]
pub struct Waves {
    /// In their order; none: every digest reaches every repository at once.
    pub waves: Vec<Wave>,
    pub advance: Advance,
    /// By the tag as a registry is asked for it, then by repository; oldest first.
    pub adoptions: BTreeMap<TagRef, BTreeMap<RepositoryKey, Vec<Adoption>>>,
    pub pipelines: BTreeMap<RepositoryKey, BasePipeline>,
}

/// What an earlier wave still has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveWait {
    /// The wave that is waited for.
    pub wave: String,
    pub digest: Digest,
    pub cause: WaveCause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WaveCause {
    /// So many of its repositories have the digest, of so many.
    Merged { have: usize, of: usize },
    /// Its pipelines have to stay green until then.
    Green { until: Timestamp },
    /// The pipeline of this repository has not ended.
    Pending(RepositoryKey),
    /// The pipeline of this repository failed: nothing goes on until it is green again.
    Failed(RepositoryKey),
}

impl fmt::Display for WaveWait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wave `{}`: ", self.wave)?;
        let digest = self.digest.short();
        match &self.cause {
            WaveCause::Merged { have, of } => write!(f, "{have} of its {of} repositories have merged {digest}"),
            WaveCause::Green { until } => write!(f, "its pipelines have to stay green until {until} with {digest}"),
            WaveCause::Pending(repository) => write!(f, "the pipeline of `{repository}` has not ended"),
            WaveCause::Failed(repository) => write!(f, "the pipeline of `{repository}` failed"),
        }
    }
}

impl Default for Advance {
    fn default() -> Self {
        Self { merged_percent: 100, green_for: SignedDuration::from_hours(24) }
    }
}

impl Waves {
    /// Whether a digest has reached a repository, or what it waits for. `tag` is as a registry is asked for it.
    pub fn reached(
        &self,
        _repository: &RepositoryKey,
        _tag: &TagRef,
        _candidate: (&Digest, Option<&History>),
        _now: Timestamp,
    ) -> Result<(), WaveWait> {
        Ok(())
    }
}
