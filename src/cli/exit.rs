//! The exit status, in one place.

use std::process::ExitCode;

/// How a command ended. The order is the precedence: of two outcomes the greater one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Outcome {
    /// Nothing is behind, or everything was done.
    #[default]
    Done,
    /// Something is behind; only `check` says so.
    Behind,
    /// Something could not be looked up or done; the output names it.
    Incomplete,
    /// Wrong usage or configuration: nothing was begun.
    Usage,
}

impl Outcome {
    /// The exit status that the README documents.
    pub fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Behind => 1,
            Self::Usage => 2,
            Self::Incomplete => 3,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        Self::from(outcome.status())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incomplete_beats_behind() {
        assert_eq!(Outcome::Behind.max(Outcome::Incomplete).status(), 3);
        assert_eq!(Outcome::Done.max(Outcome::Behind).status(), 1);
    }
}
