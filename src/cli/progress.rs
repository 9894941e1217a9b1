//! Progress on a terminal; silence where nobody watches.

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;

/// A line on stderr that says what is being done, and how far it is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Drawn only where stderr is a terminal.
    pub fn new(output: &Output) -> Self {
        let bar = if output.is_watched() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {pos}/{len} ({elapsed})") {
            bar.set_style(style);
        }
        Self(bar)
    }

    /// Says how far a step is.
    pub fn step(&self, what: &str, done: usize, of: usize) {
        self.0.set_length(u64::try_from(of).unwrap_or(u64::MAX));
        self.0.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        self.0.set_message(what.to_owned());
        self.0.tick();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
