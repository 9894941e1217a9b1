//! The second decision: what happens to which branch and pull request, and why the rest waits.
//!
//! | situation | then |
//! |---|---|
//! | nothing behind | nothing; a pull request that is no longer needed is closed, its branch deleted |
//! | behind, none open | open |
//! | open, a newer digest | update: the branch is replaced by one new commit, title and body follow |
//! | open, same content | nothing; compared by the marker, so that a person's own words stay |
//! | open, conflicting | update: rebuilt on the base's head |
//! | somebody else's commit | left alone, with one comment |
//! | closed without merging | those digests, and those higher tags with every digest, are refused in that repository, whatever the grouping |
//! | merged | the branch is deleted where it still is what was merged |
//! | merged after the files were read | nothing new for its pins; the next cycle reads them |
//! | `refrom:hold` | left exactly as it is |
//! | a branch and no pull request | open; the commit is there already |
//! | opened by a cycle that was ended before the labels were set | update, which sets them |
//! | the policy's `enabled: false` | open pull requests are closed, because nobody will keep them fresh |
//! | `automerge: when_green` | the forge is told to merge, once for each head; who takes that back is not overruled |
//! | the policy's `group` or `base` changed | what was open is closed and opened anew |
//! | not its turn, outside of its window, in a freeze | what would be opened or updated waits; what is open stays as it is |
//! | the pinned digest is gone, or was taken back | its proposal is urgent: it waits for no turn and no interval, and comes first where not all can |
//! | `pair: together` | an image and its `-dev` move in one pull request, or wait for each other: in an open one they stay as they are, and everything else in it moves on |
//! | `min_interval` | the next pull request of the repository is opened when it has passed |
//!
//! Four rules that are not in the table. What cannot be told or may not be proposed now closes nothing and takes
//! nothing back: a pin in an open pull request stays as it was proposed while nothing forbids that, whatever else in
//! there moves. A refusal stops what is not yet proposed, and withdraws nothing that is open. No pin goes back to a
//! digest that its tag had before ([`Ledger`]). Titles, labels and templates of an open pull request follow with its
//! next content.

mod caps;
mod closings;
mod decide;
mod denied;
mod gone;
mod interval;
mod kept;
mod leftovers;
mod merging;
mod pairs;
mod put_off;
mod seen;
mod together;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::cadence::{Due, Wait};
use super::candidates::{Candidate, Observations, RepositoryFacts, RepositoryKey, Unknown, UseState};
use super::denial::Denials;
use super::digest::Digest;
use super::freshness::TagFinding;
use super::image::Image;
use super::ledger::Ledger;
use super::message::Body;
use super::proposal::{EvidenceByMove, NotProposed, Pin, Reason, Urgency};
use super::pull_request::{BranchName, CommitId, PullRequest, Vocabulary};
use super::reference::ImageName;
use super::tag_list::TagList;
use super::waves::Waves;

pub use caps::Limits;
pub(super) use caps::turn;
pub use kept::held_moves;
pub use seen::Refusals;

/// The label by which people postpone: its pull request is left exactly as it is.
pub const HOLD_LABEL: &str = "refrom:hold";

/// For how long a repository keeps its turn for what waits until a time. A wait for the other one of a pair ends within a
/// day; an interval that is longer spreads pull requests over turns, and keeping one would leave no schedule.
const PUT_OFF_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Everything that was gathered about the fleet.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    pub observations: Observations,
    pub evidence: EvidenceByMove,
    /// The first sights of the digests that pins are at, and of those that their tags point to.
    pub ledger: Ledger,
    /// For each repository with branches to ask for: its pull requests from them, open or not.
    pub pull_requests: BTreeMap<RepositoryKey, Result<Vec<PullRequest>, Unknown>>,
    /// What people refused by closing a pull request: who follows higher tags does not stop at one of these.
    pub refused: BTreeMap<RepositoryKey, Refusals>,
    /// The e-mail addresses that refrom commits with.
    pub own_emails: BTreeSet<String>,
    /// By the forge's name: the addresses of commits that were made through its API.
    pub api_emails: BTreeMap<String, BTreeSet<String>>,
    /// Branches whose pull request a cycle was opening when it was ended.
    pub unfinished: BTreeMap<RepositoryKey, BTreeSet<BranchName>>,
    /// The heads for which forges were told before to merge by themselves, by the pull request's number.
    pub told_to_merge: BTreeMap<RepositoryKey, BTreeMap<u64, CommitId>>,
    /// When repositories last had their turn; what is not in it never had one.
    pub turns: BTreeMap<RepositoryKey, Timestamp>,
    /// When a pull request was last opened in them.
    pub last_opened: BTreeMap<RepositoryKey, Timestamp>,
    /// Digests that people took back.
    pub denials: Denials,
    /// Pinned digests that their registry did not have when it was asked.
    pub missing: BTreeMap<(ImageName, Digest), Missing>,
    /// Which digests reached which repositories.
    pub waves: Waves,
    /// The tags of the images for which `follow` needs them.
    pub tags: BTreeMap<ImageName, Result<TagList, Unknown>>,
    /// What is known of digests that are pinned, and of those that their tags point to, besides the evidence.
    pub images: BTreeMap<(ImageName, Digest), Image>,
}

/// A pinned digest that its registry did not have: asked for by the name that is written, and answered with 404.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// When that was answered first.
    pub since: Timestamp,
    /// In how many looks, without one in between in which it was there.
    pub looks: u32,
}

/// In how many looks a digest must be missing before it counts as gone: one may meet a registry that is being restored.
const MISSING_LOOKS: u32 = 2;

impl Missing {
    /// Whether it is gone, as far as anybody can tell from outside.
    pub fn is_gone(&self) -> bool {
        self.looks >= MISSING_LOOKS
    }
}

impl Knowledge {
    /// Why a pin cannot wait, by what is known of the digest that it has: its tag is there, and the digest is gone.
    pub fn urgency_of(&self, pin: &Candidate) -> Option<Urgency> {
        let UseState::Behind { .. } = pin.state else { return None };
        let missing = self.missing.get(&(pin.tag.image.clone(), pin.old?))?;
        missing.is_gone().then_some(Urgency::Gone)
    }
}

/// What a cycle does; printed as it is by a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Sorted by forge and name.
    pub repositories: Vec<RepositoryPlan>,
}

/// What happens in one repository, and why everything else waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPlan {
    pub repository: RepositoryKey,
    /// What its forge calls a pull request.
    pub vocabulary: Vocabulary,
    /// In the order in which they are done: what is closed makes room.
    pub actions: Vec<Action>,
    pub left_alone: Vec<LeftAlone>,
    pub up_to_date: Vec<UpToDate>,
    pub not_proposed: Vec<NotProposed>,
    /// What is to be said of the tags that are followed here, by tag.
    pub findings: Vec<TagFinding>,
    /// For people: templates that failed, and the like.
    pub warnings: Vec<String>,
    /// Why nothing could be decided here.
    pub problem: Option<Unknown>,
    /// When something may be opened or updated here.
    pub due: Due,
}

/// One change on the forge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Builds the commit, pushes it unless the branch is it already, and opens a pull request.
    Open {
        proposal: Box<Proposal>,
        /// The pull request from the same branch to another base, which is closed first.
        replaces: Option<Closing>,
    },
    /// Builds the commit, pushes it unless the branch is it already, and sets title and body where they differ.
    Update { proposal: Box<Proposal>, pull_request: Box<PullRequest> },
    /// Tells the forge to merge a pull request of ours by itself, once it may.
    AutoMerge { branch: BranchName, target: MergeTarget },
    /// Closes a pull request of ours.
    Close(Closing),
    /// Deletes a branch of ours.
    DeleteBranch { branch: BranchName, lease: CommitId, cause: DeletionCause },
}

/// Which pull request is to be merged, at which head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeTarget {
    /// An open one as it is.
    Standing { number: u64, url: String, head: CommitId },
    /// What an action before this one opens or updates.
    Proposed,
}

/// One commit on one branch and the words of its pull request.
///
/// **Invariant**: the branch is in refrom's namespace, and no pin stands in two proposals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    pub branch: BranchName,
    pub base: BranchName,
    /// The commit's parent.
    pub base_commit: CommitId,
    /// The branch's head that the plan was made from, the lease of the push; `None`: the branch must not exist.
    pub expected: Option<CommitId>,
    /// The pins that change, by path. Several may share the bytes of one digest, with the same new one.
    pub changes: BTreeMap<String, Vec<Pin>>,
    pub title: String,
    pub body: Body,
    pub commit_message: String,
    pub labels: Vec<String>,
    pub reviewers: Vec<String>,
    pub assignees: Vec<String>,
    pub draft: bool,
    /// Whether an update also sets labels, reviewers and assignees: the cycle that opened it was ended before it could.
    pub finishes_opening: bool,
}

/// How a pull request of ours is closed: its body first, so that the closing is not taken for a refusal, then the
/// sentence and the closing, then the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    pub number: u64,
    pub url: String,
    pub branch: BranchName,
    pub title: String,
    /// The body with the marker withdrawn; `None`: it says so already, or has no marker that could.
    pub body: Option<String>,
    pub sentence: String,
    pub cause: ClosingCause,
    /// The lease with which the branch is deleted; `None`: it stays or is gone.
    pub delete: Option<CommitId>,
}

/// Why refrom closes a pull request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosingCause {
    /// None of its pins is behind any more.
    NothingBehind,
    /// Its pins are proposed under another branch: the policy's `group` changed.
    Regrouped,
    /// The policy's `base` changed.
    OtherBase,
    /// The policy says `enabled: false`.
    Disabled,
    /// Its pins are behind, and what they would move to may not be proposed.
    NotProposable,
    /// Somebody took a digest back that it proposes, and its pins have nothing else to move to now.
    Denied,
}

/// Why a branch of ours is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionCause {
    Merged,
    /// Its pull request was closed by refrom.
    Withdrawn,
    /// It never got a pull request, and is no longer needed.
    Leftover,
}

/// A pull request that is not touched, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftAlone {
    pub number: u64,
    pub url: String,
    pub branch: BranchName,
    pub reason: Reason,
    /// Said once on the pull request.
    pub comment: Option<Comment>,
}

/// A comment that is made once per key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Comment {
    pub key: &'static str,
    pub text: &'static str,
}

/// An open pull request that holds what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpToDate {
    pub number: u64,
    pub url: String,
    pub branch: BranchName,
}

/// Decides for the whole fleet. `now` is what turns, windows and freezes are held against; besides it varies the order in
/// which repositories share the hourly cap.
///
/// **Invariants**: the same input gives the same plan, in whatever order the facts come; applying a plan leaves an
/// empty one; no branch outside of refrom's namespace is named; nothing that is behind or unknown stays unmentioned.
pub fn plan<'a>(
    facts: impl IntoIterator<Item = &'a RepositoryFacts>,
    knowledge: &Knowledge,
    limits: &Limits,
    now: Timestamp,
) -> Plan {
    let facts: BTreeMap<RepositoryKey, &RepositoryFacts> =
        facts.into_iter().map(|facts| (facts.key(), facts)).collect();
    let mut repositories: Vec<_> =
        facts.values().map(|facts| decide::decide(facts, knowledge, limits.cadence, now)).collect();
    caps::apply(&mut repositories, limits, now);
    let mut repositories: Vec<_> = repositories.into_iter().map(|decided| decided.plan).collect();
    for plan in &mut repositories {
        // After the caps: what is not opened is not merged, and leads away from nothing.
        if let Some(facts) = facts.get(&plan.repository) {
            merging::add(plan, facts, knowledge);
            gone::add(plan, facts, knowledge);
        }
    }
    Plan { repositories }
}

impl Proposal {
    /// Whether one of its pins cannot wait.
    pub fn is_urgent(&self) -> bool {
        self.changes.values().flatten().any(|pin| pin.urgency.is_some())
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.repositories.iter().all(|repository| repository.actions.is_empty())
    }

    /// Whether something could not be looked up.
    pub fn is_incomplete(&self) -> bool {
        self.repositories.iter().any(RepositoryPlan::is_incomplete)
    }
}

impl RepositoryPlan {
    pub(super) fn new(repository: RepositoryKey, vocabulary: Vocabulary, due: Due) -> Self {
        Self {
            repository,
            vocabulary,
            due,
            actions: Vec::new(),
            left_alone: Vec::new(),
            up_to_date: Vec::new(),
            not_proposed: Vec::new(),
            findings: Vec::new(),
            warnings: Vec::new(),
            problem: None,
        }
    }

    /// What holds something back here until its time comes.
    pub fn waits(&self) -> Option<&Wait> {
        let pins = self.not_proposed.iter().map(|pin| &pin.reason);
        pins.chain(self.left_alone.iter().map(|left| &left.reason)).find_map(Reason::wait)
    }

    /// Whether the repository has its turn, and nothing of it is put off for some hours. It has had it once everything
    /// could be looked up and done.
    pub fn has_turn(&self, now: Timestamp) -> bool {
        let is_put_off = |pin: &NotProposed| match pin.reason {
            Reason::MaxNewPerHour(_) => true,
            Reason::Pair { until, .. } | Reason::MinInterval { until } => until.duration_since(now) <= PUT_OFF_MAX,
            _ => false,
        };
        matches!(self.due, Due::Now { .. }) && !self.not_proposed.iter().any(is_put_off)
    }

    /// Whether something could not be looked up here.
    pub fn is_incomplete(&self) -> bool {
        self.problem.is_some()
            || self.not_proposed.iter().any(|pin| pin.reason.is_incomplete())
            || self.left_alone.iter().any(|left| left.reason.is_incomplete())
    }
}
