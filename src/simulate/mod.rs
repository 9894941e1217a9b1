//! Tuning by replay: what a configuration would have cost over a recorded ledger.
//!
//! The planner is the program's own ([`crate::domain::plan`]), with real facts, markers and ledgers. What is not real is
//! around it: a registry that plays a recording back, a forge of plain values, and people who merge every pull request some
//! time after its last update. Pipelines are always green.
//!
//! | file | what |
//! |---|---|
//! | `lines` | JSON lines with the place of a mistake |
//! | `recording`, `fleet` | what is read: a ledger, and which repository pins what |
//! | `track` | what a program that looks every so often sees of a tag |
//! | `repository`, `forge` | the simulated repository, its pull requests and the people who merge them |
//! | `setup` | what a replay is asked, and what it answers |
//! | `replay`, `know`, `adoption`, `wake` | the run: only those repositories are planned for which something may have changed |
//! | `days`, `samples`, `figures` | what it came to |
//! | `notes` | what of the configuration it cannot tell |
//! | `plot` | the same as a picture |

mod adoption;
mod days;
mod figures;
mod fleet;
mod forge;
mod know;
mod lines;
mod notes;
mod plot;
mod recording;
mod replay;
mod repository;
mod samples;
mod setup;
mod track;
mod wake;

pub use figures::{DayFigures, Figures, Quantiles};
pub use fleet::{Listed, drawn, read as read_fleet};
pub use forge::{Deed, DeedKind};
pub use lines::InputError;
pub use notes::Note;
pub use plot::{Series, plot};
pub use recording::{Moved, Recording};
pub use replay::replay;
pub use setup::{Outcome, Planning, ReplayError, Setup};
