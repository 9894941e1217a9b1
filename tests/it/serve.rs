//! The service, over the embedded registry and forge: in this process with a scripted clock, and as the program itself.

mod access;
mod house;
mod lifecycle;
mod processes;
mod webhooks;
