//! What a new digest changes besides its bytes, and nobody sees in a diff of digests: another distribution, another
//! major version, another user. What is built on the image may break by it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::digest::Digest;
use super::image::{Configuration, Image};
use super::reference::ImageName;

/// Variables that are told of one image; more are counted as one change.
const VARIABLES_MAX: usize = 20;
/// The largest number that is a major version; above are dates: `20261120`.
const MAJOR_MAX: u32 = 9999;
/// Images that are a distribution themselves, and how many parts of their version name a release of it: `12.8` is a build
/// of Debian's release 12.
const DISTRIBUTIONS: [(&str, usize); 3] = [("alpine", 2), ("debian", 1), ("ubuntu", 2)];
/// The namespace of Docker Hub's official images, and of copies of them.
const OFFICIAL: &str = "library";
/// How the names of variables end that every release changes: `NODE_VERSION`, `PYTHON_SHA256`.
const RELEASE_SUFFIXES: [&str; 8] =
    ["_VERSION", "_SHA", "_SHA256", "_SHA512", "_CHECKSUM", "_DIGEST", "_DOWNLOAD_URL", "_REVISION"];
/// Keys by which releases are checked, wherever it stands in a name.
const RELEASE_KEYS: &str = "GPG";

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HiddenChange {
    pub what: Changed,
    /// As people read it; empty where there was nothing.
    pub old: String,
    pub new: String,
}

/// What changes, the gravest first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Changed {
    Distribution,
    MajorVersion,
    Libc,
    User,
    Entrypoint,
    Ports,
    Command,
    WorkingDirectory,
    /// A variable of this name.
    Variable(String),
    /// So many more variables than are told.
    MoreVariables(usize),
}

/// What changes from one image of this name to another, the gravest first. What is not known of one of them is no change.
pub fn changes(name: &ImageName, old: &Image, new: &Image) -> Vec<HiddenChange> {
    let mut changes = Vec::new();
    let mut note = |what: Changed, before: &str, after: &str| {
        if before != after {
            changes.push(HiddenChange { what, old: before.to_owned(), new: after.to_owned() });
        }
    };
    let is_unsaid = distribution(old).is_none() && distribution(new).is_none();
    let own_releases = own_release(name, old).zip(own_release(name, new)).filter(|_| is_unsaid);
    match (distribution(old), distribution(new), &own_releases) {
        (Some(before), Some(after), _) => note(Changed::Distribution, before, after),
        (_, _, Some((before, after))) => note(Changed::Distribution, before, after),
        _ => {}
    }
    // That of a distribution's own image is told above.
    if let Some((before, after)) = majors(name, old, new).filter(|_| own_releases.is_none()) {
        note(Changed::MajorVersion, &before.to_string(), &after.to_string());
    }
    if let (Some(before), Some(after)) = (libc(old), libc(new)) {
        note(Changed::Libc, before, after);
    }
    if let (Some(before), Some(after)) = (&old.configuration, &new.configuration) {
        if !(is_root(&before.user) && is_root(&after.user)) {
            note(Changed::User, named_user(before), named_user(after));
        }
        note(Changed::Entrypoint, &words(&before.entrypoint), &words(&after.entrypoint));
        note(Changed::Ports, &listed(&before.ports), &listed(&after.ports));
        note(Changed::Command, &words(&before.command), &words(&after.command));
        note(Changed::WorkingDirectory, &before.working_directory, &after.working_directory);
        changes.extend(variables(&before.environment, &after.environment));
    }
    changes
}

impl HiddenChange {
    /// Whether the title of a pull request says it, too.
    pub fn is_grave(&self) -> bool {
        match self.what {
            Changed::Distribution
            | Changed::MajorVersion
            | Changed::Libc
            | Changed::User
            | Changed::Entrypoint
            | Changed::Ports
            | Changed::Variable(_)
            | Changed::MoreVariables(_) => true,
            Changed::Command | Changed::WorkingDirectory => false,
        }
    }

    /// For a title: `debian-12 → debian-13`, `user 0 → 65532`.
    pub fn in_short(&self) -> String {
        let value = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
        let (old, new) = (value(&self.old), value(&self.new));
        match &self.what {
            Changed::Distribution | Changed::Libc => format!("{old} → {new}"),
            // Long, and told below.
            Changed::Entrypoint => "another entrypoint".to_owned(),
            Changed::Variable(name) => format!("variable {name}"),
            Changed::MoreVariables(_) => self.what.to_string(),
            _ => format!("{} {old} → {new}", self.what),
        }
    }
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Distribution => "distribution",
            Self::MajorVersion => "major version",
            Self::Libc => "libc",
            Self::User => "user",
            Self::Entrypoint => "entrypoint",
            Self::Ports => "ports",
            Self::Command => "command",
            Self::WorkingDirectory => "working directory",
            Self::Variable(name) => name,
            Self::MoreVariables(count) => return write!(f, "{count} more variables"),
        })
    }
}

fn distribution(image: &Image) -> Option<&str> {
    image.configuration.as_ref()?.distribution.as_deref()
}

/// The release of a distribution whose own image this is: `debian-12`.
fn own_release(name: &ImageName, image: &Image) -> Option<String> {
    let (distribution, parts) =
        DISTRIBUTIONS.into_iter().find(|(distribution, _)| *distribution == name.last_segment())?;
    // Somebody else's image of that name has a version of its own.
    let namespace = name.repository().rsplit('/').nth(1)?;
    if namespace != OFFICIAL && namespace != distribution {
        return None;
    }
    let numbers: Vec<&str> = image.version.as_deref()?.split('.').take(parts).collect();
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (numbers.len() == parts && numbers.iter().all(is_number)).then(|| format!("{distribution}-{}", numbers.join(".")))
}

/// The major versions of both: of the resolved versions, or where neither image has one of the variable that is named after
/// it, `NODE_VERSION` of `node`. A version and a variable may tell of different things.
fn majors(name: &ImageName, old: &Image, new: &Image) -> Option<(u32, u32)> {
    match (&old.version, &new.version) {
        (Some(before), Some(after)) => Some((major(before)?, major(after)?)),
        (None, None) => {
            let variable = version_variable(name);
            let version = |image: &Image| major(image.configuration.as_ref()?.environment.get(&variable)?);
            Some((version(old)?, version(new)?))
        }
        (Some(_), None) | (None, Some(_)) => None,
    }
}

/// `NODE_VERSION` of `docker.io/library/node`
fn version_variable(name: &ImageName) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    name.last_segment().chars().map(word).chain("_VERSION".chars()).collect()
}

/// The first number of a version, where that is one.
fn major(version: &str) -> Option<u32> {
    let digits = version.strip_prefix('v').unwrap_or(version);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok().filter(|major| *major <= MAJOR_MAX)
}

/// The C library, by the names of distributions with one of their own, else by a version that names it.
fn libc(image: &Image) -> Option<&'static str> {
    let names = [distribution(image), image.version.as_deref()];
    names.into_iter().flatten().find_map(|text| {
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        match (has(&["musl", "alpine"]), has(&["glibc", "debian", "ubuntu", "wolfi"])) {
            (true, false) => Some("musl"),
            (false, true) => Some("glibc"),
            // Neither, or an image that says both.
            (true, true) | (false, false) => None,
        }
    })
}

fn is_root(user: &str) -> bool {
    matches!(user, "" | "0" | "root" | "0:0" | "root:root")
}

fn named_user(configuration: &Configuration) -> &str {
    if configuration.user.is_empty() { "root" } else { &configuration.user }
}

fn words(arguments: &[String]) -> String {
    arguments.join(" ")
}

fn listed(ports: &BTreeSet<String>) -> String {
    ports.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn variables(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<HiddenChange> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let told = names.into_iter().filter_map(|name| {
        let (before, after) = (old.get(name), new.get(name));
        let is_news = match (before, after) {
            (Some(before), Some(after)) => before != after && !is_of_every_release(name),
            _ => true,
        };
        let value = |value: Option<&String>| value.map(|text| shown(text)).unwrap_or_default();
        let what = Changed::Variable(name.clone());
        is_news.then(|| HiddenChange { what, old: value(before), new: value(after) })
    });
    let mut changes: Vec<HiddenChange> = told.collect();
    if changes.len() > VARIABLES_MAX {
        let more = Changed::MoreVariables(changes.len() - VARIABLES_MAX);
        changes.truncate(VARIABLES_MAX);
        changes.push(HiddenChange { what: more, old: String::new(), new: String::new() });
    }
    changes
}

/// A value of which only a digest is kept is no reading.
fn shown(value: &str) -> String {
    match value.parse::<Digest>() {
        Ok(digest) => format!("sha256:{}…", digest.short()),
        Err(_) if value.is_empty() => "\"\"".to_owned(),
        Err(_) => value.to_owned(),
    }
}

fn is_of_every_release(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    name == "VERSION" || name.contains(RELEASE_KEYS) || RELEASE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::image::ManifestKind;

    fn image(version: &str, configuration: Configuration) -> Image {
        let image = Image::bare(Digest::of(b"any"), ManifestKind::Index);
        Image { version: Some(version.to_owned()), configuration: Some(configuration), ..image }
    }

    fn on(distribution: &str) -> Configuration {
        Configuration { distribution: Some(distribution.to_owned()), ..Configuration::default() }
    }

    fn with(variables: &[(&str, &str)]) -> Configuration {
        let environment = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Configuration { environment, ..Configuration::default() }
    }

    fn told(old: &Image, new: &Image) -> Vec<String> {
        told_of("dhi.io/nginx", old, new)
    }

    fn told_of(name: &str, old: &Image, new: &Image) -> Vec<String> {
        let changes = changes(&name.parse().unwrap(), old, new);
        changes.iter().map(|change| format!("{}: {} → {}", change.what, change.old, change.new)).collect()
    }

    fn between(old: Configuration, new: Configuration) -> Vec<String> {
        told(&image("1.2.3", old), &image("1.2.4", new))
    }

    #[test]
    fn another_distribution_and_its_libc_are_told() {
        assert_eq!(between(on("debian-12"), on("debian-13")), ["distribution: debian-12 → debian-13"]);
        let expected = ["distribution: debian:trixie → alpine:3.22", "libc: glibc → musl"];
        assert_eq!(between(on("debian:trixie"), on("alpine:3.22")), expected);
        assert_eq!(between(on("debian-12"), Configuration::default()), [""; 0], "not known");
        let (old, new) = (image("21-glibc", on("alpaquita-23")), image("21-musl", on("alpaquita-23")));
        assert_eq!(told(&old, &new), ["libc: glibc → musl"]);
    }

    #[test]
    fn another_major_version_is_told_and_a_date_is_none() {
        let major = |old, new| told(&image(old, Configuration::default()), &image(new, Configuration::default()));
        assert_eq!(major("22.23.2-debian13", "24.1.0-debian13"), ["major version: 22 → 24"]);
        assert_eq!(major("v1.9", "v2.0"), ["major version: 1 → 2"]);
        for (old, new) in [("1.2.3", "1.3.0"), ("20261119", "20261120"), ("noble", "plucky"), ("", "1")] {
            assert_eq!(major(old, new), [""; 0], "{old} → {new}");
        }
    }

    #[test]
    fn without_a_version_the_variable_that_is_named_after_the_image_tells_it() {
        let of = |name: &str, value: &str| Image { version: None, ..image("", with(&[(name, value)])) };
        for (name, variable) in [
            ("node", "NODE_VERSION"),
            ("cgr.dev/chainguard/node", "NODE_VERSION"),
            ("acme/my-app.x", "MY_APP_X_VERSION"),
        ] {
            let (old, new) = (of(variable, "20.1.0"), of(variable, "v22.1.0"));
            assert_eq!(told_of(name, &old, &new), ["major version: 20 → 22"], "{name}");
            assert_eq!(told_of(name, &old, &of(variable, "20.2.0")), [""; 0], "{name}");
        }
        let (old, new) = (of("NODE_VERSION", "20.1.0"), of("NODE_VERSION", "22.1.0"));
        assert_eq!(told_of("python", &old, &new), [""; 0], "named after something else");
        assert_eq!(told_of("node", &old, &of("NODE_VERSION", "lts")), [""; 0], "no number");
        // Where there is a version, that counts; one alone is compared with nothing.
        let versioned = |variable| image("1.2.3", with(&[("NODE_VERSION", variable)]));
        assert_eq!(told_of("node", &versioned("20.1.0"), &versioned("22.1.0")), [""; 0]);
        assert_eq!(told_of("node", &old, &versioned("22.1.0")), [""; 0]);
    }

    #[test]
    fn another_release_of_an_image_that_is_a_distribution_is_told() {
        let told = |name, old, new| {
            told_of(name, &image(old, Configuration::default()), &image(new, Configuration::default()))
        };
        for (name, old, new, expected) in [
            ("alpine", "3.21.3", "3.22.1", "alpine-3.21 → alpine-3.22"),
            ("alpine", "3.22.1", "4.0.0", "alpine-3.22 → alpine-4.0"),
            ("debian", "12.8", "13", "debian-12 → debian-13"),
            ("ubuntu", "25.04", "25.10", "ubuntu-25.04 → ubuntu-25.10"),
            ("public.ecr.aws/docker/library/alpine", "3.21.3", "3.22.1", "alpine-3.21 → alpine-3.22"),
            ("public.ecr.aws/ubuntu/ubuntu", "25.04", "25.10", "ubuntu-25.04 → ubuntu-25.10"),
        ] {
            assert_eq!(told(name, old, new), [format!("distribution: {expected}")], "{name} {old} → {new}");
        }
        for (name, old, new) in [
            ("alpine", "3.21.3", "3.21.4"),
            ("debian", "12.7", "12.8"),
            ("debian", "bookworm", "trixie"),
            ("alpine", "3", "3.22"),
            ("ubuntu", "24.04", "noble"),
            ("acme/alpine", "1.0", "1.1"),
            ("cgr.dev/chainguard/wolfi-base", "1.0", "1.1"),
            ("debian-tools", "12", "12.1"),
        ] {
            assert_eq!(told(name, old, new), [""; 0], "{name} {old} → {new}");
        }
        assert_eq!(told("acme/debian", "12", "13"), ["major version: 12 → 13"], "by its own word");
        // What it says itself counts before its name.
        let bare = image("13", Configuration::default());
        let stated = told_of("debian", &image("12", on("debian:12")), &image("13", on("debian:12")));
        assert_eq!(stated, ["major version: 12 → 13"]);
        assert_eq!(told_of("debian", &image("13", on("debian:13")), &bare), [""; 0], "said in two ways");
    }

    #[test]
    fn how_it_runs_is_told() {
        let old = Configuration {
            entrypoint: vec!["/entry.sh".into(), "--x".into()],
            ports: ["80/tcp".to_owned()].into(),
            ..Configuration::default()
        };
        let new = Configuration {
            user: "65532".into(),
            command: vec!["nginx".into()],
            working_directory: "/srv".into(),
            ports: ["443/tcp".to_owned(), "8080/tcp".to_owned()].into(),
            ..Configuration::default()
        };
        let expected = [
            "user: root → 65532",
            "entrypoint: /entry.sh --x → ",
            "ports: 80/tcp → 443/tcp, 8080/tcp",
            "command:  → nginx",
            "working directory:  → /srv",
        ];
        assert_eq!(between(old, new), expected);
        let root = |user: &str| Configuration { user: user.into(), ..Configuration::default() };
        assert_eq!(between(root(""), root("0")), [""; 0], "both are root");
    }

    #[test]
    fn variables_are_told_but_for_those_that_every_release_changes() {
        let old =
            with(&[("NODE_VERSION", "22.1.0"), ("PATH", "/bin"), ("GONE", "1"), ("KEPT", "1"), ("GPG_KEYS", "A")]);
        let new =
            with(&[("NODE_VERSION", "22.2.0"), ("PATH", "/usr/bin"), ("KEPT", "1"), ("GPG_KEYS", "B"), ("NEW", "")]);
        assert_eq!(between(old, new), ["GONE: 1 → ", "NEW:  → \"\"", "PATH: /bin → /usr/bin"]);
        let secret = Digest::of(b"hunter2").to_string();
        assert_eq!(between(with(&[("API_KEY", "x")]), with(&[("API_KEY", &secret)])).len(), 1);
        assert!(!between(with(&[]), with(&[("API_KEY", &secret)]))[0].contains(&secret));
        let many: Vec<String> = (10..60).map(|number| format!("V{number}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
        let changes = between(with(&[]), with(&many));
        assert_eq!((changes.len(), changes.last().unwrap().as_str()), (VARIABLES_MAX + 1, "30 more variables:  → "));
    }

    #[test]
    fn nothing_is_told_where_nothing_changes_or_nothing_is_known() {
        let (old, bare) = (image("1.2.3", on("debian-12")), Image::bare(Digest::of(b"b"), ManifestKind::Index));
        for (old, new) in [(&old, &old), (&old, &bare), (&bare, &old)] {
            assert_eq!(told(old, new), [""; 0]);
        }
    }

    #[test]
    fn a_title_says_the_grave_ones_in_short() {
        let old = Configuration { user: "0".into(), entrypoint: vec!["a".into()], ..on("debian-12") };
        let new = Configuration { user: "65532".into(), working_directory: "/srv".into(), ..on("debian-13") };
        let name = "dhi.io/nginx".parse().unwrap();
        let changes = changes(&name, &image("1.0", old), &image("2.0", new));
        let short: Vec<String> =
            changes.iter().filter(|change| change.is_grave()).map(HiddenChange::in_short).collect();
        let expected = ["debian-12 → debian-13", "major version 1 → 2", "user 0 → 65532", "another entrypoint"];
        assert_eq!(short, expected);
    }
}
