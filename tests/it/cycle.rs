//! Whole cycles, in a small test language, over the embedded registry and forge.

mod api_commits;
mod automerge;
mod cadence;
mod checks;
mod failures;
mod figures;
mod images;
mod interrupted;
pub mod meddling;
mod policies;
mod processes;
mod situations;
pub mod world;
