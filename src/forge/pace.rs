//! One write at a time, with a pause between two: what keeps clear of a forge's limits on writes.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// The turns that writes take.
#[derive(Debug)]
pub(in crate::forge) struct Pace {
    pause: Duration,
    /// When the last write ended. **Invariant**: held while one is under way.
    last: Mutex<Option<Instant>>,
}

impl Pace {
    pub fn new(pause: Duration) -> Self {
        Self { pause, last: Mutex::new(None) }
    }

    /// Waits for its turn and for the pause to be over, then does it.
    pub async fn take_turn<F: Future>(&self, write: F) -> F::Output {
        let mut last = self.last.lock().await;
        if let Some(last) = *last {
            tokio::time::sleep_until(last + self.pause).await;
        }
        let output = write.await;
        *last = Some(Instant::now());
        output
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn writes_come_one_at_a_time_with_a_pause() {
        let (pace, start) = (Pace::new(Duration::from_secs(1)), Instant::now());
        let write = || async {
            let begin = start.elapsed().as_secs();
            tokio::time::sleep(Duration::from_secs(2)).await;
            begin
        };
        let turns = tokio::join!(pace.take_turn(write()), pace.take_turn(write()), pace.take_turn(write()));
        assert_eq!(turns, (0, 3, 6));
    }
}
