//! `refrom history`: what was seen of a tag, from the store: offline, and while a service uses it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::Failure;
use super::arguments::{Format, History};
use super::exit::Outcome;
use super::history_record::HistoryRecord;
use super::ledger_line::Tagged;
use super::output::Output;
use super::settings::{self, Secrets};
use super::table::Table;
use crate::config::Config;
use crate::domain::denial;
use crate::domain::digest::Digest;
use crate::domain::image::{Content, Image};
use crate::domain::ledger::{self, Sighting};
use crate::domain::mirror::Mirrors;
use crate::domain::policy::DeniedDigest;
use crate::domain::reference::TagRef;
use crate::domain::status::{FleetStatus, duration, plural, size};
use crate::store::{LedgerEntry, SqliteReader, StoreError};

/// What was seen of a tag.
#[derive(Debug)]
pub struct TagHistory {
    /// As it was given.
    pub written: TagRef,
    /// As a registry is asked for it.
    pub asked: TagRef,
    /// Newest first.
    pub seen: Vec<Seen>,
    /// Digests that are pinned with this tag, which never pointed to them as far as refrom saw, and by which repositories.
    pub never_seen: BTreeMap<Digest, Vec<String>>,
}

/// One digest of it.
#[derive(Debug)]
pub struct Seen {
    pub sighting: Sighting,
    /// Whether the tag pointed to it in the last look.
    pub is_head: bool,
    /// Whether the tag went back from it.
    pub is_withdrawn: bool,
    /// Why it is never proposed.
    pub denied: Option<String>,
    /// The repositories that pin it with this tag, as the last cycles found them.
    pub pinned_by: Vec<String>,
    pub image: Option<Image>,
    pub contents: BTreeMap<Digest, Content>,
}

/// Prints it; 3 where the tag was never seen, also where somebody pins it: it did not answer yet.
pub async fn run(arguments: &History, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(arguments.config.as_deref(), Secrets::Skip)?;
    let reference = &arguments.reference;
    let Tagged(written) = reference
        .parse()
        .map_err(|error| Failure::usage(anyhow::Error::new(error).context(format!("`{reference}`"))))?;
    let store = SqliteReader::open(&config.store).await?;
    let history = TagHistory::read(&store, &config, written).await?;
    let asked = &history.asked;
    if history.seen.is_empty() && history.never_seen.is_empty() {
        return Err(anyhow::anyhow!("`{asked}` was never seen: only the tags of pins are looked up").into());
    }
    match arguments.format {
        Format::Json => output.json(&HistoryRecord::from(&history))?,
        Format::Table => history.print(output)?,
    }
    if history.seen.is_empty() {
        return Err(anyhow::anyhow!("`{asked}` was never seen: its registry did not answer yet").into());
    }
    Ok(Outcome::Done)
}

impl TagHistory {
    async fn read(store: &SqliteReader, config: &Config, written: TagRef) -> Result<Self, StoreError> {
        let asked = config.mirrors.asked(&written);
        let entries = store.entries(&asked).await?;
        let denied = denied(store, config, &asked).await?;
        let mut pinned = pinned(&store.status().await?, &config.mirrors, &asked);
        let sightings = entries.iter().map(sighting);
        let whole = ledger::History::new(sightings.collect::<Vec<_>>(), BTreeMap::new());
        let head = whole.head().map(|head| head.digest);
        let seen = entries.into_iter().rev().map(|entry| Seen {
            sighting: sighting(&entry),
            is_head: head == Some(entry.digest),
            is_withdrawn: whole.is_withdrawn(&entry.digest),
            denied: denied.get(&entry.digest).cloned(),
            pinned_by: pinned.remove(&entry.digest).unwrap_or_default(),
            image: entry.image,
            contents: entry.contents,
        });
        Ok(Self { seen: seen.collect(), written, asked, never_seen: pinned })
    }

    fn print(&self, output: &mut Output) -> anyhow::Result<()> {
        let mut table = Table::new(["DIGEST", "FIRST SEEN", "LAST SEEN", "HEAD FOR", "REMARK"]);
        for seen in &self.seen {
            table.row(seen.row());
        }
        if !self.seen.is_empty() {
            output.text(table)?;
        }
        for (digest, repositories) in &self.never_seen {
            output.line(format!("{digest} was never seen here, and is {}", pinned_by(repositories)))?;
        }
        for seen in &self.seen {
            output.line(format!("\n{}", seen.sighting.digest))?;
            for line in seen.facts() {
                output.line(format!("  {line}"))?;
            }
        }
        Ok(())
    }
}

impl Seen {
    /// From its first to its last sight; what the tag pointed to in between, if it went away and came back, included.
    pub fn head_for(&self) -> SignedDuration {
        self.sighting.last_seen.duration_since(self.sighting.first_seen).max(SignedDuration::ZERO)
    }

    fn row(&self) -> [String; 5] {
        let Sighting { digest, first_seen, last_seen } = self.sighting;
        let head_for = if self.head_for().is_zero() { "one look".to_owned() } else { duration(first_seen, last_seen) };
        let remarks = [
            self.is_head.then(|| "head".to_owned()),
            (!self.pinned_by.is_empty()).then(|| pinned_by(&self.pinned_by)),
            self.is_withdrawn.then(|| "withdrawn".to_owned()),
            self.denied.as_ref().map(|reason| format!("denied: {reason}")),
        ];
        let remarks: Vec<String> = remarks.into_iter().flatten().collect();
        [digest.short(), minute(first_seen), minute(last_seen), head_for, remarks.join(", ")]
    }

    /// What is known of the digest, in lines.
    fn facts(&self) -> Vec<String> {
        let Some(image) = &self.image else { return Vec::new() };
        let facts = [
            image.version.clone(),
            image.created.map(|at| format!("built {}", minute(at))),
            image.size_bytes.map(size),
            image.end_of_life.map(|day| format!("end of life {day}")),
        ];
        let facts: Vec<String> = facts.into_iter().flatten().collect();
        let platforms: Vec<String> = image.manifests.keys().map(ToString::to_string).collect();
        let media_type = image.media_type.clone().unwrap_or_default();
        [facts.join(", "), media_type, platforms.join(" ")].into_iter().filter(|line| !line.is_empty()).collect()
    }
}

/// What is not proposed, and why: by the policy of the whole fleet, because somebody took it back, or by the policy of some
/// repositories. What these say in files of their own is not known here.
async fn denied(store: &SqliteReader, config: &Config, tag: &TagRef) -> Result<BTreeMap<Digest, String>, StoreError> {
    let mut denied = BTreeMap::new();
    for denial in denial::in_force(store.denials().await?).filter(|denial| denial.scope().covers(tag)) {
        denied.insert(denial.digest, denial.reason);
    }
    for (pattern, effective) in config.layers() {
        for DeniedDigest { digest, reason } in effective.policy.denied {
            let reason = reason.unwrap_or_else(|| "by the configuration".to_owned());
            let scope = pattern.map(|pattern| format!(" (in `{}`)", pattern.as_str())).unwrap_or_default();
            // Each layer has those of the fleet, too.
            denied.entry(digest).or_insert_with(|| reason + &scope);
        }
    }
    Ok(denied)
}

fn sighting(entry: &LedgerEntry) -> Sighting {
    let last_seen = entry.last_seen.unwrap_or(entry.first_seen);
    Sighting { digest: entry.digest, first_seen: entry.first_seen, last_seen }
}

/// Who pins which digest with a tag that is asked for so.
fn pinned(fleet: &FleetStatus, mirrors: &Mirrors, asked: &TagRef) -> BTreeMap<Digest, Vec<String>> {
    let mut pinned: BTreeMap<Digest, Vec<String>> = BTreeMap::new();
    for status in &fleet.repositories {
        for digest in status.pins.iter().filter(|pin| mirrors.asked(&pin.tag) == *asked).filter_map(|pin| pin.digest) {
            let repositories = pinned.entry(digest).or_default();
            let name = status.repository.to_string();
            if repositories.last() != Some(&name) {
                repositories.push(name);
            }
        }
    }
    pinned
}

fn pinned_by(repositories: &[String]) -> String {
    format!("pinned by {}", plural(repositories.len(), "repository", "repositories"))
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%MZ").to_string()
}
