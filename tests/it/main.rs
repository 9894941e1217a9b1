//! The one integration binary: each module is a part of the program seen from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test may panic, and says what was left out"
)]

mod architecture;
mod budget;
mod cadence_laws;
mod cli;
mod config;
mod cycle;
mod cycle_real_servers;
mod descriptions;
mod dockerfile_laws;
mod dockerfile_limits;
mod dockerfile_oracles;
mod dockerfiles;
mod followed_tags;
mod forge;
mod forge_contract;
mod forge_costs;
mod forge_github;
mod forge_github_writes;
mod forge_gitlab;
mod fuzz_corpus;
mod git;
mod git_made;
mod git_push;
mod git_world;
mod hidden_changes;
mod laws;
mod metrics;
mod network;
mod page;
mod page_browser;
mod pages;
mod plan;
mod plan_cadence;
mod plan_laws;
mod plan_merging;
mod plan_quiet;
mod plan_rollback;
mod plan_world;
mod reasons;
mod registry;
mod registry_debian;
mod registry_evidence;
mod registry_faults;
mod registry_sign_in;
mod rollback_laws;
mod serve;
mod simulate;
mod source_files;
mod status;
mod store;
mod tally;
mod target;
mod target_laws;
mod waves;
mod weeks;
