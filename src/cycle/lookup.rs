//! Asking registries, and the ledger of what they said before: each tag and each digest once, whoever needs the answer.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::{Step, Watcher, evidence};
use crate::domain::candidates::{self, FileUses, Move, Observations, Unanswered, Unknown};
use crate::domain::digest::Digest;
use crate::domain::image::Image;
use crate::domain::policy::Policy;
use crate::domain::proposal::{Evidence, EvidenceByMove, NoImage};
use crate::domain::reference::{ImageName, TagRef};
use crate::registry::{Failure, RegistryError, Session};
use crate::store::{Store, StoreError};

/// Questions under way at once, over all registries; each registry has a limit of its own.
pub(super) const CONCURRENCY: usize = 64;

/// The distinct tags that these files follow, as registries are asked for them.
pub fn tracked<'a>(files: impl IntoIterator<Item = &'a FileUses>, policy: &Policy) -> BTreeSet<TagRef> {
    let uses = files.into_iter().flat_map(|file| &file.uses);
    uses.filter_map(|found| candidates::asked(found, policy)).collect()
}

/// What each tag points to now, or why that is not known.
pub async fn observe(session: &Session, tags: BTreeSet<TagRef>, watcher: Watcher<'_>) -> Observations {
    let of = tags.len();
    let mut answers = stream::iter(tags)
        .map(|tag| async move {
            let answer = session.digest(&tag).await;
            (tag, answer.map_err(|error| unanswered(&error)))
        })
        .buffer_unordered(CONCURRENCY);
    let mut observations = Observations::new();
    while let Some((tag, answer)) = answers.next().await {
        if let Err(Unanswered::Unknown(unknown)) = &answer {
            // The report names it; this is for who follows the log.
            tracing::info!(image.tag = %tag, reason = %unknown, "a tag could not be looked up");
        }
        observations.insert(tag, answer);
        watcher(Step { what: "tags", done: observations.len(), of });
    }
    observations
}

/// What the digests of these moves hold, whether the new ones still are there, and whether mirrors have them. Content
/// never changes under a digest, so what the store knows is not read again; that it is there is asked of the registry,
/// unless a tag was seen to point to it just now.
pub async fn evidence(
    session: &Session,
    store: Option<&dyn Store>,
    moves: &BTreeSet<Move>,
    observed: &Observations,
    watcher: Watcher<'_>,
) -> EvidenceByMove {
    let remembered = evidence::remembered(store, moves, observed).await;
    let ask = |name, digest| async move { image(session, store, &name, &digest).await };
    let mut evidence = evidence_by(moves, watcher, ask).await;
    // What the mirror does not have is not proposed: nobody else is asked for it, however far the mirror lags.
    evidence::add_mirrors(session, &mut evidence).await;
    evidence::confirm(session, evidence::not_lacking(remembered, &evidence), &mut evidence).await;
    evidence
}

/// The same with kinds and platforms alone, for one request each: enough to tell whether a digest may follow another.
pub async fn kinds(session: &Session, moves: &BTreeSet<Move>, watcher: Watcher<'_>) -> EvidenceByMove {
    let ask = |name: ImageName, digest: Digest| async move {
        let (kind, manifests) = session.kind(&name, &digest).await?;
        Ok(Image { manifests, ..Image::bare(digest, kind) })
    };
    let mut evidence = evidence_by(moves, watcher, ask).await;
    evidence::add_mirrors(session, &mut evidence).await;
    evidence
}

async fn evidence_by<F>(
    moves: &BTreeSet<Move>,
    watcher: Watcher<'_>,
    ask: impl Fn(ImageName, Digest) -> F,
) -> EvidenceByMove
where
    F: Future<Output = Result<Image, RegistryError>>,
{
    let digests: BTreeSet<(ImageName, Digest)> = moves
        .iter()
        .flat_map(|wanted| wanted.old.into_iter().chain([wanted.new]).map(|digest| (wanted.image.clone(), digest)))
        .collect();
    let of = digests.len();
    let mut answers = stream::iter(digests)
        .map(|(name, digest)| {
            let answer = ask(name.clone(), digest);
            async move { ((name, digest), answer.await) }
        })
        .buffer_unordered(CONCURRENCY);
    let mut images = BTreeMap::new();
    while let Some((key, answer)) = answers.next().await {
        images.insert(key, answer);
        watcher(Step { what: "digests", done: images.len(), of });
    }
    let of_digest = |wanted: &Move, digest: Digest| images.get(&(wanted.image.clone(), digest));
    let with_evidence = moves.iter().filter_map(|wanted| {
        let new = of_digest(wanted, wanted.new)?.clone().map_err(|error| no_image(&error));
        let old = match wanted.old {
            Some(old) => of_digest(wanted, old)?.clone().map_err(|error| no_image(&error)),
            None => Err(NoImage::Unpinned),
        };
        Some((wanted.clone(), Evidence { new, old, in_mirror: None, contents: BTreeMap::new() }))
    });
    with_evidence.collect()
}

/// What a digest holds, from the store or else from its registry; the store keeps it, with what was read on the way of
/// what its manifests are made of.
pub async fn image(
    session: &Session,
    store: Option<&dyn Store>,
    name: &ImageName,
    digest: &Digest,
) -> Result<Image, RegistryError> {
    if let Some(store) = store {
        match store.image(name, digest).await {
            Ok(Some(image)) if !image.is_unread() => return Ok(image),
            Ok(_) => {}
            // The registry knows as well.
            Err(error) => tracing::warn!(%error, "the store did not answer"),
        }
    }
    let image = session.image(name, digest).await?;
    if let Some(store) = store
        && let Err(error) = keep(session, store, name, &image).await
    {
        tracing::warn!(%error, "an image could not be stored");
    }
    Ok(image)
}

async fn keep(session: &Session, store: &dyn Store, name: &ImageName, image: &Image) -> Result<(), StoreError> {
    store.put_image(name, image).await?;
    for (manifest, content) in session.contents_read(name, image) {
        store.put_content(name, &manifest, &content).await?;
    }
    Ok(())
}

pub(super) fn unanswered(error: &RegistryError) -> Unanswered {
    match &error.failure {
        Failure::NotFound => Unanswered::Gone,
        Failure::DeniedByPolicy { message } => Unanswered::HeldBack(message.clone()),
        _ => Unanswered::Unknown(unknown(error)),
    }
}

/// Why it is not known what a digest holds.
pub(super) fn no_image(error: &RegistryError) -> NoImage {
    match &error.failure {
        Failure::NotFound => NoImage::Gone,
        Failure::DeniedByPolicy { message } => NoImage::HeldBack(message.clone()),
        _ => NoImage::Unknown(unknown(error)),
    }
}

/// Why a registry's answer is not known, with every cause.
pub fn unknown(error: &RegistryError) -> Unknown {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    Unknown { reason }
}
