//! `refrom status`: the real program, while another process holds the store.

use std::path::Path;
use std::process::Command;

use refrom::store::{SqliteStore, Store as _};
use serde_json::Value;

use crate::page::{fleet, now};

/// Status, stdout and stderr, in an environment without any secret.
fn refrom(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrom"));
    command.args(["status", "--config", "refrom.yaml"]).args(arguments).env_clear().current_dir(folder);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A configuration whose secrets are nowhere.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let yaml = "forges:\n  - url: https://github.com\n    auth: { token: { env: NOWHERE } }\n    \
                repositories: { include: [\"acme/*\"] }\n";
    std::fs::write(folder.path().join("refrom.yaml"), yaml).unwrap();
    folder
}

async fn kept(folder: &Path) -> SqliteStore {
    let store = SqliteStore::open(&folder.join("state/refrom.db"), now()).await.unwrap();
    let fleet = fleet();
    store.put_status(&fleet.repositories, fleet.cycle.as_ref()).await.unwrap();
    store
}

#[tokio::test]
async fn people_see_pins_pull_requests_and_what_is_wrong_although_the_store_is_held() {
    let folder = folder();
    let _store = kept(folder.path()).await;
    let (status, out, err) = refrom(folder.path(), &["--state", "attention"]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    for part in [
        "REPOSITORY ",
        "acme/edge-proxy ",
        "deploy/Dockerfile:2 ",
        "the pin is a single platform's manifest",
        "https://github.com/acme/web/pull/7",
        "left alone: somebody else's commit is on the branch of #7",
        "acme/archive-2019: error: its base branch `trunk` is not there\n",
        "acme/archive-2019: could never be read\n",
        "20 repositories, 6 of which need a person: 11 of 26 pins behind, the oldest for ",
        " 1 unknown; 6 pull requests open (1 none, 1 pending, 2 passed, 1 failed, 1 unknown); 3 errors\n",
        "problem: gitlab: `mobile/*`: the forge is rate limited until 07:45\n",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    assert!(!out.contains("acme/checkout"), "{out}");
}

#[tokio::test]
async fn its_json_is_that_of_the_service() {
    let folder = folder();
    let _store = kept(folder.path()).await;
    let (status, out, _) = refrom(folder.path(), &["--format", "json", "--state", "failed"]);
    let mut found: Value = serde_json::from_str(&out).unwrap();
    let mut expected = serde_json::to_value(refrom::serve::record::StatusRecord::new(
        &fleet(),
        &refrom::domain::status::Filter { state: Some("failed".parse().unwrap()), ..Default::default() },
        now(),
    ))
    .unwrap();
    for record in [&mut found, &mut expected] {
        assert!(record.as_object_mut().unwrap().remove("now").is_some());
    }
    assert_eq!((status, found), (0, expected));
}

#[tokio::test]
async fn a_wrong_word_is_wrong_usage_and_a_missing_store_is_named() {
    let folder = folder();
    let (status, _, err) = refrom(folder.path(), &["--state", "bad"]);
    assert!(status == 2 && err.contains("there is no state `bad`: choose one of attention,"), "{err}");
    assert_eq!(refrom(folder.path(), &["--sort", "bad"]).0, 2);
    let (status, out, err) = refrom(folder.path(), &[]);
    assert_eq!((status, out.as_str()), (3, ""));
    assert!(err.contains("refrom.db` is not there yet: the first cycle makes it"), "{err}");
}

#[test]
fn the_page_about_json_explains_every_key() {
    let page = include_str!("../../../docs/json.md");
    let record = refrom::serve::record::StatusRecord::new(&fleet(), &Default::default(), now());
    let mut values = vec![serde_json::to_value(record).unwrap()];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(pairs) => {
                for (key, value) in pairs {
                    assert!(page.contains(&format!("`{key}`")), "the page does not explain `{key}`");
                    values.push(value);
                }
            }
            Value::Array(all) => values.extend(all),
            _ => {}
        }
    }
}
