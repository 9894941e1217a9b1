//! A repository of a replay: one Dockerfile with a stage for each pin.

use jiff::Timestamp;

use super::track::Look;
use crate::domain::candidates::{FileUses, RepositoryFacts};
use crate::domain::digest::Digest;
use crate::domain::image_use::ImageUse;
use crate::domain::marker::MarkerPin;
use crate::domain::policy::Policy;
use crate::domain::pull_request::{
    AutoMergesFrom, BranchName, CommitId, NameError, Pipeline, RepoName, RepositoryHead, Vocabulary,
};
use crate::domain::reference::TagRef;
use crate::domain::source_file;

const DOCKERFILE: &str = "Dockerfile";
const BASE: &str = "main";
/// The length of a SHA-1 commit id.
const COMMIT_ID_LENGTH: usize = 40;

/// A repository, as it is on the base branch now.
#[derive(Debug)]
pub(super) struct Repository {
    pub facts: RepositoryFacts,
    pub pins: Vec<Pinned>,
    /// How many commits the base branch has.
    commits: u64,
}

/// A pin, which comes into being when its tag is first seen.
#[derive(Debug, Clone)]
pub(super) struct Pinned {
    /// As it is written.
    pub tag: TagRef,
    /// Which of the tracks it follows.
    pub track: usize,
    /// The digest and since when it is there; `None`: the tag was not seen yet.
    pub at: Option<(Digest, Timestamp)>,
}

/// A pin that moved, and what it was before.
#[derive(Debug)]
pub(super) struct Change {
    pub index: usize,
    pub before: Pinned,
}

impl Repository {
    pub fn new(forge: &str, name: RepoName, policy: Policy, pins: Vec<Pinned>) -> Result<Self, NameError> {
        let base: BranchName = policy.base.clone().map_or_else(|| BASE.parse(), Ok)?;
        let first = commit(&format!("{name} 0"))?;
        let facts = RepositoryFacts {
            forge: forge.to_owned(),
            vocabulary: Vocabulary::PullRequest,
            auto_merges_from: AutoMergesFrom::Opening,
            head: RepositoryHead {
                id: name.to_string(),
                name,
                default_branch: base.clone(),
                head: Some(first.clone()),
                pipeline: Pipeline::Passed,
                is_archived: false,
                is_disabled: false,
                is_fork: false,
                topics: Vec::new(),
                bot_branches: Vec::new(),
            },
            base,
            base_commit: first,
            policy,
            files: Vec::new(),
            problems: std::collections::BTreeMap::new(),
        };
        Ok(Self { facts, pins, commits: 0 })
    }

    /// Adds the pins whose tags were seen since; whether there are some.
    pub fn begin_pins(&mut self, head: impl Fn(usize, Look) -> Option<Digest>, look: Look, now: Timestamp) -> bool {
        let mut is_changed = false;
        for pin in self.pins.iter_mut().filter(|pin| pin.at.is_none()) {
            pin.at = head(pin.track, look).map(|digest| (digest, now));
            is_changed |= pin.at.is_some();
        }
        if is_changed {
            self.read();
        }
        is_changed
    }

    /// Moves the pins as a merged pull request says. `track` knows the tag that a pin gets.
    pub fn merge(
        &mut self,
        changes: &[MarkerPin],
        track: impl Fn(&TagRef) -> Option<usize>,
        now: Timestamp,
    ) -> Result<Vec<Change>, NameError> {
        let mut moved = Vec::new();
        for change in changes {
            let is_it = |pin: &Pinned| {
                (&pin.tag.image, &pin.tag.tag) == (&change.image, &change.tag)
                    && pin.at.map(|(digest, _)| digest) == change.old
            };
            for (index, pin) in self.pins.iter_mut().enumerate().filter(|(_, pin)| is_it(pin)) {
                moved.push(Change { index, before: pin.clone() });
                if let Some(tag) = &change.new_tag {
                    pin.tag.tag = tag.clone();
                    pin.track = track(&pin.tag).unwrap_or(pin.track);
                }
                pin.at = Some((change.new, now));
            }
        }
        self.commits += 1;
        self.facts.base_commit = commit(&format!("{} {}", self.facts.head.name, self.commits))?;
        self.facts.head.head = Some(self.facts.base_commit.clone());
        self.read();
        Ok(moved)
    }

    /// Whether the policy follows a pin, which is in its own line of the Dockerfile.
    pub fn follows(&self, index: usize) -> bool {
        let is_it = |found: &ImageUse| usize::try_from(found.line).is_ok_and(|line| line == index + 1);
        let mut uses = self.facts.files.iter().flat_map(|file| &file.uses);
        self.facts.policy.enabled && uses.any(|found| is_it(found) && found.tracked().is_some())
    }

    /// Reads the Dockerfile as the program reads every file. It has all stages from the beginning, so that the last one is
    /// always the same: those whose tags were not seen yet begin from nothing.
    fn read(&mut self) {
        let line = |pin: &Pinned| match pin.at {
            Some((digest, _)) => format!("FROM {}@{digest}\n", pin.tag),
            None => "FROM scratch\n".to_owned(),
        };
        let text: String = self.pins.iter().map(line).collect();
        let uses = source_file::read(DOCKERFILE, text.as_bytes(), &self.facts.policy);
        self.facts.files = vec![FileUses { path: DOCKERFILE.to_owned(), uses }];
    }
}

/// The id of a commit, which stands for its content.
pub(super) fn commit(content: &str) -> Result<CommitId, NameError> {
    let hash = Digest::of(content.as_bytes()).hex();
    hash.chars().take(COMMIT_ID_LENGTH).collect::<String>().parse()
}
