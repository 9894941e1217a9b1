//! Decisions as plain functions over values: no io, no async, no clock, no logging.
//!
//! What is read here are bytes and facts that an adapter gathered; what comes out are values that an adapter
//! acts on. Time is an argument. Nothing in here uses another module of this crate.

pub mod branch;
pub mod cadence;
pub mod candidates;
pub mod comment;
pub mod denial;
pub mod digest;
pub mod dockerfile;
pub mod edit;
pub mod file_name;
pub mod file_pattern;
pub mod follow;
pub mod freshness;
pub mod hidden;
pub mod image;
pub mod image_record;
pub mod image_use;
pub mod ledger;
pub mod line_index;
pub mod marker;
pub mod message;
pub mod mirror;
pub mod pair;
pub mod pattern;
pub mod pin;
pub mod plan;
pub mod policy;
pub mod proposal;
pub mod pull_request;
pub mod reference;
pub mod rewrite;
pub mod source_file;
pub mod status;
pub mod tag_list;
pub mod tag_version;
pub mod target;
pub mod unchanged;
pub mod waves;
