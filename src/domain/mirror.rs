//! Mirrors: names that stand in files, and the upstream names at which their tags are resolved.

use std::collections::BTreeMap;

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

    /// The upstream's name of an image that is written with a mirror's.
    pub fn upstream(&self, image: &ImageName) -> Option<ImageName> {
        let prefixes = self.0.get(image.registry())?;
        let (rest, upstream) = prefixes
            .iter()
            .find_map(|(prefix, upstream)| Some((image.repository().strip_prefix(prefix.as_str())?, upstream)))?;
        format!("{upstream}{rest}").parse().ok()
    }

    /// What a registry is asked for a tag as it is written.
    pub fn asked(&self, tag: &TagRef) -> TagRef {
        match self.upstream(&tag.image) {
            Some(image) => TagRef { image, tag: tag.tag.clone() },
            None => tag.clone(),
        }
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
}
