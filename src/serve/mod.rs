//! refrom as a long-running service: the scheduler's loop, health, metrics, webhooks and the status page.

pub mod page;
pub mod record;
