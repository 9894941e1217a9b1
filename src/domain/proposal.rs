//! What has to be known of a digest before it is proposed, and the reasons why a pin is not.

use std::collections::{BTreeMap, BTreeSet};

use super::cadence::Wait;
use super::candidates::{Move, Unanswered, Unknown};
use super::digest::Digest;
use jiff::Timestamp;

use super::image::{Image, ManifestKind, Platform};
use super::image_use::Finding;
use super::marker::{MarkerError, MarkerPin};
use super::policy::Unchanged;
use super::pull_request::BranchName;
use super::reference::{Tag, TagRef};
use super::unchanged::{self, Contents};
use super::waves::{WaveCause, WaveProof, WaveWait};

/// What the registry says of both ends of a [`Move`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub new: Result<Image, NoImage>,
    pub old: Result<Image, NoImage>,
    /// Whether the mirror has the new digest; `None` where no mirror is asked for.
    pub in_mirror: Option<Result<bool, Unanswered>>,
    /// What the manifests of both ends are made of, by the manifest's digest, as far as `unchanged: content` needs it.
    pub contents: Contents,
}

/// Why there is no image for a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoImage {
    /// Nothing is pinned yet.
    Unpinned,
    /// The registry answered that it has no such digest.
    Gone,
    /// The registry holds it back by a policy of its own, for now; in its words.
    HeldBack(String),
    Unknown(Unknown),
}

/// The evidence for each move that [`super::target::wanted`] asked for.
pub type EvidenceByMove = BTreeMap<Move, Evidence>;

/// A pin that may be proposed.
///
/// **Invariant**: the new digest was read and hashed, is of the old one's kind and has all of its platforms, as far as
/// the old one still is there. On a way back these are the platforms in use, and none where somebody named the digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// From the repository's root.
    pub path: String,
    /// The index in [`super::candidates::FileUses::uses`].
    pub use_index: usize,
    /// 1-based.
    pub line: u32,
    /// As it is written now.
    pub tag: TagRef,
    /// As a registry is asked for it, with the tag that it gets.
    pub asked: TagRef,
    /// The tag that it gets, where that changes.
    pub new_tag: Option<Tag>,
    /// `None`: it gets its first digest.
    pub old: Option<Digest>,
    pub new: Digest,
    /// `None` where the old digest is gone from its registry, or there is none: kinds and platforms were not compared.
    pub old_image: Option<Image>,
    pub new_image: Image,
    /// Why it does not wait for its repository's time.
    pub urgency: Option<Urgency>,
    /// The waves that have proved the new digest; none where it waits for none.
    pub proofs: Vec<WaveProof>,
}

/// Why a proposal passes `schedule`, `min_interval` and `min_age`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Urgency {
    /// The registry no longer has the pinned digest: what is built on it cannot be built.
    Gone,
    /// Somebody took the pinned digest back, for this reason.
    RolledBack(String),
}

/// Why a pin is not proposed, or a pull request is left as it is; [`Reason::told`] is for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Something could not be looked up.
    Unknown(Unknown),
    /// Its bytes serve several uses, which need different digests.
    Ambiguous,
    /// The pin is one platform's manifest where the tag is an index.
    SinglePlatform,
    /// The pin is an index where the tag is a single manifest now.
    NoLongerIndex,
    /// The new digest lacks these platforms of the old one: `linux/arm64`.
    PlatformsGone(Vec<String>),
    /// The tag points to a digest again that it pointed to before the pinned one.
    Backwards,
    /// What was seen first so short ago may not be proposed; this digest is the first that may, from then on.
    TooYoung { digest: Digest, from: Timestamp },
    /// The newest digest was not the head in two looks that are far enough apart; from then on the next look decides.
    Unsettled { digest: Digest, from: Timestamp },
    /// Somebody denied the digest, for this reason.
    Denied { digest: Digest, reason: Option<String> },
    /// Somebody took the pinned digest back, for this reason, and nothing is known to go back to.
    NoWayBack { digest: Digest, reason: String },
    /// The registry holds it back by a policy of its own, in its words: not yet.
    HeldBack(String),
    /// The mirror does not have the digest, which was seen first then.
    NotInMirror { digest: Digest, since: Timestamp },
    /// The digest changes nothing for the platforms in use.
    Unchanged(Unchanged),
    /// The other one of the pair has nothing to move to yet; it is waited for until then.
    Pair { other: TagRef, until: Timestamp },
    /// Another pull request was opened in the repository too short ago.
    MinInterval { until: Timestamp },
    /// An earlier wave has not proved the digest.
    Wave(WaveWait),
    /// Its registry has no such tag any more.
    TagGone,
    /// The digest is gone from its registry again.
    DigestGone(Digest),
    /// The tag stands where it cannot be changed: in several parts, or in the configuration.
    TagNotEditable(Tag),
    /// The pull request with this number was closed without merging.
    Refused(u64),
    /// The pull request with this number, which moves this very pin, was merged after the file was read.
    Merged(u64),
    /// The open pull request with this number is labelled [`super::plan::HOLD_LABEL`].
    Hold(u64),
    /// Somebody else's commit is on the branch of this pull request.
    ForeignCommit(u64),
    /// The branch is there, with somebody else's commit and no pull request.
    ForeignBranch(BranchName),
    /// The branch of this pull request moved while it was looked at.
    Moved(u64),
    /// The hidden block of this pull request cannot be used.
    UnreadableMarker(u64, MarkerError),
    /// So many pull requests may be open in the repository.
    MaxOpen(u32),
    /// So many pull requests may be opened per hour in the fleet.
    MaxNewPerHour(u32),
    /// One pull request cannot describe more pins; the rest follows when it is merged.
    TooMany,
    /// The repository's time to be proposed to has not come.
    Waits(Wait),
}

/// A pin that is behind, or unknown, and not proposed in this cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotProposed {
    pub path: String,
    pub use_index: usize,
    pub line: u32,
    pub tag: TagRef,
    /// As a registry is asked for it.
    pub asked: TagRef,
    pub old: Option<Digest>,
    /// Where the tag points now, where that is known.
    pub new: Option<Digest>,
    pub reason: Reason,
}

impl Reason {
    /// Whether a cycle that says this is incomplete: something could not be looked up, and may be the next time.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Moved(_))
    }

    /// Whether what is not proposed for this reason stays so until somebody does something about it.
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::TagGone
                | Self::TagNotEditable(_)
                | Self::Denied { .. }
                | Self::Refused(_)
                | Self::PlatformsGone(_)
                | Self::SinglePlatform
                | Self::NoLongerIndex
                | Self::Ambiguous
        )
    }

    /// What it waits for.
    pub fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Waits(wait) => Some(wait),
            _ => None,
        }
    }

    /// Until when it waits, as far as that is known; what is asked for by then decides.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::TooYoung { from, .. } | Self::Unsettled { from, .. } => Some(*from),
            Self::Pair { until, .. } | Self::MinInterval { until } => Some(*until),
            Self::Wave(WaveWait { cause: WaveCause::Green { until }, .. }) => Some(*until),
            Self::Waits(wait) => Some(wait.until.timestamp()).filter(|until| *until < Timestamp::MAX),
            _ => None,
        }
    }

    /// Since when it waits, where that is what says something.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::NotInMirror { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// What it tells about the pin itself.
    pub fn finding(&self) -> Option<Finding> {
        matches!(self, Self::SinglePlatform).then_some(Finding::SinglePlatform)
    }
}

impl Pin {
    /// The first digits of the digest that it has, for people.
    pub fn shown_old(&self) -> String {
        self.old.map_or_else(|| "unpinned".to_owned(), |old| old.short())
    }

    /// What a marker says of it.
    pub fn marked(&self) -> MarkerPin {
        MarkerPin {
            file: self.path.clone(),
            line: self.line,
            image: self.tag.image.clone(),
            tag: self.tag.tag.clone(),
            new_tag: self.new_tag.clone(),
            old: self.old,
            new: self.new,
        }
    }

    pub(super) fn refused(self, reason: Reason) -> NotProposed {
        let Self { path, use_index, line, tag, asked, old, new, .. } = self;
        NotProposed { path, use_index, line, tag, asked, old, new: Some(new), reason }
    }
}

/// What a new digest must have of the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared<'a> {
    /// Its kind, and every platform.
    Everything,
    /// Its kind, and these platforms, as far as the old one has them; no platform where none is named: who goes back to
    /// what was there before loses what came since, and that is said.
    InUse(&'a [Platform]),
    /// Nothing: somebody chose the digest.
    Nothing,
}

/// Whether a digest may follow the pinned one: the images of both ends (no old one where it is gone), or why not.
pub fn judge(
    new: Digest,
    evidence: Option<&Evidence>,
    compared: Compared<'_>,
) -> Result<(Option<Image>, Image), Reason> {
    let unknown = |reason: String| Reason::Unknown(Unknown { reason });
    let Some(evidence) = evidence else { return Err(unknown("its new digest was not looked up".to_owned())) };
    let after = match &evidence.new {
        Ok(image) if image.digest == new => image,
        Ok(image) => return Err(unknown(format!("its new digest was answered with `{}`", image.digest))),
        Err(NoImage::Gone | NoImage::Unpinned) => return Err(Reason::DigestGone(new)),
        Err(NoImage::HeldBack(words)) => return Err(Reason::HeldBack(words.clone())),
        Err(NoImage::Unknown(error)) => return Err(unknown(format!("its new digest could not be read: {error}"))),
    };
    let before = match &evidence.old {
        Ok(image) => image,
        // Nobody can pull it any more: it shall be left, although nothing can be compared.
        Err(NoImage::Gone | NoImage::HeldBack(_) | NoImage::Unpinned) => return Ok((None, after.clone())),
        Err(NoImage::Unknown(error)) => {
            return Err(unknown(format!("its pinned digest could not be looked up: {error}")));
        }
    };
    fits(before, after, compared)?;
    Ok((Some(before.clone()), after.clone()))
}

fn fits(before: &Image, after: &Image, compared: Compared<'_>) -> Result<(), Reason> {
    let is_needed = |platform: &&Platform| match compared {
        Compared::Everything => true,
        Compared::InUse(in_use) => in_use.iter().any(|used| unchanged::is_same(used, platform)),
        Compared::Nothing => false,
    };
    match (before.kind, after.kind) {
        _ if compared == Compared::Nothing => Ok(()),
        (ManifestKind::Image, ManifestKind::Index) => Err(Reason::SinglePlatform),
        (ManifestKind::Index, ManifestKind::Image) => Err(Reason::NoLongerIndex),
        (ManifestKind::Image, ManifestKind::Image) | (ManifestKind::Index, ManifestKind::Index) => {
            let gone: Vec<String> =
                platforms_gone(before, after).iter().filter(is_needed).map(ToString::to_string).collect();
            if gone.is_empty() { Ok(()) } else { Err(Reason::PlatformsGone(gone)) }
        }
    }
}

/// The platforms of the old image that the new one lacks, also by another name of the same.
pub fn platforms_gone(before: &Image, after: &Image) -> BTreeSet<Platform> {
    // A single manifest tells its platform only through its configuration, which may be silent.
    if after.kind == ManifestKind::Image && after.manifests.is_empty() {
        return BTreeSet::new();
    }
    let has = |platform: &Platform| after.manifests.keys().any(|other| unchanged::is_same(other, platform));
    before.manifests.keys().filter(|platform| !has(platform)).cloned().collect()
}
