//! The first decision: which pins are behind, and what has to be looked up before anything is proposed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::branch::Subject;
use super::digest::Digest;
use super::image_use::ImageUse;
use super::policy::{Grouping, Policy};
use super::pull_request::{AutoMergesFrom, BranchName, CommitId, RepoName, RepositoryHead, Vocabulary};
use super::reference::{ImageName, Tag, TagRef};

/// What was read of one repository.
#[derive(Debug, Clone)]
pub struct RepositoryFacts {
    /// The forge's name in the configuration.
    pub forge: String,
    /// What the forge calls a pull request.
    pub vocabulary: Vocabulary,
    pub auto_merges_from: AutoMergesFrom,
    pub head: RepositoryHead,
    /// The branch that is followed and proposed to.
    pub base: BranchName,
    /// The head of `base`, at which `files` were read.
    pub base_commit: CommitId,
    pub policy: Policy,
    pub files: Vec<FileUses>,
    /// Files that should have been read and were not, with the reason. Pins in them are unknown, not gone.
    pub problems: BTreeMap<String, Unknown>,
}

/// The uses of images in one file. Uses that must not be changed arrive as skipped, and with them the pins whose
/// digest serves them too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileUses {
    /// From the repository's root, with `/`.
    pub path: String,
    pub uses: Vec<ImageUse>,
}

/// A repository on one of the configured forges.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositoryKey {
    pub forge: String,
    pub name: RepoName,
}

/// Why something is not known, for people. Never "no update", never "gone".
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    pub reason: String,
}

/// What each tag points to now, or why that cannot be told.
pub type Observations = BTreeMap<TagRef, Result<Digest, Unanswered>>;

/// Why a tag has no digest now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// The registry has the repository, and no such tag in it.
    Gone,
    /// The registry holds it back by a policy of its own, for now; in its words.
    HeldBack(String),
    Unknown(Unknown),
}

/// How a pin stands to its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UseState {
    Current,
    Behind {
        new: Digest,
    },
    /// Its registry has no such tag any more.
    TagGone,
    /// Its registry holds the tag back by a policy of its own, for now; in its words.
    HeldBack(String),
    Unknown(Unknown),
    /// Its bytes serve several uses, which would need different digests.
    Ambiguous,
}

/// One followed pin and its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub path: String,
    /// The index in [`FileUses::uses`].
    pub use_index: usize,
    /// 1-based.
    pub line: u32,
    /// As it is written.
    pub tag: TagRef,
    /// What a registry is asked: the upstream's where the name is a mirror's, else the same.
    pub asked: TagRef,
    /// `None`: it has no digest yet, and shall get one.
    pub old: Option<Digest>,
    pub state: UseState,
}

/// A pin's way from one digest to another: what evidence is asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Move {
    /// Where the digests are looked up: the upstream's name where the pin's is a mirror's.
    pub image: ImageName,
    /// The mirror that the pin is written with, which must have the new digest, too.
    pub mirror: Option<ImageName>,
    pub old: Option<Digest>,
    pub new: Digest,
}

/// What [`behind`] found in one repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// By file as given, then as in the file.
    pub pins: Vec<Candidate>,
    /// What has to be known before a proposal.
    pub evidence: BTreeSet<Move>,
    /// The branches whose pull requests decide what may be proposed: the subjects of every grouping, because a digest
    /// that was refused under another one stays refused, and every branch of the bot that is there.
    pub branches: BTreeSet<BranchName>,
}

impl RepositoryFacts {
    pub fn key(&self) -> RepositoryKey {
        RepositoryKey { forge: self.forge.clone(), name: self.head.name.clone() }
    }
}

impl Move {
    /// The way of a pin of `tag`, as it is written, for which a registry is asked as for `asked`.
    pub fn new(tag: &TagRef, asked: &TagRef, old: Option<Digest>, new: Digest) -> Self {
        let mirror = (asked.image != tag.image).then(|| tag.image.clone());
        Self { image: asked.image.clone(), mirror, old, new }
    }
}

impl Candidate {
    /// What evidence it needs; `None` unless it is behind.
    pub fn wanted(&self) -> Option<Move> {
        match self.state {
            UseState::Behind { new } => Some(self.move_to(new)),
            UseState::Current
            | UseState::TagGone
            | UseState::HeldBack(_)
            | UseState::Unknown(_)
            | UseState::Ambiguous => None,
        }
    }

    /// The way to this digest.
    pub fn move_to(&self, new: Digest) -> Move {
        Move::new(&self.tag, &self.asked, self.old, new)
    }

    pub fn image(&self) -> &ImageName {
        &self.tag.image
    }

    pub fn tag(&self) -> &Tag {
        &self.tag.tag
    }
}

/// Compares every followed pin with what its tag points to. A tag that nobody asked about is unknown.
pub fn behind(facts: &RepositoryFacts, observations: &Observations) -> Candidates {
    let pins = if facts.policy.enabled { pins(&facts.files, observations) } else { Vec::new() };
    let evidence: BTreeSet<Move> = pins.iter().filter_map(Candidate::wanted).collect();
    let mut branches: BTreeSet<BranchName> = facts.head.bot_branches.iter().map(|branch| branch.name.clone()).collect();
    for pin in pins.iter().filter(|pin| pin.wanted().is_some()) {
        for grouping in [Grouping::Repository, Grouping::Image, Grouping::File] {
            branches.insert(Subject::of(grouping, pin.image(), &pin.path).branch());
        }
    }
    branches.retain(BranchName::is_ours);
    Candidates { pins, evidence, branches }
}

/// Every followed pin of these files with its state, by file as given, then as in the file.
pub fn pins(files: &[FileUses], observations: &Observations) -> Vec<Candidate> {
    files.iter().flat_map(|file| pins_of(file, observations)).collect()
}

fn pins_of(file: &FileUses, observations: &Observations) -> Vec<Candidate> {
    let mut pins = Vec::new();
    // By where the digest begins, or where the one begins that a use gets.
    let mut states: BTreeMap<usize, UseState> = BTreeMap::new();
    for (use_index, found) in file.uses.iter().enumerate() {
        let (Some(start), Some(tag), old) = (found.place(), found.tracked(), found.digest) else { continue };
        let state = match observations.get(&tag) {
            Some(Ok(new)) if Some(*new) == old => UseState::Current,
            Some(Ok(new)) => UseState::Behind { new: *new },
            Some(Err(Unanswered::Gone)) => UseState::TagGone,
            Some(Err(Unanswered::HeldBack(words))) => UseState::HeldBack(words.clone()),
            Some(Err(Unanswered::Unknown(unknown))) => UseState::Unknown(unknown.clone()),
            None => UseState::Unknown(Unknown { reason: "its registry was not asked".to_owned() }),
        };
        let together = states.remove(&start).map_or_else(|| state.clone(), |other| together(other, &state));
        states.insert(start, together);
        let (path, asked) = (file.path.clone(), tag.clone());
        pins.push((start, Candidate { path, use_index, line: found.line, tag, asked, old, state }));
    }
    let settle =
        |(start, pin): (usize, Candidate)| Candidate { state: states.get(&start).unwrap_or(&pin.state).clone(), ..pin };
    pins.into_iter().map(settle).collect()
}

/// Uses of the same bytes change together or not at all.
fn together(one: UseState, other: &UseState) -> UseState {
    match (&one, other) {
        (UseState::Unknown(_), _) => one,
        (_, UseState::Unknown(_)) => other.clone(),
        _ if one == *other => one,
        _ => UseState::Ambiguous,
    }
}

impl fmt::Display for RepositoryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.forge, self.name)
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
