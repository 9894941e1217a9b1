//! How the fleet stands: from a cycle into the store, and from there to the page, the JSON and the command.

mod command;
mod cycles;
mod http;
mod kept;
pub mod waves;
