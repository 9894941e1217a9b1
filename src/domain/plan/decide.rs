//! One repository: each branch that is wanted, open or left over gets its one decision.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::denied;
use super::interval::Interval;
use super::kept::{Sorted, Standing, kept};
use super::put_off::{self, Turn};
use super::seen::{Branches, Refusals, Seen};
use super::{Action, ClosingCause, Comment, Knowledge, LeftAlone, Proposal, RepositoryPlan, UpToDate};
use crate::domain::branch::Subject;
use crate::domain::cadence::CadenceMode;
use crate::domain::candidates::{Candidate, RepositoryFacts, Unknown};
use crate::domain::freshness;
use crate::domain::marker::MarkerPin;
use crate::domain::message;
use crate::domain::policy::Pairing;
use crate::domain::proposal::{EvidenceByMove, Pin, Reason, Urgency};
use crate::domain::pull_request::{BranchName, Mergeable, PullRequest};
use crate::domain::reference::{ImageName, Tag};
use crate::domain::target::{self, Rules};

/// A repository's plan before the caps, and what they need.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) plan: RepositoryPlan,
    /// How many pull requests stay open.
    pub(super) open: usize,
    pub(super) max_open: Option<u32>,
    pub(super) interval: Option<Interval>,
    pub(super) pair: Pairing,
    /// The places of pins whose pull request is closed because they are proposed under another branch.
    pub(super) replaced: BTreeSet<Place>,
}

/// A pin's place, whatever its digests are.
pub(super) type Place = (String, ImageName, Tag);

pub(super) fn place(pin: &MarkerPin) -> Place {
    (pin.file.clone(), pin.image.clone(), pin.tag.clone())
}

/// The content of a pin in a pull request: everything but its line, which moves with the base.
pub(super) fn content(pin: &MarkerPin) -> MarkerPin {
    MarkerPin { line: 0, ..pin.clone() }
}

/// Decides for one repository, without the caps.
pub(super) fn decide(facts: &RepositoryFacts, knowledge: &Knowledge, mode: CadenceMode, now: Timestamp) -> Decided {
    let key = facts.key();
    let interval = Interval::of(facts, knowledge.last_opened.get(&key).copied(), mode, now);
    let due = put_off::due(facts, knowledge.turns.get(&key).copied(), mode, now);
    let mut plan = RepositoryPlan::new(key.clone(), facts.vocabulary, due);
    let considered = target::considered(facts, knowledge, now);
    let candidates: Vec<Candidate> = considered.iter().map(|it| it.candidate.clone()).collect();
    plan.findings = freshness::findings(&candidates, knowledge, facts.policy.stale_after, now);
    let unread = match knowledge.pull_requests.get(&plan.repository) {
        Some(Ok(_)) => None,
        None if target::targets(facts, knowledge, now).branches.is_empty() => None,
        Some(Err(unknown)) => Some(unknown.clone()),
        None => Some(Unknown { reason: "its pull requests were not read".to_owned() }),
    };
    let read = knowledge.pull_requests.get(&plan.repository).and_then(|read| read.as_ref().ok());
    let seen = Seen::all(read.map(Vec::as_slice).unwrap_or_default());
    let rules = Rules { repository: Some(&key), policy: &facts.policy, knowledge, now };
    let denied = denied::proposed(&considered, &seen, &rules);
    let Sorted { pins, standing, not_proposed } = Sorted::of(considered, &seen, &rules);
    plan.not_proposed = not_proposed;
    if let Some(unknown) = unread {
        plan.not_proposed.extend(pins.into_iter().map(|pin| pin.refused(Reason::Unknown(unknown.clone()))));
        plan.problem = Some(unknown);
        return Decided {
            open: 0,
            max_open: None,
            interval: None,
            pair: facts.policy.pair,
            replaced: BTreeSet::new(),
            plan,
        };
    }
    let branches = Branches::new(facts, knowledge, &seen);
    let mut decision = Decision {
        facts,
        branches: &branches,
        seen: &seen,
        evidence: &knowledge.evidence,
        standing,
        denied,
        refusals: Refusals::among(&seen),
        covered: BTreeMap::new(),
        behind: pins.iter().map(|pin| place(&pin.marked())).collect(),
        waiting: BTreeSet::new(),
        now,
        plan,
    };
    decision.cover();
    let pins = decision.paired(pins, &candidates, &rules);
    decision.branches(pins);
    decision.leftovers();
    decision.unreadable_refusals();
    Decided { interval, ..decision.finish() }
}

/// The decision about one repository while it is made.
pub(super) struct Decision<'a> {
    pub(super) facts: &'a RepositoryFacts,
    pub(super) branches: &'a Branches<'a>,
    pub(super) seen: &'a [Seen<'a>],
    evidence: &'a EvidenceByMove,
    /// Pins that stay in their pull requests as they were proposed.
    pub(super) standing: Vec<Standing>,
    /// What open pull requests propose and is denied, each with the reason.
    pub(super) denied: BTreeMap<MarkerPin, Option<String>>,
    refusals: Refusals,
    /// Places that an open pull request holds which must not be touched.
    covered: BTreeMap<Place, Reason>,
    /// Places of pins that could be proposed.
    pub(super) behind: BTreeSet<Place>,
    /// Branches that would be written if it were time.
    pub(super) waiting: BTreeSet<BranchName>,
    pub(super) now: Timestamp,
    pub(super) plan: RepositoryPlan,
}

impl<'a> Decision<'a> {
    pub(super) fn open(&self) -> impl Iterator<Item = &'a Seen<'a>> {
        self.seen.iter().filter(|seen| seen.is_open())
    }

    fn cover(&mut self) {
        for open in self.seen.iter().filter(|seen| seen.is_open()) {
            let Some(reason) = self.branches.untouchable(open) else { continue };
            for pin in open.marker.iter().flat_map(|marker| &marker.pins) {
                self.covered.insert(place(pin), reason.clone());
            }
        }
    }

    /// Every branch that is wanted or has an open pull request.
    fn branches(&mut self, pins: Vec<Pin>) {
        let mut wanted: BTreeMap<BranchName, (Subject, Vec<Pin>)> = BTreeMap::new();
        for pin in pins {
            let subject = Subject::of(self.facts.policy.group, &pin.tag.image, &pin.path);
            wanted.entry(subject.branch()).or_insert_with(|| (subject, Vec::new())).1.push(pin);
        }
        for open in self.open() {
            wanted.entry(open.pull_request.branch.clone()).or_insert((Subject::Repository, Vec::new()));
        }
        for (branch, (subject, pins)) in wanted {
            let open: Vec<&Seen<'_>> = self.branches.seen(&branch).filter(|seen| seen.is_open()).collect();
            let untouchable = open.iter().find_map(|seen| self.branches.untouchable(seen));
            match untouchable {
                Some(reason) => self.leave_alone(&open, pins, &reason),
                None => self.branch(&branch, &open, (subject, pins)),
            }
        }
    }

    pub(super) fn leave_alone(&mut self, open: &[&Seen<'_>], pins: Vec<Pin>, reason: &Reason) {
        for seen in open {
            let comment = matches!(reason, Reason::ForeignCommit(_))
                .then_some(Comment { key: "foreign-commit", text: message::foreign_commit(self.facts.vocabulary) });
            let PullRequest { number, url, branch, .. } = seen.pull_request.clone();
            self.plan.left_alone.push(LeftAlone { number, url, branch, reason: reason.clone(), comment });
        }
        self.plan.not_proposed.extend(pins.into_iter().map(|pin| pin.refused(reason.clone())));
    }

    /// A branch whose open pull requests, if any, are ours to change.
    fn branch(&mut self, branch: &BranchName, open: &[&Seen<'_>], (subject, pins): (Subject, Vec<Pin>)) {
        let (on_base, elsewhere): (Vec<&Seen<'_>>, Vec<&Seen<'_>>) =
            open.iter().partition(|seen| seen.pull_request.base == self.facts.base);
        let current = on_base.first().copied();
        let pins = self.proposable(pins);
        if pins.is_empty() {
            return self.nothing_to_propose(open);
        }
        let there = self.branches.get(branch).filter(|_| open.is_empty());
        if let Some(foreign) = there.filter(|there| !self.branches.is_replaceable(there)) {
            let reason = Reason::ForeignBranch(foreign.name.clone());
            self.plan.not_proposed.extend(pins.into_iter().map(|pin| pin.refused(reason.clone())));
            return;
        }
        let pins = match self.turn(current, pins) {
            Turn::Now(pins) => pins,
            Turn::Later(pins, reason) if open.iter().any(|seen| self.proposes_denied(seen)) => {
                self.plan.not_proposed.extend(pins.into_iter().map(|pin| pin.refused(reason.clone())));
                return self.close(open);
            }
            Turn::Later(pins, reason) => return self.put_off(branch, open, pins, &reason),
        };
        let mut elsewhere = elsewhere.into_iter();
        let replaced = if current.is_none() { elsewhere.next() } else { None };
        for seen in elsewhere {
            let closing = self.closing(seen, ClosingCause::OtherBase);
            self.plan.actions.push(Action::Close(closing));
        }
        match current {
            Some(seen) if self.is_same(seen, &pins) => {
                let PullRequest { number, url, branch, .. } = seen.pull_request.clone();
                self.plan.up_to_date.push(UpToDate { number, url, branch });
            }
            Some(seen) => {
                let pins = self.with_kept(seen, pins);
                let proposal = Box::new(self.proposal(branch, &subject, pins));
                self.plan.actions.push(Action::Update { proposal, pull_request: Box::new(seen.pull_request.clone()) });
            }
            None => {
                let replaces = replaced.map(|seen| self.closing(seen, ClosingCause::OtherBase));
                let proposal = Box::new(self.proposal(branch, &subject, pins));
                self.plan.actions.push(Action::Open { proposal, replaces });
            }
        }
    }

    /// The pins that may be proposed on their branch; the others wait, with the reason.
    fn proposable(&mut self, pins: Vec<Pin>) -> Vec<Pin> {
        let mut proposable = Vec::new();
        for pin in pins {
            match self.hindrance(&pin) {
                Some(reason) => self.plan.not_proposed.push(pin.refused(reason)),
                None => proposable.push(pin),
            }
        }
        let more = proposable.split_off(message::pins_that_fit(&proposable));
        self.plan.not_proposed.extend(more.into_iter().map(|pin| pin.refused(Reason::TooMany)));
        proposable
    }

    /// Why a pin may not be proposed by what people did on the forge. A refusal withdraws nothing that is open.
    pub(super) fn hindrance(&self, pin: &Pin) -> Option<Reason> {
        let branch = self.branch_of(pin);
        let on_base = |seen: &&Seen<'_>| seen.is_open() && seen.pull_request.base == self.facts.base;
        let is_open = || marker_pins(self.branches.seen(&branch).find(on_base)).any(|open| open.new == pin.new);
        let refuses = |seen: &&Seen<'_>| seen.is_refusal() && marker_pins(Some(seen)).any(|it| it.new == pin.new);
        let refused = || match pin.urgency {
            // Whoever refused the digest as a step forward did not refuse the way back to it.
            Some(Urgency::RolledBack(_)) => self.refused_way(pin),
            // The oldest one, which is the last.
            Some(Urgency::Gone) | None => {
                let version = pin.new_tag.as_ref().and_then(|tag| self.refusals.of_version(&pin.tag.image, tag));
                version.or_else(|| self.seen.iter().rfind(refuses).map(|seen| seen.pull_request.number))
            }
        };
        let covered = self.covered.get(&place(&pin.marked())).cloned();
        let merged = || self.branches.just_merged(pin).map(Reason::Merged);
        covered.or_else(merged).or_else(|| refused().filter(|_| !is_open()).map(Reason::Refused))
    }

    /// Why nothing is written to the branch of a pin.
    pub(super) fn closed_to(&self, pin: &Pin) -> Option<Reason> {
        let name = self.branch_of(pin);
        let mut open = self.branches.seen(&name).filter(|seen| seen.is_open()).peekable();
        if open.peek().is_some() {
            return open.find_map(|seen| self.branches.untouchable(seen));
        }
        let there = self.branches.get(&name).filter(|there| !self.branches.is_replaceable(there));
        there.map(|foreign| Reason::ForeignBranch(foreign.name.clone()))
    }

    /// The branch on which a pin is proposed.
    fn branch_of(&self, pin: &Pin) -> BranchName {
        Subject::of(self.facts.policy.group, &pin.tag.image, &pin.path).branch()
    }

    /// The pins of a pull request that stay in it as they are, and why nothing newer is known or may be proposed.
    pub(super) fn unsettled<'s>(&self, seen: &'s Seen<'_>) -> Vec<(&'s MarkerPin, Reason)> {
        let reason = |pin: &MarkerPin| {
            let unread = self.facts.problems.get(&pin.file).cloned().map(Reason::Unknown);
            let stays = self.standing.iter().find(|standing| content(&standing.held) == content(pin));
            unread.or_else(|| stays.map(|standing| standing.reason.clone()))
        };
        marker_pins(Some(seen)).filter_map(|pin| Some((pin, reason(pin)?))).collect()
    }

    /// Whether an open pull request already holds what should be proposed.
    pub(super) fn is_same(&self, seen: &Seen<'_>, pins: &[Pin]) -> bool {
        let Ok(marker) = &seen.marker else { return false };
        let head = self.branches.head(&seen.pull_request.branch);
        let kept = self.unsettled(seen).into_iter().map(|(pin, _)| content(pin));
        let mut wanted: Vec<MarkerPin> = pins.iter().map(|pin| content(&pin.marked())).chain(kept).collect();
        let mut held: Vec<MarkerPin> = marker.pins.iter().map(content).collect();
        wanted.sort();
        held.sort();
        wanted == held
            && !marker.is_withdrawn
            && marker.comment == self.facts.policy.comment
            && head.is_some()
            && !self.branches.is_unfinished(&seen.pull_request.branch)
            && marker.commit == head
            && seen.pull_request.mergeable != Mergeable::Conflicting
    }

    /// These pins and those that the pull request holds and that stay in it.
    fn with_kept(&self, seen: &Seen<'_>, mut pins: Vec<Pin>) -> Vec<Pin> {
        pins.extend(kept(seen, &self.standing, self.evidence));
        pins.sort_by(|left, right| (&left.path, left.use_index).cmp(&(&right.path, right.use_index)));
        pins.truncate(message::pins_that_fit(&pins));
        pins
    }

    fn proposal(&mut self, branch: &BranchName, subject: &Subject, pins: Vec<Pin>) -> Proposal {
        let policy = &self.facts.policy;
        let texts = message::write(subject, &pins, policy, self.facts.vocabulary);
        self.plan.warnings.extend(texts.warnings);
        let mut changes: BTreeMap<String, Vec<Pin>> = BTreeMap::new();
        for pin in pins {
            changes.entry(pin.path.clone()).or_default().push(pin);
        }
        Proposal {
            branch: branch.clone(),
            base: self.facts.base.clone(),
            base_commit: self.facts.base_commit.clone(),
            expected: self.branches.head(branch),
            changes,
            title: texts.title,
            body: texts.body,
            commit_message: texts.commit_message,
            labels: policy.labels.clone(),
            reviewers: policy.reviewers.clone(),
            assignees: policy.assignees.clone(),
            draft: policy.draft,
            finishes_opening: self.branches.is_unfinished(branch),
        }
    }

    fn finish(mut self) -> Decided {
        // What is closed makes room for what is opened.
        self.plan.actions.sort_by_key(|action| match action {
            Action::Close(_) => 0,
            Action::DeleteBranch { .. } => 1,
            Action::Update { .. } => 2,
            // Where not all may be opened, what is urgent comes first.
            Action::Open { proposal, .. } if proposal.is_urgent() => 3,
            Action::Open { .. } => 4,
            Action::AutoMerge { .. } => 5,
        });
        let closed = self.plan.actions.iter().filter(|action| match action {
            Action::Close(_) => true,
            Action::Open { replaces, .. } => replaces.is_some(),
            Action::Update { .. } | Action::AutoMerge { .. } | Action::DeleteBranch { .. } => false,
        });
        let open = self.open().count().saturating_sub(closed.count());
        self.plan.not_proposed.sort_by(|one, other| (&one.path, one.use_index).cmp(&(&other.path, other.use_index)));
        let (max_open, pair, replaced) = (self.facts.policy.max_open, self.facts.policy.pair, self.replaced());
        Decided { plan: self.plan, open, max_open, interval: None, pair, replaced }
    }
}

pub(super) fn marker_pins<'s>(seen: Option<&'s Seen<'_>>) -> impl Iterator<Item = &'s MarkerPin> {
    seen.and_then(|seen| seen.marker.as_ref().ok()).into_iter().flat_map(|marker| &marker.pins)
}
