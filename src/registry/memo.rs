//! Answers that are asked for once, whoever needs them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::error::RegistryError;

type Cell<V> = Arc<OnceCell<Result<V, RegistryError>>>;

/// Answers by question; failures are kept, too.
#[derive(Debug)]
pub(super) struct Memo<K, V>(Mutex<BTreeMap<K, Cell<V>>>);

impl<K, V> Default for Memo<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Ord, V: Clone> Memo<K, V> {
    /// Whether one of these questions was answered, and not with a failure.
    pub(super) fn has_answer(&self, is_it: impl Fn(&K) -> bool) -> bool {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.iter().any(|(question, cell)| is_it(question) && matches!(cell.get(), Some(Ok(_))))
    }

    /// The kept answer, where there is one by now that is no failure.
    pub(super) fn kept(&self, question: &K) -> Option<V> {
        let cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cells.get(question)?.get()?.as_ref().ok().cloned()
    }

    /// The kept answer, or the one of the first who asks; all others wait for it. Where the first gives up waiting, the
    /// next one asks.
    pub(super) async fn get(
        &self,
        question: K,
        ask: impl Future<Output = Result<V, RegistryError>>,
    ) -> Result<V, RegistryError> {
        let cell = {
            let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(question).or_default())
        };
        cell.get_or_init(|| ask).await.clone()
    }
}
