//! An OCI registry on loopback: it serves what was published to it, signs clients in as real ones do, and goes wrong
//! on demand. Everything it serves is made from descriptions, so that digests are the same in every run.

mod access;
mod content;
mod fault;
mod serve;
mod tag_list;

pub use access::{Access, Anonymous, TokenService};
pub use content::{Content, Form, ImageSpec, StoredManifest};
pub use fault::{Fault, FaultKind};

use super::server::{Server, Traffic};
use crate::domain::digest::Digest;

use serve::SharedShelf;

/// A running registry. Dropping it ends it.
#[derive(Debug)]
pub struct Registry {
    server: Server,
    shelf: SharedShelf,
}

impl Registry {
    /// Starts an empty registry on a free port of 127.0.0.1.
    pub async fn start(access: Access) -> std::io::Result<Self> {
        let shelf = SharedShelf::default();
        let server = Server::start(serve::router(shelf.clone())).await?;
        {
            let mut shelf = shelf.lock();
            shelf.own_url = server.url();
            shelf.access = access;
        }
        Ok(Self { server, shelf })
    }

    /// `127.0.0.1:PORT`
    pub fn host(&self) -> String {
        self.server.host()
    }

    /// `http://127.0.0.1:PORT/`
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// What it was asked.
    pub fn traffic(&self) -> &Traffic {
        self.server.traffic()
    }

    /// Makes an image and points the tag to it.
    pub fn publish(&self, repository: &str, tag: &str, spec: &ImageSpec) -> Digest {
        self.publish_content(repository, tag, spec.build())
    }

    /// Takes an image's objects and points the tag to the last manifest.
    pub fn publish_content(&self, repository: &str, tag: &str, content: Content) -> Digest {
        let digest = content.digest().unwrap_or_else(|| Digest::of(b""));
        let mut shelf = self.shelf.lock();
        let repository = shelf.repositories.entry(repository.to_owned()).or_default();
        repository.add(content);
        repository.tags.insert(tag.to_owned(), digest);
        digest
    }

    /// Takes one manifest as it is, right or wrong.
    pub fn publish_manifest(&self, repository: &str, tag: &str, media_type: &str, bytes: &[u8]) -> Digest {
        let manifest =
            StoredManifest { digest: Digest::of(bytes), media_type: media_type.to_owned(), bytes: bytes.to_vec() };
        self.publish_content(repository, tag, Content { manifests: vec![manifest], ..Content::default() })
    }

    /// Points a tag to a digest that is there.
    pub fn move_tag(&self, repository: &str, tag: &str, digest: Digest) {
        self.shelf.lock().repositories.entry(repository.to_owned()).or_default().tags.insert(tag.to_owned(), digest);
    }

    pub fn delete_tag(&self, repository: &str, tag: &str) {
        self.shelf.lock().repositories.entry(repository.to_owned()).or_default().tags.remove(tag);
    }

    /// Deletes a manifest; tags that point to it answer 404, too.
    pub fn delete_manifest(&self, repository: &str, digest: &Digest) {
        self.shelf.lock().repositories.entry(repository.to_owned()).or_default().manifests.remove(digest);
    }

    /// Takes over everything that a repository of another registry holds now, as a mirror does that asks for it.
    pub fn mirror(&self, repository: &str, from: &Self, upstream: &str) {
        let copied = from.shelf.lock().repositories.get(upstream).cloned().unwrap_or_default();
        self.shelf.lock().repositories.insert(repository.to_owned(), copied);
    }

    /// From now on a tag or digest is held back by a policy of the registry, in these words; where there are none, no
    /// longer.
    pub fn hold_back(&self, repository: &str, reference: &str, words: Option<&str>) {
        let mut shelf = self.shelf.lock();
        let held_back = &mut shelf.repositories.entry(repository.to_owned()).or_default().held_back;
        match words {
            Some(words) => drop(held_back.insert(reference.to_owned(), words.to_owned())),
            None => drop(held_back.remove(reference)),
        }
    }

    /// A page of a list of tags has at most so many from now on.
    pub fn set_page_tags(&self, page_tags: usize) {
        self.shelf.lock().page_tags = Some(page_tags);
    }

    /// From now on clients sign in like this.
    pub fn set_access(&self, access: Access) {
        self.shelf.lock().access = access;
    }

    /// No token that was given out is taken any longer.
    pub fn revoke_tokens(&self) {
        self.shelf.lock().issued.revoke_all();
    }

    /// From now on this goes wrong; the first fault that fits a request counts.
    pub fn inject(&self, fault: Fault) {
        self.shelf.lock().faults.push(fault);
    }

    pub fn clear_faults(&self) {
        self.shelf.lock().faults.clear();
    }
}
