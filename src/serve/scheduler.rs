//! The loop: one cycle at a time, and whatever the operating system says in between.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tracing::Instrument as _;

use super::agenda::{Agenda, Next, Scope};
use super::instruments::CycleEnd;
use super::reload;
use super::service::Service;
use super::signals::Signal;
use super::wake::Pending;
use crate::cycle::{self, Host, PinCounts, Report, Request};
use crate::domain::candidates::RepositoryKey;
use crate::store::StoreError;

/// How long a cycle may take. The first one over some thousand repositories, each fetched, with the forge's pace of
/// writes, takes an hour; what has taken three hangs although every call has a limit, and the next one carries on from
/// what the store has.
const CYCLE_TIME_MAX: Duration = Duration::from_secs(3 * 60 * 60);

/// Why a cycle came to no end.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("it took longer than {} hours and was dropped", CYCLE_TIME_MAX.as_secs() / 3600)]
    TooLong,
}

/// How the service ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing was under way any more.
    Clean,
    /// A cycle was dropped where it was; the next start carries on from there.
    Abandoned,
}

/// The loop and what it waits for.
#[derive(Debug)]
pub(super) struct Scheduler {
    service: Arc<Service>,
    signals: mpsc::Receiver<Signal>,
    agenda: Agenda,
}

impl Scheduler {
    pub fn new(service: Arc<Service>, signals: mpsc::Receiver<Signal>) -> Self {
        let agenda = Agenda::new(service.parts().config.pace(), service.setup.clock.now());
        Self { service, signals, agenda }
    }

    pub async fn run(mut self) -> Ending {
        loop {
            let service = Arc::clone(&self.service);
            let next = self.agenda.next(&service.wakes.pending(), service.setup.clock.now());
            let ended = match next {
                Next::Begin(scope) => self.cycle(scope).await,
                Next::Wait(until) => tokio::select! {
                    () = service.setup.clock.wait_until(until) => None,
                    () = service.wakes.news() => None,
                    signal = self.signals.recv() => self.obey(signal).await,
                },
            };
            if let Some(ending) = ended {
                service.stop();
                return ending;
            }
        }
    }

    /// A signal while nothing is under way.
    async fn obey(&mut self, signal: Option<Signal>) -> Option<Ending> {
        match signal {
            Some(Signal::Reload) => {
                self.reload().await;
                None
            }
            Some(Signal::Stop) | None => Some(Ending::Clean),
        }
    }

    async fn reload(&mut self) {
        if reload::reload(&self.service).await == reload::Reloaded::New {
            let pace = self.service.parts().config.pace();
            self.agenda.start_over(pace, self.service.setup.clock.now());
        }
    }

    /// One cycle. Answers how the service ends where it is told to meanwhile.
    async fn cycle(&mut self, scope: Scope) -> Option<Ending> {
        let service = Arc::clone(&self.service);
        let began = service.setup.clock.now();
        let taken = self.take(scope, began);
        if scope == Scope::Some && !taken.has_repositories() {
            // They have become so many meanwhile that the whole fleet is looked at.
            return None;
        }
        let request = Request {
            repositories: match scope {
                Scope::Whole => BTreeSet::new(),
                Scope::Some => taken.repositories.union(&taken.by_hand).cloned().collect(),
            },
            fresh: taken.images.clone(),
            by_hand: taken.by_hand.clone(),
            ..Request::default()
        };
        tracing::info!(
            whole = scope == Scope::Whole,
            repositories = request.repositories.len(),
            images = request.fresh.len(),
            "a cycle begins"
        );
        let result = match self.attended(&request).await {
            Ok(result) => result,
            Err(ending) => {
                tracing::info!(?ending, "the cycle is dropped; the next start carries on");
                return Some(ending);
            }
        };
        let now = service.setup.clock.now();
        let took = Duration::try_from(now.duration_since(began)).unwrap_or_default();
        service.setup.instruments.cycle_ended(&CycleEnd { request: &request, result: &result, took, at: now });
        match result {
            Ok(report) => self.note(scope, began, now, &report),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::from(error));
                tracing::error!(error, "a cycle failed as a whole");
                service.health().cycle_error = Some(error);
                service.wakes.put_back(taken);
                self.agenda.failed(now);
            }
        }
        service.is_stopping().then_some(Ending::Clean)
    }

    /// Runs the cycle and obeys signals meanwhile. Where it is dropped, the error says how the service ends: cleanly
    /// while it only read.
    async fn attended(&mut self, request: &Request) -> Result<Result<Report, CycleError>, Ending> {
        let service = Arc::clone(&self.service);
        let (parts, setup) = (service.parts(), &service.setup);
        let is_acting = AtomicBool::new(false);
        let clock = || setup.clock.now();
        let stopping = || {
            is_acting.store(true, Ordering::Relaxed);
            service.is_stopping()
        };
        let host = Host { clock: &clock, watcher: &|_| {}, stopping: &stopping };
        let cycle = in_time(cycle::run(&parts, request, host)).instrument(tracing::info_span!("cycle"));
        let mut cycle = std::pin::pin!(cycle);
        let mut deadline: Option<Timestamp> = None;
        loop {
            let grace = async {
                match deadline {
                    // The clock may come back early.
                    Some(deadline) => {
                        while setup.clock.now() < deadline {
                            setup.clock.wait_until(deadline).await
                        }
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Signals first: between two actions there is no pause.
                biased;
                signal = self.signals.recv(), if !self.signals.is_closed() || deadline.is_none() => match signal {
                    Some(Signal::Reload) => self.reload().await,
                    // Asked a second time: whoever asks does not want to wait.
                    Some(Signal::Stop) if deadline.is_some() => return Err(Ending::Abandoned),
                    Some(Signal::Stop) | None => {
                        service.stop();
                        if !is_acting.load(Ordering::Relaxed) {
                            return Err(Ending::Clean);
                        }
                        tracing::info!("no action is begun any more");
                        deadline = setup.clock.now().checked_add(parts.config.serve.shutdown_grace).ok();
                    }
                },
                result = &mut cycle => return Ok(result),
                () = grace => return Err(Ending::Abandoned),
            }
        }
    }

    fn take(&mut self, scope: Scope, now: Timestamp) -> Pending {
        let wakes = &self.service.wakes;
        match scope {
            Scope::Whole => wakes.take_all(),
            Scope::Some => {
                let mut taken = wakes.take_repositories();
                taken.repositories.extend(self.agenda.take_looks(now));
                taken
            }
        }
    }

    /// Remembers what a cycle found, and tells of it.
    fn note(&mut self, scope: Scope, began: Timestamp, now: Timestamp, report: &Report) {
        self.agenda.ended(scope, began, now);
        self.agenda.note(report, now);
        let mut health = self.service.health();
        health.cycle_error = None;
        if scope == Scope::Whole {
            health.last_whole = Some(now);
        }
        drop(health);
        if scope == Scope::Whole {
            self.service.note_fleet(self.fleet_of(report));
        }
        for problem in &report.problems {
            tracing::warn!(subject = problem.subject, problem = problem.message, "something is incomplete");
        }
        let total =
            |count: fn(&PinCounts) -> usize| report.repositories.iter().map(|it| count(&it.pins)).sum::<usize>();
        tracing::info!(
            repositories = report.repositories.len(),
            behind = total(|pins| pins.behind),
            unknown = total(|pins| pins.unknown),
            actions = report.repositories.iter().map(|it| it.deeds.len()).sum::<usize>(),
            problems = report.problems.len(),
            "the cycle ended"
        );
    }

    /// What the cycle found; and where something could not be listed or read, what was there before.
    fn fleet_of(&self, report: &Report) -> BTreeSet<RepositoryKey> {
        let mut fleet: BTreeSet<_> = report.repositories.iter().map(|it| it.plan.repository.clone()).collect();
        if !report.problems.is_empty()
            && let Some(before) = self.service.fleet()
        {
            fleet.extend(before.iter().cloned());
        }
        fleet
    }
}

/// Drops a cycle that hangs: by time that passes, whatever the clock on the wall is set to.
async fn in_time<T>(cycle: impl Future<Output = Result<T, StoreError>>) -> Result<T, CycleError> {
    match tokio::time::timeout(CYCLE_TIME_MAX, cycle).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(CycleError::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cycle_that_hangs_is_dropped_and_one_that_is_slow_is_not() {
        let start = tokio::time::Instant::now();
        let error = in_time(std::future::pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(
            (error.to_string().as_str(), start.elapsed()),
            ("it took longer than 3 hours and was dropped", CYCLE_TIME_MAX)
        );
        let slow = async {
            tokio::time::sleep(Duration::from_secs(2 * 60 * 60)).await;
            Ok(7)
        };
        assert_eq!(in_time(slow).await.unwrap(), 7);
    }
}
