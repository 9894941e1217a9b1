//! Digests that change nothing for the platforms in use: an index that was signed or attested anew, a platform that
//! nobody builds for, a rebuild with the same configuration and layers.
//!
//! What cannot be known is a change: a proposal too many is seen, one that is kept back is not. What a registry does not
//! tell just now is waited for: an outage would open what the next cycle has to close.

use std::collections::{BTreeMap, BTreeSet};

use super::candidates::Unknown;
use super::digest::Digest;
use super::image::{Content, Image, ManifestKind, NoContent, Platform};
use super::policy::Unchanged;

/// What the manifests of single platforms are made of, by the manifest's digest; as in
/// [`Evidence::contents`](super::proposal::Evidence::contents).
pub type Contents = BTreeMap<Digest, Result<Content, NoContent>>;

/// The platforms that a use is built for, by its `--platform` and the policy's `platforms`; empty: all of the image's.
/// What only the build knows (`$BUILDPLATFORM`) may be any.
pub fn in_use(written: Option<&str>, policy: &[Platform]) -> Vec<Platform> {
    match written {
        None | Some("$TARGETPLATFORM" | "${TARGETPLATFORM}") => policy.to_vec(),
        Some(written) => written.parse().into_iter().collect(),
    }
}

/// By which rule the new image changes nothing, where it changes nothing: [`Unchanged::Platforms`] or
/// [`Unchanged::Content`], as far as `rule` goes.
///
/// `in_use`: all platforms of the old image where none is named. A platform in use that one of them lacks is a change.
/// [`Unknown`]: nothing known differs, and a registry does not tell the rest now.
pub fn is_unchanged(
    (old, new): (&Image, &Image),
    in_use: &[Platform],
    contents: &Contents,
    rule: Unchanged,
) -> Result<Option<Unchanged>, Unknown> {
    let pairs = match rule {
        Unchanged::Off => None,
        Unchanged::Platforms | Unchanged::Content => pairs(old, new, in_use),
    };
    let Some(mut pairs) = pairs else { return Ok(None) };
    pairs.retain(|(old, new)| old != new);
    if pairs.is_empty() {
        return Ok(Some(Unchanged::Platforms));
    }
    if rule == Unchanged::Platforms {
        return Ok(None);
    }
    let mut unanswered = None;
    for (old, new) in pairs {
        match (contents.get(&old), contents.get(&new)) {
            (Some(Ok(old)), Some(Ok(new))) if old == new => {}
            (Some(Err(NoContent::ForNow(unknown))), Some(Ok(_) | Err(NoContent::ForNow(_))))
            | (Some(Ok(_)), Some(Err(NoContent::ForNow(unknown)))) => unanswered = Some(unknown.clone()),
            _ => return Ok(None),
        }
    }
    unanswered.map_or(Ok(Some(Unchanged::Content)), Err)
}

/// The manifests whose contents [`is_unchanged`] compares by [`Unchanged::Content`], of both images.
pub fn compared((old, new): (&Image, &Image), in_use: &[Platform]) -> BTreeSet<Digest> {
    let pairs = pairs(old, new, in_use).unwrap_or_default();
    pairs.into_iter().filter(|(old, new)| old != new).flat_map(|(old, new)| [old, new]).collect()
}

/// The manifests of each platform in use, the old and the new one; `None` where one is missing or not known.
fn pairs(old: &Image, new: &Image, in_use: &[Platform]) -> Option<Vec<(Digest, Digest)>> {
    if old.kind != new.kind {
        return None;
    }
    // A single manifest is what a build for every platform gets.
    if old.kind == ManifestKind::Image {
        return Some(vec![(old.digest, new.digest)]);
    }
    let all: Vec<Platform> = old.manifests.keys().cloned().collect();
    let in_use = if in_use.is_empty() { &all } else { in_use };
    if in_use.is_empty() {
        return None;
    }
    in_use.iter().map(|platform| Some((manifest(old, platform)?, manifest(new, platform)?))).collect()
}

/// The manifest of a platform: the very one, else one that container engines take for the same.
fn manifest(image: &Image, platform: &Platform) -> Option<Digest> {
    let same = || image.manifests.iter().find(|(other, _)| is_same(other, platform)).map(|(_, digest)| digest);
    image.manifests.get(platform).or_else(same).copied()
}

/// Whether container engines take one platform for the other.
pub(super) fn is_same(one: &Platform, other: &Platform) -> bool {
    plain(one) == plain(other)
}

/// The parts of a platform with the variant that is meant where none is written (containerd, `platforms/database.go`).
fn plain(platform: &Platform) -> (&str, &str, Option<&str>) {
    let variant = match (platform.architecture.as_str(), platform.variant.as_deref()) {
        ("arm64", Some("v8")) | ("amd64", Some("v1")) => None,
        ("arm", None) => Some("v7"),
        (_, variant) => variant,
    };
    (&platform.os, &platform.architecture, variant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn platform(text: &str) -> Platform {
        text.parse().unwrap()
    }

    /// An index whose manifests have these texts' digests.
    fn index(name: &str, manifests: &[(&str, &str)]) -> Image {
        let manifests = manifests.iter().map(|(at, text)| (platform(at), digest(text))).collect();
        Image { manifests, ..Image::bare(digest(name), ManifestKind::Index) }
    }

    fn content(text: &str) -> Result<Content, NoContent> {
        Ok(Content { config: digest(text), layers: vec![digest("layer")] })
    }

    fn told(old: &Image, new: &Image, in_use: &[&str], rule: Unchanged) -> Option<Unchanged> {
        let contents =
            [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "other")].map(|(at, text)| (digest(at), content(text)));
        let in_use: Vec<Platform> = in_use.iter().map(|text| platform(text)).collect();
        is_unchanged((old, new), &in_use, &contents.into(), rule).unwrap()
    }

    #[test]
    fn a_use_is_built_for_its_own_platform_else_for_the_policys_and_what_is_not_known_for_all() {
        let policy = [platform("linux/arm64")];
        for written in [None, Some("$TARGETPLATFORM"), Some("${TARGETPLATFORM}")] {
            assert_eq!(in_use(written, &policy), policy);
        }
        assert_eq!(in_use(Some("linux/arm/v7"), &policy), [platform("linux/arm/v7")]);
        for written in ["$BUILDPLATFORM", "linux", "", "linux/arm64/v8/x", "Linux/amd64"] {
            assert_eq!(in_use(Some(written), &policy), [], "{written}");
        }
    }

    #[test]
    fn the_same_manifests_for_the_platforms_in_use_are_no_news() {
        let old = index("old", &[("linux/amd64", "a1"), ("linux/arm64/v8", "b1")]);
        let attested = index("new", &[("linux/amd64", "a1"), ("linux/arm64/v8", "b1"), ("linux/s390x", "c")]);
        let rebuilt = index("newer", &[("linux/amd64", "a1"), ("linux/arm64/v8", "b2")]);
        for rule in [Unchanged::Platforms, Unchanged::Content] {
            assert_eq!(told(&old, &attested, &[], rule), Some(Unchanged::Platforms));
            assert_eq!(told(&old, &rebuilt, &["linux/amd64"], rule), Some(Unchanged::Platforms));
            assert_eq!(told(&old, &rebuilt, &["linux/amd64", "linux/arm64"], rule), None);
            assert_eq!(told(&old, &rebuilt, &[], rule), None);
        }
        assert_eq!(told(&old, &attested, &[], Unchanged::Off), None);
    }

    #[test]
    fn the_same_configuration_and_layers_are_no_news_where_the_policy_says_so() {
        let old = index("old", &[("linux/amd64", "a1"), ("linux/arm64", "b1")]);
        let new = index("new", &[("linux/amd64", "a2"), ("linux/arm64", "b2")]);
        assert_eq!(told(&old, &new, &["linux/amd64"], Unchanged::Content), Some(Unchanged::Content));
        assert_eq!(told(&old, &new, &["linux/amd64"], Unchanged::Platforms), None);
        assert_eq!(told(&old, &new, &[], Unchanged::Content), None, "one platform has another configuration");
    }

    #[test]
    fn a_single_manifest_is_compared_whatever_the_platforms_in_use_and_whether_its_own_is_known() {
        let single = |text| Image::bare(digest(text), ManifestKind::Image);
        let of_amd64 = |text| Image { manifests: [(platform("linux/amd64"), digest(text))].into(), ..single(text) };
        for in_use in [&[][..], &["linux/amd64"], &["linux/arm64"]] {
            for (old, new) in [(single("a1"), single("a2")), (of_amd64("a1"), of_amd64("a2"))] {
                assert_eq!(told(&old, &new, in_use, Unchanged::Content), Some(Unchanged::Content), "{in_use:?}");
                assert_eq!(told(&old, &new, in_use, Unchanged::Platforms), None, "{in_use:?}");
            }
        }
    }

    #[test]
    fn what_is_missing_or_unknown_is_a_change() {
        let both = index("old", &[("linux/amd64", "a1"), ("linux/arm64", "b1")]);
        let one = index("new", &[("linux/amd64", "a1")]);
        for (old, new, in_use) in [
            (&both, &one, &[][..]),
            (&both, &one, &["linux/arm64"]),
            (&one, &both, &["linux/arm64"]),
            (&index("x", &[]), &index("y", &[]), &[]),
            (&one, &Image::bare(digest("a2"), ManifestKind::Image), &[]),
            (&index("x", &[("linux/amd64", "nobody asked")]), &one, &[]),
        ] {
            assert_eq!(told(old, new, in_use, Unchanged::Content), None, "{old:?} {new:?}");
        }
        let old = index("old", &[("linux/amd64", "a1")]);
        let new = index("new", &[("linux/amd64", "a2")]);
        let unreadable = || Err(NoContent::ForGood);
        let contents = BTreeMap::from([(digest("a1"), unreadable()), (digest("a2"), unreadable())]);
        assert_eq!(is_unchanged((&old, &new), &[], &contents, Unchanged::Content), Ok(None));
    }

    #[test]
    fn what_a_registry_does_not_tell_now_is_no_change_unless_something_else_is() {
        let old = index("old", &[("linux/amd64", "a1"), ("linux/arm64", "b1")]);
        let new = index("new", &[("linux/amd64", "a2"), ("linux/arm64", "b2")]);
        let unknown = Unknown { reason: "HTTP 503".to_owned() };
        let told = |a2: Result<Content, NoContent>, b2: Result<Content, NoContent>| {
            let known = [("a1", content("a")), ("a2", a2), ("b1", content("b")), ("b2", b2)];
            let contents = known.map(|(text, content)| (digest(text), content)).into();
            is_unchanged((&old, &new), &[], &contents, Unchanged::Content)
        };
        let no_answer = || Err(NoContent::ForNow(unknown.clone()));
        assert_eq!(told(content("a"), content("b")), Ok(Some(Unchanged::Content)));
        assert_eq!(told(content("a"), no_answer()), Err(unknown.clone()));
        assert_eq!(told(content("other"), no_answer()), Ok(None));
        assert_eq!(told(no_answer(), content("other")), Ok(None));
        assert_eq!(told(no_answer(), Err(NoContent::ForGood)), Ok(None));
    }

    #[test]
    fn only_manifests_that_differ_are_compared_and_variants_that_engines_imply_are_the_same() {
        let old = index("old", &[("linux/amd64", "a1"), ("linux/arm64/v8", "b1"), ("linux/arm/v7", "c")]);
        let new = index("new", &[("linux/amd64", "a1"), ("linux/arm64", "b2"), ("linux/arm/v7", "c")]);
        assert_eq!(compared((&old, &new), &[]), [digest("b1"), digest("b2")].into());
        assert_eq!(compared((&old, &new), &[platform("linux/arm")]), BTreeSet::new());
        assert_eq!(compared((&old, &new), &[platform("linux/riscv64")]), BTreeSet::new());
    }
}
