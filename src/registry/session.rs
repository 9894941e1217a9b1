//! One cycle's questions: each distinct one is asked once, whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Instrument as _;

use super::error::{Failure, RegistryError};
use super::facts::Words;
use super::health::{Attempt, Health};
use super::host::Target;
use super::manifest::{Entry, ImageConfig, Manifest, entries};
use super::memo::Memo;
use super::presence::Listed;
use super::{Registries, host::Host};
use crate::domain::digest::Digest;
use crate::domain::image::{Image, ManifestKind, Platform};
use crate::domain::reference::{ImageName, Tag, TagRef};
use oci_client::manifest::{OciImageIndex, OciImageManifest};

/// Indexes that one index may hold; each costs a request. No known image has any.
const NESTED_INDEXES_MAX: usize = 16;

/// The answers of one cycle. Cheap to clone; a new cycle makes a new one and asks again.
#[derive(Debug, Clone)]
pub struct Session(pub(super) Arc<State>);

#[derive(Debug)]
pub(super) struct State {
    pub registries: Registries,
    pub digests: Memo<TagRef, Digest>,
    pub manifests: Memo<(ImageName, Digest), Arc<Manifest>>,
    images: Memo<(ImageName, Digest), Image>,
    pub found: Memo<(ImageName, Digest), bool>,
    pub versions: Memo<ImageName, Arc<BTreeSet<Tag>>>,
    pub listed: Memo<ImageName, Listed>,
    /// Repositories that answered for a tag a short while before this session.
    known: Mutex<BTreeSet<ImageName>>,
    health: Mutex<BTreeMap<String, Arc<Health>>>,
}

impl Session {
    pub(super) fn new(registries: Registries) -> Self {
        Self(Arc::new(State {
            registries,
            digests: Memo::default(),
            manifests: Memo::default(),
            images: Memo::default(),
            found: Memo::default(),
            versions: Memo::default(),
            listed: Memo::default(),
            known: Mutex::default(),
            health: Mutex::default(),
        }))
    }

    /// Tells of repositories that answered for a tag a short while ago, and are not asked for it again.
    pub fn knows(&self, names: impl IntoIterator<Item = ImageName>) {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
    }

    /// Whether a repository answered for one of its tags.
    pub(super) fn has_answered(&self, name: &ImageName) -> bool {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner).contains(name)
            || self.0.digests.has_answer(|tag| tag.image == *name)
    }

    /// What a tag points to now: one HEAD per distinct tag. [`Failure::NotFound`]: the tag is gone.
    pub async fn digest(&self, tag: &TagRef) -> Result<Digest, RegistryError> {
        // Boxed here and below: else each asker's future would hold the whole exchange, some 20 to 70 KiB.
        let ask = Box::pin(async {
            let registries = &self.0.registries;
            let target = registries.target(&tag.image).map_err(|failure| failure.about(tag))?;
            match self.ask(&target.host, || registries.tag_digest(&target, &tag.tag)).await {
                Ok(digest) => Ok(digest),
                Err(failure) => Err(self.certain(&tag.image, failure).await.about(tag)),
            }
        });
        let span = tracing::debug_span!("tag", image.tag = %tag);
        self.0.digests.get(tag.clone(), ask.instrument(span)).await
    }

    /// What a digest holds: its manifest's bytes are hashed, an index is read with its nested indexes, and version,
    /// date, size and configuration are those of `linux/amd64` or else the first platform. [`Failure::NotFound`]: the
    /// digest is gone.
    pub async fn image(&self, name: &ImageName, digest: &Digest) -> Result<Image, RegistryError> {
        let span = tracing::debug_span!("image", image.digest = %At(name, digest));
        let ask = Box::pin(self.read_image(name, digest)).instrument(span);
        self.0.images.get((name.clone(), *digest), ask).await
    }

    /// The kind of a digest, and of an index the platforms; those of a single manifest are left empty, because they
    /// would cost another request ([`Session::image`] makes it).
    pub async fn kind(
        &self,
        name: &ImageName,
        digest: &Digest,
    ) -> Result<(ManifestKind, BTreeMap<Platform, Digest>), RegistryError> {
        let manifest = self.manifest(name, digest).await?;
        let manifests = match &*manifest {
            Manifest::Index(index) => by_platform(&self.leaves(name, digest, index).await?),
            Manifest::Image(_) => BTreeMap::new(),
        };
        Ok((manifest.kind(), manifests))
    }

    async fn read_image(&self, name: &ImageName, digest: &Digest) -> Result<Image, RegistryError> {
        let manifest = self.manifest(name, digest).await?;
        let mut annotations = vec![manifest.annotations()];
        let (mut manifests, single) = match &*manifest {
            Manifest::Image(_) => (BTreeMap::new(), Some(Arc::clone(&manifest))),
            Manifest::Index(index) => {
                let leaves = self.leaves(name, digest, index).await?;
                let single = match representative(&leaves) {
                    Some(leaf) => Some(self.child(name, digest, &leaf.digest).await?),
                    None => None,
                };
                (by_platform(&leaves), single)
            }
        };
        let media_type = manifest.media_type().map(ToOwned::to_owned);
        let mut image = Image { media_type, ..Image::bare(*digest, manifest.kind()) };
        let mut words = Words::default();
        if let Some(Manifest::Image(single)) = single.as_deref() {
            annotations.extend(single.annotations.clone());
            let config = self.config(name, digest, single).await?;
            if manifest.kind() == ManifestKind::Image {
                manifests.extend(config.platform().map(|platform| (platform, *digest)));
            }
            image.size_bytes = Some(size_of(single));
            image.configuration = Some(config.configuration());
            words = Words { annotations: Vec::new(), labels: config.labels(), created: config.created };
        }
        words.annotations = annotations;
        if let Some(configuration) = &mut image.configuration {
            configuration.distribution = words.distribution(name);
        }
        let (version, created, end_of_life) = (words.version(name), words.created(name), words.end_of_life(name));
        Ok(Image { manifests, version, created, end_of_life, ..image })
    }

    pub(super) async fn manifest(&self, name: &ImageName, digest: &Digest) -> Result<Arc<Manifest>, RegistryError> {
        let ask = Box::pin(async {
            let registries = &self.0.registries;
            let about = |failure: Failure| failure.about(At(name, digest));
            let target = registries.target(name).map_err(about)?;
            match self.ask(&target.host, || registries.manifest(&target, digest)).await {
                Ok(manifest) => Ok(Arc::new(manifest)),
                Err(failure) => Err(about(self.certain_of_digest(name, failure).await)),
            }
        });
        self.0.manifests.get((name.clone(), *digest), ask).await
    }

    /// A manifest that an index names. Where it is missing the image is broken, not gone.
    async fn child(&self, name: &ImageName, index: &Digest, digest: &Digest) -> Result<Arc<Manifest>, RegistryError> {
        self.manifest(name, digest).await.map_err(|error| {
            match error.failure {
                Failure::NotFound => Failure::invalid(format!("its index names `{digest}`, which is not there")),
                failure => failure,
            }
            .about(At(name, index))
        })
    }

    async fn config(
        &self,
        name: &ImageName,
        digest: &Digest,
        manifest: &OciImageManifest,
    ) -> Result<ImageConfig, RegistryError> {
        if !ImageConfig::is_type(&manifest.config.media_type) {
            return Ok(ImageConfig::default());
        }
        let about = |failure: Failure| failure.about(At(name, digest));
        let unusable = |_| about(Failure::invalid("a configuration whose digest is not sha256"));
        let config: Digest = manifest.config.digest.parse().map_err(unusable)?;
        let registries = &self.0.registries;
        let target: Target = registries.target(name).map_err(about)?;
        self.ask(&target.host, || registries.config(&target, &config)).await.map_err(about)
    }

    /// The images of an index and of the indexes in it. **Invariant**: nothing is asked below the second level. A cycle
    /// would need a digest that its own content has, and every content is hashed.
    async fn leaves(
        &self,
        name: &ImageName,
        digest: &Digest,
        index: &OciImageIndex,
    ) -> Result<Vec<Entry>, RegistryError> {
        let about = |failure: Failure| failure.about(At(name, digest));
        let by_kind = |entries: Vec<Entry>| entries.into_iter().partition(|entry| entry.kind == ManifestKind::Image);
        let (mut leaves, nested): (Vec<_>, Vec<_>) = by_kind(entries(index).map_err(about)?);
        if nested.len() > NESTED_INDEXES_MAX {
            return Err(about(Failure::Nested));
        }
        for inner in nested {
            let Manifest::Index(inner) = &*self.child(name, digest, &inner.digest).await? else {
                return Err(about(Failure::invalid("its index calls a single manifest an index")));
            };
            let (inner_leaves, deeper): (Vec<_>, Vec<_>) = by_kind(entries(inner).map_err(about)?);
            if !deeper.is_empty() {
                return Err(about(Failure::Nested));
            }
            leaves.extend(inner_leaves);
        }
        Ok(leaves)
    }

    /// Asks by the retry policy, with the host's limit on questions at once, unless the host is down.
    pub(super) async fn ask<T, F>(&self, host: &Host, call: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let (health, retry) = (self.health(&host.name), self.0.registries.inner.retry);
        let attempt = || async {
            // The semaphore is never closed.
            let _permit = host.permits.acquire().await;
            health.ready().await?;
            let result = Box::pin(call()).await;
            health.note(&result, retry.deadline);
            host.meter.outcome(&result);
            result.map_err(Attempt::Asked)
        };
        let result = retry.run(attempt).await;
        if let Err(Attempt::Asked(failure @ Failure::RateLimited { .. })) = &result {
            health.give_up(failure);
        }
        result.map_err(Attempt::into_failure)
    }

    fn health(&self, host: &str) -> Arc<Health> {
        let mut hosts = self.0.health.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(hosts.entry(host.to_owned()).or_default())
    }
}

/// The first one of each platform: what a client takes.
fn by_platform(leaves: &[Entry]) -> BTreeMap<Platform, Digest> {
    leaves.iter().rev().filter_map(|leaf| Some((leaf.platform.clone()?, leaf.digest))).collect()
}

/// The platform whose version, date and size stand for the image.
fn representative(leaves: &[Entry]) -> Option<&Entry> {
    let is_usual = |platform: &Platform| platform.os == "linux" && platform.architecture == "amd64";
    leaves.iter().find(|leaf| leaf.platform.as_ref().is_some_and(is_usual)).or_else(|| leaves.first())
}

fn size_of(manifest: &OciImageManifest) -> u64 {
    let sizes = manifest.layers.iter().map(|layer| layer.size).chain([manifest.config.size]);
    sizes.filter_map(|size| u64::try_from(size).ok()).fold(0, u64::saturating_add)
}

/// `name@digest`, for messages.
pub(super) struct At<'a>(pub &'a ImageName, pub &'a Digest);

impl std::fmt::Display for At<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.0, self.1)
    }
}
