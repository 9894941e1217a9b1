//! The status page and its JSON: every state, hostile names, filters, pages.

mod fleet;
mod rendering;
mod selection;

pub use fleet::{Still, fleet, now, pin, repository};
