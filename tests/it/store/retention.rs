//! What is forgotten, and what is not.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind, Platform};
use refrom::domain::pull_request::RepoName;
use refrom::domain::reference::{ImageName, TagRef};
use refrom::domain::status::CycleStatus;
use refrom::domain::waves::{AdoptionChanges, Listings};
use refrom::store::{PullRequestTimes, Reach, SqliteStore, Store, WaveStore};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};

use super::ledger::{at, entry, exported, import, tag};
use super::{image, main, nginx, now, open, scan};
use crate::page::repository;

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

/// Looks at some tag on two days in a row: the first one alone tells nothing, the clock may be wrong.
async fn open_keeping(path: &Path, days: i64, until: Timestamp) -> SqliteStore {
    let store = SqliteStore::open_keeping(path, SignedDuration::from_hours(days * 24), until).await.unwrap();
    for at in [until - SignedDuration::from_hours(24), until] {
        store.record_sightings(&[(looked_at(), Digest::of(b"there"))], at).await.unwrap();
    }
    store
}

fn looked_at() -> TagRef {
    TagRef { image: "dhi.io/other".parse().unwrap(), tag: "1".parse().unwrap() }
}

/// A pin of a repository on its base branch.
fn adoption(name: &str, digest: &str, until: &str) -> String {
    format!("INSERT INTO adoption VALUES ('github', 'acme/web', 'dhi.io/nginx', '{name}', '{digest}', 0, {until});")
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
    let dead = [entry("4", b"left", 0, 0), entry("5", b"pinned once", 0, 0), entry("6", b"young", 0, 7 * DAY)];
    import(&store, &seen.chain(others).chain(dead).collect::<Vec<_>>()).await;
    let pins = BTreeMap::from([(tag("1"), [pinned].into()), (tag("5"), [Digest::of(b"pinned once")].into())]);
    store.record_pinned(&pins, Reach::Fleet, now()).await.unwrap();
    let deny = |tag: &str, digest, to: &str, allowed: &str| {
        format!(
            "INSERT INTO denial (image, tag, digest, to_digest, reason, at, allowed)
             VALUES ('dhi.io/nginx', {tag}, '{digest}', {to}, 'breaks TLS', 0, {allowed});"
        )
    };
    let denials = deny("'1'", denied, &format!("'{target}'"), "NULL") + &deny("NULL", allowed, "NULL", "5");
    let adoptions = adoption("1", &pinned.to_string(), "NULL")
        + &adoption("2", "sha256:", "NULL")
        + &adoption("3", &Digest::of(b"alone").to_string(), "NULL")
        + &adoption("4", &Digest::of(b"left").to_string(), "1");
    execute(&path, denials + &adoptions).await;
    store.close().await;
    open_keeping(&path, 30, at(6 * DAY) + SignedDuration::from_hours(30 * 24)).await.close().await;
    let left = exported(&path).await.into_iter().filter(|entry| entry.tag != looked_at());
    let left: Vec<_> = left.map(|entry| (entry.tag.tag.to_string(), entry.digest)).collect();
    let expected = [
        ("1", &b"pinned"[..]),
        ("1", b"denied"),
        ("1", b"target"),
        ("1", b"allowed"),
        ("1", b"young"),
        ("1", b"head"),
        ("2", b"denied"),
        ("3", b"alone"),
        ("6", b"young"),
    ];
    assert_eq!(left, expected.map(|(tag, name)| (tag.to_owned(), Digest::of(name))));
}

#[tokio::test]
async fn the_newest_sightings_of_a_tag_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let seen: Vec<_> = (0..10_000_u32).map(|n| entry("1", &n.to_be_bytes(), i64::from(n), i64::from(n))).collect();
    import(&store, &seen).await;
    for n in 10_000..10_005_u32 {
        store.record_sightings(&[(tag("1"), Digest::of(&n.to_be_bytes()))], at(n.into())).await.unwrap();
    }
    store.close().await;
    let store = open_keeping(&path, 400, at(20_000)).await;
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.sightings().len(), 10_000);
    assert_eq!(history.sightings().first().unwrap().first_seen, at(5));
}

/// Images of which nothing is known but that they are there, and as many tags that had each once, a day after another.
const MANY_IMAGES: &str = "
    WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 50999)
    INSERT INTO image (name, digest, kind, manifests)
    SELECT 'dhi.io/many', 'sha256:' || printf('%064x', n), 'index',
           '[{\"os\": \"linux\", \"architecture\": \"amd64\", \"digest\": \"sha256:' || printf('%064x', n) || '\"}]'
    FROM number;
    WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 50999)
    INSERT INTO sighting (image, tag, digest, first_seen, last_seen)
    SELECT 'dhi.io/many', n / 9000, 'sha256:' || printf('%064x', n), AT + n, AT + n
    FROM number;";

#[tokio::test]
async fn of_too_many_images_the_oldest_go_that_nobody_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    execute(&path, MANY_IMAGES.replace("AT", &now().as_microsecond().to_string())).await;
    let digest = |n: u32| -> Digest { format!("sha256:{n:064x}").parse().unwrap() };
    let name = || -> ImageName { "dhi.io/many".parse().unwrap() };
    let of_tag = TagRef { image: name(), tag: "0".parse().unwrap() };
    store.record_pinned(&[(of_tag, [digest(7)].into())].into(), Reach::Fleet, now()).await.unwrap();
    store.put_image(&name(), &image(b"nobody's")).await.unwrap();
    store.close().await;
    let store = open_keeping(&path, 400, at(2 * DAY)).await;
    assert_eq!(count(&path, "image").await, 50_000);
    let is_there = async |n: u32| store.image(&name(), &digest(n)).await.unwrap().is_some();
    assert!(store.image(&name(), &Digest::of(b"nobody's")).await.unwrap().is_none(), "no tag was ever at it");
    for (n, stays) in [(0, false), (7, true), (1000, false), (1001, true), (8999, true), (9000, true), (50_999, true)] {
        assert_eq!(is_there(n).await, stays, "{n}");
    }
}

#[tokio::test]
async fn of_too_many_contents_the_oldest_go_that_nobody_has() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let digest = |n: u32| -> Digest { format!("sha256:{n:064x}").parse().unwrap() };
    let platform = |n: u32| Platform { os: "linux".into(), architecture: n.to_string(), variant: None };
    // Ten digests of a tag, with ten thousand manifests each and one that is of all of them, and those of no image.
    for nth in 0..10 {
        let manifests = (nth * 10_000..(nth + 1) * 10_000).map(|n| (platform(n), digest(n)));
        let manifests = manifests.chain([(platform(200_000), digest(200_000))]).collect();
        let it = Image { manifests, ..Image::bare(digest(nth), ManifestKind::Index) };
        store.put_image(&nginx(), &it).await.unwrap();
        store.record_sightings(&[(tag("1"), it.digest)], at(nth.into())).await.unwrap();
    }
    let contents = "
        WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 100009)
        INSERT INTO content SELECT 'dhi.io/nginx', 'sha256:' || printf('%064x', n), 'sha256:' || printf('%064x', n), '[]'
        FROM number;
        INSERT INTO content SELECT name, 'sha256:' || printf('%064x', 200000), config, layers FROM content LIMIT 1;";
    execute(&path, contents.to_owned()).await;
    assert_eq!(count(&path, "content").await, 100_011);
    store.close().await;
    let store = open_keeping(&path, 400, at(2 * DAY)).await;
    assert_eq!(count(&path, "content").await, 100_000);
    let is_there = async |n: u32| store.content(&nginx(), &digest(n)).await.unwrap().is_some();
    assert!(!is_there(100_000).await, "it is of no image");
    assert!(!is_there(0).await, "the oldest");
    for stays in [1, 99_999, 200_000] {
        assert!(is_there(stays).await, "{stays}");
    }
}

#[tokio::test]
async fn a_list_of_tags_goes_when_nobody_asked_for_it_any_more() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let node: ImageName = "dhi.io/node".parse().unwrap();
    store.put_tag_list(&nginx(), &["1".parse().unwrap()].into(), now()).await.unwrap();
    store.put_tag_list(&node, &["1".parse().unwrap()].into(), at(400 * DAY)).await.unwrap();
    store.close().await;
    let store = open_keeping(&path, 400, at(401 * DAY)).await;
    assert_eq!(store.tag_list(&nginx()).await.unwrap(), None);
    assert!(store.tag_list(&node).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_old_is_looked_for_once_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let store = open(&path).await;
    let gone = "INSERT INTO image (name, digest, kind, manifests) VALUES ('dhi.io/nginx', 'sha256:', 'index', '[]')";
    for (hours, left) in [(0, 1), (19, 1), (20, 0), (39, 1), (40, 0)] {
        execute(&path, "DELETE FROM image;".to_owned() + gone).await;
        store.record_sightings(&[], at(hours * 60)).await.unwrap();
        store.record_sightings(&[(looked_at(), Digest::of(b"there"))], at(hours * 60)).await.unwrap();
        assert_eq!(count(&path, "image").await, left, "{hours} hours later");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_for_a_night_takes_nothing_with_it() {
    for years in [-40, 2] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("refrom.db");
        let store = open(&path).await;
        let wrong = now() + SignedDuration::from_hours(years * 365 * 24);
        let names: [&[u8]; 5] = [b"old", b"before", b"wrong", b"other", b"after"];
        let digests @ [old, before, during, other, after] = names.map(Digest::of);
        let web = RepositoryKey { forge: "github".into(), name: "acme/web".parse().unwrap() };
        let adopt = async |from: Option<Digest>, to, at| {
            let change = |digest| (web.clone(), tag("1"), Some(digest));
            let changes = AdoptionChanges { ended: from.map(change).into_iter().collect(), begun: [change(to)].into() };
            store.record_adoptions(&changes, &Listings::default(), at).await.unwrap();
        };
        let look = async |digest, at| store.record_sightings(&[(tag("1"), digest)], at).await.unwrap();
        look(old, now()).await;
        adopt(None, old, now()).await;
        look(before, at(2 * DAY)).await;
        look(during, wrong).await;
        look(other, wrong + SignedDuration::from_mins(5)).await;
        // A day begins in between.
        look(other, wrong + SignedDuration::from_hours(19)).await;
        store.record_opened("github", &web.name, wrong).await.unwrap();
        store.record_turns(std::slice::from_ref(&web), wrong).await.unwrap();
        let branch = "refrom/base-images".parse().unwrap();
        let opened = PullRequestTimes { number: 7, branch, first_seen: wrong, opened: wrong, ended: None };
        store.put_pull_request(&web, &opened).await.unwrap();
        adopt(Some(old), before, wrong).await;
        adopt(Some(before), other, wrong + SignedDuration::from_mins(5)).await;
        // Long enough for a digest to be old enough, and for a day after the first one with the right clock.
        for day in 2..5 {
            look(after, at(day * DAY) + SignedDuration::from_mins(10)).await;
        }
        let history = store.history(&tag("1")).await.unwrap();
        let seen: Vec<_> = history.sightings().iter().map(|it| it.digest).collect();
        assert_eq!(seen, digests, "{years}: in the order in which they came");
        assert_eq!(history.head().unwrap().digest, after);
        for digest in [&old, &before, &during, &other, &after] {
            let it = history.sighting(digest).unwrap();
            assert!(it.first_seen <= at(3 * DAY + 11), "{years}: {it:?} is old enough some time");
            assert!(!history.is_withdrawn(digest));
        }
        assert!(history.sighting(&during).unwrap().first_seen > at(2 * DAY), "{years}: not older than it is");
        assert!(history.head().unwrap().has_settled(SignedDuration::from_hours(23)));
        let merged = store.merged(&nginx()).await.unwrap();
        let merged: Vec<_> = merged[&web][&tag("1")].iter().filter_map(|row| row.digest).collect();
        assert_eq!(merged, [old, before, other], "{years}: what a rollback goes back to");
        assert_eq!(store.opened_since(at(4 * DAY)).await.unwrap(), 0, "what was opened was not opened now");
        assert!(store.turns().await.unwrap()[&web] <= at(4 * DAY), "{years}: its next turn comes");
        assert!(store.last_opened().await.unwrap()[&web] <= at(4 * DAY), "{years}: its interval ends");
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
             INSERT INTO sought VALUES ('{forge}', '{name}', 'dhi.io/nginx', '1', 'sha256:', '');
             INSERT INTO base_pipeline VALUES ('{forge}', '{name}', 'green', 0, NULL);"
        );
        execute(&path, rows).await;
    }
    store.record_turns(&keys, now()).await.unwrap();
    store.record_unfinished_turns(&keys, now()).await.unwrap();
    let tables = ["scan", "turn", "unfinished_turn", "adoption", "sought", "base_pipeline"];
    store.put_status(&[repository("github", "acme/web", Vec::new())], None).await.unwrap();
    for table in tables {
        assert_eq!(count(&path, table).await, 3, "{table}: a cycle over some repositories knows nothing of the others");
    }
    let cycle = CycleStatus { started: now(), ended: now(), problems: Vec::new() };
    store.put_status(&[repository("github", "acme/web", Vec::new())], Some(&cycle)).await.unwrap();
    for table in tables {
        assert_eq!(count(&path, table).await, 2, "{table}: the other forge was not seen at all");
    }
    assert_eq!(store.scan("github", &keys[1].name, &main()).await.unwrap(), None);
    assert_eq!(store.turns().await.unwrap().into_keys().collect::<Vec<_>>(), [keys[0].clone(), keys[2].clone()]);
}
