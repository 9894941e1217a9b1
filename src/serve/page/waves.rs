//! Digests on their way through the waves → what the page's template shows.

use jiff::Timestamp;
use serde::Serialize;

use super::{Moment, Pill};
use crate::domain::waves::{UnderWay, WaveCause, WaveStanding};
use crate::serve::waves::waits_for;

#[derive(Debug, Serialize)]
pub(super) struct UnderWayView<'a> {
    image: String,
    digest: String,
    short: String,
    first_seen: Moment,
    /// In their order.
    waves: Vec<StandingView<'a>>,
    /// What the next wave waits for; its literals stand in backticks.
    waits_for: Option<String>,
}

#[derive(Debug, Serialize)]
struct StandingView<'a> {
    name: &'a str,
    pill: Pill,
}

impl<'a> UnderWayView<'a> {
    pub(super) fn new(it: &'a UnderWay, now: Timestamp) -> Self {
        let reached = it.reached();
        let view = |(index, wave): (usize, &'a WaveStanding)| StandingView {
            name: &wave.wave,
            pill: if index <= reached { pill(wave) } else { Pill::new("", "○", merged(wave)) },
        };
        Self {
            image: format!("{}:{}", it.tag.image.familiar(), it.tag.tag),
            digest: it.digest.to_string(),
            short: it.digest.short(),
            first_seen: Moment::new(it.first_seen, now),
            waves: it.waves.iter().enumerate().map(view).collect(),
            waits_for: waits_for(it),
        }
    }
}

/// Of a wave that the digest has reached.
fn pill(wave: &WaveStanding) -> Pill {
    let merged = merged(wave);
    match &wave.blocked {
        Some(WaveCause::Failed(_)) => Pill::new("red", "✕", format!("{merged}, failed")),
        Some(WaveCause::Unknown(_) | WaveCause::Unlisted { .. }) => Pill::new("", "?", format!("{merged}, unknown")),
        Some(WaveCause::Merged { .. }) => Pill::new("amber", "▲", merged),
        Some(WaveCause::Pending(_) | WaveCause::Green { .. }) => Pill::new("blue", "…", merged),
        None => Pill::new("green", "✓", merged),
    }
}

/// `2 of 3`
fn merged(wave: &WaveStanding) -> String {
    format!("{} of {}", wave.have, wave.of)
}
