//! refrom keeps pinned base images fresh.
//!
//! It asks registries what each tracked tag points to now, rewrites pinned `FROM` lines together with the version
//! comment above them, and opens pull requests. Gather, decide, act: decisions are pure functions in [`domain`],
//! io lives in adapters, the clock is an argument.

pub mod cli;
pub mod config;
pub mod cycle;
pub mod demo;
pub mod domain;
pub mod forge;
pub mod git;
pub mod net;
pub mod registry;
pub mod secret;
pub mod serve;
pub mod simulate;
pub mod store;
