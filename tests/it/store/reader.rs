//! What those see who look into a store that another process uses.

use std::collections::BTreeMap;

use refrom::domain::digest::Digest;
use refrom::domain::reference::TagRef;
use refrom::store::{Reach, SqliteReader, Store, StoreError};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::{image, nginx, now, open};

#[tokio::test]
async fn the_ledger_can_be_read_while_somebody_writes_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let full = image(b"full");
    assert!(matches!(SqliteReader::open(&path).await.unwrap_err(), StoreError::Missing { .. }));
    let store = open(&path).await;
    let reader = SqliteReader::open(&path).await.unwrap();
    assert!(reader.history(&tag).await.unwrap().sightings().is_empty());
    assert_eq!(reader.image(&nginx(), &full.digest).await.unwrap(), None);
    store.record_sightings(&[(tag.clone(), full.digest)], now()).await.unwrap();
    let pinned = Digest::of(b"pinned");
    store.record_pinned(&BTreeMap::from([(tag.clone(), [pinned].into())]), Reach::Fleet, now()).await.unwrap();
    store.put_image(&nginx(), &full).await.unwrap();
    let history = reader.history(&tag).await.unwrap();
    assert_eq!(history, store.history(&tag).await.unwrap());
    assert_eq!(history.head().map(|head| head.digest), Some(full.digest));
    assert_eq!(reader.first_sights(&nginx()).await.unwrap(), [(tag.tag.clone(), now())].into());
    assert_eq!(history.known_since(&pinned), Some(now()));
    assert_eq!(reader.image(&nginx(), &full.digest).await.unwrap(), Some(full));
}

#[tokio::test]
async fn the_ledger_of_an_older_format_is_empty_for_those_who_only_look() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("refrom.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut first_format = options.connect().await.unwrap();
    sqlx::raw_sql(include_str!("format_1.sql")).execute(&mut first_format).await.unwrap();
    first_format.close().await.unwrap();
    let tag = TagRef { image: nginx(), tag: "1".parse().unwrap() };
    let reader = SqliteReader::open(&path).await.unwrap();
    assert!(reader.history(&tag).await.unwrap().sightings().is_empty());
    assert!(reader.first_sights(&nginx()).await.unwrap().is_empty());
    assert_eq!(reader.image(&nginx(), &Digest::of(b"full")).await.unwrap(), None);
}
