//! A pull request as the forge shows it, read: its marker, and whether it may be touched.

use std::collections::BTreeMap;

use super::decide::marker_pins;
use super::{HOLD_LABEL, Knowledge};
use crate::domain::candidates::RepositoryFacts;
use crate::domain::digest::Digest;
use crate::domain::follow;
use crate::domain::marker::{Marker, MarkerError, MarkerPin};
use crate::domain::policy::Follow;
use crate::domain::proposal::{Pin, Reason};
use crate::domain::pull_request::{BotBranch, BranchName, CommitId, PullRequest, PullRequestState};
use crate::domain::reference::{ImageName, Tag};

/// A pull request and its marker.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    pub(super) pull_request: &'a PullRequest,
    pub(super) marker: Result<Marker, MarkerError>,
}

impl<'a> Seen<'a> {
    /// Those from our own branches, newest first.
    pub(super) fn all(pull_requests: &'a [PullRequest]) -> Vec<Self> {
        let ours = pull_requests.iter().filter(|pull_request| pull_request.branch.is_ours());
        let mut seen: Vec<_> = ours.map(|it| Self { pull_request: it, marker: Marker::read(&it.body) }).collect();
        seen.sort_by_key(|seen| std::cmp::Reverse(seen.pull_request.number));
        seen
    }

    pub(super) fn is_open(&self) -> bool {
        self.pull_request.state == PullRequestState::Open
    }

    /// Whether refrom itself closed it, or was about to.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.marker.as_ref().is_ok_and(|marker| marker.is_withdrawn)
    }

    /// Whether a person closed it without merging.
    pub(super) fn is_refusal(&self) -> bool {
        self.pull_request.state == PullRequestState::Closed && !self.is_withdrawn()
    }

    fn made(&self, commit: &CommitId) -> bool {
        self.marker.as_ref().is_ok_and(|marker| marker.commit.as_ref() == Some(commit))
    }
}

/// What people of one repository refused by closing a pull request, each with its number, the oldest one. What is open
/// again from the same branch is not refused; what another file's pull request proposes is.
///
/// Where a pin was to get a higher tag, that version is refused, whatever digest it has by now: it is what people say no
/// to. Pins that have the tag go on with its digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusals {
    digests: BTreeMap<Digest, u64>,
    /// By the name as it is written.
    versions: BTreeMap<(ImageName, Tag), u64>,
}

impl Refusals {
    pub fn of(pull_requests: &[PullRequest]) -> Self {
        Self::among(&Seen::all(pull_requests))
    }

    pub(super) fn among(seen: &[Seen<'_>]) -> Self {
        let mut refusals = Self::default();
        // Newest first: the oldest one stays.
        for refusal in seen.iter().filter(|seen| seen.is_refusal()) {
            let number = refusal.pull_request.number;
            for pin in marker_pins(Some(refusal)).filter(|pin| !is_open_again(pin, refusal, seen)) {
                refusals.digests.insert(pin.new, number);
                refusals.versions.extend(version_of(pin).map(|version| (version, number)));
            }
        }
        refusals
    }

    pub fn is_empty(&self) -> bool {
        self.digests.is_empty() && self.versions.is_empty()
    }

    /// The pull request by which a digest was refused.
    pub fn of_digest(&self, digest: &Digest) -> Option<u64> {
        self.digests.get(digest).copied()
    }

    /// The pull request by which a higher tag of an image, as it is written, was refused.
    pub fn of_version(&self, image: &ImageName, tag: &Tag) -> Option<u64> {
        self.versions.get(&(image.clone(), tag.clone())).copied()
    }
}

/// Whether an open pull request proposes from a refusal's own branch what was refused there.
fn is_open_again(pin: &MarkerPin, refusal: &Seen<'_>, seen: &[Seen<'_>]) -> bool {
    let is_there = |it: &&Seen<'_>| it.is_open() && it.pull_request.branch == refusal.pull_request.branch;
    let mut open = seen.iter().filter(is_there).flat_map(|it| marker_pins(Some(it)));
    let version = version_of(pin);
    open.any(|open| open.new == pin.new || version.is_some() && version_of(open) == version)
}

/// The higher tag that a pin was to get. A way back to a lower one is no version that somebody could refuse.
fn version_of(pin: &MarkerPin) -> Option<(ImageName, Tag)> {
    let tag = pin.new_tag.as_ref().filter(|tag| follow::is_higher(&pin.tag, tag, Follow::Major))?;
    Some((pin.image.clone(), tag.clone()))
}

/// The branches of the bot in one repository, and whose they are.
#[derive(Debug)]
pub(super) struct Branches<'a> {
    facts: &'a RepositoryFacts,
    knowledge: &'a Knowledge,
    seen: &'a [Seen<'a>],
}

impl<'a> Branches<'a> {
    pub(super) fn new(facts: &'a RepositoryFacts, knowledge: &'a Knowledge, seen: &'a [Seen<'a>]) -> Self {
        Self { facts, knowledge, seen }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a BotBranch> {
        self.facts.head.bot_branches.iter().filter(|branch| branch.name.is_ours())
    }

    pub(super) fn get(&self, name: &BranchName) -> Option<&'a BotBranch> {
        self.all().find(|branch| branch.name == *name)
    }

    pub(super) fn head(&self, name: &BranchName) -> Option<CommitId> {
        self.get(name).map(|branch| branch.head.clone())
    }

    /// Whether a cycle was ended while it opened the pull request from this branch.
    pub(super) fn is_unfinished(&self, name: &BranchName) -> bool {
        self.knowledge.unfinished.get(&self.facts.key()).is_some_and(|unfinished| unfinished.contains(name))
    }

    /// Pull requests from this branch, newest first.
    pub(super) fn seen(&self, name: &BranchName) -> impl Iterator<Item = &'a Seen<'a>> {
        self.seen.iter().filter(move |seen| seen.pull_request.branch == *name)
    }

    /// Whether the head is a commit of ours: by the marker that names it, or by author and committer. Both of them: a
    /// person who edits on the forge's pages is the author, and the forge the committer.
    pub(super) fn is_own(&self, branch: &BotBranch) -> bool {
        let by_api = self.knowledge.api_emails.get(&self.facts.forge).into_iter().flatten();
        let own: Vec<&String> = self.knowledge.own_emails.iter().chain(by_api).collect();
        let is_ours = |email: &str| own.iter().any(|own| own.eq_ignore_ascii_case(email));
        self.seen(&branch.name).any(|seen| seen.made(&branch.head))
            || is_ours(&branch.author_email) && is_ours(&branch.committer_email)
    }

    /// Whether nothing is lost when the branch is replaced: it is ours, or it was merged as it is.
    pub(super) fn is_replaceable(&self, branch: &BotBranch) -> bool {
        let is_merged = |seen: &Seen<'_>| {
            seen.pull_request.state == PullRequestState::Merged && seen.pull_request.head == branch.head
        };
        self.is_own(branch) || self.seen(&branch.name).any(is_merged)
    }

    /// The pull request that moved this pin and was merged after the files were read, as far as can be told: its branch
    /// was still listed, at the very head that was merged, and the file still had the pin where it came from. Where it
    /// was merged long ago and the pin was put back since, the branch is deleted now and the next cycle proposes anew.
    pub(super) fn just_merged(&self, pin: &Pin) -> Option<u64> {
        let pin = pin.marked();
        let is_listed =
            |seen: &&Seen<'_>| self.head(&seen.pull_request.branch).is_some_and(|head| head == seen.pull_request.head);
        let moved = |seen: &&Seen<'_>| {
            let mut pins = seen.marker.iter().flat_map(|marker| &marker.pins);
            pins.any(|it| (&it.file, &it.image, &it.tag, it.old) == (&pin.file, &pin.image, &pin.tag, pin.old))
        };
        let merged = self.seen.iter().filter(|seen| seen.pull_request.state == PullRequestState::Merged);
        merged.filter(is_listed).find(moved).map(|seen| seen.pull_request.number)
    }

    /// Why an open pull request must not be touched; `None`: it may be.
    pub(super) fn untouchable(&self, open: &Seen<'_>) -> Option<Reason> {
        let pull_request = open.pull_request;
        let number = pull_request.number;
        if pull_request.labels.iter().any(|label| label.eq_ignore_ascii_case(HOLD_LABEL)) {
            return Some(Reason::Hold(number));
        }
        match self.get(&pull_request.branch) {
            Some(branch) if !self.is_own(branch) => return Some(Reason::ForeignCommit(number)),
            Some(branch) if branch.head != pull_request.head => return Some(Reason::Moved(number)),
            Some(_) | None => {}
        }
        open.marker.as_ref().err().map(|error| Reason::UnreadableMarker(number, error.clone()))
    }
}
