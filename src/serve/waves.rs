//! The digests on their way through the waves: for the page, the command, the metrics and programs.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;

use crate::config::Config;
use crate::domain::policy::{DeniedDigest, Follow, Policy};
use crate::domain::waves::{Advance, UnderWay, Wave, WaveCause, WaveFacts, WaveStanding, Waves};
use crate::store::{Store, StoreError, WaveBooks};

/// What the configuration says of waves.
#[derive(Debug, Clone, Default)]
pub struct Rollout {
    waves: Vec<Wave>,
    advance: Advance,
    forges: BTreeSet<String>,
    /// What every repository's policy denies.
    denied: Vec<DeniedDigest>,
    /// How far the policy follows that is everybody's, unless somebody has another one.
    follow: Follow,
}

impl Rollout {
    pub fn of(config: &Config) -> Self {
        let forges = config.forges.iter().map(|forge| forge.name.clone()).collect();
        let Policy { denied, follow, .. } = config.policy_for_work_tree(None, None).policy;
        Self { waves: config.waves.clone(), advance: config.advance, forges, denied, follow }
    }

    /// The names of the waves, in their order.
    pub fn names(&self) -> Vec<String> {
        self.waves.iter().map(|wave| wave.name.clone()).collect()
    }

    /// From when on adoptions that ended are asked for.
    pub fn ended_since(&self, now: Timestamp) -> Timestamp {
        self.advance.counts_since(now)
    }

    /// The digests that have not reached everybody, as the store knows it.
    pub async fn under_way(&self, store: &dyn Store, now: Timestamp) -> Result<Vec<UnderWay>, StoreError> {
        if self.waves.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.told(store.wave_books(self.ended_since(now)).await?, now))
    }

    /// The same from what was read of the store.
    pub fn told(&self, books: WaveBooks, now: Timestamp) -> Vec<UnderWay> {
        let unlisted = books.listings.unlisted(self.forges.iter().map(String::as_str));
        let facts = WaveFacts { unlisted, ..books.facts };
        Waves::new(self.waves.clone(), self.advance, facts).under_way(&books.ledger, (&self.denied, self.follow), now)
    }
}

/// The JSON of `/api/v1/waves` and `refrom waves`: a contract with the programs that read it. Absent values are `null`,
/// times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub struct WavesRecord {
    now: Timestamp,
    /// The names of the waves, in their order.
    waves: Vec<String>,
    digests: Vec<DigestRecord>,
}

#[derive(Debug, Serialize)]
struct DigestRecord {
    registry: String,
    repository: String,
    tag: String,
    digest: String,
    first_seen: Timestamp,
    /// The last wave that has it, or may have it.
    reached: String,
    /// What the wave after that waits for, in words.
    waits_for: Option<String>,
    waves: Vec<StandingRecord>,
}

#[derive(Debug, Serialize)]
struct StandingRecord {
    name: String,
    merged: usize,
    of: usize,
    /// What keeps the digest from going on: `merged`, `green`, `pending`, `failed`, `unknown`.
    blocked: Option<&'static str>,
    green_until: Option<Timestamp>,
    /// Whose pipeline it is.
    blocking_repository: Option<String>,
}

impl WavesRecord {
    pub fn new(waves: Vec<String>, digests: &[UnderWay], now: Timestamp) -> Self {
        Self { now, waves, digests: digests.iter().map(DigestRecord::new).collect() }
    }
}

impl DigestRecord {
    fn new(it: &UnderWay) -> Self {
        Self {
            registry: it.tag.image.registry().to_owned(),
            repository: it.tag.image.repository().to_owned(),
            tag: it.tag.tag.to_string(),
            digest: it.digest.to_string(),
            first_seen: it.first_seen,
            reached: it.waves.get(it.reached()).map(|wave| wave.wave.clone()).unwrap_or_default(),
            waits_for: waits_for(it),
            waves: it.waves.iter().map(StandingRecord::new).collect(),
        }
    }
}

impl StandingRecord {
    fn new(wave: &WaveStanding) -> Self {
        let (green_until, blocking_repository) = match &wave.blocked {
            Some(WaveCause::Green { until }) => (Some(*until), None),
            Some(WaveCause::Pending(key) | WaveCause::Failed(key) | WaveCause::Unknown(key)) => {
                (None, Some(key.to_string()))
            }
            Some(WaveCause::Merged { .. } | WaveCause::Unlisted { .. }) | None => (None, None),
        };
        let blocked = wave.blocked.as_ref().map(WaveCause::word);
        Self { name: wave.wave.clone(), merged: wave.have, of: wave.of, blocked, green_until, blocking_repository }
    }
}

/// `internal waits for canary: 1 of its 2 repositories have merged it`, with the names as literals.
pub fn waits_for(it: &UnderWay) -> Option<String> {
    let wave = it.waits()?;
    let next = it.waves.get(it.reached() + 1)?;
    let cause = wave.blocked.as_ref()?.told("it");
    Some(format!("`{}` waits for `{}`: {cause}", next.wave, wave.wave))
}
