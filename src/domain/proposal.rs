//! What has to be known of a digest before it is proposed, and the reasons why a pin is not.

use std::collections::BTreeMap;

use super::cadence::Wait;
use super::candidates::{Candidate, Move, Unknown, UseState};
use super::digest::Digest;
use super::image::{Image, ManifestKind};
use super::image_use::Finding;
use super::ledger::Ledger;
use super::marker::{MarkerError, MarkerPin};
use super::pull_request::BranchName;
use super::reference::TagRef;

/// What the registry says of both ends of a [`Move`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    pub new: Result<Image, Unknown>,
    pub old: Result<Image, OldImage>,
}

/// Why there is no image for the digest that is pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OldImage {
    /// The registry answered that it has no such digest.
    Gone,
    Unknown(Unknown),
}

/// The evidence for each move that [`super::candidates::behind`] asked for.
pub type EvidenceByMove = BTreeMap<Move, Evidence>;

/// A pin that may be proposed.
///
/// **Invariant**: the new digest was read and hashed, is of the old one's kind and has all of its platforms, as far as
/// the old one still is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// From the repository's root.
    pub path: String,
    /// The index in [`super::candidates::FileUses::uses`].
    pub use_index: usize,
    /// 1-based.
    pub line: u32,
    pub tag: TagRef,
    pub old: Digest,
    pub new: Digest,
    /// `None` where the old digest is gone from its registry: its kind and platforms could not be compared.
    pub old_image: Option<Image>,
    pub new_image: Image,
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
    pub old: Digest,
    /// Where the tag points now, where that is known.
    pub new: Option<Digest>,
    pub reason: Reason,
}

impl Reason {
    /// Whether a cycle that says this is incomplete: something could not be looked up, and may be the next time.
    pub fn is_incomplete(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Moved(_))
    }

    /// What it waits for.
    pub fn wait(&self) -> Option<&Wait> {
        match self {
            Self::Waits(wait) => Some(wait),
            _ => None,
        }
    }

    /// What it tells about the pin itself.
    pub fn finding(&self) -> Option<Finding> {
        matches!(self, Self::SinglePlatform).then_some(Finding::SinglePlatform)
    }
}

impl Pin {
    /// What a marker says of it.
    pub fn marked(&self) -> MarkerPin {
        MarkerPin {
            file: self.path.clone(),
            line: self.line,
            image: self.tag.image.clone(),
            tag: self.tag.tag.clone(),
            old: self.old,
            new: self.new,
        }
    }

    pub(super) fn refused(self, reason: Reason) -> NotProposed {
        let Self { path, use_index, line, tag, old, new, .. } = self;
        NotProposed { path, use_index, line, tag, old, new: Some(new), reason }
    }
}

/// What becomes of a candidate: a pin that may be proposed, a reason why not, or nothing where it is current.
pub fn consider(candidate: &Candidate, evidence: &EvidenceByMove, ledger: &Ledger) -> Option<Result<Pin, NotProposed>> {
    let not_proposed = |new: Option<Digest>, reason: Reason| {
        let Candidate { path, use_index, line, tag, old, .. } = candidate.clone();
        Some(Err(NotProposed { path, use_index, line, tag, old, new, reason }))
    };
    let new = match &candidate.state {
        UseState::Current => return None,
        UseState::Unknown(unknown) => return not_proposed(None, Reason::Unknown(unknown.clone())),
        UseState::Ambiguous => return not_proposed(None, Reason::Ambiguous),
        UseState::Behind { new } => *new,
    };
    if ledger.is_backwards(&candidate.tag, &candidate.old, &new) {
        return not_proposed(Some(new), Reason::Backwards);
    }
    let found = candidate.wanted().and_then(|wanted| evidence.get(&wanted));
    match judge(new, found) {
        Err(reason) => not_proposed(Some(new), reason),
        Ok((old_image, new_image)) => {
            let Candidate { path, use_index, line, tag, old, .. } = candidate.clone();
            Some(Ok(Pin { path, use_index, line, tag, old, new, old_image, new_image }))
        }
    }
}

/// Whether a digest may follow the pinned one: the images of both ends (no old one where it is gone), or why not.
pub fn judge(new: Digest, evidence: Option<&Evidence>) -> Result<(Option<Image>, Image), Reason> {
    let unknown = |reason: String| Reason::Unknown(Unknown { reason });
    let Some(evidence) = evidence else { return Err(unknown("its new digest was not looked up".to_owned())) };
    let after = match &evidence.new {
        Ok(image) if image.digest == new => image,
        Ok(image) => return Err(unknown(format!("its new digest was answered with `{}`", image.digest))),
        Err(error) => return Err(unknown(format!("its new digest could not be read: {error}"))),
    };
    let before = match &evidence.old {
        Ok(image) => image,
        Err(OldImage::Gone) => return Ok((None, after.clone())),
        Err(OldImage::Unknown(error)) => {
            return Err(unknown(format!("its pinned digest could not be looked up: {error}")));
        }
    };
    match (before.kind, after.kind) {
        (ManifestKind::Image, ManifestKind::Index) => return Err(Reason::SinglePlatform),
        (ManifestKind::Index, ManifestKind::Image) => return Err(Reason::NoLongerIndex),
        // A single manifest tells its platform only through its configuration, which may be silent.
        (ManifestKind::Image, ManifestKind::Image) if after.platforms.is_empty() => {}
        _ => {
            let gone: Vec<String> = before.platforms.difference(&after.platforms).map(ToString::to_string).collect();
            if !gone.is_empty() {
                return Err(Reason::PlatformsGone(gone));
            }
        }
    }
    Ok((Some(before.clone()), after.clone()))
}
