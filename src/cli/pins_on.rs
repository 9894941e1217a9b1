//! Who is on a digest that was taken back.

use std::collections::BTreeSet;

use crate::cycle::{DeniedPin, Report, RepositoryReport};
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{Denial, pins_of, unfollowed_on};
use crate::domain::digest::Digest;
use crate::domain::mirror::Mirrors;
use crate::domain::pull_request::Vocabulary;
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::status::{FleetStatus, PinState, PinStatus, RepositoryStatus, UnfollowedStatus};

/// A pin at the digest that is taken back.
#[derive(Debug)]
pub struct PinOn {
    pub repository: RepositoryKey,
    pub vocabulary: Vocabulary,
    pub path: String,
    pub line: u32,
    /// As it is written.
    pub image: ImageName,
    /// `None`: no tag is known.
    pub tag: Option<Tag>,
    pub to: Option<Digest>,
    /// The tag that it gets there, where that is another one.
    pub to_tag: Option<Tag>,
    pub pull_request: Option<(u64, String)>,
    pub waits: Option<String>,
}

impl PinOn {
    /// `nginx:1.27`, for people.
    pub fn shown(&self) -> String {
        let name = self.image.familiar();
        self.tag.as_ref().map_or_else(|| name.clone(), |tag| format!("{name}:{tag}"))
    }
}

/// Whether a cycle left a pin at the digest where it stays until somebody does something.
pub(super) fn stays(report: &Report, denial: &Denial, mirrors: &Mirrors) -> bool {
    let mut denied = report.repositories.iter().flat_map(|repository| denied_pins(repository, denial, mirrors));
    denied.any(|pin| pin.waits.as_ref().is_some_and(|wait| wait.needs_person))
}

/// The pins at the digest, as a cycle left them.
pub(super) fn read_pins(report: &Report, denial: &Denial, mirrors: &Mirrors) -> Vec<PinOn> {
    let pins = report.repositories.iter().flat_map(|repository| {
        let (key, vocabulary) = (&repository.plan.repository, repository.plan.vocabulary);
        denied_pins(repository, denial, mirrors).map(move |pin| {
            let DeniedPin { path, line, tag: TagRef { image, tag }, to, to_tag, pull_request, waits, .. } = pin.clone();
            let (repository, tag, waits) = (key.clone(), Some(tag), waits.map(|wait| wait.why));
            PinOn { repository, vocabulary, path, line, image, tag, to, to_tag, pull_request, waits }
        })
    });
    pins.collect()
}

/// The uses at the digest that nobody follows, as they were read last.
pub(super) fn unfollowed(fleet: &FleetStatus, denial: &Denial, mirrors: &Mirrors) -> Vec<PinOn> {
    let pin_on = |(status, it): (&RepositoryStatus, &UnfollowedStatus)| {
        let UnfollowedStatus { path, line, image, tag, why, .. } = it.clone();
        let (repository, vocabulary, waits) = (status.repository.clone(), status.vocabulary, Some(why));
        PinOn { repository, vocabulary, path, line, image, tag, to: None, to_tag: None, pull_request: None, waits }
    };
    unfollowed_on(fleet, denial, mirrors).map(pin_on).collect()
}

fn denied_pins<'a>(
    repository: &'a RepositoryReport,
    denial: &'a Denial,
    mirrors: &'a Mirrors,
) -> impl Iterator<Item = &'a DeniedPin> {
    repository.denied.iter().filter(|pin| is_of(denial, mirrors, &pin.tag, &pin.digest))
}

/// The pins at the digest of repositories that the cycle could not read, as they were read last.
pub(super) fn unread_pins(report: &Report, fleet: &FleetStatus, denial: &Denial, mirrors: &Mirrors) -> Vec<PinOn> {
    let read: BTreeSet<&RepositoryKey> = report.repositories.iter().map(|it| &it.plan.repository).collect();
    let mut unread = followed(fleet, denial, mirrors);
    unread.retain(|pin| !read.contains(&pin.repository));
    for pin in &mut unread {
        pin.waits = Some("its repository could not be read".to_owned());
    }
    unread
}

fn is_of(denial: &Denial, mirrors: &Mirrors, tag: &TagRef, digest: &Digest) -> bool {
    *digest == denial.digest && denial.scope().covers(&mirrors.asked(tag))
}

/// Who is on a digest, as the last cycles left it, those that nobody follows among them.
pub(super) fn pins_on(fleet: &FleetStatus, denial: &Denial, mirrors: &Mirrors) -> Vec<PinOn> {
    sorted(followed(fleet, denial, mirrors).into_iter().chain(unfollowed(fleet, denial, mirrors)))
}

/// By forge, name, path, line.
pub(super) fn sorted(pins: impl Iterator<Item = PinOn>) -> Vec<PinOn> {
    let mut pins: Vec<PinOn> = pins.collect();
    pins.sort_by(|one, other| {
        (&one.repository, &one.path, one.line).cmp(&(&other.repository, &other.path, other.line))
    });
    pins
}

fn followed(fleet: &FleetStatus, denial: &Denial, mirrors: &Mirrors) -> Vec<PinOn> {
    let scope = denial.scope();
    let pins = pins_of(fleet, &scope, mirrors).filter(|(_, pin)| pin.digest == Some(denial.digest));
    pins.map(|(repository, pin)| pin_on(repository, pin)).collect()
}

fn pin_on(status: &RepositoryStatus, pin: &PinStatus) -> PinOn {
    let (to, to_tag, number, waits) = match &pin.state {
        PinState::Denied { to, to_tag, pull_request, waits, .. } => (*to, to_tag.clone(), *pull_request, waits.clone()),
        PinState::Current { .. } | PinState::Behind { .. } | PinState::Unknown { .. } => (None, None, None, None),
    };
    let open = status.pull_requests.iter().find(|open| Some(open.number) == number);
    PinOn {
        repository: status.repository.clone(),
        vocabulary: status.vocabulary,
        path: pin.path.clone(),
        line: pin.line,
        image: pin.tag.image.clone(),
        tag: Some(pin.tag.tag.clone()),
        to,
        to_tag,
        pull_request: open.map(|open| (open.number, open.url.clone())),
        waits: waits.map(|wait| wait.why),
    }
}
