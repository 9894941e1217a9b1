//! An embedded registry and an embedded forge that speak the real protocols, for `refrom demo` and for the tests.

pub mod fleet;
pub mod forge;
pub mod git_objects;
pub mod git_repository;
pub mod git_server;
pub mod registry;
pub mod server;
