//! Deliveries that came already.

use std::collections::{BTreeSet, VecDeque};

use crate::domain::digest::Digest;

/// Deliveries that are remembered: hours of a busy organization, and less than 200 KiB.
const DELIVERIES_MAX: usize = 2048;

/// The last deliveries, by what identifies them.
#[derive(Debug, Default)]
pub struct Replays {
    order: VecDeque<Digest>,
    known: BTreeSet<Digest>,
}

impl Replays {
    /// Remembers a delivery by all that identifies it; answers whether any of that came before.
    pub fn has_seen(&mut self, source: &str, identities: &[&[u8]]) -> bool {
        let mut has_seen = false;
        for identity in identities {
            let identity = Digest::of(&[source.as_bytes(), b"\0", identity].concat());
            if !self.known.insert(identity) {
                has_seen = true;
                continue;
            }
            self.order.push_back(identity);
            if self.order.len() > DELIVERIES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        has_seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_known_by_any_of_its_identities_and_to_its_source_alone() {
        let mut replays = Replays::default();
        assert!(!replays.has_seen("github", &[b"id-1", b"body-1"]));
        assert!(replays.has_seen("github", &[b"id-1", b"body-2"]));
        assert!(replays.has_seen("github", &[b"id-2", b"body-1"]));
        assert!(!replays.has_seen("gitlab", &[b"id-1"]));
        assert!(!replays.has_seen("gitlab", &[]));
    }

    #[test]
    fn the_oldest_is_forgotten_and_the_memory_stays_small() {
        let mut replays = Replays::default();
        for number in 0..=DELIVERIES_MAX {
            assert!(!replays.has_seen("github", &[number.to_string().as_bytes()]));
        }
        assert_eq!((replays.order.len(), replays.known.len()), (DELIVERIES_MAX, DELIVERIES_MAX));
        assert!(!replays.has_seen("github", &[b"0"]));
        assert!(replays.has_seen("github", &[b"2048"]));
    }
}
