//! How a host fared in this cycle, so that one that is down costs its questions no long waits.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::Failure;
use crate::net::Transient;

/// Failed attempts in a row after which a host counts as down: those of all questions at once, or two questions with
/// all their attempts.
const FAILURES_MAX: usize = 8;

/// One host's record in a cycle.
#[derive(Debug, Default)]
pub(super) struct Health(Mutex<Record>);

#[derive(Debug, Default)]
struct Record {
    failures: usize,
    not_before: Option<Instant>,
    down: Option<Failure>,
}

/// What an attempt ended with.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The host was asked.
    Asked(Failure),
    /// It was not: it is down, for this reason.
    Down(Failure),
}

impl Health {
    /// Waits where the host asked for it; a failure where the host is down.
    pub(super) async fn ready(&self) -> Result<(), Attempt> {
        let wait = self.with(|record| record.not_before);
        if let Some(until) = wait {
            tokio::time::sleep_until(until).await;
        }
        self.with(|record| record.down.clone()).map_or(Ok(()), |failure| Err(Attempt::Down(failure)))
    }

    /// Notes how an attempt ended. `patience` is the longest wait that the retry policy accepts.
    pub(super) fn note<T>(&self, result: &Result<T, Failure>, patience: Duration) {
        self.with(|record| match result {
            Err(failure) if failure.is_of_the_host() => {
                record.failures += 1;
                if record.failures >= FAILURES_MAX {
                    record.down.get_or_insert_with(|| failure.clone());
                }
            }
            Err(Failure::RateLimited { retry_after: Some(wait), .. }) if *wait <= patience => {
                record.not_before = record.not_before.max(Some(Instant::now() + *wait));
            }
            _ => record.failures = 0,
        });
    }

    /// The rest of the cycle's questions are not asked.
    pub(super) fn give_up(&self, failure: &Failure) {
        self.with(|record| {
            record.down.get_or_insert_with(|| failure.clone());
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Record) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Attempt {
    pub(super) fn into_failure(self) -> Failure {
        match self {
            Self::Asked(failure) | Self::Down(failure) => failure,
        }
    }
}

impl Transient for Attempt {
    fn is_transient(&self) -> bool {
        match self {
            Self::Asked(failure) => failure.is_transient(),
            Self::Down(_) => false,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Asked(failure) => failure.retry_after(),
            Self::Down(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeout() -> Result<(), Failure> {
        Err(Failure::Timeout { host: "h".into() })
    }

    #[tokio::test]
    async fn failures_in_a_row_bring_a_host_down_and_a_success_between_does_not() {
        let (health, patience) = (Health::default(), Duration::ZERO);
        for _ in 0..FAILURES_MAX - 1 {
            health.note(&timeout(), patience);
        }
        health.note(&Err::<(), _>(Failure::NotFound), patience);
        health.note(&timeout(), patience);
        assert!(health.ready().await.is_ok());
        for _ in 0..FAILURES_MAX {
            health.note(&timeout(), patience);
        }
        assert!(matches!(health.ready().await, Err(Attempt::Down(Failure::Timeout { .. }))));
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_after_a_retry_after_waits_for_it_too() {
        let health = Health::default();
        let limited =
            |seconds| Failure::RateLimited { host: "h".into(), retry_after: Some(Duration::from_secs(seconds)) };
        health.note(&Err::<(), _>(limited(7)), Duration::from_secs(90));
        health.note(&Err::<(), _>(limited(3600)), Duration::from_secs(90));
        let start = Instant::now();
        assert!(health.ready().await.is_ok());
        assert_eq!(start.elapsed().as_secs(), 7);
    }
}
