//! What a cycle found and what became of its plan.

use std::collections::BTreeMap;

use crate::domain::candidates::{self, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::image_use::Status;
use crate::domain::plan::{Knowledge, Plan, RepositoryPlan};

/// The result of a cycle.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order of the plan.
    pub repositories: Vec<RepositoryReport>,
    /// What could not be looked up or done besides actions, by name: these make a cycle incomplete.
    pub problems: Vec<Problem>,
    /// Files that are not read by rule.
    pub left_out: Vec<LeftOut>,
    /// For people; nothing is wrong.
    pub notes: Vec<String>,
}

/// One repository's plan and what became of it.
#[derive(Debug)]
pub struct RepositoryReport {
    pub plan: RepositoryPlan,
    /// One for each of the plan's actions, in their order.
    pub deeds: Vec<Deed>,
    pub pins: PinCounts,
}

/// What became of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    pub outcome: Outcome,
    /// Number and address, once they are known.
    pub pull_request: Option<(u64, String)>,
    /// For people: a label that could not be set.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A dry run.
    Planned,
    Done,
    /// With the reason, for people.
    Failed(String),
}

/// How many uses a repository has, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PinCounts {
    pub current: usize,
    pub behind: usize,
    pub unknown: usize,
    pub unpinned: usize,
    pub skipped: usize,
}

/// Something that could not be looked up or done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// `github:acme/web`, or the forge's name.
    pub subject: String,
    pub message: String,
}

/// A file that is not read, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    pub repository: String,
    pub path: String,
    pub reason: String,
}

impl Report {
    pub(super) fn problem(&mut self, subject: String, message: String) {
        self.problems.push(Problem { subject, message });
    }

    /// Notes the plan of a dry run.
    pub(super) fn planned(&mut self, plan: Plan) {
        for plan in plan.repositories {
            let planned = Deed { outcome: Outcome::Planned, pull_request: None, warnings: Vec::new() };
            let deeds = vec![planned; plan.actions.len()];
            self.repositories.push(RepositoryReport { plan, deeds, pins: PinCounts::default() });
        }
    }

    /// Counts pins and brings everything into its order.
    pub(super) fn describe(&mut self, fleet: &[RepositoryFacts], knowledge: &Knowledge) {
        let mut counts: BTreeMap<RepositoryKey, PinCounts> = BTreeMap::new();
        for facts in fleet {
            counts.insert(facts.key(), PinCounts::of(facts, knowledge));
        }
        for repository in &mut self.repositories {
            repository.pins = counts.get(&repository.plan.repository).copied().unwrap_or_default();
        }
        self.repositories.sort_by(|left, right| left.plan.repository.cmp(&right.plan.repository));
        self.problems.sort();
        self.left_out.sort();
        self.notes.sort();
    }

    /// Whether something could not be looked up or done.
    pub fn is_incomplete(&self) -> bool {
        !self.problems.is_empty() || self.repositories.iter().any(RepositoryReport::is_incomplete)
    }
}

impl RepositoryReport {
    fn is_incomplete(&self) -> bool {
        self.plan.is_incomplete() || self.deeds.iter().any(|deed| matches!(deed.outcome, Outcome::Failed(_)))
    }
}

impl PinCounts {
    fn of(facts: &RepositoryFacts, knowledge: &Knowledge) -> Self {
        let mut counts = Self::default();
        for found in facts.files.iter().flat_map(|file| &file.uses) {
            match found.status {
                Status::Pinned => {}
                Status::Unpinned => counts.unpinned += 1,
                Status::Skipped(_) => counts.skipped += 1,
            }
        }
        for pin in candidates::behind(facts, &knowledge.observations).pins {
            match pin.state {
                UseState::Current => counts.current += 1,
                UseState::Behind { .. } => counts.behind += 1,
                UseState::Unknown(_) => counts.unknown += 1,
                UseState::Ambiguous => counts.skipped += 1,
            }
        }
        counts
    }
}
