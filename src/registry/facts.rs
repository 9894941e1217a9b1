//! What an image says of itself: version, dates and distribution, by the families' own annotations and labels.
//!
//! Labels are inherited by images that are built on another one, so that a family's labels count only where the image
//! is the family's own.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use super::manifest::Texts;
use crate::domain::reference::{DOCKER_HUB, ImageName};

const VERSION: &str = "org.opencontainers.image.version";
const CREATED: &str = "org.opencontainers.image.created";
const TITLE: &str = "org.opencontainers.image.title";
const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The base's name where there is none.
const NO_BASE: &str = "scratch";
/// The longest version that is shown, in bytes; a tag has at most 128.
const VERSION_LENGTH_MAX: usize = 128;

/// Where an image's words stand.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Of the index first, then of the manifest: not inherited.
    pub annotations: Vec<Texts>,
    pub labels: Texts,
    /// `created` of the configuration.
    pub created: Option<String>,
}

impl Words {
    /// The resolved version.
    pub(super) fn version(&self, name: &ImageName) -> Option<String> {
        let family = if self.is_docker_hardened(name) {
            self.label("com.docker.dhi.version").map(ToOwned::to_owned)
        } else if self.is_red_hats(name) {
            self.red_hat_version()
        } else {
            None
        };
        let found =
            [self.annotation(VERSION).map(ToOwned::to_owned), family, self.label(VERSION).map(ToOwned::to_owned)];
        found.into_iter().flatten().find(|version| is_version(version))
    }

    /// When it was built: the first date that is not 1970, which reproducible builds write.
    pub(super) fn created(&self, name: &ImageName) -> Option<Timestamp> {
        let dhi = self.is_docker_hardened(name).then(|| self.label("com.docker.dhi.created")).flatten();
        let red_hat = self.is_red_hats(name).then(|| self.label("build-date")).flatten();
        let dates = [dhi, self.annotation(CREATED), red_hat, self.label(CREATED), self.created.as_deref()];
        dates.into_iter().flatten().filter_map(date).find(|date| date.to_zoned(TimeZone::UTC).year() > 1970)
    }

    /// The distribution and its release: by Docker's own label (`debian-13`), else by the name of the image that it is
    /// built on (`debian:bookworm-slim`). The name counts as an annotation alone: a label of it is inherited, and would
    /// be that of the base.
    pub(super) fn distribution(&self, name: &ImageName) -> Option<String> {
        let dhi = self.is_docker_hardened(name).then(|| self.label("com.docker.dhi.distro")).flatten();
        let base = self.annotation(BASE_NAME).map(|base| base.split('@').next().unwrap_or(base));
        let base = base.filter(|base| *base != NO_BASE);
        [dhi, base].into_iter().flatten().find(|text| is_version(text)).map(ToOwned::to_owned)
    }

    /// The day on which its vendor stops to rebuild it. Docker alone writes it where a pull reads it; Microsoft and
    /// Chainguard sign a statement of its own, Canonical and Red Hat tell it outside the registry.
    pub(super) fn end_of_life(&self, name: &ImageName) -> Option<Date> {
        let day = self.is_docker_hardened(name).then(|| self.label("com.docker.dhi.date.end-of-life")).flatten()?;
        // A day, or a time of it.
        day.get(.."2029-10-31".len())?.parse().ok()
    }

    fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find_map(|texts| texts.get(key)).map(String::as_str)
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.labels.get(key).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// Docker Hardened Images: at their registry, mirrored to an organization at Docker Hub as `dhi-…`, or with the
    /// annotation by which Docker's own tools tell them (`moby/policy-helpers`, `image/dhi.go`).
    fn is_docker_hardened(&self, name: &ImageName) -> bool {
        name.registry() == "dhi.io"
            || (name.registry() == DOCKER_HUB && name.last_segment().starts_with("dhi-"))
            || self.annotation(TITLE).is_some_and(|title| title.starts_with("dhi/"))
    }

    /// Red Hat's own: vendor and component are inherited, so the name that the labels give must fit, too.
    fn is_red_hats(&self, name: &ImageName) -> bool {
        let is_labelled = self.label("vendor").is_some_and(|vendor| vendor.starts_with("Red Hat"))
            && self.label("com.redhat.component").is_some();
        let is_at_home = name.registry().ends_with(".redhat.com") || name.registry().ends_with(".redhat.io");
        let labelled_name = self.label("name").and_then(|name| name.rsplit('/').next());
        is_labelled && (is_at_home || labelled_name.is_none_or(|labelled| labelled == name.last_segment()))
    }

    /// `<version>-<release>`, as in the unique tag.
    fn red_hat_version(&self) -> Option<String> {
        let (version, release) = (self.label("version")?, self.label("release"));
        Some(release.map_or_else(|| version.to_owned(), |release| format!("{version}-{release}")))
    }
}

/// Whether a version can stand in a comment: one visible ASCII word. Anything else could end the comment's line.
fn is_version(text: &str) -> bool {
    !text.is_empty() && text.len() <= VERSION_LENGTH_MAX && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A date with its offset, or without one as Red Hat writes it: UTC.
fn date(text: &str) -> Option<Timestamp> {
    let zoneless = || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok();
    text.parse().ok().or_else(|| zoneless().map(|zoned| zoned.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pairs: &[(&str, &str)]) -> Texts {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn labelled(pairs: &[(&str, &str)]) -> Words {
        Words { labels: texts(pairs), ..Words::default() }
    }

    fn version(words: &Words, name: &str) -> Option<String> {
        words.version(&name.parse().unwrap())
    }

    fn created(words: &Words, name: &str) -> Option<String> {
        words.created(&name.parse().unwrap()).map(|date| date.to_string())
    }

    #[test]
    fn an_annotation_comes_before_a_label() {
        let mut words = labelled(&[(VERSION, "1.0")]);
        assert_eq!(version(&words, "a").as_deref(), Some("1.0"));
        words.annotations = vec![texts(&[]), texts(&[(VERSION, "2.0")])];
        assert_eq!(version(&words, "a").as_deref(), Some("2.0"));
    }

    #[test]
    fn dhi_labels_count_on_dhi_images_only() {
        let mut words = labelled(&[("com.docker.dhi.version", "3.13.13-debian13"), (VERSION, "9")]);
        for (name, expected) in
            [("dhi.io/python", "3.13.13-debian13"), ("acme/dhi-python", "3.13.13-debian13"), ("acme/app", "9")]
        {
            assert_eq!(version(&words, name).as_deref(), Some(expected), "{name}");
        }
        words.annotations = vec![texts(&[(TITLE, "dhi/python")])];
        assert_eq!(version(&words, "mirror.example/python").as_deref(), Some("3.13.13-debian13"));
    }

    #[test]
    fn red_hats_version_has_its_release_and_is_not_a_childs() {
        let ubi = [
            ("vendor", "Red Hat, Inc."),
            ("com.redhat.component", "ubi9-micro-container"),
            ("name", "ubi9/ubi-micro"),
            ("version", "9.8"),
            ("release", "1786321990"),
            ("build-date", "2026-08-10T00:33:10"),
        ];
        for name in ["registry.access.redhat.com/ubi9-micro", "mirror.example/ubi9/ubi-micro"] {
            assert_eq!(version(&labelled(&ubi), name).as_deref(), Some("9.8-1786321990"), "{name}");
            assert_eq!(created(&labelled(&ubi), name).as_deref(), Some("2026-08-10T00:33:10Z"), "{name}");
        }
        assert_eq!(version(&labelled(&ubi), "registry.example/acme/app"), None);
        assert_eq!(version(&labelled(&[("version", "9.8"), ("release", "1")]), "a"), None);
    }

    #[test]
    fn the_distribution_is_the_familys_own_word_or_the_base_that_the_image_itself_names() {
        let distribution = |words: &Words, name: &str| words.distribution(&name.parse().unwrap());
        let mut words = labelled(&[("com.docker.dhi.distro", "debian-13"), (BASE_NAME, "debian:12")]);
        assert_eq!(distribution(&words, "dhi.io/node").as_deref(), Some("debian-13"));
        assert_eq!(distribution(&words, "acme/app"), None, "inherited");
        words.annotations = vec![texts(&[(BASE_NAME, "debian:bookworm-slim@sha256:abc")])];
        assert_eq!(distribution(&words, "acme/app").as_deref(), Some("debian:bookworm-slim"));
        words.annotations = vec![texts(&[(BASE_NAME, "scratch")])];
        assert_eq!(distribution(&words, "acme/app"), None);
    }

    #[test]
    fn an_end_of_life_is_read_on_the_familys_own_images_alone() {
        for (text, expected) in [
            ("2029-10-31", Some("2029-10-31")),
            ("2029-10-31T00:00:00Z", Some("2029-10-31")),
            ("soon", None),
            ("", None),
        ] {
            let words = labelled(&[("com.docker.dhi.date.end-of-life", text)]);
            let day = |name: &str| words.end_of_life(&name.parse().unwrap()).map(|day| day.to_string());
            assert_eq!((day("dhi.io/python").as_deref(), day("acme/app")), (expected, None), "{text}");
        }
    }

    #[test]
    fn the_year_1970_is_no_date_and_the_next_source_is_asked() {
        let mut words = labelled(&[(CREATED, "1970-01-01T00:00:00Z")]);
        assert_eq!(created(&words, "a"), None);
        words.created = Some("2026-11-20T10:00:00.5+01:00".to_owned());
        assert_eq!(created(&words, "a").as_deref(), Some("2026-11-20T09:00:00.5Z"));
        words.created = Some("yesterday".to_owned());
        assert_eq!(created(&words, "a"), None);
    }

    #[test]
    fn a_version_that_could_leave_its_comment_is_none() {
        for text in ["", "1.0\nRUN evil", "1 0", "1.0\u{2028}", &"1".repeat(129)] {
            assert_eq!(version(&labelled(&[(VERSION, text)]), "a"), None, "{text:?}");
        }
    }
}
