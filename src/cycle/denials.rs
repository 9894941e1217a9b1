//! Digests that people took back: what the store knows of them, and what becomes of the pins that are at one.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Request;
use super::report::{Outcome, RepositoryReport};
use super::status::waiting;
use crate::domain::branch::Subject;
use crate::domain::candidates::{self, Candidate, RepositoryFacts};
use crate::domain::denial::{self, Denials, Merged};
use crate::domain::digest::Digest;
use crate::domain::marker::{Marker, MarkerPin};
use crate::domain::plan::{Action, Knowledge};
use crate::domain::pull_request::{PullRequest, PullRequestState};
use crate::domain::reference::{ImageName, Tag, TagRef};
use crate::domain::status::Wait;
use crate::store::{Store, StoreError};

/// A pin at a digest that somebody took back, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedPin {
    /// From the repository's root.
    pub path: String,
    /// The index of its use in the file.
    pub use_index: usize,
    /// 1-based.
    pub line: u32,
    /// As it is written.
    pub tag: TagRef,
    pub digest: Digest,
    /// Why it was taken back, in the words of who did.
    pub reason: String,
    /// Where it goes, where that is known.
    pub to: Option<Digest>,
    /// The tag that it gets there, where that is another one.
    pub to_tag: Option<Tag>,
    /// Number and address of the open pull request that brings it there.
    pub pull_request: Option<(u64, String)>,
    /// Why none does.
    pub waits: Option<Wait>,
}

/// What is denied now, and what repositories had before of the same images.
pub async fn know(store: &dyn Store, request: &Request) -> Result<Denials, StoreError> {
    let denials: Vec<_> = denial::in_force(store.denials().await?).chain(request.denied.iter().cloned()).collect();
    let images: BTreeSet<&ImageName> = denials.iter().map(|denial| &denial.image).collect();
    let mut merged = Merged::new();
    for image in images {
        for (repository, tags) in store.merged(image).await? {
            merged.entry(repository).or_default().extend(tags);
        }
    }
    Ok(Denials { denials, merged })
}

/// The pins of a repository that are at a denied digest, after what was done.
pub fn pins(
    facts: &RepositoryFacts,
    knowledge: &Knowledge,
    report: &RepositoryReport,
    now: Timestamp,
) -> Vec<DeniedPin> {
    let waits = waiting(report, now);
    let read = knowledge.pull_requests.get(&facts.key()).and_then(|read| read.as_ref().ok());
    let read = read.map(Vec::as_slice).unwrap_or_default();
    let mut pins = Vec::new();
    for candidate in candidates::of_repository(facts, &knowledge.observations) {
        let Some(digest) = candidate.old else { continue };
        let Some(denial) = knowledge.denials.of(&candidate.asked, &digest) else { continue };
        let done = proposed(report, &candidate);
        let stands = || standing(facts, read, &candidate);
        let proposed = done.or_else(stands);
        let (to, to_tag, pull_request) =
            proposed.map_or((None, None, None), |it| (Some(it.to), it.to_tag, it.pull_request));
        let waits = waits.get(&(candidate.path.as_str(), candidate.use_index)).cloned();
        let Candidate { path, use_index, line, tag, .. } = candidate;
        let reason = denial.reason.clone();
        pins.push(DeniedPin { path, use_index, line, tag, digest, reason, to, to_tag, pull_request, waits });
    }
    pins
}

/// Where a pull request brings a pin.
struct Proposed {
    to: Digest,
    to_tag: Option<Tag>,
    pull_request: Option<(u64, String)>,
}

/// What this cycle proposed for a pin, or would have.
fn proposed(report: &RepositoryReport, candidate: &Candidate) -> Option<Proposed> {
    report.plan.actions.iter().zip(&report.deeds).find_map(|(action, deed)| {
        let (proposal, before) = match action {
            Action::Open { proposal, .. } => (proposal, None),
            Action::Update { proposal, pull_request: it } => (proposal, Some((it.number, it.url.clone()))),
            Action::AutoMerge { .. } | Action::Close(_) | Action::DeleteBranch { .. } => return None,
        };
        if matches!(deed.outcome, Outcome::Failed(_)) {
            return None;
        }
        let pin = proposal.changes.get(&candidate.path)?.iter().find(|pin| pin.use_index == candidate.use_index)?;
        let pull_request = deed.pull_request.clone().or(before);
        Some(Proposed { to: pin.new, to_tag: pin.new_tag.clone(), pull_request })
    })
}

/// What an open pull request proposed for a pin already.
fn standing(facts: &RepositoryFacts, read: &[PullRequest], candidate: &Candidate) -> Option<Proposed> {
    let branch = Subject::of(facts.policy.group, candidate.image(), &candidate.path).branch();
    let is_it = |pin: &MarkerPin| {
        (&pin.file, &pin.image, &pin.tag, pin.old)
            == (&candidate.path, candidate.image(), candidate.tag(), candidate.old)
    };
    let open = read.iter().filter(|it| it.state == PullRequestState::Open && it.branch == branch);
    open.filter_map(|it| Some((it, Marker::read(&it.body).ok()?))).find_map(|(it, marker)| {
        let pin = marker.pins.into_iter().find(is_it)?;
        Some(Proposed { to: pin.new, to_tag: pin.new_tag, pull_request: Some((it.number, it.url.clone())) })
    })
}
