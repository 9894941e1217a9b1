//! The stages of a file, and which of them the final image is made of.

use std::collections::{BTreeMap, BTreeSet};

/// The stages that have begun, numbered from 1; 0 is what stands before the first FROM.
#[derive(Debug, Default)]
pub(super) struct Stages {
    /// The stages before the current FROM. Of two with one name the later one counts, as for BuildKit.
    numbers: BTreeMap<String, usize>,
    /// The stage that each one begins from, where it is one of this file.
    parents: Vec<Option<usize>>,
}

impl Stages {
    /// How many have begun, which is the current one's number.
    pub fn count(&self) -> usize {
        self.parents.len()
    }

    /// A FROM.
    pub fn begin(&mut self) {
        self.parents.push(None);
    }

    /// Whether a base is a stage of this file; the current stage begins from it then. FROM compares the name as it is with
    /// the lower-cased names of the stages before it.
    pub fn begins_from(&mut self, base: &str) -> bool {
        let parent = self.numbers.get(base).copied();
        if let (Some(_), Some(current)) = (parent, self.parents.last_mut()) {
            *current = parent;
        }
        parent.is_some()
    }

    /// The current stage's name, in lower case: those after it may begin from it.
    pub fn name(&mut self, name: Option<String>) {
        let number = self.count();
        self.numbers.extend(name.map(|name| (name, number)));
    }

    /// The numbers of the last stage and of those that it begins from, itself or over others.
    pub fn of_final(&self) -> BTreeSet<usize> {
        let parent = |number: &usize| self.parents.get(number.checked_sub(1)?).copied().flatten();
        // A stage begins from an earlier one, so this ends.
        std::iter::successors(Some(self.count()).filter(|last| *last > 0), parent).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::dockerfile::scan;

    /// The names of the images that the final one is made of.
    fn of_final(lines: &[&str]) -> Vec<String> {
        let uses = scan(lines.join("\n").as_bytes());
        uses.into_iter().filter(|found| found.makes_final_image).map(|found| found.written_name).collect()
    }

    #[test]
    fn the_final_image_is_made_of_its_bases_and_of_what_is_copied_into_them() {
        let built = [
            "FROM golang AS build",
            "COPY --from=assets /a /a",
            "FROM debian AS base",
            "COPY --from=certificates /c /c",
            "FROM base AS hardened",
            "FROM node AS tests",
            "FROM hardened",
            "RUN --mount=from=tools true",
            "COPY --from=build /app /app",
            "COPY --from=busybox /bin/sh /bin/sh",
        ];
        assert_eq!(of_final(&built), ["debian", "certificates", "busybox"]);
    }

    #[test]
    fn a_frontend_is_no_part_of_the_image_and_of_two_stages_with_one_name_the_later_one_counts() {
        assert_eq!(of_final(&["# syntax=docker/dockerfile:1", "FROM nginx"]), ["nginx"]);
        assert_eq!(of_final(&["FROM a AS x", "FROM b AS x", "FROM x"]), ["b"]);
        assert_eq!(of_final(&["FROM a AS x", "FROM x AS x", "FROM x"]), ["a"]);
        assert!(of_final(&["ARG A=1"]).is_empty());
    }
}
