//! The fleet in a few numbers.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{FleetStatus, PinState, RepositoryStatus};
use crate::domain::candidates::RepositoryKey;
use crate::domain::pull_request::Pipeline;
use crate::domain::reference::TagRef;

/// The fleet in a few numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    pub repositories: usize,
    /// Repositories whose policy says `enabled: false`.
    pub off: usize,
    /// Repositories where somebody has to do something.
    pub need_person: usize,
    /// Repositories where something is behind.
    pub behind: usize,
    /// Repositories where something went wrong.
    pub failing: usize,
    /// The same, and problems of the last cycle that belong to none.
    pub errors: usize,
    pub pins_current: usize,
    pub pins_behind: usize,
    pub pins_unknown: usize,
    /// Those of the pins behind whose digest was taken back.
    pub pins_denied: usize,
    pub oldest: Option<OldestStale>,
    /// Open ones, by how their checks stand.
    pub pull_requests: BTreeMap<Pipeline, usize>,
}

/// The pin that has been behind for longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldestStale {
    pub repository: RepositoryKey,
    pub tag: TagRef,
    pub since: Timestamp,
}

impl Figures {
    /// Over the whole fleet.
    pub fn of(fleet: &FleetStatus) -> Self {
        let mut figures = Self::default();
        for repository in &fleet.repositories {
            figures.add(repository);
        }
        figures.errors = figures.failing + fleet.cycle.as_ref().map_or(0, |cycle| cycle.problems.len());
        figures
    }

    pub fn pins(&self) -> usize {
        self.pins_current + self.pins_behind + self.pins_unknown
    }

    pub fn open(&self) -> usize {
        self.pull_requests.values().sum()
    }

    fn add(&mut self, repository: &RepositoryStatus) {
        self.repositories += 1;
        self.off += usize::from(!repository.is_enabled);
        self.need_person += usize::from(repository.needs_person());
        self.behind += usize::from(repository.is_behind());
        self.failing += usize::from(repository.error.is_some());
        for pin in &repository.pins {
            match pin.state {
                PinState::Current { .. } => self.pins_current += 1,
                PinState::Behind { .. } => self.pins_behind += 1,
                PinState::Unknown { .. } => self.pins_unknown += 1,
                PinState::Denied { .. } => self.pins_behind += 1,
            }
            self.pins_denied += usize::from(pin.is_denied());
            let since = pin.behind_since();
            if let Some(since) = since.filter(|since| self.oldest.as_ref().is_none_or(|oldest| *since < oldest.since)) {
                self.oldest =
                    Some(OldestStale { repository: repository.repository.clone(), tag: pin.tag.clone(), since });
            }
        }
        for open in &repository.pull_requests {
            *self.pull_requests.entry(open.pipeline).or_default() += 1;
        }
    }
}
