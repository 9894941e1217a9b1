//! Where words go: results to stdout, notes and errors to stderr.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write};

use anyhow::Context as _;
use serde::Serialize;

use super::table::printable_lines;

/// Results and notes of one command.
pub struct Output {
    results: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
}

impl Default for Output {
    /// The process' own stdout and stderr.
    fn default() -> Self {
        Self { results: Box::new(std::io::stdout()), notes: Box::new(std::io::stderr()) }
    }
}

impl Output {
    /// Lines for people, ended by a newline; file names and answers of servers may hold any character.
    pub fn line(&mut self, text: impl Display) -> anyhow::Result<()> {
        self.text(format!("{}\n", printable_lines(&text.to_string())))
    }

    /// A result as it is.
    pub fn text(&mut self, text: impl Display) -> anyhow::Result<()> {
        self.bytes(text.to_string().as_bytes())
    }

    /// A result's bytes as they are: files need not be UTF-8.
    ///
    /// A reader that went away, as `head` does, has what it wanted: the rest is dropped, and the command goes on to its
    /// own end and exit status.
    pub fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        match self.results.write_all(bytes).and_then(|()| self.results.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.results = Box::new(std::io::sink());
                Ok(())
            }
            result => result.context("cannot write to stdout"),
        }
    }

    /// A result as indented JSON.
    pub fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        self.text(format!("{text}\n"))
    }

    /// Something a person should know that is no result.
    pub fn note(&mut self, text: impl Display) {
        // Nothing can be done when stderr is gone.
        let _ = writeln!(self.notes, "{}", printable_lines(&text.to_string()));
    }

    /// Notes that are laid out already, or nothing.
    pub fn notes(&mut self, text: &str) {
        let _ = write!(self.notes, "{}", printable_lines(text));
    }

    /// What ended the command, with its causes.
    pub fn error(&mut self, error: &anyhow::Error) {
        self.note(format!("refrom: {error:#}"));
    }

    /// Whether a person watches stderr, so that progress may be drawn there.
    pub fn is_watched(&self) -> bool {
        std::io::stderr().is_terminal()
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Output")
    }
}
