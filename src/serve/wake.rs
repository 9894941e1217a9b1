//! What somebody told about, until a cycle looks at it. The same thing told a hundred times is one thing to look at.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::candidates::RepositoryKey;
use crate::domain::reference::ImageName;

/// Names that are kept. Beyond that the whole fleet is looked at, which then costs less than so many single questions.
const NAMES_MAX: usize = 100;

/// A hint that something moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// Something happened in a repository.
    Repository(RepositoryKey),
    /// Somebody wants a repository to be looked at, tags included.
    ByHand(RepositoryKey),
    /// A tag of this image moved.
    Image(ImageName),
    /// Nobody knows what, or everything.
    Everything,
}

/// What waits for the next cycle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pending {
    pub has_everything: bool,
    pub repositories: BTreeSet<RepositoryKey>,
    /// Those that somebody asked for.
    pub by_hand: BTreeSet<RepositoryKey>,
    pub images: BTreeSet<ImageName>,
}

/// The wakes that no cycle has taken yet.
#[derive(Debug, Default)]
pub struct Wakes {
    pending: Mutex<Pending>,
    news: Notify,
}

impl Pending {
    /// Whether only a look at the whole fleet will do.
    pub fn is_whole(&self) -> bool {
        self.has_everything || !self.images.is_empty()
    }

    pub fn has_repositories(&self) -> bool {
        !self.repositories.is_empty() || !self.by_hand.is_empty()
    }

    fn add(&mut self, wake: Wake) {
        match wake {
            Wake::Repository(key) => drop(self.repositories.insert(key)),
            Wake::ByHand(key) => drop(self.by_hand.insert(key)),
            Wake::Image(image) => drop(self.images.insert(image)),
            Wake::Everything => self.has_everything = true,
        }
        if self.repositories.len() > NAMES_MAX {
            self.repositories.clear();
            self.has_everything = true;
        }
        // Tags beyond that are asked for when `poll` says so.
        while self.images.len() > NAMES_MAX {
            self.images.pop_first();
        }
        while self.by_hand.len() > NAMES_MAX {
            self.by_hand.pop_first();
            self.has_everything = true;
        }
    }
}

impl Wakes {
    pub fn wake(&self, wake: Wake) {
        self.lock().add(wake);
        self.news.notify_one();
    }

    /// Comes back when something was told since the last time.
    pub async fn news(&self) {
        self.news.notified().await;
    }

    pub fn pending(&self) -> Pending {
        self.lock().clone()
    }

    /// For a cycle over the whole fleet.
    pub fn take_all(&self) -> Pending {
        std::mem::take(&mut *self.lock())
    }

    /// For a cycle over single repositories.
    pub fn take_repositories(&self) -> Pending {
        let mut pending = self.lock();
        let repositories = std::mem::take(&mut pending.repositories);
        Pending { repositories, by_hand: std::mem::take(&mut pending.by_hand), ..Pending::default() }
    }

    /// The cycle that took them failed.
    pub fn put_back(&self, taken: Pending) {
        let mut pending = self.lock();
        pending.has_everything |= taken.has_everything;
        let repositories = taken.repositories.into_iter().map(Wake::Repository);
        let by_hand = taken.by_hand.into_iter().map(Wake::ByHand);
        repositories.chain(by_hand).chain(taken.images.into_iter().map(Wake::Image)).for_each(|wake| pending.add(wake));
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> RepositoryKey {
        RepositoryKey { forge: "github".to_owned(), name: name.parse().unwrap() }
    }

    fn repository(name: &str) -> Wake {
        Wake::Repository(key(name))
    }

    #[test]
    fn the_same_repository_told_a_hundred_times_is_one() {
        let wakes = Wakes::default();
        (0..100).for_each(|_| wakes.wake(repository("acme/web")));
        assert_eq!(wakes.pending().repositories.len(), 1);
        assert_eq!(wakes.take_repositories().repositories.len(), 1);
        assert_eq!(wakes.pending(), Pending::default());
    }

    #[test]
    fn too_many_names_become_everything_and_the_memory_stays_small() {
        let wakes = Wakes::default();
        (0..1000).for_each(|number| wakes.wake(repository(&format!("acme/web-{number}"))));
        let pending = wakes.pending();
        assert!(pending.has_everything && pending.repositories.len() <= NAMES_MAX);
        (0..1000).for_each(|number| wakes.wake(Wake::Image(format!("dhi.io/i{number}").parse().unwrap())));
        assert_eq!(wakes.pending().images.len(), NAMES_MAX);
        (0..1000).for_each(|number| wakes.wake(Wake::ByHand(key(&format!("acme/web-{number}")))));
        assert_eq!(wakes.pending().by_hand.len(), NAMES_MAX);
    }

    #[test]
    fn a_store_that_is_away_for_long_makes_no_heap_of_what_was_told() {
        let wakes = Wakes::default();
        let mut taken = Pending::default();
        for number in 0..1000 {
            wakes.wake(repository(&format!("acme/web-{number}")));
            wakes.put_back(taken);
            taken = wakes.take_all();
            assert!(taken.repositories.len() <= NAMES_MAX && taken.has_everything == (number >= NAMES_MAX), "{number}");
        }
    }

    #[test]
    fn what_a_failed_cycle_had_taken_comes_back() {
        let wakes = Wakes::default();
        wakes.wake(Wake::Image("dhi.io/nginx".parse().unwrap()));
        let taken = wakes.take_all();
        wakes.wake(repository("acme/web"));
        wakes.put_back(taken);
        let pending = wakes.pending();
        assert!(pending.is_whole() && pending.repositories.len() == 1 && pending.images.len() == 1);
    }
}
