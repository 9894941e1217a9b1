//! The run: look after look over a recording, and what is due between them, with the planner's decisions carried out.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::days::Days;
use super::fleet::Listed;
use super::forge::{Desk, Forge};
use super::know::followed;
use super::notes::{self, Note};
use super::recording::Recording;
use super::repository::{Pinned, Repository};
use super::samples::Samples;
use super::setup::{Outcome, Planning, ReplayError, Setup};
use super::track::{Grid, Look, Moment, Track};
use super::wake;
use crate::config::Config;
use crate::domain::cadence::CadenceMode;
use crate::domain::candidates::RepositoryKey;
use crate::domain::plan::{self, Action, Knowledge, Limits, RepositoryPlan};
use crate::domain::proposal::Reason;
use crate::domain::pull_request::RepoName;
use crate::domain::reference::{ImageName, TagRef};
use crate::domain::waves::{WaveFacts, Waves};

/// The forge of repositories that no forge of the configuration includes.
const FORGE: &str = "forge";

/// Replays a recording for a fleet under a configuration.
pub fn replay(config: &Config, recording: &Recording, fleet: &[Listed], setup: Setup) -> Result<Outcome, ReplayError> {
    let (from, to) = setup.span(recording)?;
    let mut replay = Replay::new(config, (recording, fleet), setup, (from, to))?;
    replay.run(to)?;
    Ok(replay.outcome(to))
}

/// What a pin waits for since its repository was planned.
#[derive(Debug, Default)]
struct Waiting {
    since: Timestamp,
    words: Vec<&'static str>,
}

/// A tag, as a registry is asked for it, and what is seen of it.
pub(super) struct Followed {
    pub(super) asked: TagRef,
    pub(super) track: Track,
}

/// A replay while it runs.
pub(super) struct Replay<'a> {
    pub(super) config: &'a Config,
    pub(super) recording: &'a Recording,
    setup: Setup,
    pub(super) grid: Grid,
    last: Look,
    pub(super) tracks: Vec<Followed>,
    /// By the tag as a registry is asked for it.
    tags: BTreeMap<TagRef, usize>,
    pub(super) by_image: BTreeMap<ImageName, Vec<usize>>,
    pub(super) repositories: Vec<Repository>,
    /// The repositories that pin an image, as a registry is asked for it.
    pub(super) users: BTreeMap<ImageName, BTreeSet<usize>>,
    by_key: BTreeMap<RepositoryKey, usize>,
    /// The forge's pull requests, the turns and the ledger among it.
    pub(super) knowledge: Knowledge,
    forge: Forge,
    /// Which repositories are planned in which look.
    pub(super) agenda: BTreeMap<Look, BTreeSet<usize>>,
    /// Whose pipelines are seen in which look, because they had to stay green until then.
    pub(super) proving: BTreeMap<Look, BTreeSet<RepositoryKey>>,
    /// When the repositories in which something waits are due, also between two looks.
    due: BTreeMap<usize, Timestamp>,
    /// Those that the hourly cap put off.
    put_off: BTreeSet<usize>,
    waiting: Vec<Waiting>,
    waits: BTreeMap<&'static str, SignedDuration>,
    samples: Samples,
    left_out: BTreeSet<TagRef>,
    notes: BTreeSet<Note>,
    plans: u64,
}

impl<'a> Replay<'a> {
    fn new(
        config: &'a Config,
        (recording, fleet): (&'a Recording, &[Listed]),
        setup: Setup,
        (from, to): (Timestamp, Timestamp),
    ) -> Result<Self, ReplayError> {
        let pace = SignedDuration::try_from(config.pace()).unwrap_or(SignedDuration::MAX);
        let grid = Grid::new(from, pace);
        let (mut tracks, mut tags) = (Vec::new(), BTreeMap::new());
        let mut by_image: BTreeMap<ImageName, Vec<usize>> = BTreeMap::new();
        for tag in recording.tags() {
            let poll = config.poll_of(tag.image.registry()).and_then(|poll| SignedDuration::try_from(poll).ok());
            let stride = grid.stride(poll.unwrap_or(pace));
            tags.insert(tag.clone(), tracks.len());
            by_image.entry(tag.image.clone()).or_default().push(tracks.len());
            let track = Track::new(recording.moves(tag).unwrap_or_default(), &grid, stride);
            tracks.push(Followed { asked: tag.clone(), track });
        }
        let email = config.commit.author_email.clone();
        let waves = Waves::new(config.waves.clone(), config.advance, WaveFacts::default());
        let mut replay = Self {
            config,
            recording,
            setup,
            grid,
            last: grid.look_until(to),
            tracks,
            tags,
            by_image,
            repositories: Vec::new(),
            users: BTreeMap::new(),
            by_key: BTreeMap::new(),
            knowledge: Knowledge { own_emails: [email.clone()].into(), waves, ..Knowledge::default() },
            forge: Forge::new(setup.merge_after, email),
            agenda: BTreeMap::new(),
            proving: BTreeMap::new(),
            due: BTreeMap::new(),
            put_off: BTreeSet::new(),
            waiting: Vec::new(),
            waits: BTreeMap::new(),
            samples: Samples::new(Days { from, to }),
            left_out: BTreeSet::new(),
            notes: BTreeSet::new(),
            plans: 0,
        };
        fleet.iter().try_for_each(|listed| replay.add(listed))?;
        replay.check(fleet)?;
        replay.notes = notes::notes(&replay.repositories, recording, |repository| replay.tracks_of(repository));
        if !replay.knowledge.waves.is_empty() {
            replay.notes.extend(notes::of_waves(&replay.repositories));
        }
        Ok(replay)
    }

    fn add(&mut self, listed: &Listed) -> Result<(), ReplayError> {
        let mut pins = Vec::new();
        for tag in &listed.pins {
            match self.tags.get(&self.config.mirrors.asked(tag)) {
                Some(track) => pins.push(Pinned { tag: tag.clone(), track: *track, at: None }),
                None => drop(self.left_out.insert(tag.clone())),
            }
        }
        let index = self.repositories.len();
        let name = listed.repository.clone();
        let policy = self.config.policy_for(&name, None).policy;
        let repository = Repository::new(&self.forge_of(&name), name, policy, pins)?;
        let tracks = followed(&repository, &self.by_image);
        for followed in tracks.into_iter().filter_map(|track| self.tracks.get(track)) {
            for look in followed.track.changes().filter(|look| *look >= 0) {
                self.agenda.entry(look).or_default().insert(index);
            }
        }
        self.agenda.entry(0).or_default().insert(index);
        for pin in &repository.pins {
            let image = repository.facts.policy.mirrors.asked(&pin.tag).image;
            self.users.entry(image).or_default().insert(index);
        }
        let key = repository.facts.key();
        self.knowledge.pull_requests.insert(key.clone(), Ok(Vec::new()));
        self.by_key.insert(key, index);
        self.repositories.push(repository);
        self.waiting.push(Waiting { since: self.grid.from, words: Vec::new() });
        Ok(())
    }

    /// The forge that includes a repository; its name is a part of a repository's place in time.
    fn forge_of(&self, name: &RepoName) -> String {
        let forges = &self.config.forges;
        let forge = forges.iter().find(|forge| forge.selection.names(name)).or(forges.first());
        forge.map_or_else(|| FORGE.to_owned(), |forge| forge.name.clone())
    }

    fn tracks_of(&self, repository: &Repository) -> Vec<(&TagRef, &Track)> {
        let followed = followed(repository, &self.by_image);
        let tracks = followed.into_iter().filter_map(|index| self.tracks.get(index));
        tracks.map(|Followed { asked, track }| (asked, track)).collect()
    }

    fn check(&self, fleet: &[Listed]) -> Result<(), ReplayError> {
        let pins: usize = self.repositories.iter().map(|repository| repository.pins.len()).sum();
        match fleet.iter().flat_map(|listed| &listed.pins).next() {
            None => Err(ReplayError::NoPins),
            Some(tag) if pins == 0 => Err(ReplayError::NothingKnown(tag.clone())),
            Some(_) => Ok(()),
        }
    }

    fn run(&mut self, to: Timestamp) -> Result<(), ReplayError> {
        let mut look = 0;
        self.step(look)?;
        loop {
            let next = self.after(look);
            let due = self.due.values().min().copied().filter(|due| *due <= to && *due < self.grid.at(next));
            if let Some(due) = due {
                look = self.grid.look_until(due);
                self.step_between(Moment { look, now: due })?;
            } else if next <= self.last {
                look = next;
                self.step(look)?;
            } else {
                return Ok(());
            }
        }
    }

    /// The next look in which there may be something to do.
    fn after(&self, look: Look) -> Look {
        if self.setup.planning == Planning::Everything || !self.put_off.is_empty() {
            return look + 1;
        }
        let merge = self.forge.next_merge().map(|at| self.grid.look_from(at));
        let planned = self.agenda.first_key_value().map(|(look, _)| *look);
        merge.into_iter().chain(planned).min().unwrap_or(Look::MAX).max(look + 1)
    }

    fn step(&mut self, look: Look) -> Result<(), ReplayError> {
        let now = self.grid.at(look);
        let mut wanted = self.agenda.remove(&look).unwrap_or_default();
        wanted.extend(self.take_due(now));
        wanted.extend(self.merge(now)?);
        if self.config.max_new_per_hour.is_none_or(|limit| self.forge.opened_in_last_hour(now) < u64::from(limit)) {
            wanted.append(&mut self.put_off);
        }
        if self.setup.planning == Planning::Everything {
            wanted.extend(0..self.repositories.len());
        }
        self.begin_pins(&wanted, look, now);
        self.see_pipelines(look, now);
        wanted.extend(self.adopt(&wanted, now));
        self.plan(&wanted, Moment { look, now })
    }

    /// Plans the repositories that are due between two looks; what that changes for others is seen in the next one.
    fn step_between(&mut self, moment: Moment) -> Result<(), ReplayError> {
        let wanted = self.take_due(moment.now);
        let mut others = self.merge(moment.now)?;
        others.extend(self.adopt(&wanted, moment.now));
        self.agenda.entry(moment.look + 1).or_default().extend(others);
        self.plan(&wanted, moment)
    }

    /// The repositories that are due now.
    fn take_due(&mut self, now: Timestamp) -> BTreeSet<usize> {
        let due: BTreeSet<usize> = self.due.iter().filter(|(_, at)| **at <= now).map(|(index, _)| *index).collect();
        self.due.retain(|index, _| !due.contains(index));
        due
    }

    fn plan(&mut self, wanted: &BTreeSet<usize>, moment: Moment) -> Result<(), ReplayError> {
        self.know(wanted, moment);
        let facts: Vec<_> =
            wanted.iter().filter_map(|index| self.repositories.get(*index)).map(|it| &it.facts).collect();
        let opened_in_last_hour = self.forge.opened_in_last_hour(moment.now);
        let max_new_per_hour = self.config.max_new_per_hour;
        let limits = Limits { max_new_per_hour, opened_in_last_hour, cadence: CadenceMode::Honour };
        self.plans += facts.len() as u64;
        let plan = plan::plan(facts, &self.knowledge, &limits, moment.now);
        plan.repositories.iter().try_for_each(|plan| self.carry_out(plan, moment))
    }

    fn begin_pins(&mut self, wanted: &BTreeSet<usize>, look: Look, now: Timestamp) {
        let head = |track: usize, look| self.tracks.get(track).and_then(|followed| followed.track.head(look));
        for index in wanted {
            if let Some(repository) = self.repositories.get_mut(*index) {
                repository.begin_pins(head, look, now);
            }
        }
    }

    /// What people merged until now, and in which repositories.
    fn merge(&mut self, now: Timestamp) -> Result<BTreeSet<usize>, ReplayError> {
        let (mut merged, mirrors) = (BTreeSet::new(), &self.config.mirrors);
        while let Some((at, index, number)) = self.forge.due(now) {
            let Some(repository) = self.repositories.get_mut(index) else { continue };
            let Some(Ok(pull_requests)) = self.knowledge.pull_requests.get_mut(&repository.facts.key()) else {
                continue;
            };
            let mut desk = Desk { index, facts: &mut repository.facts, pull_requests };
            let changes = self.forge.merge(&mut desk, number, at);
            for moved in repository.merge(&changes, |tag| self.tags.get(&mirrors.asked(tag)).copied(), at)? {
                let Some(Followed { track, .. }) = self.tracks.get(moved.before.track) else { continue };
                let name = format!("{} {}", repository.facts.head.name, moved.index);
                self.samples.stretch(&name, &moved.before, track, Some(at));
            }
            merged.insert(index);
        }
        Ok(merged)
    }

    fn carry_out(&mut self, plan: &RepositoryPlan, moment: Moment) -> Result<(), ReplayError> {
        let now = moment.now;
        let Some(index) = self.by_key.get(&plan.repository).copied() else { return Ok(()) };
        let Some(repository) = self.repositories.get_mut(index) else { return Ok(()) };
        if let Some(Ok(pull_requests)) = self.knowledge.pull_requests.get_mut(&plan.repository) {
            let mut desk = Desk { index, facts: &mut repository.facts, pull_requests };
            plan.actions.iter().try_for_each(|action| self.forge.act(&mut desk, action, now))?;
        }
        if plan.actions.iter().any(|action| matches!(action, Action::Open { .. })) {
            self.knowledge.last_opened.insert(plan.repository.clone(), now);
        }
        let cadence = &repository.facts.policy.cadence;
        if plan.has_turn(now) && repository.facts.policy.enabled && cadence.schedule.is_some() {
            self.knowledge.turns.insert(plan.repository.clone(), now);
        }
        if is_put_off(plan) {
            self.put_off.insert(index);
        }
        let turn = self.knowledge.turns.get(&plan.repository).copied();
        let tracks = followed(repository, &self.by_image).into_iter();
        let tracks = tracks.filter_map(|index| self.tracks.get(index)).map(|followed| &followed.track);
        for next in wake::next(&repository.facts, plan, tracks, (turn, moment), &self.grid) {
            self.agenda.entry(next).or_default().insert(index);
        }
        match wake::between_looks(plan, now) {
            Some(at) => self.due.insert(index, at),
            None => self.due.remove(&index),
        };
        let words = self.words(index, plan);
        self.wait(index, words, now);
        Ok(())
    }

    /// What the pins of a repository wait for from now on.
    fn words(&self, index: usize, plan: &RepositoryPlan) -> Vec<&'static str> {
        let word = self.setup.word;
        let waiting = &plan.not_proposed;
        let is_waiting = |tag: &TagRef| waiting.iter().any(|pin| pin.tag == *tag);
        let held = self.forge.held(index);
        let held = held.filter(|pin| !is_waiting(&TagRef { image: pin.image.clone(), tag: pin.tag.clone() }));
        waiting.iter().map(|pin| word(&pin.reason)).chain(held.map(|_| OPEN)).collect()
    }

    fn wait(&mut self, index: usize, words: Vec<&'static str>, now: Timestamp) {
        let Some(waiting) = self.waiting.get_mut(index) else { return };
        let length = now.duration_since(waiting.since);
        for word in &waiting.words {
            *self.waits.entry(word).or_default() += length;
        }
        *waiting = Waiting { since: now, words };
    }

    fn outcome(mut self, to: Timestamp) -> Outcome {
        for index in 0..self.repositories.len() {
            self.wait(index, Vec::new(), to);
        }
        let mut pins = 0;
        for repository in &self.repositories {
            for (index, pin) in repository.pins.iter().enumerate().filter(|(index, _)| repository.follows(*index)) {
                pins += 1;
                let Some(Followed { track, .. }) = self.tracks.get(pin.track) else { continue };
                let name = format!("{} {index}", repository.facts.head.name);
                self.samples.stretch(&name, pin, track, None);
            }
        }
        Outcome {
            from: self.grid.from,
            to,
            repositories: self.repositories.len(),
            pins,
            left_out: self.left_out,
            notes: self.notes,
            open: self.forge.open_count(),
            deeds: self.forge.deeds,
            waits: self.waits,
            plans: self.plans,
            samples: self.samples.samples,
            lags: self.samples.lags,
        }
    }
}

/// The word of pins that wait in an open pull request for people to merge it.
pub(super) const OPEN: &str = "open";

fn is_put_off(plan: &RepositoryPlan) -> bool {
    plan.not_proposed.iter().any(|pin| matches!(pin.reason, Reason::MaxNewPerHour(_)))
}
