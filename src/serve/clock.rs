//! Time as the service sees it, so that a test can run weeks in no time.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

/// The longest nap: whoever waits looks at the clock again after it, because a machine sleeps and clocks are set.
const NAP: Duration = Duration::from_secs(60);

/// What time it is, and waiting.
#[async_trait]
pub trait Clock: Send + Sync + fmt::Debug {
    fn now(&self) -> Timestamp;

    /// Comes back at this time, or earlier: the caller looks again.
    async fn wait_until(&self, at: Timestamp);
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn wait_until(&self, at: Timestamp) {
        let left = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
        tokio::time::sleep(left.min(NAP)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_past_is_not_waited_for_and_a_long_wait_is_broken_up() {
        let start = tokio::time::Instant::now();
        SystemClock.wait_until(Timestamp::MIN).await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        SystemClock.wait_until(Timestamp::MAX).await;
        assert_eq!(start.elapsed(), NAP);
    }
}
