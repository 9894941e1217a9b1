//! Laws over random looks, exports and imports.

use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use refrom::domain::digest::Digest;
use refrom::store::{Imported, LedgerEntry, SqliteStore, Store};

use super::ledger::{at, exported, import, tag};
use super::open;
use crate::laws::law;

/// What happens at one of two programs, each with a store of its own.
#[derive(Debug, Clone)]
enum Step {
    /// It sees a tag at a digest.
    Look { store: usize, tag: u8, digest: u8 },
    /// It gets the ledger of the other.
    Import { store: usize },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let look = (0..2_usize, 0..2_u8, 0..4_u8).prop_map(|(store, tag, digest)| Step::Look { store, tag, digest });
    let import = (0..2_usize).prop_map(|store| Step::Import { store });
    vec(prop_oneof![6 => look, 1 => import], 1..25)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

async fn look(store: &SqliteStore, name: u8, digest: u8, minute: i64) {
    store.record_sightings(&[(tag(&name.to_string()), Digest::of(&[digest]))], at(minute)).await.unwrap();
}

/// The same as in an empty store after an export and an import, and no more after a second one.
async fn assert_moves_whole(path: &Path) -> Vec<LedgerEntry> {
    let all = exported(path).await;
    let copy = path.with_extension("copy");
    let store = open(&copy).await;
    let count = u64::try_from(all.len()).unwrap();
    assert_eq!(import(&store, &all).await, Imported { new: count, ..Imported::default() });
    assert_eq!(exported(&copy).await, all);
    assert_eq!(import(&store, &all).await, Imported { unchanged: count, ..Imported::default() });
    assert_eq!(exported(&copy).await, all);
    all
}

/// In microseconds.
const HOUR: i64 = 3600 * 1_000_000;

proptest! {
    #![proptest_config(law(24))]

    #[test]
    fn two_programs_that_tell_each_other_everything_know_the_same(steps in steps()) {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let paths = ["one.db", "two.db"].map(|name| directory.path().join(name));
            let stores = [open(&paths[0]).await, open(&paths[1]).await];
            let end = [Step::Import { store: 0 }, Step::Import { store: 1 }];
            for (minute, step) in (0..).zip(steps.iter().chain(&end)) {
                match step {
                    Step::Look { store, tag, digest } => look(&stores[*store], *tag, *digest, minute).await,
                    Step::Import { store } => {
                        import(&stores[*store], &exported(&paths[1 - store]).await).await;
                    }
                }
            }
            assert_eq!(exported(&paths[0]).await, exported(&paths[1]).await);
            let all = assert_moves_whole(&paths[0]).await;
            let first = |name: u8, digest: u8| {
                let is_it = |step: &Step| {
                    matches!(step, Step::Look { tag, digest: seen, .. } if (*tag, *seen) == (name, digest))
                };
                (0..).zip(&steps).find(|(_, step)| is_it(step)).map(|(minute, _)| at(minute))
            };
            for (name, digest) in (0..2).flat_map(|name| (0..4).map(move |digest| (name, digest))) {
                let found = all.iter().find(|entry| (&entry.tag, entry.digest) == (&tag(&name.to_string()), Digest::of(&[digest])));
                assert_eq!(found.map(|entry| entry.first_seen), first(name, digest), "the first of all looks");
            }
        });
    }

    #[test]
    fn no_clock_makes_an_older_digest_newer(looks in vec((0..2_u8, 0..4_u8, 0..200_i64), 1..25)) {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("refrom.db");
            let store = open(&path).await;
            let mut order: [Vec<Digest>; 2] = [Vec::new(), Vec::new()];
            let mut last: [Option<(Digest, i64)>; 2] = [None; 2];
            for (name, digest, minute) in &looks {
                look(&store, *name, *digest, *minute).await;
                let seen = &mut order[usize::from(*name)];
                let digest = Digest::of(&[*digest]);
                if !seen.contains(&digest) {
                    seen.push(digest);
                }
                let history = store.history(&tag(&name.to_string())).await.unwrap();
                let found: Vec<_> = history.sightings().iter().map(|sighting| sighting.digest).collect();
                assert_eq!(&found, seen, "as they were noted");
                assert!(history.sightings().is_sorted_by(|one, next| one.first_seen < next.first_seen));
                let last = &mut last[usize::from(*name)];
                // Of two programs one may be slower, by an hour at most. Beyond that the look counts as the next one.
                let now = at(*minute).as_microsecond();
                let behind = last.map_or(0, |(_, last)| last - now);
                if behind <= 0 {
                    *last = Some((digest, now));
                } else if behind > HOUR {
                    *last = last.map(|(head, last)| (digest, last + i64::from(head != digest)));
                }
                assert_eq!(history.head().unwrap().digest, last.unwrap().0, "what was seen last is the head");
            }
            assert_moves_whole(&path).await;
        });
    }

    #[test]
    fn the_order_of_imports_does_not_matter(
        seen in vec((0..2_u8, 0..4_u8, 0..100_i64, 0..50_i64), 1..20),
        cut in 0..20_usize,
    ) {
        block_on(async {
            let directory = tempfile::tempdir().unwrap();
            let entries: Vec<LedgerEntry> = seen.iter().map(|(name, digest, first, length)| LedgerEntry {
                tag: tag(&name.to_string()),
                digest: Digest::of(&[*digest]),
                first_seen: at(*first),
                last_seen: Some(at(first + length)),
                image: None,
                contents: [].into(),
            }).collect();
            let (left, right) = entries.split_at(cut.min(entries.len()));
            let mut results = Vec::new();
            for (number, parts) in [vec![&entries[..]], vec![left, right], vec![right, left]].into_iter().enumerate() {
                let path = directory.path().join(format!("{number}.db"));
                let store = open(&path).await;
                for part in parts {
                    import(&store, part).await;
                }
                results.push(exported(&path).await);
            }
            assert_eq!(results[0], results[1]);
            assert_eq!(results[0], results[2]);
        });
    }
}
