//! When the next cycle begins, and over what: plain decisions over times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::wake::Pending;
use crate::cycle::Report;
use crate::domain::candidates::RepositoryKey;

/// How long after a cycle a woken one over single repositories begins: a merge tells of itself with several events
/// within a second, and whoever floods the webhooks gets one small cycle in this time and not more.
pub const WAKE_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// The least time between the beginnings of two cycles over the whole fleet, however often somebody tells that
/// images moved: each costs a page of the forge's API per hundred repositories.
pub const WHOLE_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// How long after a cycle that failed as a whole the next one begins; doubles with each failure, up to the pace.
const FIRST_BACKOFF: Duration = Duration::from_secs(10);

/// What a cycle is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Whole,
    /// The repositories that somebody told about, and those that became due.
    Some,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    Begin(Scope),
    /// Unless somebody tells something before.
    Wait(Timestamp),
}

/// The times of the cycles to come.
#[derive(Debug)]
pub struct Agenda {
    pace: Duration,
    whole_due: Timestamp,
    whole_began: Option<Timestamp>,
    /// Nothing woken begins before.
    quiet_until: Timestamp,
    /// Nothing at all begins before.
    blocked_until: Timestamp,
    failures: u32,
    /// When repositories that have something waiting become due.
    looks: BTreeMap<RepositoryKey, Timestamp>,
}

/// When which repositories of this report should be looked at again because something there waits for its time.
fn next_looks(report: &Report, now: Timestamp) -> BTreeMap<RepositoryKey, Timestamp> {
    let plans = report.repositories.iter().map(|repository| &repository.plan);
    let waiting = plans.filter_map(|plan| Some((plan.repository.clone(), plan.waits()?.until.timestamp())));
    // What was due already and still waits, waits for something else.
    waiting.filter(|(_, at)| *at > now).collect()
}

impl Agenda {
    /// The first cycle, over the whole fleet, begins at once.
    pub fn new(pace: Duration, now: Timestamp) -> Self {
        Self {
            pace,
            whole_due: now,
            whole_began: None,
            quiet_until: now,
            blocked_until: now,
            failures: 0,
            looks: BTreeMap::new(),
        }
    }

    /// The configuration changed: its effect is wanted now.
    pub fn start_over(&mut self, pace: Duration, now: Timestamp) {
        self.pace = pace;
        self.whole_due = now;
    }

    pub fn next(&self, pending: &Pending, now: Timestamp) -> Next {
        let planned = |at| if self.is_plausible(at, now) { at } else { now };
        let (quiet_until, blocked_until) = (planned(self.quiet_until), planned(self.blocked_until));
        let mut whole = planned(self.whole_due);
        if pending.is_whole() {
            let earliest = self.whole_began.map_or(now, |began| planned(after(began, WHOLE_PAUSE)));
            whole = whole.min(earliest.max(quiet_until));
        }
        let mut some = self.looks.values().min().copied();
        if pending.has_repositories() {
            some = Some(quiet_until);
        }
        let whole = whole.max(blocked_until);
        let some = some.map(|at| at.max(quiet_until).max(blocked_until));
        if whole <= now {
            return Next::Begin(Scope::Whole);
        }
        match some {
            Some(at) if at <= now => Next::Begin(Scope::Some),
            Some(at) => Next::Wait(at.min(whole)),
            None => Next::Wait(whole),
        }
    }

    /// Whether a pause may end then. One that is longer than any that is ever made was begun by a clock that has been set
    /// back since: a machine that started in the wrong year would wait for that year.
    fn is_plausible(&self, at: Timestamp, now: Timestamp) -> bool {
        at <= after(now, signed(self.pace).max(WHOLE_PAUSE))
    }

    /// The repositories that are due now; they are looked at by the cycle that begins.
    pub fn take_looks(&mut self, now: Timestamp) -> BTreeSet<RepositoryKey> {
        let due: BTreeSet<RepositoryKey> =
            self.looks.iter().filter(|(_, at)| **at <= now).map(|(key, _)| key.clone()).collect();
        self.looks.retain(|key, _| !due.contains(key));
        due
    }

    /// A cycle that began then ended now.
    pub fn ended(&mut self, scope: Scope, began: Timestamp, now: Timestamp) {
        self.failures = 0;
        self.quiet_until = after(now, WAKE_PAUSE);
        if scope == Scope::Whole {
            self.whole_began = Some(began);
            self.looks.clear();
            // One that was woken before its time takes no turn of the others: they ask what it did not.
            if began >= self.whole_due || !self.is_plausible(self.whole_due, began) {
                self.whole_due = after(began, signed(self.pace));
            }
            // A fleet that takes longer than the pace is looked at again and again, with a breath in between.
            self.whole_due = self.whole_due.max(self.quiet_until);
        }
    }

    /// What waits in the repositories that were looked at.
    pub fn note(&mut self, report: &Report, now: Timestamp) {
        for repository in &report.repositories {
            self.looks.remove(&repository.plan.repository);
        }
        self.looks.extend(next_looks(report, now));
    }

    /// A cycle failed as a whole.
    pub fn failed(&mut self, now: Timestamp) {
        let backoff = FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.pace);
        self.failures = self.failures.saturating_add(1);
        self.blocked_until = after(now, signed(backoff));
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

fn after(at: Timestamp, pause: SignedDuration) -> Timestamp {
    at.saturating_add(pause).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, DEFAULT_PACE};

    const MINUTE: i64 = 60;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_795_161_600 + seconds).unwrap()
    }

    fn key(name: &str) -> RepositoryKey {
        RepositoryKey { forge: "github".to_owned(), name: name.parse().unwrap() }
    }

    fn told(repositories: &[&str]) -> Pending {
        let repositories = repositories.iter().map(|name| key(name)).collect();
        Pending { repositories, ..Pending::default() }
    }

    fn moved() -> Pending {
        Pending { images: ["dhi.io/nginx".parse().unwrap()].into(), ..Pending::default() }
    }

    /// Cycles of some seconds, over a time: when each began, and over what. `pending` is there all the time.
    fn cycles(mut agenda: Agenda, pending: &Pending, until: i64) -> Vec<(i64, Scope)> {
        let (mut now, mut begun) = (at(0), Vec::new());
        while now < at(until) {
            match agenda.next(pending, now) {
                Next::Begin(scope) => {
                    begun.push((now.as_second() - at(0).as_second(), scope));
                    let ended = after(now, SignedDuration::from_secs(2));
                    agenda.ended(scope, now, ended);
                    now = ended;
                }
                Next::Wait(until) => {
                    assert!(until > now, "it waits for what is past");
                    now = until;
                }
            }
        }
        begun
    }

    #[test]
    fn the_whole_fleet_is_looked_at_once_per_pace_for_weeks() {
        let three_weeks = 3 * 7 * 24 * 60 * MINUTE;
        let begun = cycles(Agenda::new(DEFAULT_PACE, at(0)), &Pending::default(), three_weeks);
        let expected: Vec<_> = (0..three_weeks).step_by(15 * 60).map(|second| (second, Scope::Whole)).collect();
        assert_eq!(begun, expected);
    }

    #[test]
    fn a_flood_about_repositories_costs_one_small_cycle_per_pause() {
        let begun = cycles(Agenda::new(DEFAULT_PACE, at(0)), &told(&["acme/web"]), 15 * MINUTE);
        assert_eq!(begun.first(), Some(&(0, Scope::Whole)));
        assert!(begun[1..].iter().all(|(_, scope)| *scope == Scope::Some));
        assert!(begun.windows(2).all(|pair| pair[1].0 - pair[0].0 == 2 + WAKE_PAUSE.as_secs()), "{begun:?}");
    }

    #[test]
    fn a_flood_about_images_costs_one_whole_cycle_per_minute() {
        let begun = cycles(Agenda::new(DEFAULT_PACE, at(0)), &moved(), 15 * MINUTE);
        assert_eq!(begun.len(), 15);
        assert!(begun.windows(2).all(|pair| pair[1].0 - pair[0].0 == WHOLE_PAUSE.as_secs()), "{begun:?}");
    }

    #[test]
    fn a_repository_that_becomes_due_is_looked_at_then_and_once() {
        let mut agenda = Agenda::new(DEFAULT_PACE, at(0));
        agenda.ended(Scope::Whole, at(0), at(2));
        agenda.looks = [(key("acme/web"), at(300)), (key("acme/api"), at(400))].into();
        assert_eq!(agenda.next(&Pending::default(), at(10)), Next::Wait(at(300)));
        assert_eq!(agenda.next(&Pending::default(), at(300)), Next::Begin(Scope::Some));
        assert_eq!(agenda.take_looks(at(300)), told(&["acme/web"]).repositories);
        agenda.ended(Scope::Some, at(300), at(301));
        assert_eq!(agenda.next(&Pending::default(), at(301)), Next::Wait(at(400)));
    }

    #[test]
    fn failures_are_tried_again_with_growing_pauses_up_to_the_pace() {
        let mut agenda = Agenda::new(DEFAULT_PACE, at(0));
        let (mut now, mut waits) = (at(0), Vec::new());
        for _ in 0..12 {
            assert_eq!(agenda.next(&moved(), now), Next::Begin(Scope::Whole));
            agenda.failed(now);
            let Next::Wait(until) = agenda.next(&moved(), now) else { panic!("no pause after a failure") };
            waits.push(until.duration_since(now).as_secs());
            now = until;
        }
        assert_eq!(waits[..5], [10, 20, 40, 80, 160]);
        assert_eq!(waits.last(), Some(&(15 * MINUTE)));
        agenda.ended(Scope::Whole, now, now);
        agenda.failed(now);
        assert_eq!(agenda.next(&told(&["acme/web"]), now), Next::Wait(after(now, SignedDuration::from_secs(10))));
    }

    #[test]
    fn a_fleet_that_takes_longer_than_the_pace_leaves_room_for_a_breath() {
        let mut agenda = Agenda::new(DEFAULT_PACE, at(0));
        agenda.ended(Scope::Whole, at(0), at(3600));
        assert_eq!(agenda.next(&Pending::default(), at(3600)), Next::Wait(after(at(3600), WAKE_PAUSE)));
    }

    #[test]
    fn a_clock_that_was_wrong_by_a_year_is_waited_for_by_nobody() {
        let year = 365 * 24 * 60 * MINUTE;
        let mut agenda = Agenda::new(DEFAULT_PACE, at(year));
        agenda.ended(Scope::Whole, at(year), at(year + 2));
        assert_eq!(agenda.next(&Pending::default(), at(10)), Next::Begin(Scope::Whole));
        assert_eq!(agenda.next(&moved(), at(10)), Next::Begin(Scope::Whole));
        agenda.failed(at(year));
        assert_eq!(agenda.next(&Pending::default(), at(10)), Next::Begin(Scope::Whole));
        agenda.ended(Scope::Whole, at(10), at(12));
        assert_eq!(agenda.next(&Pending::default(), at(12)), Next::Wait(at(10 + 15 * MINUTE)));
        // Some seconds are no other clock.
        assert_eq!(agenda.next(&Pending::default(), at(10)), Next::Wait(at(10 + 15 * MINUTE)));
    }

    #[test]
    fn the_pace_is_that_of_the_registry_that_is_asked_most_often() {
        let pace_of = |text: &str| {
            let config = Config::from_text(text, std::path::Path::new("a"), &|_| None, crate::config::Secrets::Skip);
            config.unwrap().pace().as_secs()
        };
        assert_eq!(pace_of("policy: {}"), DEFAULT_PACE.as_secs());
        assert_eq!(pace_of("poll: 1h"), 3600);
        assert_eq!(pace_of("poll: 1h\nregistries: { dhi.io: { poll: 5m }, cgr.dev: { poll: 2h } }"), 300);
        assert_eq!(pace_of("registries: { dhi.io: { poll: 24h } }"), DEFAULT_PACE.as_secs());
    }

    #[test]
    fn a_changed_configuration_is_wanted_now() {
        let mut agenda = Agenda::new(DEFAULT_PACE, at(0));
        agenda.ended(Scope::Whole, at(0), at(2));
        agenda.start_over(Duration::from_secs(60), at(100));
        assert_eq!(agenda.next(&Pending::default(), at(100)), Next::Begin(Scope::Whole));
        agenda.ended(Scope::Whole, at(100), at(102));
        assert_eq!(agenda.next(&Pending::default(), at(102)), Next::Wait(at(160)));
    }
}
