//! Which digests repositories have merged, as waves count them.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::replay::Replay;
use crate::domain::reference::ImageName;
use crate::domain::waves::{self, BasePipeline, Pinned};

impl Replay<'_> {
    /// Notes what these repositories have on their base branches now, with pipelines that are green. The repositories for
    /// which that may change something; in a while it may again, when the pipelines were green for long enough.
    pub(super) fn adopt(&mut self, wanted: &BTreeSet<usize>, now: Timestamp) -> BTreeSet<usize> {
        if self.knowledge.waves.is_empty() {
            return BTreeSet::new();
        }
        let changes = waves::changes(&self.knowledge.waves.facts().adoptions, &self.pinned(wanted));
        let changed = || changes.begun.iter().chain(&changes.ended);
        let green = BasePipeline::Green { since: self.grid.from, seen: now };
        let pipelines: Vec<_> = changed().map(|(repository, ..)| (repository.clone(), green)).collect();
        let images: BTreeSet<ImageName> = changed().map(|(_, tag, _)| tag.image.clone()).collect();
        if !images.is_empty() {
            self.knowledge.waves.note(&changes, pipelines, now);
        }
        let users = images.iter().filter_map(|image| self.users.get(image));
        let affected: BTreeSet<usize> = users.flatten().copied().collect();
        let green = now.saturating_add(self.config.advance.green_for).unwrap_or(Timestamp::MAX);
        self.agenda.entry(self.grid.look_from(green)).or_default().extend(&affected);
        affected
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
