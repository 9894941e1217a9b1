//! The house's arrows: `main → cli → {serve, demo} → cycle → config → {registry, git, forge, store} → {net, secret} → domain`.

use std::path::{Path, PathBuf};

/// What each part may use of this crate. `domain` stands alone.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("secret", &[]),
    ("net", &["secret"]),
    ("registry", &["domain", "net", "secret"]),
    ("git", &["domain", "net", "secret"]),
    ("forge", &["domain", "net", "secret"]),
    ("store", &["domain"]),
    ("config", &["domain", "net", "secret", "registry", "git", "forge", "store"]),
    ("cycle", &["config", "domain", "net", "secret", "registry", "git", "forge", "store"]),
    ("serve", &["config", "cycle", "domain", "net", "secret", "registry", "git", "forge", "store"]),
    ("simulate", &["config", "domain"]),
    (
        "cli",
        &[
            "config", "cycle", "demo", "serve", "simulate", "domain", "net", "secret", "registry", "git", "forge",
            "store",
        ],
    ),
    ("demo", &["config", "cycle", "domain", "net", "secret", "registry", "git", "forge", "store"]),
];

/// Whose types stop where: a crate's name in code, and the parts that may use it.
const ADAPTERS: &[(&str, &[&str])] = &[
    ("octocrab", &["forge"]),
    ("oci_client", &["registry", "demo"]),
    ("git2", &["git", "demo"]),
    ("sqlx", &["store"]),
    ("reqwest", &["net", "registry", "forge"]),
    // The crate; the adapter has its name, too.
    ("gitlab::api", &["forge"]),
    ("clap", &["cli"]),
    ("croner", &["domain"]),
    ("prometheus_client", &["serve"]),
    ("hyper", &["serve"]),
    ("hyper_util", &["serve"]),
    ("serde_saphyr", &["config"]),
    // The types of `http`, which octocrab takes, come to the forge by way of axum.
    ("axum", &["demo", "forge", "serve"]),
];

/// What the pure part does without.
const NOT_IN_DOMAIN: &[&str] = &[
    "async fn",
    ".await",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "tokio",
    "tracing",
    "reqwest",
    "Timestamp::now",
];

fn source_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(source_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

fn files_of(part: &str) -> Vec<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let directory = source.join(part);
    let mut files = if directory.is_dir() { source_files(&directory) } else { Vec::new() };
    let file = source.join(format!("{part}.rs"));
    files.extend(file.is_file().then_some(file));
    assert!(!files.is_empty(), "no files of `{part}`");
    files
}

#[test]
fn arrows_point_one_way() {
    let parts: Vec<&str> = ARROWS.iter().map(|(part, _)| *part).collect();
    for (part, allowed) in ARROWS {
        for file in files_of(part) {
            let text = std::fs::read_to_string(&file).unwrap();
            for used in parts.iter().filter(|used| *used != part && !allowed.contains(used)) {
                let path = format!("crate::{used}");
                assert!(!text.contains(&path), "{} uses {path}", file.display());
            }
        }
    }
}

#[test]
fn foreign_types_stop_in_their_adapter() {
    let parts: Vec<&str> = ARROWS.iter().map(|(part, _)| *part).collect();
    for part in parts {
        for file in files_of(part) {
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            for (name, _) in ADAPTERS.iter().filter(|(_, allowed)| !allowed.contains(&part)) {
                let uses = |line: &str| !line.trim_start().starts_with("//") && line.contains(&format!("{name}::"));
                assert!(!code.lines().any(uses), "{} uses {name}", file.display());
            }
        }
    }
}

#[test]
fn the_domain_is_pure() {
    for file in files_of("domain") {
        let text = std::fs::read_to_string(&file).unwrap();
        for word in NOT_IN_DOMAIN {
            assert!(!text.contains(word), "{} contains `{word}`", file.display());
        }
    }
}

#[test]
fn a_file_is_one_idea() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in source_files(&source) {
        let text = std::fs::read_to_string(&file).unwrap();
        let lines = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default().lines().count();
        assert!(lines <= 400, "{} has {lines} lines without its tests", file.display());
    }
}
