//! Mirrors: names that stand in files, and the upstream names at which their tags are resolved.

use std::collections::{BTreeMap, BTreeSet};

use super::reference::{ImageName, TagRef};

/// Which names are a mirror's, by registry and the beginning of the path inside it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors(BTreeMap<String, Vec<(String, String)>>);

impl Mirrors {
    /// `prefix`: the beginning of the path inside the mirror's registry (`dhi/`; empty: all of it). `upstream`: what takes
    /// its place, with the registry (`dhi.io/`).
    pub fn insert(&mut self, registry: &str, prefix: &str, upstream: &str) {
        let prefixes = self.0.entry(registry.to_owned()).or_default();
        prefixes.push((prefix.to_owned(), upstream.to_owned()));
        // The longest prefix counts.
        prefixes.sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
    }

    /// Whether no name is a mirror's.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The upstream's name of an image that is written with a mirror's.
    pub fn upstream(&self, image: &ImageName) -> Option<ImageName> {
        let prefixes = self.0.get(image.registry())?;
        let (rest, upstream) = prefixes
            .iter()
            .find_map(|(prefix, upstream)| Some((image.repository().strip_prefix(prefix.as_str())?, upstream)))?;
        format!("{upstream}{rest}").parse().ok()
    }

    /// The names by which mirrors have an image.
    pub fn names_of(&self, image: &ImageName) -> BTreeSet<ImageName> {
        let name = image.to_string();
        // Docker Hub's own images are written without their folder as well.
        let familiar = name.replacen("/library/", "/", 1);
        let prefixes = self.0.iter().flat_map(|(registry, prefixes)| prefixes.iter().map(move |it| (registry, it)));
        let names = prefixes.flat_map(|(registry, (prefix, upstream))| {
            let rest = [&name, &familiar].into_iter().filter_map(|name| name.strip_prefix(upstream.as_str()));
            rest.filter_map(|rest| format!("{registry}/{prefix}{rest}").parse().ok()).collect::<Vec<ImageName>>()
        });
        // A longer prefix may lead to another one.
        names.filter(|name| self.upstream(name).as_ref() == Some(image)).collect()
    }

    /// What a registry is asked for a tag as it is written.
    pub fn asked(&self, tag: &TagRef) -> TagRef {
        TagRef { image: self.asked_image(&tag.image), tag: tag.tag.clone() }
    }

    /// What a registry is asked for an image as it is written.
    pub fn asked_image(&self, image: &ImageName) -> ImageName {
        self.upstream(image).unwrap_or_else(|| image.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_gives_the_upstream() {
        let mut mirrors = Mirrors::default();
        mirrors.insert("harbor.acme.internal", "", "docker.io/");
        mirrors.insert("harbor.acme.internal", "dhi/", "dhi.io/");
        let upstream = |name: &str| mirrors.upstream(&name.parse().unwrap()).map(|name| name.to_string());
        assert_eq!(upstream("harbor.acme.internal/dhi/nginx").as_deref(), Some("dhi.io/nginx"));
        assert_eq!(upstream("harbor.acme.internal/grafana/grafana").as_deref(), Some("docker.io/grafana/grafana"));
        assert_eq!(upstream("other.acme.internal/dhi/nginx"), None);
    }

    #[test]
    fn the_names_of_an_image_are_those_that_lead_to_it() {
        let mut mirrors = Mirrors::default();
        mirrors.insert("harbor.acme.internal", "", "docker.io/");
        mirrors.insert("harbor.acme.internal", "dhi/", "dhi.io/");
        mirrors.insert("other.acme.internal", "hardened/", "dhi.io/");
        let names = |name: &str| {
            let names = mirrors.names_of(&name.parse().unwrap());
            names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("dhi.io/nginx"), "harbor.acme.internal/dhi/nginx other.acme.internal/hardened/nginx");
        assert_eq!(names("docker.io/library/nginx"), "harbor.acme.internal/library/nginx harbor.acme.internal/nginx");
        assert_eq!(names("docker.io/dhi/nginx"), "", "that is the other upstream's");
        assert_eq!(names("ghcr.io/acme/nginx"), "");
    }
}
