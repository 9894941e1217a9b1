//! Whole cycles, in a small test language, over the embedded registry and forge.

mod cadence;
mod checks;
mod failures;
mod images;
mod interrupted;
mod meddling;
mod policies;
mod processes;
mod situations;
pub mod world;
