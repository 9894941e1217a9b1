//! Which repositories a replay is about, and what they pin.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use super::lines::{self, InputError};
use super::recording::Recording;
use crate::domain::digest::Digest;
use crate::domain::pull_request::RepoName;
use crate::domain::reference::{Reference, TagRef};

/// A repository and the tags that it pins, as they are written, in the order in which they stand in its Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub repository: RepoName,
    pub pins: Vec<TagRef>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(deserialize_with = "lines::parsed")]
    repository: RepoName,
    pins: Vec<PinnedTag>,
}

#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct PinnedTag(#[serde(deserialize_with = "lines::parsed")] Reference);

/// Reads JSON lines: `{"repository": "acme/web", "pins": ["dhi.io/nginx:1.27", …]}`. Each repository once.
pub fn read(file: &Path) -> Result<Vec<Listed>, InputError> {
    let (mut fleet, mut names) = (Vec::new(), BTreeSet::new());
    lines::each(file, |Line { repository, pins }: Line| {
        if !names.insert(repository.clone()) {
            return Err(format!("a second line for `{repository}`"));
        }
        let pins = pins.into_iter().map(|PinnedTag(reference)| tag_of(reference)).collect::<Result<_, _>>()?;
        fleet.push(Listed { repository, pins });
        Ok(())
    })?;
    if fleet.is_empty() { Err(InputError::Empty { file: file.to_owned(), what: "repository" }) } else { Ok(fleet) }
}

fn tag_of(Reference { image, tag, digest, .. }: Reference) -> Result<TagRef, String> {
    match (tag, digest) {
        (Some(tag), None) => Ok(TagRef { image, tag }),
        (None, _) => Err(format!("`{image}` has no tag")),
        (Some(tag), Some(_)) => Err(format!("`{image}:{tag}` has a digest; where it begins, the history tells")),
    }
}

/// So many repositories with so many pins each, drawn from the tags of a recording: in the order of their hashes, each as
/// often as any other. The same recording gives the same fleet.
pub fn drawn(recording: &Recording, count: usize, pins: usize) -> Vec<Listed> {
    let mut tags: Vec<&TagRef> = recording.tags().collect();
    tags.sort_by_cached_key(|tag| Digest::of(tag.to_string().as_bytes()));
    let mut tags = tags.into_iter().cycle();
    let names = (1..=count).filter_map(|number| format!("simulated/app-{number:04}").parse().ok());
    names.map(|repository| Listed { repository, pins: tags.by_ref().take(pins).cloned().collect() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<Listed>, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.jsonl");
        std::fs::write(&file, text).unwrap();
        read(&file).map_err(|error| error.to_string().replace(&file.display().to_string(), "f.jsonl"))
    }

    #[test]
    fn a_list_names_each_repository_once() {
        let line = "{\"repository\": \"acme/web\", \"pins\": [\"nginx:1.27\", \"dhi.io/node:24\"]}\n";
        let fleet = read_text(line).unwrap();
        assert_eq!(fleet[0].repository.as_str(), "acme/web");
        let pins: Vec<String> = fleet[0].pins.iter().map(ToString::to_string).collect();
        assert_eq!(pins, ["docker.io/library/nginx:1.27", "dhi.io/node:24"]);
        for (text, told) in [
            (format!("{line}{line}"), "f.jsonl:2:1: a second line for `acme/web`"),
            (line.replace("\"nginx:1.27\"", "\"nginx\""), "f.jsonl:1:1: `docker.io/library/nginx` has no tag"),
            (line.replace("acme/web", "web"), "f.jsonl:1:20: `web`: not a repository name: `web`"),
            (line.replace("pins", "tags"), "f.jsonl:1:33: unknown field `tags`, expected `repository` or `pins`"),
            (String::new(), "`f.jsonl` has no repository"),
        ] {
            assert_eq!(read_text(&text), Err(told.to_owned()));
        }
    }
}
