//! Decisions as plain functions over values: no io, no async, no clock, no logging.
//!
//! What is read here are bytes and facts that an adapter gathered; what comes out are values that an adapter
//! acts on. Time is an argument. Nothing in here uses another module of this crate.

pub mod digest;
pub mod image;
pub mod image_use;
pub mod pattern;
pub mod policy;
pub mod pull_request;
pub mod reference;
