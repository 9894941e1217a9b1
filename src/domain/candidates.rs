//! The first decision: which pins are behind, and what has to be looked up before anything is proposed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::branch::Subject;
use super::digest::Digest;
use super::image::Platform;
use super::image_use::ImageUse;
use super::policy::{Grouping, Policy};
use super::pull_request::{AutoMergesFrom, BranchName, CommitId, RepoName, RepositoryHead, Vocabulary};
use super::reference::{ImageName, Tag, TagRef};
use super::unchanged;

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
    /// Whether the tag stands where it can be changed to a higher one.
    pub can_change_tag: bool,
    /// What a registry is asked: the upstream's where the name is a mirror's, else the same.
    pub asked: TagRef,
    /// `None`: it has no digest yet, and shall get one.
    pub old: Option<Digest>,
    pub state: UseState,
    /// The platforms that it is built for; all of the image's, where none is named.
    pub in_use: Vec<Platform>,
    /// Where its digest begins in the file, or where the one begins that it gets: uses of the same bytes change together
    /// or not at all.
    pub place: usize,
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
    /// The branches under which those that are behind may be proposed, whatever the grouping, and every branch of the bot
    /// that is there.
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
    /// The branches under which it may be proposed, whatever the grouping.
    pub fn subjects(&self) -> impl Iterator<Item = BranchName> {
        let subject = |grouping| Subject::of(grouping, self.image(), &self.path).branch();
        [Grouping::Repository, Grouping::Image, Grouping::File].into_iter().map(subject)
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
    let pins = of_repository(facts, observations);
    let mut branches: BTreeSet<BranchName> = facts.head.bot_branches.iter().map(|branch| branch.name.clone()).collect();
    for pin in pins.iter().filter(|pin| matches!(pin.state, UseState::Behind { .. })) {
        branches.extend(pin.subjects());
    }
    branches.retain(BranchName::is_ours);
    Candidates { pins, branches }
}

/// The pins of [`behind`].
pub fn of_repository(facts: &RepositoryFacts, observations: &Observations) -> Vec<Candidate> {
    if facts.policy.enabled { pins(&facts.files, &facts.policy, observations) } else { Vec::new() }
}

/// Every followed pin of these files with its state, by file as given, then as in the file.
pub fn pins(files: &[FileUses], policy: &Policy, observations: &Observations) -> Vec<Candidate> {
    files.iter().flat_map(|file| pins_of(file, policy, observations)).collect()
}

/// What a registry is asked about a use; `None` where it is not followed.
pub fn asked(found: &ImageUse, policy: &Policy) -> Option<TagRef> {
    Some(policy.mirrors.asked(&found.tracked()?))
}

fn pins_of(file: &FileUses, policy: &Policy, observations: &Observations) -> Vec<Candidate> {
    let mut pins: Vec<Candidate> = Vec::new();
    // By where the digest begins, or where the one begins that a use gets.
    let mut states: BTreeMap<usize, UseState> = BTreeMap::new();
    for (use_index, found) in file.uses.iter().enumerate() {
        let (Some(place), Some(tag)) = (found.place(), found.tracked()) else { continue };
        let old = found.digest;
        let asked = policy.mirrors.asked(&tag);
        let state = match observations.get(&asked) {
            Some(Ok(new)) if Some(*new) == old => UseState::Current,
            Some(Ok(new)) => UseState::Behind { new: *new },
            Some(Err(Unanswered::Gone)) => UseState::TagGone,
            Some(Err(Unanswered::HeldBack(words))) => UseState::HeldBack(words.clone()),
            Some(Err(Unanswered::Unknown(unknown))) => UseState::Unknown(unknown.clone()),
            None => UseState::Unknown(Unknown { reason: "its registry was not asked".to_owned() }),
        };
        let together = states.remove(&place).map_or_else(|| state.clone(), |other| together(other, &state));
        states.insert(place, together);
        let (path, line, can_change_tag) = (file.path.clone(), found.line, found.can_change_tag());
        let in_use = unchanged::in_use(found.platform.as_deref(), &policy.platforms);
        pins.push(Candidate { path, use_index, line, tag, can_change_tag, asked, old, state, in_use, place });
    }
    for pin in &mut pins {
        pin.state = states.get(&pin.place).unwrap_or(&pin.state).clone();
    }
    pins
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
