//! The simulated forge: plans are carried out on values, and people merge.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::repository::commit;
use crate::domain::candidates::RepositoryFacts;
use crate::domain::marker::MarkerPin;
use crate::domain::plan::{Action, Closing, Proposal};
use crate::domain::proposal::Pin;
use crate::domain::pull_request::{
    BotBranch, BranchName, CommitId, Mergeable, NameError, Pipeline, PullRequest, PullRequestState,
};

/// The window of `max_new_per_hour`.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// What happened to a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    pub at: Timestamp,
    /// The index of the repository in the fleet.
    pub repository: usize,
    pub number: u64,
    pub kind: DeedKind,
    /// What it moves from then on; of one that is merged or closed, what it moved.
    pub pins: Vec<MarkerPin>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeedKind {
    Opened,
    Updated,
    Merged,
    /// By refrom itself: it was no longer needed.
    Closed,
}

/// An open pull request.
#[derive(Debug)]
struct Standing {
    merges_at: Timestamp,
    pins: Vec<MarkerPin>,
}

/// Open pull requests, who merges them when, and everything that happened.
#[derive(Debug)]
pub(super) struct Forge {
    merge_after: SignedDuration,
    /// By which refrom knows its own commits.
    email: String,
    numbers: u64,
    /// By repository and number.
    standing: BTreeMap<(usize, u64), Standing>,
    /// When which one may be merged; one that was updated since then is merged later.
    due: BTreeSet<(Timestamp, usize, u64)>,
    /// The openings of the last hour.
    opened: VecDeque<Timestamp>,
    pub deeds: Vec<Deed>,
}

/// A repository that the forge acts on.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub index: usize,
    pub facts: &'a mut RepositoryFacts,
    pub pull_requests: &'a mut Vec<PullRequest>,
}

impl Forge {
    pub fn new(merge_after: SignedDuration, email: String) -> Self {
        let (standing, due, opened) = (BTreeMap::new(), BTreeSet::new(), VecDeque::new());
        Self { merge_after, email, numbers: 0, standing, due, opened, deeds: Vec::new() }
    }

    /// How many pull requests were opened in the hour before now.
    pub fn opened_in_last_hour(&mut self, now: Timestamp) -> u64 {
        while self.opened.front().is_some_and(|at| now.duration_since(*at) > HOUR) {
            self.opened.pop_front();
        }
        self.opened.len() as u64
    }

    /// When something may be merged next.
    pub fn next_merge(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, ..)| *at)
    }

    /// The next pull request that is merged until now: when, in which repository, and its number.
    pub fn due(&mut self, now: Timestamp) -> Option<(Timestamp, usize, u64)> {
        while self.next_merge().is_some_and(|at| at <= now) {
            let (at, index, number) = self.due.pop_first()?;
            if self.standing.get(&(index, number)).is_some_and(|standing| standing.merges_at == at) {
                return Some((at, index, number));
            }
        }
        None
    }

    /// Merges a pull request, and deletes its branch as forges can be told to. One that is merged and has no branch any
    /// more plays no part in a plan, and is forgotten. What it moved.
    pub fn merge(&mut self, desk: &mut Desk<'_>, number: u64, at: Timestamp) -> Vec<MarkerPin> {
        let branch = desk.pull_requests.iter().find(|it| it.number == number).map(|it| it.branch.clone());
        desk.facts.head.bot_branches.retain(|it| Some(&it.name) != branch.as_ref());
        self.forget(desk, number, (at, DeedKind::Merged))
    }

    /// Carries out one action of a plan.
    pub fn act(&mut self, desk: &mut Desk<'_>, action: &Action, now: Timestamp) -> Result<(), NameError> {
        match action {
            Action::Open { proposal, replaces } => {
                replaces.iter().for_each(|closing| self.close(desk, closing, now));
                self.open(desk, proposal, now)
            }
            Action::Update { proposal, pull_request } => self.update(desk, proposal, pull_request.number, now),
            Action::AutoMerge { branch, .. } => {
                self.merge_when_green(desk, branch, now);
                Ok(())
            }
            Action::Close(closing) => {
                self.close(desk, closing, now);
                Ok(())
            }
            Action::DeleteBranch { branch, .. } => {
                desk.facts.head.bot_branches.retain(|it| it.name != *branch);
                Ok(())
            }
        }
    }

    /// The pins that are in open pull requests of a repository.
    pub fn held(&self, index: usize) -> impl Iterator<Item = &MarkerPin> {
        self.standing.range((index, 0)..=(index, u64::MAX)).flat_map(|(_, standing)| &standing.pins)
    }

    /// How many pull requests are open.
    pub fn open_count(&self) -> usize {
        self.standing.len()
    }

    fn open(&mut self, desk: &mut Desk<'_>, proposal: &Proposal, now: Timestamp) -> Result<(), NameError> {
        let head = self.push(desk, proposal)?;
        self.numbers += 1;
        self.opened.push_back(now);
        desk.pull_requests.push(PullRequest {
            number: self.numbers,
            url: format!("https://forge.invalid/{}/pull/{}", desk.facts.head.name, self.numbers),
            state: PullRequestState::Open,
            branch: proposal.branch.clone(),
            base: proposal.base.clone(),
            title: proposal.title.clone(),
            body: proposal.body.with_commit(&head),
            head,
            labels: proposal.labels.clone(),
            mergeable: Mergeable::Clean,
            is_draft: proposal.draft,
            pipeline: Pipeline::Passed,
            is_auto_merging: false,
            opened_at: Some(now),
            merged_at: None,
        });
        self.stand(desk.index, self.numbers, proposal, (now, DeedKind::Opened));
        Ok(())
    }

    fn update(
        &mut self,
        desk: &mut Desk<'_>,
        proposal: &Proposal,
        number: u64,
        now: Timestamp,
    ) -> Result<(), NameError> {
        let head = self.push(desk, proposal)?;
        for open in desk.pull_requests.iter_mut().filter(|it| it.number == number) {
            open.title.clone_from(&proposal.title);
            open.body = proposal.body.with_commit(&head);
            open.head = head.clone();
        }
        self.stand(desk.index, number, proposal, (now, DeedKind::Updated));
        Ok(())
    }

    /// Checks are green at once: a pull request that merges by itself is merged when somebody looks next.
    fn merge_when_green(&mut self, desk: &mut Desk<'_>, branch: &BranchName, now: Timestamp) {
        for open in desk.pull_requests.iter_mut().filter(|it| it.branch == *branch) {
            open.is_auto_merging = true;
            self.merges_at(desk.index, open.number, now);
        }
    }

    fn close(&mut self, desk: &mut Desk<'_>, closing: &Closing, now: Timestamp) {
        if closing.delete.is_some() {
            desk.facts.head.bot_branches.retain(|it| it.name != closing.branch);
        }
        self.forget(desk, closing.number, (now, DeedKind::Closed));
    }

    /// The new head of a proposal's branch.
    fn push(&mut self, desk: &mut Desk<'_>, proposal: &Proposal) -> Result<CommitId, NameError> {
        let pins = proposal.changes.values().flatten().map(|pin| format!("{} {}", pin.tag, pin.new));
        let content = pins.collect::<Vec<_>>().join(" ");
        let head = commit(&format!("{} {} {content}", desk.facts.head.name, proposal.base_commit))?;
        let branches = &mut desk.facts.head.bot_branches;
        branches.retain(|it| it.name != proposal.branch);
        branches.push(BotBranch {
            name: proposal.branch.clone(),
            head: head.clone(),
            author_email: self.email.clone(),
            committer_email: self.email.clone(),
        });
        Ok(head)
    }

    fn stand(&mut self, index: usize, number: u64, proposal: &Proposal, (now, kind): (Timestamp, DeedKind)) {
        let pins: Vec<MarkerPin> = proposal.changes.values().flatten().map(Pin::marked).collect();
        self.standing.insert((index, number), Standing { merges_at: now, pins: pins.clone() });
        self.merges_at(index, number, now.saturating_add(self.merge_after).unwrap_or(Timestamp::MAX));
        self.deeds.push(Deed { at: now, repository: index, number, kind, pins });
    }

    fn merges_at(&mut self, index: usize, number: u64, at: Timestamp) {
        if let Some(standing) = self.standing.get_mut(&(index, number)) {
            standing.merges_at = at;
            self.due.insert((at, index, number));
        }
    }

    fn forget(&mut self, desk: &mut Desk<'_>, number: u64, (at, kind): (Timestamp, DeedKind)) -> Vec<MarkerPin> {
        desk.pull_requests.retain(|it| it.number != number);
        let pins = self.standing.remove(&(desk.index, number)).map(|standing| standing.pins).unwrap_or_default();
        self.deeds.push(Deed { at, repository: desk.index, number, kind, pins: pins.clone() });
        pins
    }
}
