//! What is remembered of tags.

use jiff::SignedDuration;

use super::Config;
use super::check::Checker;
use super::file::LedgerFile;
use super::mistake::{KeyPath, Mistake};
use super::yaml::Node;
use crate::domain::cadence::{duration, shown_duration};
use crate::store::RETENTION;

/// What is forgotten sooner cannot be told from what is new.
const RETENTION_MIN: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Ten years: beyond that nobody pins.
const RETENTION_MAX: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);

pub fn retention(checker: &mut Checker<'_>, path: &KeyPath, file: Option<&LedgerFile>) -> SignedDuration {
    let Some(text) = file.and_then(|file| file.retention.as_ref()) else { return RETENTION };
    let retention = duration(text).filter(|retention| (RETENTION_MIN..=RETENTION_MAX).contains(retention));
    if retention.is_none() {
        let [least, most] = [RETENTION_MIN, RETENTION_MAX].map(|bound| bound.as_hours() / 24);
        let message = format!("expected a duration like `400d`, from {least} to {most} days, found `{text}`");
        checker.wrong(&path.key("retention"), message);
    }
    retention.unwrap_or(RETENTION)
}

/// Digests of a tag that moves all the time would be forgotten before they are old enough, and none proposed.
pub fn conflict(config: &Config, tree: &Node) -> Option<Mistake> {
    let ages = config.layers().into_iter().map(|(_, effective)| effective.policy.min_age);
    let longest = ages.max().filter(|min_age| *min_age >= config.retention)?;
    let path = KeyPath::default().key("ledger").key("retention");
    let message = format!("expected more than the longest `min_age`, {}", shown_duration(longest));
    Some(Mistake { place: Some(tree.place_of(&path)), path, message })
}
