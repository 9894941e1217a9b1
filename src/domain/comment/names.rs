//! The names that a comment may use for an image.

use crate::domain::digest::Digest;
use crate::domain::image_use::ImageUse;
use crate::domain::reference::{DOCKER_HUB, ImageName};

/// The namespace of Docker Hub's official images, which people leave out.
const OFFICIAL: &str = "library/";

/// Every name of one image, in lower case: the last path segment, the repository, registry and repository, and Docker
/// Hub's short forms.
#[derive(Debug, Clone)]
pub struct NamesOfImage {
    names: Vec<String>,
    digest: Option<Digest>,
}

impl NamesOfImage {
    /// The names of the image that a use is of; `None` where that could not be read.
    pub fn of(image_use: &ImageUse) -> Option<Self> {
        Some(Self { names: names(image_use.image.as_ref()?), digest: image_use.digest })
    }

    /// The pin's own digest.
    pub(super) fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// Whether a text begins with one of the names.
    pub(super) fn begin(&self, text: &[u8]) -> bool {
        self.names.iter().any(|name| {
            let (start, rest) = text.split_at_checked(name.len()).unwrap_or_default();
            start.eq_ignore_ascii_case(name.as_bytes()) && matches!(rest.first(), Some(b':' | b' ' | b'\t'))
        })
    }

    /// Where one of the names stands as a word of its own: the offsets of their ends, ascending.
    ///
    /// A name with `/` has to be the whole one, so `other/nginx` and `https://nginx.org/1.2` do not name `nginx`, and
    /// neither do `my-nginx` and `nginx-unprivileged`.
    pub(super) fn ends_in(&self, line: &[u8]) -> Vec<usize> {
        let line = line.to_ascii_lowercase();
        let mut ends: Vec<usize> = self.names.iter().flat_map(|name| ends_of(name.as_bytes(), &line)).collect();
        ends.sort_unstable();
        ends.dedup();
        ends
    }
}

fn names(image: &ImageName) -> Vec<String> {
    let (registry, repository) = (image.registry(), image.repository());
    let mut paths = vec![repository];
    let mut hosts = vec![registry];
    if registry == DOCKER_HUB {
        hosts.push("index.docker.io");
        paths.extend(repository.strip_prefix(OFFICIAL).filter(|short| !short.contains('/')));
    }
    let mut names: Vec<String> =
        hosts.iter().flat_map(|host| paths.iter().map(move |path| format!("{host}/{path}"))).collect();
    names.extend(paths.iter().map(|path| (*path).to_owned()));
    names.push(image.last_segment().to_owned());
    names.iter_mut().for_each(|name| name.make_ascii_lowercase());
    names.sort_unstable();
    names.dedup();
    names
}

/// The ends of `name` in `line`, where nothing before it makes it a part of a longer name and `:` or a blank follows.
fn ends_of(name: &[u8], line: &[u8]) -> Vec<usize> {
    let windows = line.windows(name.len().max(1)).enumerate().filter(|(_, window)| *window == name);
    windows
        .filter(|(at, _)| at.checked_sub(1).and_then(|before| line.get(before)).is_none_or(|byte| !joins(*byte)))
        .map(|(at, _)| at + name.len())
        .filter(|end| matches!(line.get(*end), Some(b':' | b' ' | b'\t')))
        .collect()
}

/// Whether a byte before a name makes it a part of something longer.
fn joins(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._/-:@$%{~+\\".contains(&byte) || !byte.is_ascii()
}
