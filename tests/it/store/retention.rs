//! What is forgotten, and what is not.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::SignedDuration;
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::pull_request::{RepoName, Vocabulary};
use refrom::domain::status::{CycleStatus, RepositoryStatus};
use refrom::store::{Reach, SqliteStore, Store};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::ledger::{at, entry, exported, import, tag};
use super::{main, now, open, scan};

const DAY: i64 = 24 * 60;

/// Writes what other parts of the program would.
async fn execute(path: &Path, sql: String) {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn count(path: &Path, table: &str) -> i64 {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.unwrap();
    let sql = AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
    let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    count
}

#[tokio::test]
async fn heads_pins_and_what_was_taken_back_are_never_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let names: [&[u8]; 7] = [b"old", b"pinned", b"denied", b"target", b"allowed", b"young", b"head"];
    let [_, pinned, denied, target, allowed, ..] = names.map(Digest::of);
    let seen = names.iter().zip(0..).map(|(name, day)| entry("1", name, day * DAY, (day + 1) * DAY));
    let others = [entry("2", b"old", 0, DAY), entry("2", b"denied", DAY, 2 * DAY), entry("3", b"alone", 0, 0)];
    import(&store, &seen.chain(others).collect::<Vec<_>>()).await;
    store.record_pinned(&BTreeMap::from([(tag("1"), [pinned].into())]), Reach::Fleet, now()).await.unwrap();
    let deny = |tag: &str, digest, to: &str, allowed: &str| {
        format!(
            "INSERT INTO denial (image, tag, digest, to_digest, reason, at, allowed)
             VALUES ('dhi.io/nginx', {tag}, '{digest}', {to}, 'breaks TLS', 0, {allowed});"
        )
    };
    let denials = deny("'1'", denied, &format!("'{target}'"), "NULL") + &deny("NULL", allowed, "NULL", "5");
    execute(&path, denials).await;
    store.close().await;
    let later = at(6 * DAY) + SignedDuration::from_hours(30 * 24);
    SqliteStore::open_keeping(&path, SignedDuration::from_hours(30 * 24), later).await.unwrap().close().await;
    let left: Vec<_> =
        exported(&path).await.into_iter().map(|entry| (entry.tag.tag.to_string(), entry.digest)).collect();
    let expected = [
        ("1", &b"pinned"[..]),
        ("1", b"denied"),
        ("1", b"target"),
        ("1", b"allowed"),
        ("1", b"young"),
        ("1", b"head"),
        ("2", b"denied"),
        ("3", b"alone"),
    ];
    assert_eq!(left, expected.map(|(tag, name)| (tag.to_owned(), Digest::of(name))));
}

#[tokio::test]
async fn the_newest_sightings_of_a_tag_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let seen: Vec<_> = (0..10_005_u32).map(|n| entry("1", &n.to_be_bytes(), i64::from(n), i64::from(n))).collect();
    import(&store, &seen).await;
    store.close().await;
    let store = SqliteStore::open(&path, at(20_000)).await.unwrap();
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.sightings().len(), 10_000);
    assert_eq!(history.sightings().first().unwrap().first_seen, at(5));
}

fn status(name: &str) -> RepositoryStatus {
    RepositoryStatus {
        repository: RepositoryKey { forge: "github".into(), name: name.parse().unwrap() },
        vocabulary: Vocabulary::PullRequest,
        url: None,
        looked_at: None,
        is_enabled: true,
        pins: Vec::new(),
        noticed: Vec::new(),
        pull_requests: Vec::new(),
        due_at: None,
        due_because: String::new(),
        findings: Vec::new(),
        error: None,
    }
}

#[tokio::test]
async fn what_is_known_of_repositories_goes_with_them() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let key = |forge: &str, name: &str| RepositoryKey { forge: forge.into(), name: name.parse().unwrap() };
    let keys = [key("github", "acme/web"), key("github", "acme/gone"), key("gitlab", "acme/gone")];
    for RepositoryKey { forge, name } in &keys {
        let name: &RepoName = name;
        store.put_scan(forge, name, &main(), &scan('a')).await.unwrap();
        let rows = format!(
            "INSERT INTO adoption VALUES ('{forge}', '{name}', 'dhi.io/nginx', '1', 'sha256:', 0, NULL);
             INSERT INTO sought VALUES ('{forge}', '{name}', 'dhi.io/nginx', '1', 'sha256:');
             INSERT INTO base_pipeline VALUES ('{forge}', '{name}', 'green', 0, NULL);"
        );
        execute(&path, rows).await;
    }
    store.record_turns(&keys, now()).await.unwrap();
    store.record_unfinished_turns(&keys, now()).await.unwrap();
    let tables = ["scan", "turn", "unfinished_turn", "adoption", "sought", "base_pipeline"];
    store.put_status(&[status("acme/web")], None).await.unwrap();
    for table in tables {
        assert_eq!(count(&path, table).await, 3, "{table}: a cycle over some repositories knows nothing of the others");
    }
    let cycle = CycleStatus { started: now(), ended: now(), problems: Vec::new() };
    store.put_status(&[status("acme/web")], Some(&cycle)).await.unwrap();
    for table in tables {
        assert_eq!(count(&path, table).await, 2, "{table}: the other forge was not seen at all");
    }
    assert_eq!(store.scan("github", &keys[1].name, &main()).await.unwrap(), None);
    assert_eq!(store.turns().await.unwrap().into_keys().collect::<Vec<_>>(), [keys[0].clone(), keys[2].clone()]);
}
