//! What a cycle would look up, from the recording.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::recording::Recording;
use super::replay::{Followed, Replay};
use super::repository::Repository;
use super::track::Moment;
use crate::domain::candidates::{self, Move, RepositoryFacts};
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image, ManifestKind, NoContent};
use crate::domain::plan::{self, Knowledge};
use crate::domain::policy::Follow;
use crate::domain::proposal::{Evidence, NoImage};
use crate::domain::reference::ImageName;
use crate::domain::tag_list::TagList;
use crate::domain::target::{self, ROUNDS_MAX, Rules};

impl Replay<'_> {
    /// Looks up what these repositories' plans need.
    pub(super) fn know(&mut self, wanted: &BTreeSet<usize>, Moment { look, now }: Moment) {
        self.knowledge.evidence.clear();
        for index in wanted {
            let Some(repository) = self.repositories.get(*index) else { continue };
            let pinned = repository.pins.iter().filter_map(|pin| Some((self.tracks.get(pin.track)?, pin.at?.0)));
            let known = pinned.filter_map(|(followed, digest)| {
                let image = self.recording.image(&followed.asked.image, digest)?;
                Some(((followed.asked.image.clone(), digest), image))
            });
            for (place, image) in known {
                self.knowledge.images.entry(place).or_insert_with(|| image.clone());
            }
            for index in followed(repository, &self.by_image) {
                let Some(Followed { asked, track }) = self.tracks.get(index) else { continue };
                let Some(digest) = track.head(look) else { continue };
                self.knowledge.observations.insert(asked.clone(), Ok(digest));
                let history = track.history(look, &self.grid);
                let first_seen = history.sightings().first().map(|first| first.first_seen);
                self.knowledge.ledger.insert(asked.clone(), history);
                if let Ok(tags) = self.knowledge.tags.entry(asked.image.clone()).or_insert(Ok(TagList::default())) {
                    tags.insert(asked.tag.clone());
                    first_seen.iter().for_each(|at| tags.see(&asked.tag, *at));
                }
            }
        }
        self.look_up(wanted, now);
    }

    /// Adds the evidence that the targets depend on, digest after digest where the first may not be proposed.
    fn look_up(&mut self, wanted: &BTreeSet<usize>, now: Timestamp) {
        let facts = || wanted.iter().filter_map(|index| self.repositories.get(*index)).map(|it| &it.facts);
        for _ in 0..ROUNDS_MAX {
            let moves: BTreeSet<Move> = facts().flat_map(|facts| missing(facts, &self.knowledge, now)).collect();
            if moves.is_empty() {
                break;
            }
            let evidence = |wanted: Move| (wanted.clone(), evidence(&wanted, self.recording));
            self.knowledge.evidence.extend(moves.into_iter().map(evidence));
        }
        let held: BTreeSet<Move> = facts().flat_map(|facts| plan::held_moves(facts, &self.knowledge, now)).collect();
        let evidence = |wanted: Move| (wanted.clone(), evidence(&wanted, self.recording));
        self.knowledge.evidence.extend(held.into_iter().map(evidence));
    }
}

/// What has to be looked up before the targets of a repository's pins can be told.
fn missing(facts: &RepositoryFacts, knowledge: &Knowledge, now: Timestamp) -> BTreeSet<Move> {
    let key = facts.key();
    let rules = Rules { repository: Some(&key), policy: &facts.policy, knowledge, now };
    let pins = candidates::of_repository(facts, &knowledge.observations);
    pins.iter().flat_map(|pin| target::wanted(pin, &rules)).collect()
}

/// The tracks that may move a repository's pins: those of their tags, and of all tags of their images where the policy
/// follows versions.
pub(super) fn followed(repository: &Repository, by_image: &BTreeMap<ImageName, Vec<usize>>) -> BTreeSet<usize> {
    let own = repository.pins.iter().map(|pin| pin.track);
    let images = repository.pins.iter().filter(|_| repository.facts.policy.follow != Follow::Digest);
    let others = images.filter_map(|pin| by_image.get(&repository.facts.policy.mirrors.asked(&pin.tag).image));
    own.chain(others.flatten().copied()).collect()
}

/// Every digest of a recording is there. Where it says what both ends of a move hold, that is compared; else both are taken
/// to be indexes of which nothing is known.
fn evidence(wanted: &Move, recording: &Recording) -> Evidence {
    let recorded = |digest| recording.image(&wanted.image, digest);
    let in_mirror = wanted.mirror.as_ref().map(|_| Ok(true));
    match (wanted.old.and_then(recorded), recorded(wanted.new)) {
        (Some(old), Some(new)) => {
            let contents = [old, new].into_iter().flat_map(manifests).map(|it| (it, content(&it, recording))).collect();
            Evidence { new: Ok(new.clone()), old: Ok(old.clone()), in_mirror, contents }
        }
        _ => {
            let image = |digest| Image::bare(digest, ManifestKind::Index);
            let old = wanted.old.map(image).ok_or(NoImage::Unpinned);
            Evidence { new: Ok(image(wanted.new)), old, in_mirror, contents: BTreeMap::new() }
        }
    }
}

/// The manifests of single platforms in an image.
fn manifests(image: &Image) -> impl Iterator<Item = Digest> {
    let own = (image.kind == ManifestKind::Image).then_some(image.digest);
    image.manifests.values().copied().chain(own)
}

fn content(manifest: &Digest, recording: &Recording) -> Result<Content, NoContent> {
    recording.content(manifest).cloned().ok_or(NoContent::ForGood)
}
