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
    for tag in store.tags().await?.iter().filter(|tag| is_meant(&tag.image)) {
        let mut lines = Vec::new();
        for entry in store.entries(tag).await?.iter().filter(|entry| entry.last_seen >= since) {
            serde_json::to_writer(&mut lines, &LedgerLine::from(entry))?;
            lines.push(b'\n');
        }
        output.bytes(&lines)?;
    }
    Ok(Outcome::Done)
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
    let Imported { new, merged, unchanged } = imported;
    output.line(format!("{}: {new} new, {merged} merged, {unchanged} unchanged", plural(lines, "line", "lines")))?;
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
    let mut import = store.import().await?;
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
