//! What a cycle found and what became of its plan.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::denials::{self, DeniedPin};
use super::figures::Figures;
use crate::domain::candidates::{self, RepositoryFacts, RepositoryKey, UseState};
use crate::domain::image_use::{Finding, ImageUse, SkipReason, Status};
use crate::domain::plan::{Knowledge, Plan, RepositoryPlan};
use crate::domain::pull_request::RepoName;

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
    /// Uses that somebody should look at, because nobody will be told otherwise: digests that are not followed, and
    /// findings. By path, then as in the file.
    pub noticed: Vec<Noticed>,
    /// Pins at digests that somebody took back. By path, then as in the file.
    pub denied: Vec<DeniedPin>,
    pub figures: Figures,
}

/// A use that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Noticed {
    pub path: String,
    pub image_use: ImageUse,
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

impl Problem {
    /// The repository of this forge that it is about.
    pub fn repository_of(&self, forge: &str) -> Option<RepoName> {
        self.subject.strip_prefix(forge)?.strip_prefix(':')?.parse().ok()
    }

    /// Whether it is about the forge as a whole, or about a part of it that is no single repository.
    pub fn is_of_forge(&self, forge: &str) -> bool {
        self.subject == forge
            || self.subject.strip_prefix(forge).is_some_and(|rest| rest.starts_with(':'))
                && self.repository_of(forge).is_none()
    }

    /// Whether this repository may be there although it was not read: the problem is its own, or that of something it may
    /// belong to.
    pub fn may_hold(&self, key: &RepositoryKey) -> bool {
        if !self.is_of_forge(&key.forge) {
            return self.repository_of(&key.forge).as_ref() == Some(&key.name);
        }
        // `acme/*`: nothing outside of `acme`, however that is written.
        let subject = self.subject.strip_prefix(&key.forge).and_then(|rest| rest.strip_prefix(':'));
        let owner = subject.and_then(|subject| subject.split_once('*')).map(|(owner, _)| owner);
        let is_outside = |owner: &str| {
            let start = key.name.as_str().get(..owner.len());
            owner.ends_with('/') && !start.is_some_and(|start| start.eq_ignore_ascii_case(owner))
        };
        !owner.is_some_and(is_outside)
    }

    /// The same beside the name of its forge.
    pub(super) fn told_of(&self, forge: &str) -> String {
        match self.subject.strip_prefix(forge).and_then(|rest| rest.strip_prefix(':')) {
            Some(part) => format!("`{part}`: {}", self.message),
            None => self.message.clone(),
        }
    }
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
            self.repositories.push(RepositoryReport::new(plan, deeds));
        }
    }

    /// Counts pins, names what should be looked at, and brings everything into its order.
    pub(super) fn describe(&mut self, fleet: &[RepositoryFacts], knowledge: &Knowledge, now: Timestamp) {
        let facts: BTreeMap<RepositoryKey, &RepositoryFacts> = fleet.iter().map(|facts| (facts.key(), facts)).collect();
        for repository in &mut self.repositories {
            if let Some(facts) = facts.get(&repository.plan.repository) {
                repository.pins = PinCounts::of(facts, knowledge);
                repository.noticed = noticed(facts);
                repository.denied = denials::pins(facts, knowledge, repository, now);
            }
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
    /// A plan and what became of it; [`Report::describe`] adds the rest.
    pub(super) fn new(plan: RepositoryPlan, deeds: Vec<Deed>) -> Self {
        Self {
            plan,
            deeds,
            pins: PinCounts::default(),
            noticed: Vec::new(),
            denied: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// Whether something could not be looked up or done here.
    pub fn is_incomplete(&self) -> bool {
        self.plan.is_incomplete() || self.deeds.iter().any(|deed| matches!(deed.outcome, Outcome::Failed(_)))
    }
}

/// Unreadable instructions and variables are everyday in templates, and ignored uses are somebody's wish: those are for
/// `list`.
fn noticed(facts: &RepositoryFacts) -> Vec<Noticed> {
    let needs_a_look = |found: &ImageUse| match found.status {
        Status::Skipped(SkipReason::NoTag | SkipReason::Ambiguous | SkipReason::UnsupportedAlgorithm) => true,
        Status::Pinned | Status::Unpinned | Status::Skipped(_) => !found.findings.is_empty(),
    };
    let uses = facts.files.iter().flat_map(|file| file.uses.iter().map(|found| (&file.path, told(found, facts))));
    let noticed = uses.filter(|(_, found)| needs_a_look(found));
    noticed.map(|(path, image_use)| Noticed { path: path.clone(), image_use }).collect()
}

/// The use with what the policy says of its digest.
fn told(found: &ImageUse, facts: &RepositoryFacts) -> ImageUse {
    let mut told = found.clone();
    if facts.policy.denied.iter().any(|denied| Some(denied.digest) == found.digest) {
        told.findings.insert(Finding::DeniedDigest);
    }
    told
}

impl PinCounts {
    fn of(facts: &RepositoryFacts, knowledge: &Knowledge) -> Self {
        let mut counts = Self::default();
        for found in facts.files.iter().flat_map(|file| &file.uses) {
            match found.status {
                Status::Pinned => {}
                // What gets a digest is counted with those that are behind.
                Status::Unpinned if found.tracked().is_some() => {}
                Status::Unpinned => counts.unpinned += 1,
                Status::Skipped(_) => counts.skipped += 1,
            }
        }
        for pin in candidates::of_repository(facts, &knowledge.observations) {
            let is_denied = pin.old.is_some_and(|old| knowledge.denials.of(&pin.asked, &old).is_some());
            match pin.state {
                _ if is_denied => counts.behind += 1,
                UseState::Current => counts.current += 1,
                UseState::Behind { .. } => counts.behind += 1,
                UseState::TagGone | UseState::HeldBack(_) | UseState::Unknown(_) => counts.unknown += 1,
                UseState::Ambiguous => counts.skipped += 1,
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_holds_what_may_be_behind_it_and_nothing_else() {
        let key = |name: &str| RepositoryKey { forge: "github".to_owned(), name: name.parse().unwrap() };
        for (subject, is_held) in [
            ("github", true),
            ("github:acme/web", true),
            ("github:acme/api", false),
            ("github:acme/*", true),
            ("github:Acme/*", true),
            ("github:other/*", false),
            ("github:acme/we*", true),
            ("github:**", true),
            ("github:every repository", true),
            ("gitlab", false),
            ("gitlab:acme/*", false),
            ("dhi.io/nginx:1", false),
        ] {
            let problem = Problem { subject: subject.to_owned(), message: "it is down".to_owned() };
            assert_eq!(problem.may_hold(&key("acme/web")), is_held, "{subject}");
        }
        let problem = |subject: &str| Problem { subject: subject.to_owned(), message: "it is down".to_owned() };
        assert_eq!(problem("github:acme/*").told_of("github"), "`acme/*`: it is down");
        assert_eq!(problem("github").told_of("github"), "it is down");
    }
}
