//! `refrom waves`: how far digests are on their way through the waves, from the store: offline, and while a service uses
//! it.

use jiff::Timestamp;

use super::Failure;
use super::arguments::{Format, Waves};
use super::exit::Outcome;
use super::output::Output;
use super::settings::{self, Secrets};
use super::table::Table;
use crate::domain::pattern::Pattern;
use crate::domain::status::{duration, plural};
use crate::domain::waves::UnderWay;
use crate::serve::waves::{Rollout, WavesRecord, waits_for};
use crate::store::SqliteReader;

/// Prints which digest is where, and what it waits for.
pub async fn run(arguments: &Waves, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::Skip)?;
    let image = arguments.image.as_deref().map(Pattern::new).transpose().map_err(Failure::usage)?;
    let rollout = Rollout::of(&config);
    let now = Timestamp::now();
    let books = SqliteReader::open(&config.store).await?.wave_books(rollout.ended_since(now)).await?;
    let mut digests = rollout.told(books, now);
    digests.retain(|it| {
        let image = image.as_ref();
        image.is_none_or(|pattern| {
            pattern.matches(&it.tag.image.to_string()) || pattern.matches(&it.tag.image.familiar())
        })
    });
    match arguments.format {
        Format::Json => output.json(&WavesRecord::new(rollout.names(), &digests, now))?,
        Format::Table => print(&rollout, &digests, now, output)?,
    }
    Ok(Outcome::Done)
}

fn print(rollout: &Rollout, digests: &[UnderWay], now: Timestamp, output: &mut Output) -> anyhow::Result<()> {
    if rollout.names().is_empty() {
        return output.line("the configuration has no `waves`: every digest reaches every repository at once");
    }
    let mut table = Table::new(["IMAGE", "DIGEST", "SEEN", "REACHED", "MERGED", "NEXT"]);
    for it in digests {
        let merged: Vec<String> =
            it.waves.iter().map(|wave| format!("{} {}/{}", wave.wave, wave.have, wave.of)).collect();
        table.row([
            format!("{}:{}", it.tag.image.familiar(), it.tag.tag),
            it.digest.short(),
            format!("{} ago", duration(it.first_seen, now)),
            it.waves.get(it.reached()).map(|wave| wave.wave.clone()).unwrap_or_default(),
            merged.join(", "),
            waits_for(it).unwrap_or_default().replace('`', ""),
        ]);
    }
    if !table.is_empty() {
        output.text(format!("{table}\n"))?;
    }
    output.line(format!("{} on the way through the waves", plural(digests.len(), "digest", "digests")))
}
