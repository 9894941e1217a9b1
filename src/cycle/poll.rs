//! How often tags are asked for: the cheap clock, apart from that of the repositories.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::{CadenceMode, Parts, Request, lookup};
use crate::domain::candidates::{self, Observations, RepositoryFacts};
use crate::domain::digest::Digest;
use crate::domain::reference::{ImageName, TagRef};
use crate::store::{Reach, Store, StoreError};

/// The part of `poll` by which a tag may be asked for too early: a job that runs every hour starts some seconds sooner or
/// later each time, and with `poll: 1h` has to ask every time.
const TOLERANCE_PART: i32 = 10;
/// The most that is, so that it stays what machines are late by, however long `poll` is.
const TOLERANCE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// The request, with the images of the repositories that somebody asked for by hand.
pub fn with_images(request: &Request, fleet: &[RepositoryFacts]) -> Request {
    let by_hand = fleet.iter().filter(|facts| request.by_hand.contains(&facts.key()));
    let images = by_hand.flat_map(|facts| lookup::tracked(&facts.files, &facts.policy)).map(|tag| tag.image);
    Request { fresh: request.fresh.iter().cloned().chain(images).collect(), ..request.clone() }
}

/// The digests that the followed pins of the fleet have, by tag as a registry is asked for it.
pub type Pinned = BTreeMap<TagRef, BTreeSet<Digest>>;

/// The followed pins of what is not switched off.
pub fn pinned(fleet: &[RepositoryFacts]) -> Pinned {
    let mut pinned = Pinned::new();
    for facts in fleet.iter().filter(|facts| facts.policy.enabled) {
        for found in facts.files.iter().flat_map(|file| &file.uses) {
            if let Some(tag) = candidates::asked(found, &facts.policy) {
                pinned.entry(tag).or_default().extend(found.digest);
            }
        }
    }
    pinned
}

/// The same, with these tags that nobody pins yet.
pub fn pinned_and(tags: BTreeSet<TagRef>, fleet: &[RepositoryFacts]) -> Pinned {
    let mut pinned = pinned(fleet);
    for tag in tags {
        pinned.entry(tag).or_default();
    }
    pinned
}

/// Whether a look at an image is so short ago that it is not repeated.
pub fn is_recent((parts, request): (&Parts, &Request), image: &ImageName, at: Timestamp, now: Timestamp) -> bool {
    let poll = parts.config.poll_of(image.registry()).and_then(|poll| SignedDuration::try_from(poll).ok());
    poll.filter(|_| !is_wanted_now(request, image)).is_some_and(|poll| is_short_ago(at, poll, now))
}

/// Whether somebody wants to know of an image now, however short ago it was asked for.
pub fn is_wanted_now(request: &Request, image: &ImageName) -> bool {
    request.cadence == CadenceMode::Ignore || request.fresh.contains(image)
}

/// What is known of these tags from a look that is short ago, and the tags that have to be asked for, with their pins.
pub async fn known(
    parts: &Parts,
    request: &Request,
    pinned: Pinned,
    now: Timestamp,
) -> Result<(BTreeMap<TagRef, Digest>, Pinned), StoreError> {
    let (mut known, mut asked) = (BTreeMap::new(), Pinned::new());
    let store = parts.store.as_ref();
    for (tag, digests) in pinned {
        let last = store.last_sighting(&tag).await?;
        let last = last.filter(|(_, at)| is_recent((parts, request), &tag.image, *at, now));
        match last {
            Some((digest, _)) if !is_overtaken(store, &tag, &digests).await? => drop(known.insert(tag, digest)),
            Some(_) | None => drop(asked.insert(tag, digests)),
        }
    }
    Ok((known, asked))
}

/// Whether somebody moved a pin since the tag was last asked for, to a digest that it was never seen at: that may be
/// newer than the look, which would propose the way back.
async fn is_overtaken(store: &dyn Store, tag: &TagRef, digests: &BTreeSet<Digest>) -> Result<bool, StoreError> {
    let before = store.pinned(tag).await?;
    for digest in digests.difference(&before) {
        if store.first_seen(tag, digest).await?.is_none() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes what tags answered, which did not, and what was pinned when they were asked.
pub async fn record(
    store: &dyn Store,
    (asked, reach): (&Pinned, Reach),
    observations: &Observations,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (mut sightings, mut unanswered) = (Vec::new(), Vec::new());
    for (tag, answer) in observations {
        match answer {
            Ok(digest) => sightings.push((tag.clone(), *digest)),
            Err(_) => unanswered.push(tag.clone()),
        }
    }
    store.record_sightings(&sightings, now).await?;
    store.record_pinned(asked, reach, now).await?;
    store.record_unanswered(&unanswered).await
}

/// A look in the future says nothing: the clock was wrong then, or is now.
pub fn is_short_ago(last: Timestamp, poll: SignedDuration, now: Timestamp) -> bool {
    let tolerance = (poll / TOLERANCE_PART).min(TOLERANCE_MAX);
    let ago = now.duration_since(last);
    !ago.is_negative() && ago < poll - tolerance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hourly_job_asks_every_hour_and_a_quarter_hourly_one_every_fourth_time() {
        let last: Timestamp = "2026-11-20T08:00:07Z".parse().unwrap();
        let hour = SignedDuration::from_hours(1);
        let is_asked = |now: &str, poll| !is_short_ago(last, poll, now.parse().unwrap());
        assert!(is_asked("2026-11-20T09:00:01Z", hour) && is_asked("2026-11-20T08:55:07Z", hour));
        assert!(!is_asked("2026-11-20T08:45:05Z", hour) && !is_asked("2026-11-20T08:00:07Z", hour));
        let minute = SignedDuration::from_mins(1);
        assert!(is_asked("2026-11-20T08:01:02Z", minute) && !is_asked("2026-11-20T08:01:00Z", minute));
    }

    #[test]
    fn a_look_in_the_future_is_none() {
        let (last, now) = ("2026-11-20T09:00:00Z".parse().unwrap(), "2026-11-20T08:00:00Z".parse().unwrap());
        assert!(!is_short_ago(last, SignedDuration::from_hours(1), now));
    }
}
