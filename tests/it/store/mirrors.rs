//! What was noted under a name before it was said to be a mirror's.

use std::collections::BTreeMap;
use std::path::Path;

use refrom::domain::mirror::Mirrors;
use refrom::store::Store as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _};

use super::open;

/// Under a mirror's name, the upstream's, and another one.
const BEFORE: &str = "
    INSERT INTO sighting VALUES
        ('m.example.com/mir/app', '1', 'a', 10, 50), ('m.example.com/mir/app', '1', 'b', 20, 40),
        ('m.example.com/mir/app', '2', 'a', 10, 50),
        ('r.example.com/up/app', '1', 'a', 12, 15), ('r.example.com/up/app', '1', 'b', 15, 60),
        ('m.example.com/other/app', '1', 'a', 10, 50);
    INSERT INTO unanswered VALUES ('m.example.com/mir/app', '2');
    INSERT INTO pinned VALUES
        ('m.example.com/mir/app', '1', 'b', 20), ('m.example.com/mir/app', '1', 'a', 30),
        ('r.example.com/up/app', '1', 'b', 25), ('m.example.com/other/app', '1', 'a', 10);
    INSERT INTO adoption VALUES
        ('github', 'acme/web', 'm.example.com/mir/app', '1', 'a', 10, 20),
        ('github', 'acme/web', 'm.example.com/mir/app', '1', 'b', 20, NULL),
        ('github', 'acme/web', 'r.example.com/up/app', '1', 'a', 10, 15),
        ('github', 'acme/web', 'r.example.com/up/app', '1', 'b', 20, 30);
    INSERT INTO sought VALUES
        ('github', 'acme/web', 'm.example.com/mir/app', '1', 'c', ''),
        ('github', 'acme/web', 'r.example.com/up/app', '1', 'c', '');
    INSERT INTO denial VALUES (1, 'm.example.com/mir/app', '1', 'd', NULL, 'slow', 10, NULL);
    INSERT INTO tag_list VALUES ('m.example.com/mir/app', 10, '[]');
    INSERT INTO image (name, digest, kind, manifests) VALUES
        ('m.example.com/mir/app', 'a', 'of the mirror', '[]'), ('m.example.com/mir/app', 'b', 'of the mirror', '[]'),
        ('r.example.com/up/app', 'b', 'of the upstream', '[]');
    INSERT INTO content VALUES ('m.example.com/mir/app', 'a', 'a', '[]'), ('r.example.com/up/app', 'a', 'a', '[]');
    INSERT INTO missing VALUES ('m.example.com/mir/app', 'a', 10, 2);
    INSERT INTO not_missing VALUES ('m.example.com/mir/app', 'b', 10);";

/// Each table with its rows after that.
const AFTER: [(&str, &[&str]); 11] = [
    (
        "sighting",
        &[
            "m.example.com/other/app 1 a 10 50",
            "r.example.com/up/app 1 a 10 50",
            "r.example.com/up/app 1 b 15 60",
            "r.example.com/up/app 2 a 10 50",
        ],
    ),
    ("unanswered", &["r.example.com/up/app 1", "r.example.com/up/app 2"]),
    ("pinned", &["m.example.com/other/app 1 a 10", "r.example.com/up/app 1 a 30", "r.example.com/up/app 1 b 20"]),
    (
        "adoption",
        &[
            "github acme/web r.example.com/up/app 1 a 10 20",
            // It is there still, under one of the two names.
            "github acme/web r.example.com/up/app 1 b 20 -",
        ],
    ),
    ("sought", &["github acme/web r.example.com/up/app 1 c "]),
    ("denial", &["1 r.example.com/up/app 1 d - slow 10 -"]),
    // The mirror may have a part of the tags.
    ("tag_list", &[]),
    ("image", &["r.example.com/up/app a of the mirror", "r.example.com/up/app b of the upstream"]),
    ("content", &["r.example.com/up/app a a []"]),
    // By the name that is written.
    ("missing", &["m.example.com/mir/app a 10 2"]),
    ("not_missing", &["m.example.com/mir/app b 10"]),
];

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).connect().await.unwrap()
}

/// The rows of a table, each as a line.
async fn rows(connection: &mut SqliteConnection, table: &str) -> Vec<String> {
    let columns = format!(
        "SELECT group_concat(name) FROM pragma_table_info('{table}') WHERE name IN
        ('id', 'forge', 'repository', 'image', 'name', 'tag', 'digest', 'left_tag', 'kind', 'first_seen', 'last_seen',
         'since', 'until', 'looks', 'at', 'to_digest', 'reason', 'allowed', 'config', 'layers')"
    );
    let columns: String = sqlx::query_scalar(sqlx::AssertSqlSafe(columns)).fetch_one(&mut *connection).await.unwrap();
    let line = columns.split(',').map(|column| format!("coalesce({column}, '-')")).collect::<Vec<_>>();
    let sql = format!("SELECT {} AS line FROM {table} ORDER BY line", line.join(" || ' ' || "));
    sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(connection).await.unwrap()
}

#[tokio::test]
async fn what_is_noted_under_a_mirrors_name_becomes_the_upstreams() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.db");
    let store = open(&path).await;
    let mut connection = connect(&path).await;
    sqlx::raw_sql(BEFORE).execute(&mut connection).await.unwrap();
    let mut mirrors = Mirrors::default();
    assert_eq!(store.move_to_upstreams(&mirrors).await.unwrap(), BTreeMap::new());
    mirrors.insert("m.example.com", "mir/", "r.example.com/up/");
    let moved = [("m.example.com/mir/app".parse().unwrap(), "r.example.com/up/app".parse().unwrap())];
    for moved in [moved.into(), BTreeMap::new()] {
        assert_eq!(store.move_to_upstreams(&mirrors).await.unwrap(), moved);
        for (table, expected) in AFTER {
            assert_eq!(rows(&mut connection, table).await, expected, "{table}");
        }
    }
    connection.close().await.unwrap();
    store.close().await;
}
