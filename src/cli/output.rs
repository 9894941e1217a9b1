//! Where words go: results to stdout, notes and errors to stderr.

use std::fmt::Display;
use std::io::{ErrorKind, IsTerminal as _, Write};

use anyhow::Context as _;
use jiff::Timestamp;
use serde::Serialize;

use super::arguments::LogFormat;
use super::logging::Line;
use super::table::printable_lines;

/// Results and notes of one command.
pub struct Output {
    results: Box<dyn Write + Send>,
    notes: Box<dyn Write + Send>,
    /// How notes look: those who read logs by program read stderr whole.
    form: LogFormat,
}

impl Output {
    /// The process' own stdout and stderr.
    pub fn new(form: LogFormat) -> Self {
        Self { results: Box::new(std::io::stdout()), notes: Box::new(std::io::stderr()), form }
    }

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
        self.say("WARN", &printable_lines(&text.to_string()));
    }

    /// Notes that are laid out already, or nothing.
    pub fn notes(&mut self, text: &str) {
        let text = printable_lines(text);
        if !text.is_empty() {
            self.say("WARN", text.trim_end_matches('\n'));
        }
    }

    /// What ended the command, with its causes.
    pub fn error(&mut self, error: &anyhow::Error) {
        self.say("ERROR", &printable_lines(&format!("refrom: {error:#}")));
    }

    fn say(&mut self, level: &str, text: &str) {
        // Nothing can be done when stderr is gone.
        let _ = match self.form {
            LogFormat::Text => writeln!(self.notes, "{text}"),
            LogFormat::Json => {
                let line = Line { level, message: text, ..Line::default() };
                writeln!(self.notes, "{}", line.write(Timestamp::now()))
            }
        };
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
