//! What else has to be known of a move than the digests' own images: whether the new one still is there, whether the
//! mirror has it, and what the manifests are made of.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::StreamExt as _;
use futures_util::stream;

use super::lookup::{CONCURRENCY, no_image, unanswered, unknown};
use crate::domain::candidates::{Move, Observations, Unanswered};
use crate::domain::digest::Digest;
use crate::domain::image::{Content, NoContent, Platform};
use crate::domain::proposal::{EvidenceByMove, NoImage};
use crate::domain::reference::ImageName;
use crate::domain::unchanged;
use crate::net::Transient as _;
use crate::registry::{Failure, RegistryError, Session};
use crate::store::Store;

/// The new digests of these moves that the store knows, and that no tag was seen to point to: those that a registry may
/// have lost since they were read.
pub(super) async fn remembered(
    store: Option<&dyn Store>,
    moves: &BTreeSet<Move>,
    observed: &Observations,
) -> BTreeSet<(ImageName, Digest)> {
    let Some(store) = store else { return BTreeSet::new() };
    let heads = observed.iter().filter_map(|(tag, answer)| Some((&tag.image, answer.as_ref().ok()?)));
    let heads: BTreeSet<(&ImageName, &Digest)> = heads.collect();
    let others = moves.iter().map(|wanted| (&wanted.image, &wanted.new)).filter(|it| !heads.contains(it));
    let mut remembered = BTreeSet::new();
    for (name, digest) in others.collect::<BTreeSet<_>>() {
        // A store that does not answer answers nobody: the registry is asked for the image.
        if let Ok(Some(_)) = store.image(name, digest).await {
            remembered.insert((name.clone(), *digest));
        }
    }
    remembered
}

/// Those of these digests that somebody may use: no mirror lacks them, or a pin is written with the upstream's name.
pub(super) fn not_lacking(
    mut digests: BTreeSet<(ImageName, Digest)>,
    evidence: &EvidenceByMove,
) -> BTreeSet<(ImageName, Digest)> {
    let usable = evidence.iter().filter(|(_, evidence)| evidence.in_mirror != Some(Ok(false)));
    let usable: BTreeSet<(ImageName, Digest)> = usable.map(|(wanted, _)| (wanted.image.clone(), wanted.new)).collect();
    digests.retain(|digest| usable.contains(digest));
    digests
}

/// Asks whether these digests still are there, and takes back what the store said of those that are not.
pub(super) async fn confirm(
    session: &Session,
    remembered: BTreeSet<(ImageName, Digest)>,
    evidence: &mut EvidenceByMove,
) {
    let answers = stream::iter(remembered).map(|(name, digest)| async move {
        let lost = match session.exists(&name, &digest).await {
            Ok(true) => None,
            Ok(false) => Some(NoImage::Gone),
            // An outage takes nothing back: what pull requests hold stays in them.
            Err(error) if error.is_transient() => None,
            Err(error) => Some(no_image(&error)),
        };
        ((name, digest), lost)
    });
    let answers: BTreeMap<_, _> = answers.buffer_unordered(CONCURRENCY).collect().await;
    for (wanted, evidence) in evidence {
        if let Some(Some(lost)) = answers.get(&(wanted.image.clone(), wanted.new)) {
            evidence.new = Err(lost.clone());
        }
    }
}

/// Whether the mirrors have the new digests of the moves that are written with a mirror's name.
///
/// A mirror that asks its upstream only when somebody pulls by tag (Amazon ECR) answers 404 for a digest until then, and
/// for a repository that nobody pulled yet, too: each 404 is "not yet", whatever it is for.
pub(super) async fn add_mirrors(session: &Session, evidence: &mut EvidenceByMove) {
    let known = evidence.iter().filter(|(_, evidence)| evidence.new.is_ok() && evidence.in_mirror.is_none());
    let wanted: BTreeSet<(ImageName, Digest)> =
        known.filter_map(|(wanted, _)| Some((wanted.mirror.clone()?, wanted.new))).collect();
    let answers = stream::iter(wanted).map(|(mirror, digest)| async move {
        let answer = match session.exists(&mirror, &digest).await {
            Ok(is_there) => Ok(is_there),
            Err(RegistryError { failure: Failure::NoRepository | Failure::Unclear { .. }, .. }) => Ok(false),
            Err(error) => Err(unanswered(&error)),
        };
        ((mirror, digest), answer)
    });
    let answers: BTreeMap<_, Result<bool, Unanswered>> = answers.buffer_unordered(CONCURRENCY).collect().await;
    for (wanted, evidence) in evidence {
        let answer = wanted.mirror.as_ref().and_then(|mirror| answers.get(&(mirror.clone(), wanted.new)));
        evidence.in_mirror = evidence.in_mirror.take().or_else(|| answer.cloned());
    }
}

/// What the manifests of these moves are made of, where they differ on the platforms in use (all, where none is named).
/// For policies with `unchanged: content` alone: each is a request that registries count as a pull, once for ever.
pub async fn add_contents(
    session: &Session,
    store: Option<&dyn Store>,
    evidence: &mut EvidenceByMove,
    in_use: &BTreeSet<(Move, Vec<Platform>)>,
) {
    let compared = in_use.iter().flat_map(|(wanted, platforms)| {
        let found = evidence.get(wanted).and_then(|it| Some((it, it.old.as_ref().ok()?, it.new.as_ref().ok()?)));
        let digests = found.map(|(it, old, new)| {
            let compared = unchanged::compared((old, new), platforms);
            compared.into_iter().filter(|digest| !it.contents.contains_key(digest)).collect::<Vec<_>>()
        });
        digests.unwrap_or_default().into_iter().map(|digest| (wanted.clone(), digest))
    });
    let compared: BTreeSet<(Move, Digest)> = compared.collect();
    let distinct: BTreeSet<(ImageName, Digest)> =
        compared.iter().map(|(wanted, digest)| (wanted.image.clone(), *digest)).collect();
    let answers = stream::iter(distinct).map(|(name, digest)| async move {
        let answer = content(session, store, &name, &digest).await.map_err(|error| match error.is_transient() {
            true => NoContent::ForNow(unknown(&error)),
            false => NoContent::ForGood,
        });
        ((name, digest), answer)
    });
    let answers: BTreeMap<_, Result<Content, NoContent>> = answers.buffer_unordered(CONCURRENCY).collect().await;
    for (wanted, digest) in compared {
        let answer = answers.get(&(wanted.image.clone(), digest)).cloned();
        if let (Some(evidence), Some(answer)) = (evidence.get_mut(&wanted), answer) {
            evidence.contents.insert(digest, answer);
        }
    }
}

async fn content(
    session: &Session,
    store: Option<&dyn Store>,
    name: &ImageName,
    digest: &Digest,
) -> Result<Content, RegistryError> {
    if let Some(store) = store {
        match store.content(name, digest).await {
            Ok(Some(content)) => return Ok(content),
            Ok(None) => {}
            // The registry knows as well.
            Err(error) => tracing::warn!(%error, "the store did not answer"),
        }
    }
    let content = session.contents(name, digest).await?;
    if let Some(store) = store
        && let Err(error) = store.put_content(name, digest, &content).await
    {
        tracing::warn!(%error, "what a manifest is made of could not be stored");
    }
    Ok(content)
}
