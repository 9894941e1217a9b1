//! refrom as a long-running service: the scheduler's loop, health, metrics, webhooks and the status page.
//!
//! One cycle at a time. A cycle over the whole fleet begins every `poll`; in between, small ones over the repositories
//! that somebody told about ([`wake`]) or that become due. What is told is a hint and nothing else: it is always looked
//! up again. How much is asked at once is bounded where it is asked: per registry host in `registry::host`, per forge
//! in its adapter's pace of writes and in the concurrency of `cycle`'s gathering and acting, per machine in `git`.

mod agenda;
mod clock;
mod denials;
mod health;
pub mod http;
mod instruments;
pub mod metrics;
pub mod page;
mod proof;
pub mod record;
mod reload;
mod replay;
mod scheduler;
mod service;
mod signals;
pub mod wake;
pub mod waves;
mod webhook;

pub use clock::{Clock, SystemClock};
pub use health::Readiness;
pub use instruments::{CycleEnd, Instruments};
pub use scheduler::{CycleError, Ending};
pub use service::{ServeError, Server, Service, Setup};
pub use signals::{Signal, Signals};
pub use webhook::Outcome;
