//! Progress on a terminal; silence where nobody watches.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::output::Output;

/// How often the line is drawn.
const TICK: Duration = Duration::from_millis(100);

/// A line on stderr that says what is being done, and how far it is.
#[derive(Debug)]
pub struct Progress(ProgressBar);

impl Progress {
    /// Drawn only where stderr is a terminal.
    pub fn new(output: &Output) -> Self {
        if !output.is_watched() {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new_spinner().with_message("reading");
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
            bar.set_style(style);
        }
        // It turns while nothing comes back: a registry that hangs is no silence.
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    /// Says how far a step is.
    pub fn step(&self, what: &str, done: usize, of: usize) {
        self.0.set_message(format!("{what} {done}/{of}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
