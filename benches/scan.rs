//! Scanning a tree of 1,000 Dockerfiles, made in memory.

use refrom::domain::dockerfile;

fn main() {
    divan::main();
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

#[divan::bench]
fn thousand_dockerfiles(bencher: divan::Bencher<'_, '_>) {
    let files = dockerfiles();
    let bytes: usize = files.iter().map(String::len).sum();
    bencher
        .counter(divan::counter::BytesCount::new(bytes))
        .bench(|| files.iter().map(|file| dockerfile::scan(file.as_bytes()).len()).sum::<usize>());
}
