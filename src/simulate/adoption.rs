//! Which digests repositories have merged, as waves count them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::replay::Replay;
use super::track::Look;
use crate::domain::candidates::RepositoryKey;
use crate::domain::reference::ImageName;
use crate::domain::waves::{self, AdoptionChanges, BasePipeline, Pinned};

impl Replay<'_> {
    /// Notes what these repositories have on their base branches now, with pipelines that are green. The repositories for
    /// which that may change something; in a while it may again, when the pipelines were green for long enough.
    pub(super) fn adopt(&mut self, wanted: &BTreeSet<usize>, now: Timestamp) -> BTreeSet<usize> {
        if self.knowledge.waves.is_empty() {
            return BTreeSet::new();
        }
        let changes = waves::changes(&self.knowledge.waves.facts().adoptions, &self.pinned(wanted));
        let changed = || changes.begun.iter().chain(&changes.ended);
        let repositories: BTreeSet<RepositoryKey> = changed().map(|(repository, ..)| repository.clone()).collect();
        let images: BTreeSet<ImageName> = changed().map(|(_, tag, _)| tag.image.clone()).collect();
        if !images.is_empty() {
            let pipelines = self.green(repositories.clone(), now);
            self.knowledge.waves.note(&changes, pipelines, now);
        }
        let users = images.iter().filter_map(|image| self.users.get(image));
        let affected: BTreeSet<usize> = users.flatten().copied().collect();
        let green = now.saturating_add(self.config.advance.green_for).unwrap_or(Timestamp::MAX);
        let look = self.grid.look_from(green);
        self.agenda.entry(look).or_default().extend(&affected);
        self.proving.entry(look).or_default().extend(repositories);
        affected
    }

    /// Sees the pipelines of those for which the time is over in this look, in which they had to stay green.
    pub(super) fn see_pipelines(&mut self, look: Look, now: Timestamp) {
        if let Some(repositories) = self.proving.remove(&look) {
            let pipelines = self.green(repositories, now);
            self.knowledge.waves.note(&AdoptionChanges::default(), pipelines, now);
        }
    }

    fn green(&self, repositories: BTreeSet<RepositoryKey>, seen: Timestamp) -> Vec<(RepositoryKey, BasePipeline)> {
        let green = BasePipeline::Green { since: self.grid.from, seen };
        repositories.into_iter().map(|repository| (repository, green)).collect()
    }

    fn pinned(&self, wanted: &BTreeSet<usize>) -> Pinned {
        let mut pinned = Pinned::new();
        for repository in wanted.iter().filter_map(|index| self.repositories.get(*index)) {
            let policy = &repository.facts.policy;
            let tags = pinned.entry(repository.facts.key()).or_default();
            let followed = repository.pins.iter().enumerate().filter(|(index, _)| repository.follows(*index));
            for (pin, (digest, _)) in followed.filter_map(|(_, pin)| Some((pin, pin.at?))) {
                tags.entry(policy.mirrors.asked(&pin.tag)).or_default().insert(Some(digest));
            }
        }
        pinned
    }
}
