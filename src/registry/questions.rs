//! The questions themselves, each over one repository: a tag's digest, a manifest, a configuration.

use reqwest::{Method, Response};

use super::Registries;
use super::error::Failure;
use super::host::Target;
use super::manifest::{ACCEPT_MANIFESTS, ImageConfig, MANIFEST_BYTES_MAX, Manifest, announced_kind};
use super::transport::{body, failure_of, host_of, media_type};
use crate::domain::digest::Digest;
use crate::domain::reference::Tag;

/// A configuration's size, in bytes; those of images with a long history have some 100 KiB.
const CONFIG_BYTES_MAX: usize = 4 << 20;
/// The registry's own word for the digest of what it answers with.
const CONTENT_DIGEST: &str = "docker-content-digest";

impl Registries {
    /// What a tag points to: by HEAD, which no registry counts as a pull; where the answer has no usable digest, by
    /// the bytes themselves.
    pub(super) async fn tag_digest(&self, target: &Target, tag: &Tag) -> Result<Digest, Failure> {
        let url = target.url("manifests", &tag.to_string());
        let response = self.request(target, Method::HEAD, url, ACCEPT_MANIFESTS).await?;
        match response.status().as_u16() {
            200 => {
                announced_kind(media_type(response.headers()).as_deref())?;
                match content_digest(&response) {
                    Some(digest) => Ok(digest),
                    None => self.hashed_digest(target, tag).await,
                }
            }
            // No HEAD here; or a refusal, or an absence, whose words only a GET brings.
            403 | 404 | 405 | 410 | 412 | 501 => self.hashed_digest(target, tag).await,
            _ => Err(failure_of(response).await),
        }
    }

    async fn hashed_digest(&self, target: &Target, tag: &Tag) -> Result<Digest, Failure> {
        let bytes = self.manifest_bytes(target, &tag.to_string()).await?;
        Manifest::read(&bytes.0, bytes.1.as_deref())?;
        Ok(Digest::of(&bytes.0))
    }

    /// A manifest by its digest. The bytes are hashed: what is read is what the digest names.
    pub(super) async fn manifest(&self, target: &Target, digest: &Digest) -> Result<Manifest, Failure> {
        let (bytes, media_type) = self.manifest_bytes(target, &digest.to_string()).await?;
        if Digest::of(&bytes) != *digest {
            return Err(Failure::invalid("the manifest's bytes have another digest"));
        }
        Manifest::read(&bytes, media_type.as_deref())
    }

    /// Whether a digest is there: by HEAD, which no registry counts as a pull.
    pub(super) async fn find_manifest(&self, target: &Target, digest: &Digest) -> Result<(), Failure> {
        let url = target.url("manifests", &digest.to_string());
        let response = self.request(target, Method::HEAD, url, ACCEPT_MANIFESTS).await?;
        match response.status().as_u16() {
            200 => {
                announced_kind(media_type(response.headers()).as_deref())?;
                match content_digest(&response) {
                    Some(found) if found != *digest => Err(Failure::invalid("another digest than was asked for")),
                    Some(_) | None => Ok(()),
                }
            }
            403 | 404 | 405 | 410 | 412 | 501 => self.manifest(target, digest).await.map(drop),
            _ => Err(failure_of(response).await),
        }
    }

    async fn manifest_bytes(&self, target: &Target, reference: &str) -> Result<(Vec<u8>, Option<String>), Failure> {
        let url = target.url("manifests", reference);
        let response = self.request(target, Method::GET, url, ACCEPT_MANIFESTS).await?;
        if response.status() == 404 && response.url().origin() != target.host.origin.origin() {
            // What a registry's storage lacks is not gone from the registry.
            return Err(Failure::invalid(format!("`{}`, where it was sent to, has it not", host_of(response.url()))));
        }
        let response = success(response).await?;
        let media_type = media_type(response.headers());
        announced_kind(media_type.as_deref())?;
        Ok((body(response, MANIFEST_BYTES_MAX, "manifest").await?, media_type))
    }

    /// An image's configuration. Blobs come with any content type and over redirects; the digest tells them.
    pub(super) async fn config(&self, target: &Target, digest: &Digest) -> Result<ImageConfig, Failure> {
        let url = target.url("blobs", &digest.to_string());
        let response = self.request(target, Method::GET, url, "*/*").await?;
        if response.status() == 404 {
            return Err(Failure::invalid("the configuration that the manifest names is not there"));
        }
        let bytes = body(success(response).await?, CONFIG_BYTES_MAX, "configuration").await?;
        if Digest::of(&bytes) != *digest {
            return Err(Failure::invalid("the configuration's bytes have another digest"));
        }
        serde_json::from_slice(&bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::invalid(format!("the configuration is not valid at line {line} column {column}"))
        })
    }
}

pub(super) async fn success(response: Response) -> Result<Response, Failure> {
    match response.status().as_u16() {
        200 => Ok(response),
        204 | 206 => Err(Failure::invalid(format!("`{}` answered without content", host_of(response.url())))),
        _ => Err(failure_of(response).await),
    }
}

fn content_digest(response: &Response) -> Option<Digest> {
    response.headers().get(CONTENT_DIGEST)?.to_str().ok()?.trim().parse().ok()
}
