//! Names of images: what stands in a file, and what a registry is asked.
//!
//! The grammar and the defaults are those of the `distribution/reference` package, which Docker, BuildKit and
//! containerd share.

use std::fmt;
use std::str::FromStr;

use super::digest::{Digest, DigestError};

/// The registry that a name without a host means.
pub const DOCKER_HUB: &str = "docker.io";
/// The namespace of Docker Hub's official images, implied where a Hub name has one segment.
const OFFICIAL: &str = "library/";
/// The longest name that registries accept, registry host included (`distribution/reference`, `NameTotalLengthMax`).
const NAME_LENGTH_MAX: usize = 255;
/// The longest tag (OCI distribution specification, "Pulling manifests").
const TAG_LENGTH_MAX: usize = 128;

/// A repository at a registry: `docker.io` + `library/nginx`.
///
/// **Invariant**: both parts are normalized, so two spellings of one image are equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: String,
    repository: String,
}

/// A tag by the grammar `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// The question that a registry is asked: what does this tag point to now?
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagRef {
    pub image: ImageName,
    pub tag: Tag,
}

/// An image reference as it was written, with every part that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub image: ImageName,
    /// The name as it stands in the file, without tag and digest: `nginx`, `index.docker.io/library/nginx`.
    pub written_name: String,
    pub tag: Option<Tag>,
    pub digest: Option<Digest>,
}

/// Why a text is no [`Reference`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    #[error("only sha256 digests are followed")]
    UnsupportedAlgorithm,
    #[error("not an image reference")]
    Malformed,
}

impl ImageName {
    /// The registry's host with its port, `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path inside the registry, `library/nginx` for Docker Hub's `nginx`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The repository's last path segment: `nginx`.
    pub fn last_segment(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// The shortest name that means the same: `nginx`, `grafana/grafana`, `dhi.io/nginx`.
    pub fn familiar(&self) -> String {
        if self.registry != DOCKER_HUB {
            return self.to_string();
        }
        self.repository.strip_prefix(OFFICIAL).filter(|rest| !rest.contains('/')).unwrap_or(&self.repository).to_owned()
    }
}

impl FromStr for ImageName {
    type Err = ReferenceError;

    /// Reads a name without tag and digest and normalizes it.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if is_host(first) => (first, rest),
            _ => (DOCKER_HUB, text),
        };
        if !is_valid_host(registry) || !path.split('/').all(is_path_component) {
            return Err(ReferenceError::Malformed);
        }
        let registry = if registry == "index.docker.io" { DOCKER_HUB } else { registry };
        let repository =
            if registry == DOCKER_HUB && !path.contains('/') { format!("{OFFICIAL}{path}") } else { path.to_owned() };
        if registry.len() + 1 + repository.len() > NAME_LENGTH_MAX {
            return Err(ReferenceError::Malformed);
        }
        Ok(Self { registry: registry.to_owned(), repository })
    }
}

/// Whether the first segment of a name is a registry's host rather than a namespace.
fn is_host(segment: &str) -> bool {
    segment.contains(['.', ':']) || segment == "localhost" || segment.bytes().any(|b| b.is_ascii_uppercase())
}

/// `host`, `host:port`, `127.0.0.1:5000` or `[::1]:5000`.
fn is_valid_host(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, rest)) => {
                let is_address = !address.is_empty() && address.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
                return is_address && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port));
            }
            None => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    if !bytes.first().copied().is_some_and(is_word) || !bytes.last().copied().is_some_and(is_word) {
        return false;
    }
    text.split(|c: char| c.is_ascii() && is_word(c as u8))
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let starts_well = text.bytes().next().is_some_and(is_word);
        if starts_well && text.len() <= TAG_LENGTH_MAX && text.bytes().all(|b| is_word(b) || b == b'.' || b == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError::Malformed)
        }
    }
}

impl Tag {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>())),
            None => (text, None),
        };
        let last_segment = rest.rfind('/').map_or(0, |slash| slash + 1);
        // A colon before the last slash belongs to a port: `registry.local:5000/a`.
        let (name, tag) = match rest.get(last_segment..).and_then(|segment| segment.find(':')) {
            Some(colon) => {
                let (name, tag) = rest.split_at(last_segment + colon);
                (name, Some(tag.get(1..).unwrap_or_default()))
            }
            None => (rest, None),
        };
        let image: ImageName = name.parse()?;
        let tag = tag.map(str::parse).transpose()?;
        let digest = digest.transpose().map_err(|error| match error {
            DigestError::UnsupportedAlgorithm => ReferenceError::UnsupportedAlgorithm,
            DigestError::Malformed => ReferenceError::Malformed,
        })?;
        Ok(Self { image, written_name: name.to_owned(), tag, digest })
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for TagRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.image, self.tag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, Option<String>), ReferenceError> {
        let reference: Reference = text.parse()?;
        Ok((reference.image.to_string(), reference.tag.map(|tag| tag.to_string())))
    }

    #[test]
    fn docker_hub_names_are_completed() {
        for text in ["nginx", "library/nginx", "docker.io/nginx", "docker.io/library/nginx", "index.docker.io/nginx"] {
            assert_eq!(read(text), Ok(("docker.io/library/nginx".into(), None)), "{text}");
        }
        assert_eq!(read("grafana/grafana:11"), Ok(("docker.io/grafana/grafana".into(), Some("11".into()))));
    }

    #[test]
    fn a_port_is_no_tag() {
        assert_eq!(read("registry.local:5000/a/b"), Ok(("registry.local:5000/a/b".into(), None)));
        assert_eq!(read("localhost:5000/a:1"), Ok(("localhost:5000/a".into(), Some("1".into()))));
        assert_eq!(read("[::1]:5000/a:1"), Ok(("[::1]:5000/a".into(), Some("1".into()))));
    }

    #[test]
    fn what_the_grammar_refuses_is_malformed() {
        for text in [
            "",
            "Nginx",
            "a//b",
            "a/",
            "-a",
            "a..b",
            "a___b",
            "nginx:",
            "nginx:-a",
            "nginx@",
            "a b",
            "${BASE}",
            "nginx@sha256:abc",
        ] {
            assert_eq!(read(text), Err(ReferenceError::Malformed), "{text}");
        }
    }

    #[test]
    fn the_familiar_name_is_the_short_one() {
        for (text, familiar) in [
            ("docker.io/library/nginx", "nginx"),
            ("grafana/grafana", "grafana/grafana"),
            ("dhi.io/nginx", "dhi.io/nginx"),
        ] {
            assert_eq!(text.parse::<ImageName>().map(|name| name.familiar()), Ok(familiar.into()));
        }
    }
}
