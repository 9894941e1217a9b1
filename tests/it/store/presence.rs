//! Whether pinned digests still are at their registries.

use std::collections::BTreeMap;

use refrom::domain::digest::Digest;
use refrom::domain::plan::Missing;
use refrom::store::{Place, PresenceStore as _};

use super::ledger::at;
use super::{nginx, open};

fn place(content: &[u8]) -> Place {
    (nginx(), Digest::of(content))
}

#[tokio::test]
async fn a_look_counts_five_minutes_after_the_first_and_forgetting_begins_anew() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let gone = [place(b"gone")];
    let looks = async || store.missing().await.unwrap().remove(&gone[0]);
    for (minutes, counted) in [(0, 1), (1, 1), (4, 1), (5, 2), (6, 3)] {
        store.record_missing(&gone, at(minutes)).await.unwrap();
        assert_eq!(looks().await, Some(Missing { since: at(0), looks: counted }), "{minutes}");
    }
    store.forget_missing(&gone).await.unwrap();
    assert_eq!(looks().await, None);
    store.record_missing(&gone, at(10)).await.unwrap();
    assert_eq!(looks().await, Some(Missing { since: at(10), looks: 1 }));
    store.close().await;
}

#[tokio::test]
async fn the_last_look_that_missed_nothing_is_remembered_for_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    store.record_not_missing(&[place(b"one"), place(b"other")], at(0)).await.unwrap();
    store.record_not_missing(&[place(b"one")], at(60)).await.unwrap();
    let expected = BTreeMap::from([(place(b"one"), at(60)), (place(b"other"), at(0))]);
    assert_eq!(store.not_missing().await.unwrap(), expected);
    store.record_not_missing(&[], at(24 * 60 + 1)).await.unwrap();
    assert_eq!(store.not_missing().await.unwrap(), [(place(b"one"), at(60))].into());
    assert_eq!(store.missing().await.unwrap(), BTreeMap::new());
    store.close().await;
}
