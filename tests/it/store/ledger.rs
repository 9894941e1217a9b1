//! Taking over what others saw.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::digest::Digest;
use refrom::domain::image::{Content, Image, ManifestKind};
use refrom::domain::reference::TagRef;
use refrom::store::{Imported, LedgerEntry, Reach, SqliteReader, SqliteStore, Store};

use super::{image, nginx, now, open};

pub fn tag(name: &str) -> TagRef {
    TagRef { image: nginx(), tag: name.parse().unwrap() }
}

pub fn at(minutes: i64) -> Timestamp {
    now() + SignedDuration::from_mins(minutes)
}

/// A digest that was seen from one minute to another.
pub fn entry(name: &str, content: &[u8], first: i64, last: impl Into<Option<i64>>) -> LedgerEntry {
    LedgerEntry {
        tag: tag(name),
        digest: Digest::of(content),
        first_seen: at(first),
        last_seen: last.into().map(at),
        image: None,
        contents: [].into(),
    }
}

/// A digest that was seen from one minute to right before another.
fn right_before(name: &str, content: &[u8], first: i64, next: i64) -> LedgerEntry {
    LedgerEntry { last_seen: Some(at(next) - SignedDuration::from_micros(1)), ..entry(name, content, first, None) }
}

pub async fn import(store: &SqliteStore, entries: &[LedgerEntry]) -> Imported {
    let mut import = store.import(now()).await.unwrap();
    for entry in entries {
        import.add(entry).await.unwrap();
    }
    import.finish().await.unwrap()
}

/// Everything in a store, in the order of an export.
pub async fn exported(path: &Path) -> Vec<LedgerEntry> {
    let reader = SqliteReader::open(path).await.unwrap();
    let mut entries = Vec::new();
    let mut ledger = reader.snapshot().await.unwrap();
    for (tag, count) in ledger.tags(None).await.unwrap() {
        let of_tag = ledger.entries(&tag).await.unwrap();
        assert_eq!(count, of_tag.len() as u64);
        entries.extend(of_tag);
    }
    entries
}

#[tokio::test]
async fn what_is_imported_is_exported_with_everything_that_is_known() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let full = image(b"full");
    let content = Content { config: Digest::of(b"config"), layers: vec![Digest::of(b"base"), Digest::of(b"top")] };
    let known = LedgerEntry {
        digest: full.digest,
        contents: full.manifests.values().map(|manifest| (*manifest, content.clone())).collect(),
        image: Some(full),
        ..entry("1", b"", 0, 5)
    };
    let entries = [entry("0", b"other", 7, 9), known, entry("1", b"later", 5, 6)];
    assert_eq!(import(&store, &entries).await, Imported { new: 3, ..Imported::default() });
    assert_eq!(exported(&path).await, entries);
    assert_eq!(import(&store, &entries).await, Imported { unchanged: 3, ..Imported::default() });
    assert_eq!(exported(&path).await, entries);
}

#[tokio::test]
async fn two_ledgers_of_a_tag_become_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    import(&store, &[entry("1", b"a", 10, 20), entry("1", b"b", 30, 40)]).await;
    let other = [entry("1", b"a", 5, 15), entry("1", b"b", 32, 38), entry("1", b"c", 50, 60), entry("1", b"c", 55, 70)];
    assert_eq!(import(&store, &other).await, Imported { new: 1, merged: 1, unchanged: 1, left_out: 0 });
    assert_eq!(
        exported(&path).await,
        [entry("1", b"a", 5, 20), entry("1", b"b", 30, 40), entry("1", b"c", 50, 70)],
        "the earlier of the first sights, the later of the last ones"
    );
    assert_eq!(store.history(&tag("1")).await.unwrap().head().unwrap().digest, Digest::of(b"c"));
    let next = Digest::of(b"d");
    store.record_sightings(&[(tag("1"), next)], at(20)).await.unwrap();
    assert!(store.first_seen(&tag("1"), &next).await.unwrap() > Some(at(50)), "what is new comes after what is there");
}

#[tokio::test]
async fn without_a_last_sight_a_digest_was_there_until_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let lines = [
        entry("1", b"c", 30, None),
        entry("1", b"a", 10, None),
        entry("2", b"other", 15, None),
        entry("1", b"b", 20, None),
    ];
    for (new, unchanged) in [(4, 0), (0, 4)] {
        assert_eq!(import(&store, &lines).await, Imported { new, unchanged, ..Imported::default() });
        assert_eq!(
            exported(&path).await,
            [
                right_before("1", b"a", 10, 20),
                right_before("1", b"b", 20, 30),
                entry("1", b"c", 30, 30),
                entry("2", b"other", 15, 15)
            ]
        );
    }
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.head().unwrap().digest, Digest::of(b"c"));
    assert!(!history.is_withdrawn(&Digest::of(b"b")));
}

#[tokio::test]
async fn a_flap_without_last_sights_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let lines = [entry("1", b"a", 10, None), entry("1", b"b", 20, None), entry("1", b"a", 30, None)];
    import(&store, &lines).await;
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.head().unwrap().digest, Digest::of(b"a"));
    assert!(history.is_withdrawn(&Digest::of(b"b")));
}

#[tokio::test]
async fn an_index_without_its_manifests_is_no_more_known_than_before() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    for (kind, is_known) in [(ManifestKind::Index, false), (ManifestKind::Image, true)] {
        let bare = Image::bare(Digest::of(b"a"), kind);
        import(&store, &[LedgerEntry { image: Some(bare), ..entry("1", b"a", 10, 20) }]).await;
        assert_eq!(store.image(&tag("1").image, &Digest::of(b"a")).await.unwrap().is_some(), is_known, "{kind:?}");
    }
}

#[tokio::test]
async fn an_import_that_is_dropped_never_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    import(&store, &[entry("1", b"a", 1, 2)]).await;
    let mut dropped = store.import(now()).await.unwrap();
    dropped.add(&LedgerEntry { image: Some(image(b"full")), ..entry("1", b"full", 3, 4) }).await.unwrap();
    drop(dropped);
    assert_eq!(exported(&path).await, [entry("1", b"a", 1, 2)]);
    assert_eq!(store.image(&nginx(), &Digest::of(b"full")).await.unwrap(), None);
    assert_eq!(import(&store, &[entry("1", b"b", 3, 4)]).await.new, 1, "nothing of it is in the way");
}

#[tokio::test]
async fn what_others_saw_later_is_no_look_of_ones_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let (mine, theirs) = (Digest::of(b"mine"), Digest::of(b"theirs"));
    for name in ["1", "2"] {
        store.record_sightings(&[(tag(name), mine)], at(90)).await.unwrap();
    }
    import(&store, &[entry("1", b"theirs", 0, 120), entry("2", b"theirs", 0, 60), entry("3", b"theirs", 0, 60)]).await;
    assert_eq!(store.history(&tag("1")).await.unwrap().head().unwrap().digest, theirs);
    let last = async |name| store.last_sighting(&tag(name)).await.unwrap();
    assert_eq!(last("1").await, None, "it is asked for, before anything is decided from that");
    assert_eq!(last("2").await, Some((mine, at(90))));
    assert_eq!(last("3").await, None);
    store.record_sightings(&[(tag("1"), mine)], at(130)).await.unwrap();
    assert_eq!(last("1").await, Some((mine, at(130))));
}

#[tokio::test]
async fn what_would_be_forgotten_is_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let years = -2 * 365 * 24 * 60;
    import(&store, &[entry("1", b"known", years, 0)]).await;
    let pinned = [(tag("1"), [Digest::of(b"pinned")].into()), (tag("2"), [].into())];
    store.record_pinned(&pinned.into(), Reach::Fleet, now()).await.unwrap();
    let old = [
        entry("1", b"old", years, years + 1),
        entry("1", b"known", years, 0),
        entry("1", b"pinned", years, years + 1),
        entry("1", b"new", 0, 1),
        entry("9", b"of a dead tag", years, years + 1),
    ];
    let imported = Imported { new: 2, merged: 0, unchanged: 1, left_out: 2 };
    assert_eq!(import(&store, &old).await, imported);
    let left: Vec<_> = exported(&path).await.into_iter().map(|entry| entry.digest).collect();
    assert_eq!(left.len(), 3);
    for name in [&b"known"[..], b"pinned", b"new"] {
        assert!(left.contains(&Digest::of(name)));
    }
    let many: Vec<_> = (0..10_001_u32).map(|n| entry("3", &n.to_be_bytes(), n.into(), i64::from(n))).collect();
    assert_eq!(import(&store, &many).await, Imported { new: 10_000, left_out: 1, ..Imported::default() });
}

#[tokio::test]
async fn an_export_is_of_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let look = async |content: &[u8], minute| {
        let digest = Digest::of(content);
        store.record_sightings(&[(tag("1"), digest), (tag("2"), digest)], at(minute)).await.unwrap();
    };
    look(b"a", 0).await;
    let reader = SqliteReader::open(&path).await.unwrap();
    let mut ledger = reader.snapshot().await.unwrap();
    assert_eq!(ledger.entries(&tag("1")).await.unwrap(), [entry("1", b"a", 0, 0)]);
    look(b"b", 5).await;
    assert_eq!(ledger.entries(&tag("2")).await.unwrap(), [entry("2", b"a", 0, 0)], "as the first tag was read");
    drop(ledger);
    assert_eq!(reader.entries(&tag("2")).await.unwrap().len(), 2);
}
