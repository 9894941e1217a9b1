//! `refrom ledger export` and `import`: what was seen of all tags, from one store to another.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use anyhow::Context as _;
use jiff::Timestamp;

use super::Failure;
use super::arguments::Ledger;
use super::exit::Outcome;
use super::ledger_line::LedgerLine;
use super::output::Output;
use super::run::assembly_failure;
use super::settings::{self, Secrets};
use crate::config::Config;
use crate::cycle;
use crate::domain::mirror::Mirrors;
use crate::domain::pattern::Pattern;
use crate::domain::reference::ImageName;
use crate::domain::status::plural;
use crate::store::{Imported, LedgerEntry, SqliteReader, SqliteStore};

/// The longest line, in bytes: an index of twenty platforms with a hundred layers each has some 160 KiB.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// The most lines: those of 5,000 tags that are rebuilt every day of the usual retention.
const LINES_MAX: usize = 2_000_000;

pub async fn run(arguments: &Ledger, output: &mut Output) -> Result<Outcome, Failure> {
    match arguments {
        Ledger::Export { config, image, since } => {
            let config = settings::load(config.as_deref(), Secrets::Skip)?;
            let store = SqliteReader::open(&config.store).await?;
            export(&store, (image.as_ref(), &config.mirrors), *since, output).await
        }
        Ledger::Import { file, config } => {
            let config = settings::load(config.as_deref(), Secrets::Skip)?;
            import(&config, file, output).await
        }
    }
}

/// Prints tag after tag, by name; the digests of each by first sight. An image is meant by the names of its mirrors, too.
async fn export(
    store: &SqliteReader,
    (image, mirrors): (Option<&Pattern>, &Mirrors),
    since: Option<Timestamp>,
    output: &mut Output,
) -> Result<Outcome, Failure> {
    let is_meant = |name: &ImageName| {
        image.is_none_or(|pattern| {
            let is_name = |name: &ImageName| pattern.matches(&name.to_string()) || pattern.matches(&name.familiar());
            is_name(name) || mirrors.names_of(name).iter().any(is_name)
        })
    };
    let mut ledger = store.snapshot().await?;
    let tags: Vec<_> = ledger.tags(since).await?.into_iter().filter(|(tag, _)| is_meant(&tag.image)).collect();
    takes_as_many(tags.iter().map(|(_, lines)| lines).sum())?;
    for (tag, _) in &tags {
        let mut lines = Vec::new();
        for entry in ledger.entries(tag).await?.into_iter().filter(|entry| entry.last_seen >= since) {
            lines.extend(line(entry)?);
            lines.push(b'\n');
        }
        output.bytes(&lines)?;
    }
    Ok(Outcome::Done)
}

/// What nobody could import is not exported either.
fn takes_as_many(lines: u64) -> Result<(), Failure> {
    if usize::try_from(lines).is_ok_and(|lines| lines <= LINES_MAX) {
        return Ok(());
    }
    let message = format!(
        "{lines} lines, of which an import takes {LINES_MAX}: take them in parts, with `--image` or the digests that \
         are still seen, with `--since`"
    );
    Err(Failure::usage(anyhow::Error::msg(message)))
}

/// An entry as a line; what is known of the digest is left out where nobody could import it.
fn line(entry: LedgerEntry) -> serde_json::Result<Vec<u8>> {
    let line = serde_json::to_vec(&LedgerLine::from(&entry))?;
    if line.len() as u64 <= LINE_BYTES_MAX {
        return Ok(line);
    }
    serde_json::to_vec(&LedgerLine::from(&LedgerEntry { image: None, ..entry }))
}

async fn import(config: &Config, file: &Path, output: &mut Output) -> Result<Outcome, Failure> {
    let shown = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let mut source: Box<dyn BufRead> = if file == Path::new("-") {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).with_context(|| shown.clone()).map_err(Failure::usage)?))
    };
    let now = Timestamp::now();
    let store = cycle::open_sqlite(config, now).await.map_err(assembly_failure)?;
    let (lines, imported) = import_lines((&store, &config.mirrors), source.as_mut(), &shown, now).await?;
    store.close().await;
    let Imported { new, merged, unchanged, left_out } = imported;
    let lines = plural(lines, "line", "lines");
    output.line(format!("{lines}: {new} new, {merged} merged, {unchanged} unchanged"))?;
    if left_out > 0 {
        output.line(format!("{left_out} left out: older than `ledger.retention`, or too many of one tag"))?;
    }
    Ok(Outcome::Done)
}

/// The number of lines, and what they came to. `shown` names their source. What was seen in a mirror counts as its
/// upstream's.
async fn import_lines(
    (store, mirrors): (&SqliteStore, &Mirrors),
    source: &mut dyn BufRead,
    shown: &str,
    now: Timestamp,
) -> Result<(usize, Imported), Failure> {
    let mut import = store.import(now).await?;
    let mut lines = 0;
    for number in 1.. {
        let line = read_line(source).with_context(|| format!("{shown}:{number}"))?;
        let Some(line) = line else { break };
        let wrong = |text: String| Failure::usage(anyhow::Error::msg(text));
        if line.len() as u64 > LINE_BYTES_MAX {
            return Err(wrong(format!("{shown}:{number}: longer than {LINE_BYTES_MAX} bytes")));
        }
        if number > LINES_MAX {
            return Err(wrong(format!("{shown}:{number}: more than {LINES_MAX} lines")));
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        let entry = LedgerLine::read(&line, now).map_err(|error| wrong(format!("{shown}:{number}:{error}")))?;
        import.add(&LedgerEntry { tag: mirrors.asked(&entry.tag), ..entry }).await?;
        lines += 1;
    }
    Ok((lines, import.finish().await?))
}

/// The next line without its end, cut a byte after the limit; `None` where there is none.
fn read_line(source: &mut dyn BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let read = source.take(LINE_BYTES_MAX + 1).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok((read > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::digest::Digest;
    use crate::domain::image::{Content, Image, ManifestKind, Platform};
    use crate::domain::reference::TagRef;

    #[test]
    fn no_more_is_exported_than_an_import_takes() {
        assert!(takes_as_many(2_000_000).is_ok());
        let refused = takes_as_many(2_000_001).unwrap_err();
        assert!(format!("{refused:?}").contains("2000001 lines, of which an import takes 2000000"), "{refused:?}");
    }

    #[test]
    fn a_line_that_nobody_could_import_says_less() {
        let now: Timestamp = "2026-11-20T08:00:00Z".parse().unwrap();
        let platform = Platform { os: "linux".into(), architecture: "arm64".into(), variant: None };
        let entry = |layers: usize| {
            let digest = Digest::of(b"a");
            LedgerEntry {
                tag: TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() },
                digest,
                first_seen: now,
                last_seen: Some(now),
                image: Some(Image {
                    manifests: [(platform.clone(), digest)].into(),
                    ..Image::bare(digest, ManifestKind::Index)
                }),
                contents: [(digest, Content { config: digest, layers: vec![digest; layers] })].into(),
            }
        };
        let read = |entry| LedgerLine::read(&line(entry).unwrap(), now).unwrap();
        assert_eq!(read(entry(10)), entry(10));
        assert_eq!(read(entry(20_000)), LedgerEntry { image: None, contents: BTreeMap::new(), ..entry(0) });
    }
}
