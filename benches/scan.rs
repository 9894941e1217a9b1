//! Scanning 1,000 Dockerfiles: in memory, and as a tree with `refrom list`.

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

#[allow(dead_code, reason = "each measurement uses its part")]
mod world;

use std::path::Path;
use std::process::Command;

use refrom::domain::dockerfile;
use world::measure;
use world::{Cost, Measured};

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let folder = tree();
        let (output, usage) = measure::run(list(folder.path()));
        let cost = Cost::new(&output, Vec::new(), Vec::new());
        assert_eq!(cost.stdout.matches("\"status\": \"pinned\"").count(), 3_000, "{}", cost.stderr);
        measure::print_table(&[("refrom list: 1,000 files, 3,000 pins", Measured { cost, usage })]);
    }
    divan::main();
}

/// The files as a work tree, a folder for each.
fn tree() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (number, text) in dockerfiles().iter().enumerate() {
        let folder = root.path().join(format!("services/{number}"));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("Dockerfile"), text).unwrap();
    }
    root
}

fn list(tree: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrom"));
    command.args(["list", "--format", "json"]).arg(tree).env_clear();
    command
}

/// Files of the size that people write: three stages, comments, heredocs, ARGs.
fn dockerfiles() -> Vec<String> {
    (0..1_000)
        .map(|number| {
            let digest = format!("sha256:{number:064x}");
            let steps =
                "RUN apt-get update \\\n  && apt-get install -y curl \\\n  # inside\n  && rm -rf /var/lib/apt\n"
                    .repeat(8);
            format!(
                "# syntax=docker/dockerfile:1\nARG DIGEST={digest}\n# base image: nginx 1.27.{number}\nFROM \
                 dhi.io/nginx@${{DIGEST}} AS build\n{steps}RUN <<EOF\nset -e\nEOF\nFROM golang:1.23@{digest} AS \
                 tools\n{steps}FROM scratch\nCOPY --from=busybox:1.36@{digest} /bin/sh /\nCOPY --from=build /app /\n"
            )
        })
        .collect()
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn tree_of_a_thousand_dockerfiles(bencher: divan::Bencher<'_, '_>) {
    let folder = tree();
    bencher.bench_local(|| assert!(list(folder.path()).output().unwrap().status.success()));
}

#[divan::bench]
fn thousand_dockerfiles(bencher: divan::Bencher<'_, '_>) {
    let files = dockerfiles();
    let bytes: usize = files.iter().map(String::len).sum();
    bencher
        .counter(divan::counter::BytesCount::new(bytes))
        .bench(|| files.iter().map(|file| dockerfile::scan(file.as_bytes()).len()).sum::<usize>());
}
