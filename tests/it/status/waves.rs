//! `refrom waves` and `/api/v1/waves`, from the store alone.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use refrom::config::{Config, Secrets};
use refrom::demo::server::Server;
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::ledger::Ledger;
use refrom::domain::reference::TagRef;
use refrom::domain::waves::{AdoptionChanges, BasePipeline, Listings, Sought};
use refrom::net::{self, Network, Redirects};
use refrom::serve::metrics::Metrics;
use refrom::serve::page::{StatusState, routes};
use refrom::serve::waves::Rollout;
use refrom::store::{SqliteStore, Store, WaveBooks, WaveStore as _};
use serde_json::{Value, json};

use crate::page::{Still, now};

const CONFIGURATION: &str = "
forges:
  - auth: { token: { env: NOWHERE } }
    repositories: { include: [acme/*] }
waves: [{ name: canary, match: [acme/canary] }, { name: rest, match: ['**'] }]
";

fn key(name: &str) -> RepositoryKey {
    RepositoryKey { forge: "github".to_owned(), name: name.parse().unwrap() }
}

async fn kept(folder: &Path) -> SqliteStore {
    std::fs::write(folder.join("refrom.yaml"), CONFIGURATION).unwrap();
    let store = SqliteStore::open(&folder.join("state/refrom.db"), now()).await.unwrap();
    note_a_failed_canary(&store).await;
    store
}

/// The canary has the new digest and failed with it; the rest has the old one.
pub async fn note_a_failed_canary(store: &SqliteStore) {
    let tag = |image: &str| TagRef { image: image.parse().unwrap(), tag: "1".parse().unwrap() };
    let [old, new] = [b"old", b"new"].map(|text| Digest::of(text));
    for (image, digest, at) in [
        ("dhi.io/nginx", old, "2026-11-01T00:00:00Z"),
        ("dhi.io/nginx", new, "2026-11-20T00:00:00Z"),
        ("docker.io/library/redis", old, "2026-11-20T00:00:00Z"),
    ] {
        store.record_sightings(&[(tag(image), digest)], at.parse().unwrap()).await.unwrap();
    }
    let begun = [("acme/canary", new), ("acme/web", old), ("acme/api", old)]
        .map(|(name, digest)| (key(name), tag("dhi.io/nginx"), Some(digest)))
        .to_vec();
    let at: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let changes = AdoptionChanges { begun, ended: Vec::new() };
    let listings = Listings { whole: ["github".to_owned()].into(), problems: BTreeMap::new() };
    store.record_adoptions(&changes, &listings, at).await.unwrap();
    store.put_base_pipelines(&[(key("acme/canary"), BasePipeline::Failed { since: at })].into()).await.unwrap();
}

/// What the configuration says of waves.
pub fn rollout() -> Rollout {
    let config = Config::from_text(CONFIGURATION, Path::new("refrom.yaml"), &|_| None, Secrets::Skip).unwrap();
    Rollout::of(&config)
}

/// Status, stdout and stderr, in an environment without any secret.
fn refrom(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrom"));
    command.args(["waves", "--config", "refrom.yaml"]).args(arguments).env_clear().current_dir(folder);
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn expected() -> Value {
    json!([{
        "registry": "dhi.io",
        "repository": "nginx",
        "tag": "1",
        "digest": Digest::of(b"new").to_string(),
        "first_seen": "2026-11-20T00:00:00Z",
        "reached": "canary",
        "waits_for": "`rest` waits for `canary`: the pipeline of `github:acme/canary` failed",
        "waves": [
            {
                "name": "canary", "merged": 1, "of": 1, "blocked": "failed", "green_until": null,
                "blocking_repository": "github:acme/canary",
            },
            {
                "name": "rest", "merged": 0, "of": 2, "blocked": "merged", "green_until": null,
                "blocking_repository": null,
            },
        ],
    }])
}

#[tokio::test]
async fn people_and_programs_see_where_a_digest_is_although_the_store_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let _store = kept(folder.path()).await;
    let (status, out, err) = refrom(folder.path(), &[]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let short = Digest::of(b"new").short();
    for part in [
        "IMAGE           DIGEST",
        &format!("dhi.io/nginx:1  {short}"),
        "canary   canary 1/1, rest 0/2  rest waits for canary: the pipeline of github:acme/canary failed\n",
        "\n1 digest on the way through the waves",
    ] {
        assert!(out.contains(part), "`{part}` is not in\n{out}");
    }
    let (_, out, _) = refrom(folder.path(), &["--format", "json", "--image", "dhi.io/*"]);
    let record: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&record["waves"], &record["digests"]), (&json!(["canary", "rest"]), &expected()));
    let (_, out, _) = refrom(folder.path(), &["--image", "redis"]);
    assert_eq!(out, "0 digests on the way through the waves\n");
    assert_eq!(refrom(folder.path(), &["--image", "["]).0, 2);
}

/// With every sighting, as a cycle knows it, or as the store tells it.
#[tokio::test]
async fn a_tag_that_moves_faster_than_pipelines_have_to_stay_green_is_told_as_the_planner_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("refrom.db"), now()).await.unwrap();
    let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() };
    let [a, b, c, d] = [b"a", b"b", b"c", b"d"].map(|text| Digest::of(text));
    let (canary, web) = (key("acme/canary"), key("acme/web"));
    let listings = Listings { whole: ["github".to_owned()].into(), problems: BTreeMap::new() };
    let ago = |hours| now() - SignedDuration::from_hours(hours);
    for (at, old, new) in [(ago(100), None, a), (ago(30), Some(a), b), (ago(10), Some(b), c), (ago(5), Some(c), d)] {
        store.record_sightings(&[(tag.clone(), new)], at).await.unwrap();
        let of = |key: &RepositoryKey, digest| (key.clone(), tag.clone(), Some(digest));
        let mut changes = AdoptionChanges { begun: vec![of(&canary, new)], ended: Vec::new() };
        changes.ended.extend(old.map(|old| of(&canary, old)));
        changes.begun.extend(old.is_none().then(|| of(&web, new)));
        store.record_adoptions(&changes, &listings, at).await.unwrap();
    }
    let green = BasePipeline::Green { since: ago(100), seen: ago(1) };
    store.put_base_pipelines(&[(canary, green)].into()).await.unwrap();
    let sought = Sought { tag: tag.clone(), digest: b, left: None };
    store.put_sought(&[(web, [sought].into())].into()).await.unwrap();
    let rollout = rollout();
    let books = store.wave_books(rollout.ended_since(now())).await.unwrap();
    let mut ledger = Ledger::default();
    ledger.insert(tag.clone(), store.history(&tag).await.unwrap());
    let by_planner = rollout.told(WaveBooks { ledger, ..books.clone() }, now());
    let of_b = by_planner.iter().find(|it| it.digest == b).unwrap();
    assert_eq!(of_b.reached(), 1, "the canary has it or a later one for thirty hours");
    assert_eq!(rollout.told(books, now()), by_planner);
}

#[tokio::test]
async fn the_service_tells_the_same_and_counts_it() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(kept(folder.path()).await);
    let rollout = rollout();
    let under_way = rollout.under_way(store.as_ref(), now()).await.unwrap();
    let metrics = Metrics::new();
    metrics.observe_waves(rollout.names(), under_way);
    let text = metrics.render(&refrom::net::Tally::default(), &Default::default(), now());
    for line in [
        "refrom_wave_digests{wave=\"canary\"} 1.0",
        "refrom_wave_digests{wave=\"rest\"} 0.0",
        "refrom_wave_blocked_digests{wave=\"canary\",cause=\"failed\"} 1.0",
        "refrom_wave_blocked_digests{wave=\"canary\",cause=\"merged\"} 0.0",
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
    }
    let state = StatusState { store, clock: Arc::new(Still(now())), rollout, notices: Vec::new() };
    let server = Server::start(routes().with_state(state)).await.unwrap();
    let client = net::client(&Network::default(), Redirects::Manual).unwrap();
    let get = async |path: &str| {
        let answer = client.get(format!("{}{path}", server.url())).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let record: Value = serde_json::from_str(&get("api/v1/waves").await).unwrap();
    assert_eq!(record["digests"], expected());
    assert!(get("").await.contains("id=\"waves\""));
}
