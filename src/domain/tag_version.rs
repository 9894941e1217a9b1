//! Whether one tag says the same as another, only more exactly.

use super::reference::Tag;

/// Floating tags that name no version and no variant: any version may be what they stand for.
const OPEN_TAGS: [&str; 2] = ["latest", "stable"];

/// Whether `comment` refines `tag`: it is the same text; or its version begins with the tag's, component by component,
/// and its variant is the tag's or extends it.
///
/// `1.27.0-alpine` refines `1.27-alpine`, `1.27` and `alpine`, but neither `1.2` nor `1.27-slim`. A leading `v` before
/// a digit does not count; `latest` is refined by anything.
pub fn refines(comment: &Tag, tag: &Tag) -> bool {
    if comment == tag || OPEN_TAGS.contains(&tag.as_str()) {
        return true;
    }
    let (comment_version, comment_variant) = split(comment.as_str());
    let (tag_version, tag_variant) = split(tag.as_str());
    let comment_parts: Vec<&str> = components(comment_version);
    let tag_parts: Vec<&str> = components(tag_version);
    comment_parts.starts_with(&tag_parts) && extends(comment_variant, tag_variant)
}

/// `v1.27.0-alpine` → `1.27.0`, `alpine`
fn split(tag: &str) -> (&str, &str) {
    let is_version = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
    let tag = tag.strip_prefix('v').filter(|rest| is_version(rest)).unwrap_or(tag);
    let end = tag.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(tag.len());
    let (version, variant) = tag.split_at(end);
    (version.trim_end_matches('.'), variant.trim_start_matches(['-', '_', '.']))
}

fn components(version: &str) -> Vec<&str> {
    version.split('.').filter(|part| !part.is_empty()).collect()
}

/// `alpine3.22` and `alpine-perl` extend `alpine`; `1712` does not extend `17`.
fn extends(variant: &str, base: &str) -> bool {
    let Some(rest) = variant.strip_prefix(base) else { return false };
    let (Some(last), Some(next)) = (base.chars().last(), rest.chars().next()) else { return true };
    !(last.is_ascii_digit() && next.is_ascii_digit() || last.is_ascii_alphabetic() && next.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_more_exact_version_refines_a_tag() {
        let tag = |text: &str| text.parse::<Tag>().expect("a tag");
        for (comment, of, expected) in [
            ("1.27.0-alpine", "1.27-alpine", true),
            ("1.27.0-alpine", "1.27", true),
            ("1.27.0-alpine", "alpine", true),
            ("1.27", "1.27", true),
            ("v1.27.3", "1.27", true),
            ("1.27.0", "latest", true),
            ("1.27.0-alpine3.22", "1-alpine", true),
            ("8.6-751", "8.6", true),
            ("8.6-751", "8.6-75", false),
            ("1.27", "1.2", false),
            ("1.26", "1.27", false),
            ("1.27", "1.27.0", false),
            ("1.27.0-slim", "1.27-alpine", false),
            ("1.27.0", "1.27-alpine", false),
            ("bookworm-slim", "bookworm", true),
            ("bullseye", "bookworm", false),
        ] {
            assert_eq!(refines(&tag(comment), &tag(of)), expected, "{comment} of {of}");
        }
    }
}
