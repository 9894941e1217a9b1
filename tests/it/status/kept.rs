//! The status in the store: it comes back as it was put, and others may look while it is written.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use refrom::domain::digest::Digest;
use refrom::domain::reference::TagRef;
use refrom::domain::status::{CycleStatus, FleetStatus, RepositoryStatus};
use refrom::store::{SqliteReader, SqliteStore, Store as _, StoreError};

use crate::page::{fleet, now};

/// Where this is set, [`a_reader_sees_whole_cycles_while_another_process_writes`] is the child that writes there.
const CHILD: &str = "REFROM_TEST_STATUS_STORE";

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, now()).await.unwrap()
}

#[tokio::test]
async fn a_fleet_comes_back_as_it_was_put() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    assert_eq!(store.status().await.unwrap(), FleetStatus::default());
    let fleet = fleet();
    store.put_status(&fleet.repositories, fleet.cycle.as_ref()).await.unwrap();
    assert_eq!(store.status().await.unwrap(), fleet);
    // While the store is held, and after.
    assert_eq!(SqliteReader::open(&path).await.unwrap().status().await.unwrap(), fleet);
    store.close().await;
    assert_eq!(SqliteReader::open(&path).await.unwrap().status().await.unwrap(), fleet);
}

#[tokio::test]
async fn some_repositories_are_replaced_and_a_whole_cycle_forgets_the_others() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let FleetStatus { cycle, repositories, .. } = fleet();
    store.put_status(&repositories, cycle.as_ref()).await.unwrap();
    let changed = RepositoryStatus { error: Some("new".to_owned()), ..repositories[3].clone() };
    store.put_status(std::slice::from_ref(&changed), None).await.unwrap();
    let kept = store.status().await.unwrap();
    assert_eq!((kept.repositories.len(), &kept.repositories[3], &kept.cycle), (20, &changed, &cycle));
    store.put_status(std::slice::from_ref(&changed), cycle.as_ref()).await.unwrap();
    assert_eq!(store.status().await.unwrap().repositories, [changed]);
}

#[tokio::test]
async fn a_tag_moved_on_when_it_was_first_seen_elsewhere_after_a_digest() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() };
    let [a, b, c, never] = [b"a", b"b", b"c", b"d"].map(|text| Digest::of(text));
    let day = |days: i64| now() + SignedDuration::from_hours(24 * days);
    assert_eq!(store.stale_since(&tag, &a).await.unwrap(), None);
    for (days, digest) in [(0, a), (1, b), (2, a), (3, c)] {
        store.record_sightings(&[(tag.clone(), digest)], day(days)).await.unwrap();
    }
    let moved_on = async |digest: &Digest| store.stale_since(&tag, digest).await.unwrap();
    assert_eq!(moved_on(&a).await, Some(day(1)));
    assert_eq!(moved_on(&b).await, Some(day(3)));
    assert_eq!(moved_on(&c).await, None);
    assert_eq!(moved_on(&never).await, Some(day(0)));
}

#[tokio::test]
async fn a_store_that_is_not_there_is_not_made_and_an_older_one_has_no_status() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let error = SqliteReader::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error:?}");
    assert!(!path.exists());
    open(&path).await.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    // The database header, "User Version": 4 bytes, big-endian, at offset 60.
    bytes[60..64].copy_from_slice(&1_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let reader = SqliteReader::open(&path).await.unwrap();
    assert_eq!(reader.status().await.unwrap(), FleetStatus::default());
    drop(reader);
    bytes[60..64].copy_from_slice(&9_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = SqliteReader::open(&path).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 9, .. }), "{error:?}");
}

/// The fleet as a cycle of this number leaves it: every row bears its mark.
fn numbered(number: i64) -> FleetStatus {
    let at = now() + SignedDuration::from_secs(number);
    let repositories = fleet().repositories.into_iter();
    FleetStatus {
        cycle: Some(CycleStatus { started: at, ended: at, problems: Vec::new() }),
        repositories: repositories.map(|status| RepositoryStatus { looked_at: Some(at), ..status }).collect(),
        ..FleetStatus::default()
    }
}

fn marks(fleet: &FleetStatus) -> BTreeSet<Timestamp> {
    let cycle = fleet.cycle.iter().map(|cycle| cycle.started);
    cycle.chain(fleet.repositories.iter().filter_map(|status| status.looked_at)).collect()
}

#[tokio::test]
async fn a_reader_sees_whole_cycles_while_another_process_writes() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(Path::new(&path)).await;
        for number in 0.. {
            let FleetStatus { cycle, repositories, .. } = numbered(number);
            store.put_status(&repositories, cycle.as_ref()).await.unwrap();
            // Until the parent is gone.
            if std::io::stdout().write_all(b"\nwritten\n").is_err() {
                return;
            }
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "status::kept::a_reader_sees_whole_cycles_while_another_process_writes", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut seen = BTreeSet::new();
    for _ in 0..40 {
        assert!(lines.any(|line| line == "written"), "the writer ended");
        let reader = SqliteReader::open(&path).await.unwrap();
        let fleet = reader.status().await.unwrap();
        let marks = marks(&fleet);
        assert_eq!((marks.len(), fleet.repositories.len()), (1, 20), "a torn cycle: {marks:?}");
        seen.extend(marks);
    }
    assert!(seen.len() > 5, "the writer did not write: {seen:?}");
    // It holds the store, and nobody who reads took that from it.
    assert!(matches!(SqliteStore::open(&path, now()).await, Err(StoreError::Held { .. })));
    child.kill().unwrap();
    child.wait().unwrap();
}
