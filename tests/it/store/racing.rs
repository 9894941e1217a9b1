//! Several programs at one store, and one that is killed in the middle of its work.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use jiff::{SignedDuration, Timestamp};
use refrom::domain::digest::Digest;
use refrom::domain::reference::TagRef;
use refrom::store::{SqliteReader, SqliteStore, Store};

use super::ledger::{exported, tag};
use super::{now, open};

/// Where this is set, the test is the child that writes to the store of that path.
const CHILD: &str = "REFROM_TEST_RACE";
const TAGS: i64 = 20;
/// Looks of each program; the tags move every fifth time.
const LOOKS: i64 = 60;
const LOOKS_PER_MOVE: i64 = 5;

fn second(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn looks(step: i64) -> Vec<(TagRef, Digest)> {
    let digest = Digest::of((step / LOOKS_PER_MOVE).to_string().as_bytes());
    (0..TAGS).map(|number| (tag(&number.to_string()), digest)).collect()
}

/// One program's looks, every ten seconds.
async fn look(store: &SqliteStore, offset: i64) {
    for step in 0..LOOKS {
        store.record_sightings(&looks(step), second(step * 10 + offset)).await.unwrap();
    }
}

/// The store although another process has it: nothing else than the lock keeps two programs apart.
async fn open_past_the_lock(path: &Path) -> SqliteStore {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    std::fs::remove_file(PathBuf::from(lock)).unwrap();
    open(path).await
}

/// This test once more, as a process of its own.
fn child(test: &str, path: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("store::racing::{test}"), "--nocapture"])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

fn say(line: &str) {
    std::io::stdout().write_all(format!("\n{line}\n").as_bytes()).unwrap();
}

/// Whatever order the two noted their looks in, each digest is there once, with its first sight.
async fn assert_each_digest_once(path: &Path) {
    let reader = SqliteReader::open(path).await.unwrap();
    let tags: Vec<_> =
        reader.snapshot().await.unwrap().tags(None).await.unwrap().into_iter().map(|(tag, _)| tag).collect();
    assert_eq!(tags.len(), usize::try_from(TAGS).unwrap());
    for tag in tags {
        let entries = reader.entries(&tag).await.unwrap();
        let seen: Vec<_> = entries.iter().map(|entry| (entry.digest, entry.first_seen)).collect();
        let expected = (0..LOOKS / LOOKS_PER_MOVE)
            .map(|number| (Digest::of(number.to_string().as_bytes()), second(number * LOOKS_PER_MOVE * 10)));
        assert_eq!(seen, expected.collect::<Vec<_>>(), "{tag}");
        let head = reader.history(&tag).await.unwrap().head().unwrap().digest;
        assert_eq!(Some(head), entries.last().map(|entry| entry.digest));
    }
}

#[tokio::test]
async fn two_processes_at_one_store_write_no_sighting_twice() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(Path::new(&path)).await;
        say("ready");
        std::io::stdin().read_line(&mut String::new()).unwrap();
        look(&store, 3).await;
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let (mut child, mut lines) = child("two_processes_at_one_store_write_no_sighting_twice", &path);
    assert!(lines.any(|line| line.unwrap() == "ready"));
    assert!(SqliteStore::open(&path, now()).await.is_err(), "the lock keeps the second one away");
    let store = open_past_the_lock(&path).await;
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    look(&store, 0).await;
    assert!(child.wait().unwrap().success());
    store.record_sightings(&looks(LOOKS - 1), second(LOOKS * 10)).await.unwrap();
    assert_each_digest_once(&path).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_connections_to_one_file_write_no_sighting_twice() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let one = open(&path).await;
    let other = open_past_the_lock(&path).await;
    let other = tokio::spawn(async move { look(&other, 3).await });
    look(&one, 0).await;
    other.await.unwrap();
    one.record_sightings(&looks(LOOKS - 1), second(LOOKS * 10)).await.unwrap();
    assert_each_digest_once(&path).await;
}

#[tokio::test]
async fn a_look_that_was_noted_late_gives_an_earlier_first_sight() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let [a, b] = [b"a", b"b"].map(|content| Digest::of(content));
    let first = async |digest| store.first_seen(&tag("1"), digest).await.unwrap().unwrap();
    for (digest, at) in [(a, 100), (a, 90), (b, 200), (b, 95), (a, 10)] {
        store.record_sightings(&[(tag("1"), digest)], second(at)).await.unwrap();
    }
    assert_eq!((first(&a).await, first(&b).await), (second(10), second(95)));
    store.record_sightings(&[(tag("1"), b)], second(5)).await.unwrap();
    assert_eq!(first(&b).await, second(95), "the other one was there already");
    store.record_sightings(&[(tag("1"), a)], second(10 - 3601)).await.unwrap();
    assert_eq!(first(&a).await, second(10), "a clock that was set back is no late look");
}

#[tokio::test]
async fn the_last_look_tells_the_head_although_the_clock_was_set_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let [a, b] = [b"a", b"b"].map(|content| Digest::of(content));
    for (digest, at) in [(a, 0), (b, 7000), (a, 0)] {
        store.record_sightings(&[(tag("1"), digest)], second(at)).await.unwrap();
    }
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.head().unwrap().digest, a);
    assert!(history.is_withdrawn(&b));
    assert!(history.sighting(&b).unwrap().has_settled(SignedDuration::ZERO));
}

#[tokio::test]
async fn a_look_that_was_noted_late_takes_nothing_from_the_last_one() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let [a, b, c] = [b"a", b"b", b"c"].map(|content| Digest::of(content));
    for (digest, at) in [(a, 0), (b, 3660), (a, 3600)] {
        store.record_sightings(&[(tag("1"), digest)], second(at)).await.unwrap();
    }
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.head().unwrap().digest, b);
    assert_eq!(history.sighting(&a).unwrap().last_seen, second(3600));
    assert_eq!(history.sighting(&b).unwrap().last_seen, second(3660));
    assert!(!history.is_withdrawn(&b));
    store.record_sightings(&[(tag("1"), c)], second(3660)).await.unwrap();
    assert_eq!(store.history(&tag("1")).await.unwrap().head().unwrap().digest, c, "of one time the last one counts");
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_notes_leaves_whole_looks() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(Path::new(&path)).await;
        for step in 0.. {
            store.record_sightings(&looks(step), second(step)).await.unwrap();
            say("noted");
        }
    }
    let directory = tempfile::tempdir().unwrap();
    for run in 0..3 {
        let path = directory.path().join(format!("{run}.db"));
        let (mut child, lines) = child("a_process_that_is_killed_while_it_notes_leaves_whole_looks", &path);
        assert_eq!(lines.map(Result::unwrap).filter(|line| line == "noted").take(7 + run).count(), 7 + run);
        child.kill().unwrap();
        child.wait().unwrap();
        open(&path).await.close().await;
        let mut whole: Vec<_> = exported(&path).await;
        whole.sort_by_key(|entry| (entry.first_seen, entry.digest, entry.tag.clone()));
        let tags = usize::try_from(TAGS).unwrap();
        assert!(whole.len() >= tags * 2 && whole.len() % tags == 0, "{}", whole.len());
        for look in whole.chunks(tags) {
            let times = |index: usize| (look[index].digest, look[index].first_seen, look[index].last_seen);
            assert!((0..tags).all(|index| times(index) == times(0)), "{look:#?}");
        }
    }
}
