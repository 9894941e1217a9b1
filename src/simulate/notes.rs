//! What a configuration asks for and a replay cannot give: said, so that nobody takes a figure for more than it is.

use std::collections::BTreeSet;
use std::fmt;

use super::recording::Recording;
use super::repository::Repository;
use super::track::Track;
use crate::domain::candidates::RepositoryFacts;
use crate::domain::digest::Digest;
use crate::domain::policy::{PinMode, Unchanged};
use crate::domain::reference::{ImageName, TagRef};

/// Something that is not replayed, or only in part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// `unchanged`, where the history does not say what digests hold: of so many that tags moved to.
    Unchanged { unknown: usize, of: usize },
    /// `mirrors`: a history does not say when a mirror had what.
    Mirrors,
    /// `stale_after`: it makes findings, and no pull requests.
    StaleAfter,
    /// `pin: digest`: pins have a digest from the beginning.
    Pin,
    /// `denied`: so many of these digests are not in the history.
    Denied { unknown: usize },
    /// `waves`: no tag is pinned in two repositories, of which one could wait for the other.
    Waves,
}

/// What is to be said of these repositories; the tracks are those that their pins follow.
pub(super) fn notes<'a>(
    repositories: &[Repository],
    recording: &Recording,
    tracks: impl Fn(&Repository) -> Vec<(&'a TagRef, &'a Track)>,
) -> BTreeSet<Note> {
    let mut notes = BTreeSet::new();
    let (mut moved, mut unknown, mut denied) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for repository in repositories.iter().filter(|repository| repository.facts.policy.enabled) {
        let policy = &repository.facts.policy;
        notes.extend(policy.stale_after.map(|_| Note::StaleAfter));
        notes.extend((policy.pin == PinMode::Digest).then_some(Note::Pin));
        notes.extend(is_mirrored(&repository.facts, repository).then_some(Note::Mirrors));
        denied.extend(policy.denied.iter().map(|denied| denied.digest));
        if policy.unchanged == Unchanged::Off {
            continue;
        }
        for (asked, track) in tracks(repository) {
            for digest in track.digests() {
                let place: (ImageName, Digest) = (asked.image.clone(), digest);
                if !is_known(recording, &place, policy.unchanged) {
                    unknown.insert(place.clone());
                }
                moved.insert(place);
            }
        }
    }
    if !unknown.is_empty() {
        notes.insert(Note::Unchanged { unknown: unknown.len(), of: moved.len() });
    }
    let unseen = denied.iter().filter(|digest| !recording.has(digest)).count();
    notes.extend((unseen > 0).then_some(Note::Denied { unknown: unseen }));
    notes
}

/// What is to be said of waves.
pub(super) fn of_waves(repositories: &[Repository]) -> Option<Note> {
    let mut seen = BTreeSet::new();
    let enabled = repositories.iter().filter(|repository| repository.facts.policy.enabled);
    // Each repository's tags once: two pins of one tag in it move together.
    let tags = enabled.flat_map(|it| it.pins.iter().map(|pin| pin.track).collect::<BTreeSet<_>>());
    let is_any_shared = tags.into_iter().any(|track| !seen.insert(track));
    (!is_any_shared).then_some(Note::Waves)
}

fn is_mirrored(facts: &RepositoryFacts, repository: &Repository) -> bool {
    repository.pins.iter().any(|pin| facts.policy.mirrors.upstream(&pin.tag.image).is_some())
}

/// Whether the history says enough of a digest for this rule.
fn is_known(recording: &Recording, (name, digest): &(ImageName, Digest), rule: Unchanged) -> bool {
    let Some(image) = recording.image(name, *digest) else { return false };
    match rule {
        Unchanged::Off | Unchanged::Platforms => true,
        Unchanged::Content => image.manifests.values().all(|manifest| recording.content(manifest).is_some()),
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged { unknown, of } => write!(
                f,
                "`unchanged`: the history does not say what {unknown} of {of} digests hold; a move from or to one of them counts as a change"
            ),
            Self::Mirrors => f.write_str("`mirrors`: every digest is taken to be in its mirror at once"),
            Self::StaleAfter => f.write_str("`stale_after`: what it tells is no pull request, and in no figure"),
            Self::Pin => f.write_str("`pin: digest`: every pin is taken to have a digest from the beginning"),
            Self::Denied { unknown: 1 } => {
                f.write_str("`denied`: 1 of the digests is not in the history, and keeps nothing back in it")
            }
            Self::Denied { unknown } => {
                write!(f, "`denied`: {unknown} of the digests are not in the history, and keep nothing back in it")
            }
            Self::Waves => f.write_str(
                "`waves`: no tag is pinned in two repositories, so that none waits for another; `--repositories` takes a list in which tags are shared",
            ),
        }
    }
}
