//! Whether something is there. "Gone" is an answer with consequences, so it is given only where the registry shows that
//! it has the repository, by a tag that it lists or answers for: names that are wrong, hidden or retired answer 404, too.
//!
//! Registries disagree (distribution specification, "Error codes"): some say `MANIFEST_UNKNOWN` for repositories that
//! they never had, some say nothing that a client could read.

use std::collections::BTreeMap;

use super::error::{Failure, RegistryError};
use super::session::{At, Session};
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::reference::ImageName;
use crate::net::Transient as _;

/// What a repository's list of tags begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Listed {
    Tags,
    /// Nothing: a repository that has none any more.
    Nothing,
}

impl Session {
    /// Whether a digest is there: one HEAD per distinct one. `false` only where the registry has the repository and says
    /// that there is no such manifest in it; a name that it does not know is [`Failure::NoRepository`].
    pub async fn exists(&self, name: &ImageName, digest: &Digest) -> Result<bool, RegistryError> {
        let ask = Box::pin(async {
            let registries = &self.0.registries;
            let about = |failure: Failure| failure.about(At(name, digest));
            let target = registries.target(name).map_err(about)?;
            match self.ask(&target.host, || registries.find_manifest(&target, digest)).await {
                Ok(()) => Ok(true),
                Err(failure) => match self.certain_of_digest(name, failure).await {
                    Failure::NotFound => Ok(false),
                    failure => Err(about(failure)),
                },
            }
        });
        self.0.found.get((name.clone(), *digest), ask).await
    }

    /// What the manifest of one platform is made of: one GET. An index has no content of its own and is
    /// [`Failure::InvalidContent`].
    pub async fn contents(&self, name: &ImageName, digest: &Digest) -> Result<Content, RegistryError> {
        let manifest = self.manifest(name, digest).await?;
        manifest.content().map_err(|failure| failure.about(At(name, digest)))
    }

    /// The same of the manifests of an image that were read by now, for nothing: to tell the image itself takes one.
    pub fn contents_read(&self, name: &ImageName, image: &Image) -> BTreeMap<Digest, Content> {
        let read = image.manifests.values().filter_map(|digest| {
            let manifest = self.0.manifests.kept(&(name.clone(), *digest))?;
            Some((*digest, manifest.content().ok()?))
        });
        read.collect()
    }

    /// What a 404 for a tag comes to, in view of what the registry lists of the repository.
    pub(super) async fn certain(&self, name: &ImageName, failure: Failure) -> Failure {
        if !matches!(failure, Failure::NotFound | Failure::Unclear { .. }) {
            return failure;
        }
        match self.listed(name).await {
            Ok(Listed::Tags) => Failure::NotFound,
            Err(RegistryError { failure: list @ (Failure::NoRepository | Failure::Unclear { .. }), .. }) => list,
            Err(error) if error.is_transient() => error.failure,
            // It has the repository, and no tag in it any more: what it said of the manifest counts.
            Ok(Listed::Nothing) => failure,
            // Nothing shows that it has the repository.
            Err(RegistryError { failure: list, .. }) if matches!(failure, Failure::NotFound) => {
                let message = format!("the tags of its repository cannot be listed: {list}");
                Failure::Unclear { host: name.registry().to_owned(), message }
            }
            Err(_) => failure,
        }
    }

    /// The same for a digest. A registry that shows its lists to nobody shows the repository by one of its tags, too: all
    /// tags that anybody wants are asked for before the first digest, or were a short while ago.
    pub(super) async fn certain_of_digest(&self, name: &ImageName, failure: Failure) -> Failure {
        let is_named = matches!(failure, Failure::NotFound);
        match self.certain(name, failure).await {
            Failure::Unclear { .. } if is_named && self.has_answered(name) => Failure::NotFound,
            failure => failure,
        }
    }

    /// Asked once per repository and session, and only where something was not found.
    async fn listed(&self, name: &ImageName) -> Result<Listed, RegistryError> {
        let ask = Box::pin(async {
            let registries = &self.0.registries;
            let target = registries.target(name).map_err(|failure| failure.about(name))?;
            let page = self.ask(&target.host, || registries.tag_page(&target, "n=1")).await;
            let page = page.map_err(|failure| failure.about(name))?;
            Ok(if page.tags.is_empty() { Listed::Nothing } else { Listed::Tags })
        });
        self.0.listed.get(name.clone(), ask).await
    }
}
