//! What people took back, written beside whoever holds the store.

use jiff::Timestamp;
use refrom::domain::denial::{Denial, ImageScope};
use refrom::domain::digest::Digest;
use refrom::domain::waves::Adoption;
use refrom::store::{Allowance, Denied, SqliteDenials, SqliteReader, Store as _, StoreError};
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::{now, open};

fn denial(scope: &str, content: &[u8], reason: &str) -> Denial {
    let ImageScope { image, tag } = scope.parse().unwrap();
    Denial { image, tag, digest: Digest::of(content), to: None, reason: reason.to_owned(), at: now() }
}

#[tokio::test]
async fn a_denial_is_recorded_while_the_store_is_held_and_seen_by_its_holder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    let store = open(&path).await;
    let before = store.denials_version().await.unwrap();
    let denials = SqliteDenials::open(&path).await.unwrap();
    let one = Denial { to: Some(Digest::of(b"a")), ..denial("dhi.io/nginx:1.27", b"b", "slow") };
    assert_eq!(denials.deny(&one).await.unwrap(), Denied::Now);
    assert_eq!(denials.deny(&one).await.unwrap(), Denied::Already);
    let after = store.denials_version().await.unwrap();
    assert_ne!(after, before);
    let other = Denial { reason: "slow, and it leaks".to_owned(), ..one.clone() };
    assert_eq!(denials.deny(&other).await.unwrap(), Denied::Now);
    let recorded = store.denials().await.unwrap();
    assert_eq!(recorded.iter().map(|it| &it.denial).collect::<Vec<_>>(), [&one, &other]);
    assert!(recorded.iter().all(|it| it.allowed.is_none()));
    assert_eq!(SqliteReader::open(&path).await.unwrap().denials().await.unwrap(), recorded);
    let allowed = denials.allow(&"dhi.io/nginx:1.27".parse().unwrap(), &one.digest, now()).await.unwrap();
    assert_eq!(allowed, Allowance::Now);
    assert_ne!(store.denials_version().await.unwrap(), after);
    assert!(store.denials().await.unwrap().iter().all(|it| it.allowed == Some(now())));
    assert_eq!(denials.deny(&one).await.unwrap(), Denied::Now);
}

#[tokio::test]
async fn what_is_allowed_is_what_was_denied_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    drop(open(&path).await);
    let denials = SqliteDenials::open(&path).await.unwrap();
    for scope in ["dhi.io/nginx:1.27", "dhi.io/nginx:1.28", "dhi.io/node"] {
        denials.deny(&denial(scope, b"b", "slow")).await.unwrap();
    }
    let allow = async |scope: &str, content: &[u8]| {
        denials.allow(&scope.parse().unwrap(), &Digest::of(content), now()).await.unwrap()
    };
    assert_eq!(allow("dhi.io/nginx:1.27", b"a").await, Allowance::NeverDenied);
    assert_eq!(allow("dhi.io/node:22", b"b").await, Allowance::DeniedForAllTags);
    assert_eq!(allow("dhi.io/nginx:1.27", b"b").await, Allowance::Now);
    assert_eq!(allow("dhi.io/nginx:1.27", b"b").await, Allowance::Before(now()));
    assert_eq!(allow("dhi.io/nginx", b"b").await, Allowance::Now, "the other tag");
    let reader = SqliteReader::open(&path).await.unwrap();
    let left = reader.denials().await.unwrap().into_iter().filter(|it| it.allowed.is_none());
    assert_eq!(left.map(|it| it.denial.scope().to_string()).collect::<Vec<_>>(), ["dhi.io/node"]);
}

#[tokio::test]
async fn where_all_tags_are_denied_allowing_one_of_them_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    drop(open(&path).await);
    let denials = SqliteDenials::open(&path).await.unwrap();
    for scope in ["dhi.io/nginx:1.27", "dhi.io/nginx"] {
        denials.deny(&denial(scope, b"b", "slow")).await.unwrap();
    }
    let reader = SqliteReader::open(&path).await.unwrap();
    let before = reader.denials().await.unwrap();
    let allow = async |scope: &str| denials.allow(&scope.parse().unwrap(), &Digest::of(b"b"), now()).await.unwrap();
    assert_eq!(allow("dhi.io/nginx:1.27").await, Allowance::DeniedForAllTags);
    assert_eq!(reader.denials().await.unwrap(), before);
    assert_eq!(allow("dhi.io/nginx").await, Allowance::Now);
    assert!(reader.denials().await.unwrap().iter().all(|it| it.allowed == Some(now())), "the tag's own one, too");
}

#[tokio::test]
async fn two_hands_never_wait_for_long_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    let store = open(&path).await;
    let denials = SqliteDenials::open(&path).await.unwrap();
    let tag = refrom::domain::reference::TagRef { image: super::nginx(), tag: "1".parse().unwrap() };
    let writes = async {
        for number in 0..200_u32 {
            store.record_sightings(&[(tag.clone(), Digest::of(&number.to_le_bytes()))], now()).await.unwrap();
        }
    };
    let denies = async {
        for number in 0..200_u32 {
            denials.deny(&denial("dhi.io/nginx", &number.to_le_bytes(), "slow")).await.unwrap();
        }
    };
    tokio::join!(writes, denies);
    assert_eq!(store.denials().await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_store_of_another_format_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    assert!(matches!(SqliteDenials::open(&path).await, Err(StoreError::Missing { .. })));
    for (format, is_newer) in [(99, true), (2, false)] {
        drop(open(&path).await);
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let sql = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {format}"));
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let error = SqliteDenials::open(&path).await.unwrap_err();
        assert!(if is_newer {
            matches!(error, StoreError::Newer { .. })
        } else {
            matches!(error, StoreError::Older { .. })
        });
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[tokio::test]
async fn what_repositories_had_before_is_read_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    let store = open(&path).await;
    let options = SqliteConnectOptions::new().filename(&path);
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    for (repository, content, since) in [("acme/web", b"b", 2), ("acme/web", b"a", 1), ("acme/api", b"a", 3)] {
        let sql = "INSERT INTO adoption (forge, repository, image, tag, digest, since, until)
                   VALUES ('github', ?, 'dhi.io/nginx', '1', ?, ?, NULL)";
        let query = sqlx::query(sql).bind(repository).bind(Digest::of(content).to_string()).bind(since);
        query.execute(&mut connection).await.unwrap();
    }
    let merged = store.merged(&super::nginx()).await.unwrap();
    let of = |name: &str| {
        merged.iter().find(|(key, _)| key.name.as_str() == name).unwrap().1[&super::ledger::tag("1")].clone()
    };
    let at = |microsecond| Timestamp::from_microsecond(microsecond).unwrap();
    let row = |content: &[u8], since| Adoption { digest: Some(Digest::of(content)), since: at(since), until: None };
    assert_eq!(of("acme/web"), [row(b"a", 1), row(b"b", 2)]);
    assert_eq!(of("acme/api"), [row(b"a", 3)]);
    assert!(store.merged(&"dhi.io/node".parse().unwrap()).await.unwrap().is_empty());
}
