//! A cycle's report and knowledge → how each repository stands, kept in the store for whoever looks.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, Zoned};

use super::denials::DeniedPin;
use super::report::{Noticed, Outcome, Problem, Report, RepositoryReport};
use super::{Parts, Request, open};
use crate::domain::candidates::{self, Candidate, RepositoryFacts, RepositoryKey, Unknown, UseState};
use crate::domain::digest::Digest;
use crate::domain::image::Image;
use crate::domain::image_use::Status;
use crate::domain::plan::{Action, Knowledge};
use crate::domain::proposal::Reason;
use crate::domain::pull_request::Vocabulary;
use crate::domain::reference::{ImageName, TagRef};
use crate::domain::status::{
    CycleStatus, NoticedStatus, PinState, PinStatus, RepositoryStatus, UnfollowedStatus, Wait,
};
use crate::store::{Store, StoreError};

/// A cycle that has ended.
#[derive(Debug)]
pub(super) struct Ended<'a> {
    pub parts: &'a Parts,
    pub request: &'a Request,
    pub fleet: &'a [RepositoryFacts],
    pub knowledge: &'a Knowledge,
    pub report: &'a Report,
    /// Who had their turn in it.
    pub turns: BTreeSet<RepositoryKey>,
    pub started: Timestamp,
    pub at: Timestamp,
}

impl Ended<'_> {
    /// Keeps how everything stands that was looked at. A cycle over some repositories replaces theirs; one over the whole
    /// fleet forgets those that are gone.
    pub async fn keep(&self) -> Result<(), StoreError> {
        let before = self.before().await?;
        let facts: BTreeMap<RepositoryKey, &RepositoryFacts> =
            self.fleet.iter().map(|facts| (facts.key(), facts)).collect();
        let mut books = Books { store: self.parts.store.as_ref(), sights: BTreeMap::new(), images: BTreeMap::new() };
        let mut now: BTreeMap<RepositoryKey, RepositoryStatus> = BTreeMap::new();
        for report in &self.report.repositories {
            let key = &report.plan.repository;
            let Some(facts) = facts.get(key) else { continue };
            let mut status = self.repository(facts, report, before.get(key), &mut books).await?;
            (status.due_at, status.due_because) = self.due(facts, self.turns.contains(key));
            now.insert(key.clone(), status);
        }
        self.unread(&before, &mut now);
        let cycle = CycleStatus { started: self.started, ended: self.at, problems: self.elsewhere(&now) };
        let whole = self.request.repositories.is_empty().then_some(&cycle);
        let now: Vec<RepositoryStatus> = now.into_values().collect();
        self.parts.store.put_status(&now, whole).await
    }

    /// What was known before, as far as this cycle could not see for itself.
    async fn before(&self) -> Result<BTreeMap<RepositoryKey, RepositoryStatus>, StoreError> {
        if self.report.problems.is_empty() {
            return Ok(BTreeMap::new());
        }
        let before = self.parts.store.status().await?.repositories;
        Ok(before.into_iter().map(|status| (status.repository.clone(), status)).collect())
    }

    /// What could not be read stays as it was last seen, with what went wrong. A repository that a forge did not list is
    /// gone only where that forge listed everything.
    fn unread(
        &self,
        before: &BTreeMap<RepositoryKey, RepositoryStatus>,
        now: &mut BTreeMap<RepositoryKey, RepositoryStatus>,
    ) {
        for problem in &self.report.problems {
            let Some(key) = self.repository_of(problem) else { continue };
            if now.contains_key(&key) {
                continue;
            }
            let known = before.get(&key).cloned().unwrap_or_else(|| self.never_read(key.clone()));
            now.insert(key, RepositoryStatus { error: Some(problem.message.clone()), ..known });
        }
        let incomplete: BTreeSet<&str> = (self.parts.forges.iter().map(|forge| forge.name()))
            .filter(|forge| self.report.problems.iter().any(|problem| problem.is_of_forge(forge)))
            .collect();
        for (key, status) in before.iter().filter(|(key, _)| incomplete.contains(key.forge.as_str())) {
            if self.request.repositories.is_empty() {
                now.entry(key.clone()).or_insert_with(|| status.clone());
            }
        }
    }

    fn repository_of(&self, problem: &Problem) -> Option<RepositoryKey> {
        self.parts.forges.iter().find_map(|forge| {
            Some(RepositoryKey { forge: forge.name().to_owned(), name: problem.repository_of(forge.name())? })
        })
    }

    /// Problems that stand at no repository.
    fn elsewhere(&self, now: &BTreeMap<RepositoryKey, RepositoryStatus>) -> Vec<(String, String)> {
        let at_repository = |problem: &Problem| self.repository_of(problem).is_some_and(|key| now.contains_key(&key));
        let problems = self.report.problems.iter().filter(|problem| !at_repository(problem));
        problems.map(|problem| (problem.subject.clone(), problem.message.clone())).collect()
    }

    fn never_read(&self, repository: RepositoryKey) -> RepositoryStatus {
        RepositoryStatus {
            url: self.url(&repository),
            vocabulary: self.vocabulary(&repository),
            repository,
            looked_at: None,
            is_enabled: true,
            pins: Vec::new(),
            noticed: Vec::new(),
            unfollowed: Vec::new(),
            findings: Vec::new(),
            pull_requests: Vec::new(),
            due_at: None,
            due_because: String::new(),
            error: None,
        }
    }

    async fn repository(
        &self,
        facts: &RepositoryFacts,
        report: &RepositoryReport,
        before: Option<&RepositoryStatus>,
        books: &mut Books<'_>,
    ) -> Result<RepositoryStatus, StoreError> {
        let repository = facts.key();
        let waiting = waiting(report, self.at);
        let mut pins = Vec::new();
        for candidate in candidates::of_repository(facts, &self.knowledge.observations) {
            let wait = waiting.get(&(candidate.path.as_str(), candidate.use_index)).cloned();
            let is_it = |it: &&DeniedPin| (&it.path, it.use_index) == (&candidate.path, candidate.use_index);
            let denied = report.denied.iter().find(is_it).map(denied);
            let pin = books.pin(candidate, wait).await?;
            pins.push(PinStatus { state: denied.unwrap_or(pin.state.clone()), ..pin });
        }
        let pull_requests = match self.knowledge.pull_requests.get(&repository) {
            Some(Err(_)) => before.map(|before| before.pull_requests.clone()).unwrap_or_default(),
            Some(Ok(read)) => open::after(report, read, self.at),
            None => open::after(report, &[], self.at),
        };
        Ok(RepositoryStatus {
            vocabulary: facts.vocabulary,
            url: self.url(&repository),
            looked_at: Some(self.started),
            is_enabled: facts.policy.enabled,
            pins,
            noticed: report.noticed.iter().map(noticed).collect(),
            unfollowed: unfollowed(facts, self.knowledge),
            findings: report.plan.findings.clone(),
            pull_requests,
            due_at: None,
            due_because: String::new(),
            error: self.error(report),
            repository,
        })
    }

    /// When a repository may be proposed to after this cycle (`None`: now), and which rules make it so.
    fn due(&self, facts: &RepositoryFacts, had_turn: bool) -> (Option<Timestamp>, String) {
        if !facts.policy.enabled {
            return (None, String::new());
        }
        let key = facts.key();
        let last_turn = if had_turn { Some(self.started) } else { self.knowledge.turns.get(&key).copied() };
        let due = facts.policy.cadence.due(&key, last_turn, self.at);
        (due.at().map(Zoned::timestamp), due.because().to_owned())
    }

    /// Everything that went wrong with a repository.
    fn error(&self, report: &RepositoryReport) -> Option<String> {
        let subject = report.plan.repository.to_string();
        let problems = self.report.problems.iter().filter(|problem| problem.subject == subject);
        let failed = report.deeds.iter().filter_map(|deed| match &deed.outcome {
            Outcome::Failed(error) => Some(error.clone()),
            Outcome::Planned | Outcome::Done => None,
        });
        let errors: Vec<String> = problems.map(|problem| problem.message.clone()).chain(failed).collect();
        (!errors.is_empty()).then(|| errors.join("; "))
    }

    fn url(&self, repository: &RepositoryKey) -> Option<String> {
        let forge = self.parts.config.forges.iter().find(|forge| forge.name == repository.forge)?;
        Some(format!("{}/{}", forge.url.as_str().trim_end_matches('/'), repository.name))
    }

    fn vocabulary(&self, repository: &RepositoryKey) -> Vocabulary {
        let forge = self.parts.forges.iter().find(|forge| forge.name() == repository.forge);
        forge.map_or(Vocabulary::PullRequest, |forge| forge.vocabulary())
    }
}

/// Why pins wait, by path and the index of their use.
pub(super) fn waiting(report: &RepositoryReport, at: Timestamp) -> BTreeMap<(&str, usize), Wait> {
    let failed =
        report.plan.actions.iter().zip(&report.deeds).filter_map(|(action, deed)| match (action, &deed.outcome) {
            (Action::Open { proposal, .. } | Action::Update { proposal, .. }, Outcome::Failed(_)) => Some(proposal),
            _ => None,
        });
    let failed = failed.flat_map(|proposal| proposal.changes.values().flatten()).map(|pin| {
        let why = "its pull request could not be written".to_owned();
        ((pin.path.as_str(), pin.use_index), Wait::of_words(why, true))
    });
    let not_proposed = report.plan.not_proposed.iter();
    let words = report.plan.vocabulary;
    let not_proposed = not_proposed.map(|pin| ((pin.path.as_str(), pin.use_index), Wait::new(&pin.reason, words, at)));
    failed.chain(not_proposed).collect()
}

fn denied(pin: &DeniedPin) -> PinState {
    let DeniedPin { reason, to, to_tag, waits, .. } = pin.clone();
    PinState::Denied { reason, to, to_tag, pull_request: pin.pull_request.as_ref().map(|(number, _)| *number), waits }
}

/// The uses of digests that are no pins which somebody follows.
fn unfollowed(facts: &RepositoryFacts, knowledge: &Knowledge) -> Vec<UnfollowedStatus> {
    let pins = candidates::of_repository(facts, &knowledge.observations);
    let followed: BTreeSet<(&str, usize)> = pins.iter().map(|pin| (pin.path.as_str(), pin.use_index)).collect();
    let uses = facts.files.iter().flat_map(|file| file.uses.iter().enumerate().map(move |found| (file, found)));
    let others = uses.filter(|(file, (index, _))| !followed.contains(&(file.path.as_str(), *index)));
    let unfollowed = others.filter_map(|(file, (_, found))| {
        let why = match found.status {
            Status::Skipped(_) => found.shown_status(),
            Status::Pinned | Status::Unpinned => "the policy does not follow it".to_owned(),
        };
        let (path, line, tag) = (file.path.clone(), found.line, found.tag.clone());
        Some(UnfollowedStatus { path, line, image: found.image.clone()?, tag, digest: found.digest?, why })
    });
    unfollowed.collect()
}

fn noticed(noticed: &Noticed) -> NoticedStatus {
    let found = &noticed.image_use;
    NoticedStatus { path: noticed.path.clone(), line: found.line, image: found.shown(), what: found.shown_status() }
}

/// What the store knows of digests, each asked for once: many repositories pin the same ones.
struct Books<'a> {
    store: &'a dyn Store,
    sights: BTreeMap<(TagRef, Digest), Sights>,
    images: BTreeMap<(ImageName, Digest), Option<Image>>,
}

/// When a digest was first seen for its tag, and since when a pin at it is behind.
#[derive(Clone, Copy, Default)]
struct Sights {
    first_seen: Option<Timestamp>,
    stale_since: Option<Timestamp>,
}

impl Books<'_> {
    async fn pin(&mut self, candidate: Candidate, wait: Option<Wait>) -> Result<PinStatus, StoreError> {
        let Candidate { path, line, tag, asked, old, state, .. } = candidate;
        let (Sights { first_seen, stale_since }, image) = match &old {
            Some(old) => (self.sights(&asked, old).await?, self.image(&asked.image, old).await?),
            None => (Sights::default(), None),
        };
        let (version, created) =
            (image.as_ref().and_then(|image| image.version.clone()), image.and_then(|it| it.created));
        let unanswered = |reason: Reason| {
            let Wait { why, needs_person, .. } = Wait::new(&reason, Vocabulary::PullRequest, Timestamp::MIN);
            PinState::Unknown { reason: why, needs_person }
        };
        let state = match state {
            UseState::Current => PinState::Current { waits: wait },
            UseState::Behind { new } => PinState::Behind {
                newest: new,
                newest_version: self.image(&asked.image, &new).await?.and_then(|image| image.version),
                since: stale_since,
                waits: wait,
            },
            // The pin's tag stands beside it.
            UseState::Unknown(Unknown { reason }) => PinState::Unknown {
                reason: reason.strip_prefix(&format!("`{tag}`: ")).map_or(reason.clone(), ToOwned::to_owned),
                needs_person: true,
            },
            UseState::TagGone => unanswered(Reason::TagGone),
            UseState::HeldBack(words) => unanswered(Reason::HeldBack(words)),
            UseState::Ambiguous => unanswered(Reason::Ambiguous),
        };
        Ok(PinStatus { path, line, tag, digest: old, version, created, first_seen, state })
    }

    async fn sights(&mut self, tag: &TagRef, digest: &Digest) -> Result<Sights, StoreError> {
        let key = (tag.clone(), *digest);
        if let Some(known) = self.sights.get(&key) {
            return Ok(*known);
        }
        let first_seen = self.store.first_seen(tag, digest).await?;
        let sights = Sights { first_seen, stale_since: self.store.stale_since(tag, digest).await? };
        self.sights.insert(key, sights);
        Ok(sights)
    }

    async fn image(&mut self, name: &ImageName, digest: &Digest) -> Result<Option<Image>, StoreError> {
        let key = (name.clone(), *digest);
        if let Some(known) = self.images.get(&key) {
            return Ok(known.clone());
        }
        let image = self.store.image(name, digest).await?;
        self.images.insert(key, image.clone());
        Ok(image)
    }
}
