//! The keys about which digest is proposed → values of [`crate::domain::policy`].

use jiff::SignedDuration;

use super::cadence::reason;
use super::check::Checker;
use super::digest_file::DeniedFile;
use super::mistake::KeyPath;
use crate::domain::cadence;
use crate::domain::image::Platform;
use crate::domain::policy::DeniedDigest;

/// The word for no `stale_after`, so that an override can lift that of the policy.
const NEVER: &str = "never";
/// The longest length of time: what waits longer is not followed.
const DURATION_MAX: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How many digests one list may deny.
const DENIED_MAX: usize = 1000;
/// How many platforms may be in use; no image has more than some twenty.
const PLATFORMS_MAX: usize = 100;

/// `3d`, up to a year.
pub fn duration(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<SignedDuration> {
    let duration = cadence::duration(text).filter(|duration| *duration <= DURATION_MAX);
    if duration.is_none() {
        let most = DURATION_MAX.as_hours() / 24;
        checker.wrong(path, format!("expected a duration like `3d` of at most {most} days, found `{text}`"));
    }
    duration
}

/// `None` inside is never.
pub fn stale_after(checker: &mut Checker<'_>, path: &KeyPath, text: &str) -> Option<Option<SignedDuration>> {
    if text == NEVER {
        return Some(None);
    }
    let duration = duration(checker, path, text)?;
    if duration.is_zero() {
        checker.wrong(path, format!("expected more than nothing; `{NEVER}` tells no tag"));
        return None;
    }
    Some(Some(duration))
}

/// `linux/amd64`, `linux/arm/v7`.
pub fn platforms(checker: &mut Checker<'_>, path: &KeyPath, texts: &[String]) -> Option<Vec<Platform>> {
    if texts.len() > PLATFORMS_MAX {
        checker.wrong(path, format!("too many: {} of at most {PLATFORMS_MAX}", texts.len()));
        return None;
    }
    let mut platforms = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(platform) => platforms.push(platform),
            Err(_) => checker.wrong(
                &path.index(index),
                format!("expected a platform like `linux/amd64` or `linux/arm/v7`, found `{text}`"),
            ),
        }
    }
    Some(platforms)
}

pub fn denied(checker: &mut Checker<'_>, path: &KeyPath, files: &[DeniedFile]) -> Option<Vec<DeniedDigest>> {
    if files.len() > DENIED_MAX {
        checker.wrong(path, format!("too many: {} of at most {DENIED_MAX}", files.len()));
        return None;
    }
    let mut denied = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let path = path.index(index);
        let digest = match &file.digest {
            Some(text) => checker.parse(&path.key("digest"), text, "a digest like `sha256:` and 64 hex digits"),
            None => {
                checker.missing(&path.key("digest"), "missing: the digest that is never proposed");
                None
            }
        };
        let reason = file.reason.as_ref().and_then(|text| reason(checker, &path.key("reason"), text));
        denied.extend(digest.map(|digest| DeniedDigest { digest, reason }));
    }
    Some(denied)
}
