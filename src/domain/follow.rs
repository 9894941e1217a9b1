//! The tags that a pin may move to besides its own: higher versions of the same shape.

use std::cmp::Reverse;

use super::policy::Follow;
use super::reference::Tag;
use super::tag_version::TagVersion;

/// The tags of the same shape that are higher than this one, as far as `follow` goes: the highest first.
///
/// The number of parts, a leading `v` and everything after the version stay as they are: the variant, the libc, the
/// distribution with its release, `-dev`, `-fips`. Numbers of a package's release (`22.23.2-0`, `3.13.9-r2`) belong to the
/// version, but for a bare one behind a single part (`1-20-bookworm`). A tag without a version has none that are higher.
pub fn higher<'t>(tag: &Tag, tags: impl IntoIterator<Item = &'t Tag>, follow: Follow) -> Vec<Tag> {
    let Some(version) = TagVersion::read(tag).filter(|version| can_change(version, follow)) else { return Vec::new() };
    let read = tags.into_iter().filter_map(|other| Some((TagVersion::read(other)?, other)));
    let mut higher: Vec<_> = read.filter(|(other, _)| is_allowed(&version, other, follow)).collect();
    // Of two that say the same (`1.2` and `1.02`) always the same one is taken.
    higher.sort_by(|(one, text), (other, other_text)| other.compare(one).then(Reverse(text).cmp(&Reverse(other_text))));
    higher.into_iter().map(|(_, tag)| tag.clone()).collect()
}

/// Whether a tag is one of those that are higher than this one, as far as `follow` goes.
pub fn is_higher(from: &Tag, tag: &Tag, follow: Follow) -> bool {
    match (TagVersion::read(from), TagVersion::read(tag)) {
        (Some(version), Some(other)) => can_change(&version, follow) && is_allowed(&version, &other, follow),
        (None, _) | (_, None) => false,
    }
}

/// Whether a tag can have higher ones at all, so that the list of tags is worth asking for.
pub fn has_higher(tag: &Tag, follow: Follow) -> bool {
    TagVersion::read(tag).is_some_and(|version| can_change(&version, follow))
}

fn can_change(version: &TagVersion<'_>, follow: Follow) -> bool {
    follow != Follow::Digest && (version.parts() > highest_part(follow) || version.has_release())
}

fn is_allowed(from: &TagVersion<'_>, to: &TagVersion<'_>, follow: Follow) -> bool {
    let is_low_enough = from.first_difference(to).is_none_or(|part| part >= highest_part(follow));
    is_low_enough && to.is_higher_than(from)
}

/// The first part of a version that may change, from 0.
fn highest_part(follow: Follow) -> usize {
    match follow {
        Follow::Digest => usize::MAX,
        Follow::Patch => 2,
        Follow::Minor => 1,
        Follow::Major => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// The tags of some images of Docker's own catalog, one image a line.
    const CATALOG: &str = include_str!("../../tests/data/hardened-tags.txt");

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn of(from: &str, tags: &str, follow: Follow) -> String {
        let tags: BTreeSet<Tag> = tags.split_whitespace().map(tag).collect();
        higher(&tag(from), &tags, follow).iter().map(Tag::as_str).collect::<Vec<_>>().join(" ")
    }

    fn of_catalog(image: &str, from: &str, follow: Follow) -> String {
        let line = CATALOG.lines().find_map(|line| line.strip_prefix(image)?.strip_prefix(' '));
        of(from, line.expect("an image of the catalog"), follow)
    }

    #[test]
    fn follow_says_which_part_may_change() {
        let tags = "1 2 1.27 1.28 2.0 1.27.3 1.27.4 1.27.10 1.28.0 2.0.0 latest mainline";
        for (from, patch, minor, major) in [
            ("1.27.3", "1.27.10 1.27.4", "1.28.0 1.27.10 1.27.4", "2.0.0 1.28.0 1.27.10 1.27.4"),
            ("1.27", "", "1.28", "2.0 1.28"),
            ("1", "", "", "2"),
            ("2.0.0", "", "", ""),
            ("latest", "", "", ""),
            ("mainline", "", "", ""),
        ] {
            for (follow, expected) in
                [(Follow::Digest, ""), (Follow::Patch, patch), (Follow::Minor, minor), (Follow::Major, major)]
            {
                assert_eq!(of(from, tags, follow), expected, "{from} {follow:?}");
            }
        }
    }

    #[test]
    fn the_shape_of_a_tag_stays() {
        for (from, tags, expected) in [
            // The variant, the libc, the distribution and its release.
            ("1.27-alpine", "1.28 1.28-alpine3.22 1.28-alpine 1.28-debian13 1.28-alpine-slim 1.28-perl", "1.28-alpine"),
            ("1.27-alpine3.22", "1.28-alpine3.23 1.28-alpine", ""),
            ("22-debian12", "24-debian13 24-debian12-dev 24-debian12-fips 24", ""),
            ("22-debian13-dev", "24-debian13 24-debian13-dev 24-debian13-sfw-dev", "24-debian13-dev"),
            (
                "8.14.5-jdk21-debian13-dev",
                "9.6.1-jdk25-debian13-dev 9.6.1-jdk21-debian13-dev",
                "9.6.1-jdk21-debian13-dev",
            ),
            ("17-glibc-debian13", "18-musl-debian13 18-glibc-debian13", "18-glibc-debian13"),
            // A leading `v`, and the number of parts.
            ("v1.2.3", "1.3.0 v1.3.0 V1.4.0", "v1.3.0"),
            ("1.2.3", "v1.3.0 1.3 1.3.0.1", ""),
            // What is not released, unless the pin is that.
            ("1.27.3", "1.28.0-rc1 1.28.0rc1 1.28.0-beta.2 1.28.0-alpha 1.28.0-dev 1.28.0a4", ""),
            ("1.28.0-rc1", "1.28.0-beta9 1.28.0-rc.2 1.28.0-rc10 1.28.0", "1.28.0 1.28.0-rc10 1.28.0-rc.2"),
            ("3.15.0a4", "3.15.0a10 3.15.0b1 3.14.7", "3.15.0b1 3.15.0a10"),
            ("1.2.3-dev", "1.3.0-dev 1.3.0", "1.3.0-dev"),
            // Names that are no versions.
            ("bookworm-20260101", "bookworm-20260218 trixie-20260218", ""),
            ("alpine3.21", "alpine3.22", ""),
            ("nonroot", "debug debug-nonroot", ""),
            ("7c2e9b1a", "8c2e9b1a 9", ""),
        ] {
            assert_eq!(of(from, tags, Follow::Major), expected, "{from}");
        }
    }

    #[test]
    fn the_release_of_a_package_belongs_to_the_version() {
        for (from, tags, expected) in [
            (
                "22.23.2-0-debian13",
                "22.23.2-1-debian13 22.23.10-0-debian13 22.23.2-debian13",
                "22.23.10-0-debian13 22.23.2-1-debian13",
            ),
            // Red Hat: the version, and the second of its build; older ones count.
            ("9.6-1754000177", "9.6-1786321990 9.7-1786321990 9.6-13", "9.6-1786321990"),
            ("8.6-751", "8.6-1072 8.6-1786321990 8.6-90", "8.6-1072"),
            // Chainguard: the epoch of the package, and the time of the build.
            ("3.13.9-r2", "3.13.9-r10 3.13.10-r0 3.13.9-3 3.13.9-r10-dev", "3.13.10-r0 3.13.9-r10"),
            ("3.13.9-r2-20260101000000", "3.13.9-r2-20260218175623 3.13.9-r2-202602181756", "3.13.9-r2-20260218175623"),
            // Java has its build after an underscore.
            ("21.0.5_11-jdk-jammy", "21.0.6_7-jdk-jammy 21.0.5_12-jdk-noble", "21.0.6_7-jdk-jammy"),
            // Canonical: the version, and the release of the distribution.
            ("10.0-26.04_edge", "10.1-26.04_edge 10.0-26.10_edge", ""),
        ] {
            assert_eq!(of(from, tags, Follow::Patch), expected, "{from}");
        }
    }

    #[test]
    fn a_bare_number_behind_a_single_part_is_no_release_and_stays() {
        for (from, tags, patch, major) in [
            // Microsoft's development containers: the number is that of Node.js, of Java, of Python.
            ("1-20-bookworm", "1-22-bookworm 1-24-bookworm 2-20-bookworm 2-24-bookworm", "", "2-20-bookworm"),
            ("v1-20", "v1-22 v2-20 v2-22", "", "v2-20"),
            // Of PostGIS behind PostgreSQL's.
            ("16-3", "16-4 16-5 17-3 17-5 17", "", "17-3"),
            ("16-3-alpine", "16-5-alpine 17-3-alpine", "", "17-3-alpine"),
            ("21_35-jdk", "21_36-jdk 22_35-jdk 22_36-jdk", "", "22_35-jdk"),
            ("17rc1-2", "17rc1-3 17rc2-2 17rc2-3", "17rc2-2", "17rc2-2"),
            // What says that it is a release is one, with all that follows it.
            ("1-r2", "1-r3 2-r0", "1-r3", "2-r0 1-r3"),
            ("9-r2-20260101000000", "9-r2-20260218175623", "9-r2-20260218175623", "9-r2-20260218175623"),
            // And behind more parts each of them is.
            ("1.2-20-bookworm", "1.2-22-bookworm", "1.2-22-bookworm", "1.2-22-bookworm"),
        ] {
            assert_eq!(of(from, tags, Follow::Patch), patch, "{from}");
            assert_eq!(of(from, tags, Follow::Major), major, "{from}");
        }
    }

    #[test]
    fn dates_and_years_are_compared_with_their_like_alone() {
        for (from, tags, expected) in [
            ("20250419-debian13", "20260218-debian13 202602181200-debian13 3-debian13", "20260218-debian13"),
            ("8.0.33", "20260101.0.1 2026.1.1", ""),
            ("3.1", "2026.1", ""),
            ("2025.4", "2026.1 3.1", "2026.1"),
            ("24.04", "24.10 26.04", "26.04 24.10"),
            ("202601", "202602 203001 202613 203 20260218", "203001 202602"),
            ("17", "202602 199912 20260218 2026 18", "18"),
            ("17-alpine", "202602-alpine 18-alpine", "18-alpine"),
            ("1", "99999999999999999999999999 18446744073709551616 2", "2"),
        ] {
            assert_eq!(of(from, tags, Follow::Major), expected, "{from}");
        }
        assert_eq!(of("99999999999999999999999999", "2 99999999999999999999999999", Follow::Major), "");
    }

    #[test]
    fn a_single_number_goes_to_none_that_counts_something_else() {
        for (from, tags, expected) in [
            // A commit's id that happens to have no letter, and the number of a build.
            ("17", "1234567 12345678 98765432 34512 100 18", "100 18"),
            ("1234567", "7654321 12345678 2345678", ""),
            ("98765432-alpine", "98765433-alpine", ""),
            ("20250419", "98765432 20260230 20261301 20260218", "20260230 20260218"),
            ("9", "10 99 100", "99 10"),
            ("34512", "34513 134512 1345120", "134512 34513"),
            // Where there are more parts, none of them is one of these.
            ("1.2", "1.1234567 2.0", "2.0 1.1234567"),
        ] {
            assert_eq!(of(from, tags, Follow::Major), expected, "{from}");
        }
    }

    #[test]
    fn tags_of_hardened_images_are_followed() {
        for (image, from, follow, expected) in [
            ("dhi.io/golang", "1.25.11-debian13-dev", Follow::Patch, "1.25.13-debian13-dev 1.25.12-debian13-dev"),
            (
                "dhi.io/golang",
                "1.26.5-alpine3.23-dev",
                Follow::Minor,
                "1.27.0-alpine3.23-dev 1.26.7-alpine3.23-dev 1.26.6-alpine3.23-dev",
            ),
            ("dhi.io/golang", "1.26.6-debian12-dev", Follow::Major, "1.26.7-debian12-dev"),
            ("dhi.io/node", "22.23.0-0-debian13-dev", Follow::Major, "22.23.1-0-debian13-dev"),
            ("dhi.io/node", "24.17.0-debian12-dev", Follow::Minor, "24.19.0-debian12-dev 24.18.0-debian12-dev"),
            ("dhi.io/static", "20230311-debian12", Follow::Major, "20250419-debian12"),
            ("dhi.io/static", "20230311-glibc-debian12", Follow::Minor, ""),
            ("dhi.io/eclipse-temurin", "21.0.11.10-alpine3.22", Follow::Patch, "21.0.12.8-alpine3.22"),
            ("dhi.io/eclipse-temurin", "11.0.31.11-debian13", Follow::Minor, ""),
            ("dhi.io/postgres", "16.14-debian13", Follow::Minor, "16.15-debian13"),
            ("dhi.io/postgres", "16.14-debian13", Follow::Patch, ""),
            ("dhi.io/temporalio-server", "1.29.7-cli-1.7.2-debian13", Follow::Major, ""),
            ("dhi.io/python", "3.14.6-5-debian13-sfw-dev", Follow::Major, ""),
        ] {
            assert_eq!(of_catalog(image, from, follow), expected, "{image}:{from} {follow:?}");
        }
    }

    #[test]
    fn a_list_is_asked_for_only_where_there_can_be_a_higher_tag() {
        for (from, follow, expected) in [
            ("1.27", Follow::Digest, false),
            ("1.27", Follow::Patch, false),
            ("1.27", Follow::Minor, true),
            ("22", Follow::Minor, false),
            ("22", Follow::Major, true),
            ("9.6-1754000177", Follow::Patch, true),
            ("1-20-bookworm", Follow::Minor, false),
            ("1-r2", Follow::Patch, true),
            ("latest", Follow::Major, false),
        ] {
            assert_eq!(has_higher(&tag(from), follow), expected, "{from} {follow:?}");
        }
    }

    fn some_tag() -> impl Strategy<Value = Tag> {
        let number = prop_oneof!["[0-9]{1,3}", "20[0-9]{2}", "20[0-9]{6}"];
        let version = prop::collection::vec(number, 1..4).prop_map(|parts| parts.join("."));
        let after = "(|-rc[0-9]|rc[0-9]|-beta)(|-[0-9]|-r[0-9]|_1)(|-alpine|-debian13|-dev|x)";
        ("v?", version, after).prop_map(|(prefix, version, after)| tag(&format!("{prefix}{version}{after}")))
    }

    fn some_follow() -> impl Strategy<Value = Follow> {
        prop::sample::select(Follow::ALL.to_vec())
    }

    proptest! {
        #[test]
        fn higher_tags_have_the_same_shape_are_sorted_and_never_higher_both_ways(
            from in some_tag(), tags in prop::collection::btree_set(some_tag(), 0..30), follow in some_follow()
        ) {
            let found = higher(&from, &tags, follow);
            let are_all = tags.iter().all(|tag| found.contains(tag) == is_higher(&from, tag, follow));
            prop_assert!(are_all && (found.is_empty() || has_higher(&from, follow)));
            let variant = |tag: &Tag| tag.as_str().trim_start_matches(|c: char| c != '-').replace(|c: char| c.is_ascii_digit(), "");
            let all: BTreeSet<Tag> = tags.iter().cloned().chain([from.clone()]).collect();
            for other in &found {
                prop_assert!(is_higher(&from, other, follow) && !is_higher(other, &from, follow));
                prop_assert!(!higher(other, &all, Follow::Major).contains(&from), "{} and {}", from, other);
                prop_assert_eq!(from.as_str().starts_with('v'), other.as_str().starts_with('v'));
                prop_assert_eq!(from.as_str().matches('.').count(), other.as_str().matches('.').count());
                if !from.as_str().contains(['.', 'r', 'b']) {
                    let suffix = |tag: &Tag| tag.as_str().split_once(['-', '_']).map(|(_, rest)| rest.to_owned());
                    prop_assert_eq!(suffix(&from), suffix(other), "{} to {}", from, other);
                }
                if !from.as_str().contains("rc") && !from.as_str().contains("beta") {
                    prop_assert_eq!(variant(&from), variant(other));
                }
            }
            for pair in found.windows(2) {
                prop_assert!(!higher(&pair[0], &all, Follow::Major).contains(&pair[1]), "{:?}", found);
            }
        }

        #[test]
        fn no_tag_is_too_strange(from in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}", to in "[A-Za-z0-9_][A-Za-z0-9_.-]{0,60}") {
            let tags = [tag(&from), tag(&to)];
            prop_assert!(!higher(&tag(&from), &tags, Follow::Major).contains(&tag(&from)));
        }
    }
}
