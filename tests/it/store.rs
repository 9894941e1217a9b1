//! The store on real files, and by real processes.

mod denials;
mod laws;
mod ledger;
mod mirrors;
mod presence;
mod racing;
mod reader;
mod retention;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Configuration, Content, Image, ManifestKind, Platform};
use refrom::domain::pull_request::{BranchName, RepoName};
use refrom::domain::reference::{ImageName, TagRef};
use refrom::domain::status::FleetStatus;
use refrom::store::{Ending, LeftOutFile, PullRequestTimes, Reach, Scan, ScannedFile, SqliteStore, Store, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

/// Where this is set, [`a_killed_holder_frees_the_store`] is the child that holds the store of that path.
const CHILD: &str = "REFROM_TEST_STORE";

fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().unwrap()
}

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, now()).await.unwrap()
}

fn web() -> RepoName {
    "acme/web".parse().unwrap()
}

fn nginx() -> ImageName {
    "dhi.io/nginx".parse().unwrap()
}

fn main() -> BranchName {
    "main".parse().unwrap()
}

fn scan(head: char) -> Scan {
    Scan {
        head: head.to_string().repeat(40).parse().unwrap(),
        selector: "v1".into(),
        files: vec![ScannedFile { path: "a b/Dockerfile\u{fc}".into(), mode: 0o100_755, blob: "b".repeat(40) }],
        left_out: vec![LeftOutFile { path: "big".into(), reason: "larger than 1 MiB".into() }],
    }
}

fn image(content: &[u8]) -> Image {
    let platform = |variant: Option<&str>| Platform {
        os: "linux".into(),
        architecture: "arm".into(),
        variant: variant.map(str::to_owned),
    };
    Image {
        digest: Digest::of(content),
        kind: ManifestKind::Index,
        media_type: Some("application/vnd.oci.image.index.v1+json".into()),
        manifests: [(platform(None), Digest::of(b"six")), (platform(Some("v7")), Digest::of(b"seven"))].into(),
        version: Some("1.27.3".into()),
        created: Some("2026-11-19T01:02:03.456789012Z".parse().unwrap()),
        size_bytes: Some(12_345),
        end_of_life: Some("2027-04-30".parse().unwrap()),
        configuration: Some(Configuration {
            user: "65532".into(),
            environment: [("PATH".to_owned(), "/usr/bin".to_owned())].into(),
            ports: ["8080/tcp".to_owned()].into(),
            distribution: Some("debian-13".into()),
            ..Configuration::default()
        }),
    }
}

#[tokio::test]
async fn the_first_sights_of_an_images_tags_are_those_of_their_first_digests() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let tag = |image: &str, tag: &str| TagRef { image: image.parse().unwrap(), tag: tag.parse().unwrap() };
    let hours = |hours| now() + SignedDuration::from_hours(hours);
    for (seen, digest, hour) in [
        (tag("dhi.io/nginx", "1.27"), b"a", 0),
        (tag("dhi.io/nginx", "1.28"), b"b", 1),
        (tag("dhi.io/nginx", "1.27"), b"c", 2),
        (tag("dhi.io/nginx-dev", "1.29"), b"d", 3),
    ] {
        store.record_sightings(&[(seen, Digest::of(digest))], hours(hour)).await.unwrap();
    }
    let expected = [("1.27", hours(0)), ("1.28", hours(1))].map(|(tag, at)| (tag.parse().unwrap(), at));
    assert_eq!(store.first_sights(&nginx()).await.unwrap(), expected.into());
    assert!(store.first_sights(&"dhi.io/node".parse().unwrap()).await.unwrap().is_empty());
    store.close().await;
}

#[tokio::test]
async fn the_last_list_of_tags_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let tags = |tags: &[&str]| tags.iter().map(|tag| tag.parse().unwrap()).collect();
    let store = open(&path).await;
    assert_eq!(store.tag_list(&nginx()).await.unwrap(), None);
    store.put_tag_list(&nginx(), &tags(&["1.27"]), now()).await.unwrap();
    let later = now() + SignedDuration::from_hours(1);
    store.put_tag_list(&nginx(), &tags(&["1.28", "1.27-alpine"]), later).await.unwrap();
    store.close().await;
    let store = open(&path).await;
    assert_eq!(store.tag_list(&nginx()).await.unwrap(), Some((tags(&["1.27-alpine", "1.28"]), later)));
    assert_eq!(store.tag_list(&"dhi.io/node".parse().unwrap()).await.unwrap(), None);
    store.close().await;
}

#[tokio::test]
async fn what_was_put_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state/refrom.db");
    let bare = Image::bare(Digest::of(b"bare"), ManifestKind::Image);
    let store = open(&path).await;
    assert_eq!(store.scan("github", &web(), &main()).await.unwrap(), None);
    assert_eq!(store.image(&nginx(), &bare.digest).await.unwrap(), None);
    store.put_scan("github", &web(), &main(), &scan('a')).await.unwrap();
    store.put_scan("github", &web(), &main(), &scan('b')).await.unwrap();
    store.put_image(&nginx(), &image(b"full")).await.unwrap();
    store.put_image(&nginx(), &bare).await.unwrap();
    let content = Content { config: Digest::of(b"config"), layers: vec![Digest::of(b"low"), Digest::of(b"high")] };
    store.put_content(&nginx(), &bare.digest, &content).await.unwrap();
    store.close().await;

    let store = open(&path).await;
    assert_eq!(store.scan("github", &web(), &main()).await.unwrap(), Some(scan('b')));
    assert_eq!(store.scan("other", &web(), &main()).await.unwrap(), None);
    assert_eq!(store.image(&nginx(), &Digest::of(b"full")).await.unwrap(), Some(image(b"full")));
    assert_eq!(store.content(&nginx(), &bare.digest).await.unwrap(), Some(content));
    assert_eq!(store.content(&nginx(), &Digest::of(b"full")).await.unwrap(), None);
    assert_eq!(store.image(&nginx(), &bare.digest).await.unwrap(), Some(bare));
    assert_eq!(store.image(&"dhi.io/node".parse().unwrap(), &Digest::of(b"full")).await.unwrap(), None);
}

#[tokio::test]
async fn a_digest_keeps_its_first_sight() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let later = now() + SignedDuration::from_hours(1);
    store.record_sightings(&[(tag.clone(), one)], now()).await.unwrap();
    store.record_sightings(&[(tag.clone(), one), (tag.clone(), other)], later).await.unwrap();
    assert_eq!(store.first_seen(&tag, &one).await.unwrap(), Some(now()));
    assert_eq!(store.first_seen(&tag, &other).await.unwrap(), Some(later));
    // The clock was set back: what is new is still new.
    let newest = Digest::of(b"newest");
    store.record_sightings(&[(tag.clone(), newest), (tag.clone(), one)], now()).await.unwrap();
    assert!(store.first_seen(&tag, &newest).await.unwrap() > Some(later));
    assert_eq!(store.first_seen(&tag, &one).await.unwrap(), Some(now()));
    let another = TagRef { tag: "2".parse().unwrap(), ..tag };
    assert_eq!(store.first_seen(&another, &one).await.unwrap(), None);
}

#[tokio::test]
async fn a_digest_that_was_long_not_seen_is_forgotten_and_the_others_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let (gone, there) = (Digest::of(b"gone"), Digest::of(b"there"));
    let store = open(&path).await;
    store.record_sightings(&[(tag.clone(), gone)], now()).await.unwrap();
    store.record_sightings(&[(tag.clone(), there)], now()).await.unwrap();
    let later = now() + SignedDuration::from_hours(500 * 24);
    store.record_sightings(&[(tag.clone(), there)], later).await.unwrap();
    assert!(store.first_seen(&tag, &gone).await.unwrap().is_some(), "nobody knows whether that is the right year");
    store.record_sightings(&[(tag.clone(), there)], later + SignedDuration::from_hours(24)).await.unwrap();
    assert_eq!(store.first_seen(&tag, &gone).await.unwrap(), None);
    assert!(store.first_seen(&tag, &there).await.unwrap().is_some());
}

#[tokio::test]
async fn a_store_that_stays_open_forgets_too() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let (gone, there) = (Digest::of(b"gone"), Digest::of(b"there"));
    let key = RepositoryKey { forge: "github".to_owned(), name: web() };
    let branch: BranchName = "refrom/base-images".parse().unwrap();
    let open = PullRequestTimes { number: 7, branch, first_seen: now(), opened: now(), ended: None };
    let head = "1".repeat(40).parse().unwrap();
    for number in [7, 8] {
        store.put_pull_request(&key, &PullRequestTimes { number, ..open.clone() }).await.unwrap();
        store.put_told_to_merge("github", &web(), number, &head).await.unwrap();
    }
    let merged = PullRequestTimes { ended: Some(Ending::Merged(now())), ..open };
    store.put_pull_request(&key, &merged).await.unwrap();
    store.record_sightings(&[(tag.clone(), gone)], now()).await.unwrap();
    assert!(store.first_seen(&tag, &gone).await.unwrap().is_some());
    for day in [500, 501] {
        let later = now() + SignedDuration::from_hours(day * 24);
        store.record_sightings(&[(tag.clone(), there)], later).await.unwrap();
    }
    assert_eq!(store.first_seen(&tag, &gone).await.unwrap(), None);
    let told = store.told_to_merge("github").await.unwrap();
    assert_eq!(told.into_keys().collect::<Vec<_>>(), [(web(), 8)], "nobody merges what was merged");
}

#[tokio::test]
async fn a_store_of_the_first_format_is_carried_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut first_format = options.connect().await.unwrap();
    sqlx::raw_sql(include_str!("store/format_1.sql")).execute(&mut first_format).await.unwrap();
    first_format.close().await.unwrap();
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let seen = Digest::of(b"one");
    let store = open(&path).await;
    assert_eq!(store.scan("github", &web(), &main()).await.unwrap(), Some(scan('a')));
    assert_eq!(store.first_seen(&tag, &seen).await.unwrap(), Some(now()));
    assert_eq!(store.last_sighting(&tag).await.unwrap(), Some((seen, now())));
    let known = store.image(&nginx(), &Digest::of(b"full")).await.unwrap();
    assert_eq!(known, None, "there is more to know of it now: it is asked for again");
    assert_eq!(store.opened_since(now()).await.unwrap(), 1);
    assert!(store.turns().await.unwrap().is_empty());
    assert_eq!(store.status().await.unwrap(), FleetStatus::default());
    let key = RepositoryKey { forge: "github".to_owned(), name: web() };
    store.record_turns(std::slice::from_ref(&key), now()).await.unwrap();
    store.close().await;
    assert_eq!(open(&path).await.turns().await.unwrap(), [(key, now())].into());
}

#[tokio::test]
async fn openings_are_counted_over_the_whole_fleet() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let hour = SignedDuration::from_hours(1);
    store.record_opened("github", &web(), now() - hour * 2).await.unwrap();
    store.record_opened("github", &web(), now() - hour).await.unwrap();
    store.record_opened("other", &web(), now()).await.unwrap();
    assert_eq!(store.opened_since(now() - hour).await.unwrap(), 2);
    assert_eq!(store.opened_since(now() - hour * 3).await.unwrap(), 3);
    assert_eq!(store.opened_since(now() + hour).await.unwrap(), 0);
}

#[tokio::test]
async fn many_tasks_share_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Arc::new(open(&directory.path().join("refrom.db")).await);
    let tasks = (0..50_u32).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let name: RepoName = format!("acme/r{number}").parse().unwrap();
            store.put_scan("github", &name, &main(), &scan('a')).await.unwrap();
            store.record_opened("github", &name, now()).await.unwrap();
            store.scan("github", &name, &main()).await.unwrap().unwrap()
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), scan('a'));
    }
    assert_eq!(store.opened_since(now()).await.unwrap(), 50);
}

#[tokio::test]
async fn the_second_to_open_learns_who_holds_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let first = open(&path).await;
    let error = SqliteStore::open(&path, now()).await.unwrap_err();
    let StoreError::Held { holder, .. } = &error else { panic!("{error:?}") };
    assert!(holder.starts_with(&format!("process {} on ", std::process::id())), "{holder}");
    assert!(holder.ends_with(" since 2026-11-20T08:00:00Z"), "{holder}");
    assert!(error.to_string().contains(holder));
    first.close().await;
    open(&path).await;
}

#[cfg(unix)]
#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    store.put_scan("github", &web(), &main(), &scan('a')).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn a_damaged_or_foreign_file_is_named_as_such() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    std::fs::write(&path, "this is no database, it only has a name like one".repeat(50)).unwrap();
    let error = SqliteStore::open(&path, now()).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("refrom.db"));
}

#[tokio::test]
async fn a_store_of_a_newer_refrom_is_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    open(&path).await.close().await;
    let mut bytes = std::fs::read(&path).unwrap();
    // The database header, "User Version": 4 bytes, big-endian, at offset 60.
    bytes[60..64].copy_from_slice(&7_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let error = SqliteStore::open(&path, now()).await.unwrap_err();
    assert!(matches!(error, StoreError::Newer { found: 7, known: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn a_killed_holder_frees_the_store() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _store = open(Path::new(&path)).await;
        std::io::stdout().write_all(b"\nholding\n").unwrap();
        // Until the parent kills this process, or is gone itself.
        let _ = std::io::stdin().lines().count();
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::a_killed_holder_frees_the_store", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().map_while(Result::ok).any(|line| line == "holding"));
    let error = SqliteStore::open(&path, now()).await.unwrap_err();
    assert!(error.to_string().contains(&format!("process {}", child.id())), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
    open(&path).await;
}

#[tokio::test]
async fn the_last_turn_of_each_repository_is_remembered() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let key = |forge: &str, name: &str| RepositoryKey { forge: forge.to_owned(), name: name.parse().unwrap() };
    let (web, api, other) = (key("github", "acme/web"), key("github", "acme/api"), key("gitlab", "acme/web"));
    let store = open(&path).await;
    assert!(store.turns().await.unwrap().is_empty());
    store.record_turns(&[web.clone(), api.clone()], now()).await.unwrap();
    store.record_turns(&[], now()).await.unwrap();
    let later = now() + SignedDuration::from_hours(1);
    store.record_unfinished_turns(&[web.clone(), api.clone()], now()).await.unwrap();
    store.record_unfinished_turns(&[web.clone(), api.clone()], later).await.unwrap();
    store.record_turns(&[web.clone(), other.clone()], later).await.unwrap();
    store.close().await;
    let store = open(&path).await;
    assert_eq!(store.unfinished_turns().await.unwrap(), [(api.clone(), now())].into(), "the other one had its turn");
    assert_eq!(store.turns().await.unwrap(), [(api, now()), (web, later), (other, later)].into());
}

#[tokio::test]
async fn the_last_look_at_a_tag_stands_until_one_fails() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let tag = |tag: &str| TagRef { image: nginx(), tag: tag.parse().unwrap() };
    let [first, second] = [b"1", b"2"].map(|content| Digest::of(content));
    let at = |minutes| now() + SignedDuration::from_mins(minutes);
    let store = open(&path).await;
    assert_eq!(store.last_sighting(&tag("1")).await.unwrap(), None);
    store.record_sightings(&[(tag("1"), first)], at(0)).await.unwrap();
    store.record_sightings(&[(tag("1"), second), (tag("2"), second)], at(1)).await.unwrap();
    assert_eq!(store.last_sighting(&tag("1")).await.unwrap(), Some((second, at(1))));
    store.record_sightings(&[(tag("1"), first)], at(2)).await.unwrap();
    assert_eq!(store.last_sighting(&tag("1")).await.unwrap(), Some((first, at(2))), "it went back");
    store.record_unanswered(&[tag("1"), tag("1")]).await.unwrap();
    store.close().await;
    let store = open(&path).await;
    assert_eq!(store.last_sighting(&tag("1")).await.unwrap(), None);
    assert_eq!(store.last_sighting(&tag("2")).await.unwrap(), Some((second, at(1))), "another tag");
    store.record_sightings(&[(tag("1"), first)], at(3)).await.unwrap();
    assert_eq!(store.last_sighting(&tag("1")).await.unwrap(), Some((first, at(3))));
    store.record_sightings(&[(tag("1"), second)], at(2)).await.unwrap();
    assert_eq!(store.last_sighting(&tag("1")).await.unwrap(), Some((first, at(3))), "it was noted late");
    store.record_sightings(&[(tag("1"), second)], at(-60)).await.unwrap();
    let (head, last) = store.last_sighting(&tag("1")).await.unwrap().unwrap();
    assert_eq!(head, second, "the clock was set back");
    assert!(last > at(3));
    let pins = |digests: &[Digest]| BTreeMap::from([(tag("1"), digests.iter().copied().collect())]);
    store.record_pinned(&pins(&[first, second]), Reach::Fleet, now()).await.unwrap();
    store.record_pinned(&pins(&[second]), Reach::Fleet, now()).await.unwrap();
    assert_eq!(store.pinned(&tag("1")).await.unwrap(), [second].into());
    assert!(store.pinned(&tag("2")).await.unwrap().is_empty());
    // A cycle over some repositories knows nothing of the pins of the others.
    store.record_pinned(&pins(&[first]), Reach::Part, at(4)).await.unwrap();
    store.record_pinned(&pins(&[first]), Reach::Fleet, at(5)).await.unwrap();
    assert_eq!(store.history(&tag("1")).await.unwrap().known_since(&first), Some(at(0)));
    store.record_pinned(&pins(&[Digest::of(b"unseen")]), Reach::Part, at(6)).await.unwrap();
    store.record_pinned(&pins(&[first]), Reach::Part, at(7)).await.unwrap();
    store.record_pinned(&pins(&[first, Digest::of(b"unseen")]), Reach::Fleet, at(8)).await.unwrap();
    let history = store.history(&tag("1")).await.unwrap();
    assert_eq!(history.known_since(&Digest::of(b"unseen")), Some(at(6)));
}

#[tokio::test]
async fn a_pin_is_stale_since_the_first_digest_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("refrom.db")).await;
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let digests = [b"a", b"b", b"c"].map(|content| Digest::of(content));
    let at = |hours: i64| now().checked_add(SignedDuration::from_hours(hours)).unwrap();
    for (hours, digest) in (0..).zip(digests) {
        store.record_sightings(&[(tag.clone(), digest)], at(hours)).await.unwrap();
    }
    let since = async |pinned: &Digest| store.stale_since(&tag, pinned).await.unwrap();
    assert_eq!(since(&digests[0]).await, Some(at(1)), "however many followed");
    assert_eq!(since(&digests[1]).await, Some(at(2)));
    assert_eq!(since(&digests[2]).await, None);
    assert_eq!(since(&Digest::of(b"never seen")).await, Some(at(0)));
    let other = TagRef { image: nginx(), tag: "2".parse().unwrap() };
    assert_eq!(store.stale_since(&other, &digests[0]).await.unwrap(), None);
}

#[tokio::test]
async fn what_a_forge_was_told_to_merge_is_remembered_with_its_last_head() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let (web, heads) = ("acme/web".parse().unwrap(), ["1", "2"].map(|digit| digit.repeat(40).parse().unwrap()));
    let store = SqliteStore::open(&path, now()).await.unwrap();
    for head in &heads {
        store.put_told_to_merge("github", &web, 7, head).await.unwrap();
    }
    store.put_told_to_merge("other", &web, 7, &heads[0]).await.unwrap();
    store.close().await;
    let store = SqliteStore::open(&path, now()).await.unwrap();
    let told = store.told_to_merge("github").await.unwrap();
    assert_eq!(told.into_iter().collect::<Vec<_>>(), [((web, 7), heads[1].clone())]);
    assert!(store.told_to_merge("none").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_opening_is_remembered_until_it_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let (web, branch) = ("acme/web".parse().unwrap(), "refrom/base-images".parse().unwrap());
    let store = SqliteStore::open(&path, now()).await.unwrap();
    for _ in 0..2 {
        store.put_opening("github", &web, &branch).await.unwrap();
    }
    store.close().await;
    let store = SqliteStore::open(&path, now()).await.unwrap();
    assert_eq!(
        store.openings("github").await.unwrap().into_iter().collect::<Vec<_>>(),
        [(web.clone(), branch.clone())]
    );
    assert!(store.openings("other").await.unwrap().is_empty());
    store.remove_opening("github", &web, &branch).await.unwrap();
    assert!(store.openings("github").await.unwrap().is_empty());
}
