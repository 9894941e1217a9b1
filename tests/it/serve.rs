//! The service, over the embedded registry and forge: in this process with a scripted clock, and as the program itself.

mod access;
pub mod house;
mod lifecycle;
mod processes;
mod rollback;
mod soak;
mod webhooks;
