//! What people take back while the service runs: `refrom rollback` and `refrom allow` write it beside the service.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::service::Service;
use super::wake::Wake;
use crate::domain::candidates::RepositoryKey;
use crate::domain::denial::{RecordedDenial, concerned};
use crate::store::{DenialsVersion, Store, StoreError};

/// How often the store is asked: whoever takes a digest back waits, and counting the rows of a table that has few costs
/// microseconds.
const LOOK: Duration = Duration::from_secs(2);

/// What was recorded when the store was last asked.
#[derive(Debug)]
pub(super) struct Denials {
    version: DenialsVersion,
    known: Vec<RecordedDenial>,
}

impl Denials {
    /// Before the first cycle, which reads the same or more.
    pub async fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let version = store.denials_version().await?;
        Ok(Self { version, known: store.denials().await? })
    }

    /// Wakes the service whenever something was taken back or allowed again, until it ends.
    pub async fn watch(mut self, service: Arc<Service>, mut stopped: watch::Receiver<()>) {
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            match self.changed(service.parts().store.as_ref()).await {
                Ok(changed) if changed.is_empty() => {}
                Ok(changed) => {
                    let wakes = wakes(&service, &changed).await;
                    tracing::info!(denials = changed.len(), "somebody took a digest back, or allowed one again");
                    wakes.into_iter().for_each(|wake| service.wakes.wake(wake));
                }
                // The next cycle says so, and looks for itself.
                Err(error) => tracing::debug!(%error, "the store did not answer"),
            }
        }
    }

    /// What is not as it was.
    async fn changed(&mut self, store: &dyn Store) -> Result<Vec<RecordedDenial>, StoreError> {
        let version = store.denials_version().await?;
        if version == self.version {
            return Ok(Vec::new());
        }
        let now = store.denials().await?;
        let changed = now.iter().filter(|it| !self.known.contains(it)).cloned().collect();
        (self.version, self.known) = (version, now);
        Ok(changed)
    }
}

/// The repositories that pin what this is about, as far as cycles have read them; else everything.
async fn wakes(service: &Service, changed: &[RecordedDenial]) -> Vec<Wake> {
    let parts = service.parts();
    let fleet = parts.store.status().await.unwrap_or_default();
    let known = changed.iter().map(|it| concerned(&fleet, &it.denial.scope(), &parts.config.mirrors));
    let known: Vec<BTreeSet<RepositoryKey>> = known.collect();
    if known.iter().any(BTreeSet::is_empty) {
        return vec![Wake::Everything];
    }
    known.into_iter().flatten().collect::<BTreeSet<_>>().into_iter().map(Wake::Repository).collect()
}
