//! `refrom history`: the real program, while another process holds the store.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind, Platform};
use refrom::domain::reference::TagRef;
use refrom::domain::status::{PinState, PinStatus, RepositoryStatus};
use refrom::store::{SqliteDenials, SqliteStore, Store as _};
use serde_json::{Value, json};

use super::World;
use crate::page::{pin, repository};

const CONFIG: &str = "
registries: { harbor.example.com: { mirrors: { 'dhi/': 'dhi.io/' } } }
policy: { denied: [{ digest: 'DENIED', reason: breaks TLS }] }
";

fn at(hours: i64) -> Timestamp {
    "2026-11-18T08:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours)
}

fn digests() -> [Digest; 4] {
    [b"a", b"b", b"c", b"d"].map(|content| Digest::of(content))
}

fn world() -> World {
    World::new(&[("refrom.yaml", &CONFIG.replace("DENIED", &digests()[1].to_string()))])
}

/// Pins of one repository.
fn status(name: &str, pins: &[(&str, Digest)]) -> RepositoryStatus {
    let pin = |(tag, digest): &(&str, Digest)| PinStatus {
        digest: Some(*digest),
        ..pin(("Dockerfile", 1), tag, None, PinState::Current { waits: None })
    };
    repository("github", name, pins.iter().map(pin).collect())
}

/// A tag that went a, b, a, c.
async fn store(world: &World) -> SqliteStore {
    let [a, b, c, d] = digests();
    let store = SqliteStore::open(&world.path("state/refrom.db"), at(0)).await.unwrap();
    let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1.27".parse().unwrap() };
    for (hours, digest) in [(0, a), (2, b), (3, a), (48, c), (53, c)] {
        store.record_sightings(&[(tag.clone(), digest)], at(hours)).await.unwrap();
    }
    let platform =
        |architecture: &str| Platform { os: "linux".into(), architecture: architecture.into(), variant: None };
    let image = Image {
        manifests: BTreeMap::from([(platform("amd64"), d), (platform("arm64"), a)]),
        version: Some("1.27.3".into()),
        created: Some(at(40)),
        size_bytes: Some(11_849_999),
        end_of_life: Some("2027-04-30".parse().unwrap()),
        media_type: Some("application/vnd.oci.image.index.v1+json".into()),
        ..Image::bare(c, ManifestKind::Index)
    };
    store.put_image(&tag.image, &image).await.unwrap();
    let denials = SqliteDenials::open(&world.path("state/refrom.db")).await.unwrap();
    let deny = |digest, tag: &str| Denial {
        image: "dhi.io/nginx".parse().unwrap(),
        tag: Some(tag.parse().unwrap()),
        digest,
        to: None,
        reason: "starts as root".into(),
        at: at(50),
    };
    for denial in [deny(a, "1.27"), deny(c, "1.26")] {
        denials.deny(&denial).await.unwrap();
    }
    let fleet = [
        status("acme/api", &[("dhi.io/nginx:1.27", a), ("harbor.example.com/dhi/nginx:1.27", a)]),
        status("acme/web", &[("harbor.example.com/dhi/nginx:1.27", a), ("dhi.io/nginx:1.27", d)]),
        status("acme/other", &[("dhi.io/nginx:1.26", c)]),
    ];
    store.put_status(&fleet, None).await.unwrap();
    store
}

#[tokio::test]
async fn a_tag_is_shown_digest_by_digest_although_the_store_is_held() {
    let world = world();
    let _store = store(&world).await;
    let [a, b, c, d] = digests();
    let answer = world.refrom(&["history", "dhi.io/nginx:1.27", "--config", "refrom.yaml"]).ended(0);
    let [short_a, short_b, short_c] = [a, b, c].map(|digest| digest.short());
    assert_eq!(
        answer.stdout,
        format!(
            "\
DIGEST        FIRST SEEN         LAST SEEN          HEAD FOR  REMARK
{short_c}  2026-11-20 08:00Z  2026-11-20 13:00Z  5 hours   head
{short_b}  2026-11-18 10:00Z  2026-11-18 10:00Z  one look  withdrawn, denied: breaks TLS
{short_a}  2026-11-18 08:00Z  2026-11-18 11:00Z  3 hours   pinned by 2 repositories, denied: starts as root
{d} was never seen here, and is pinned by 1 repository

{c}
  1.27.3, built 2026-11-20 00:00Z, 11.8 MB, end of life 2027-04-30
  application/vnd.oci.image.index.v1+json
  linux/amd64 linux/arm64

{b}

{a}
"
        )
    );
    assert_eq!(answer.stderr, "");
}

#[tokio::test]
async fn what_is_denied_in_some_repositories_says_where() {
    let [a, b, c, _] = digests();
    let deny = |digest: Digest, reason: &str| format!("denied: [{{ digest: '{digest}', reason: {reason} }}]");
    let config = format!(
        "policy: {{ {} }}\nrepositories:\n  - {{ match: 'acme/*', policy: {{ {} }} }}\n  - {{ match: acme/web, policy: {{ {} }} }}\n",
        deny(b, "breaks TLS"),
        deny(b, "breaks it here"),
        deny(c, "slow"),
    );
    let world = World::new(&[("refrom.yaml", &config)]);
    let _store = store(&world).await;
    let arguments = ["history", "dhi.io/nginx:1.27", "--config", "refrom.yaml", "--format", "json"];
    let found = world.refrom(&arguments).ended(0).json();
    let denied = |digest: Digest| {
        let seen = found["digests"].as_array().unwrap().iter().find(|seen| seen["digest"] == digest.to_string());
        seen.unwrap()["denied"].clone()
    };
    assert_eq!(
        (denied(a), denied(b), denied(c)),
        (json!("starts as root"), json!("breaks TLS"), json!("slow (in `acme/web`)"))
    );
}

#[tokio::test]
async fn its_json_says_everything_and_a_mirrors_name_is_its_upstreams() {
    let world = world();
    let _store = store(&world).await;
    let [a, b, c, d] = digests().map(|digest| digest.to_string());
    let arguments = ["history", "harbor.example.com/dhi/nginx:1.27", "--config", "refrom.yaml", "--format", "json"];
    let found = world.refrom(&arguments).ended(0).json();
    assert_eq!(found["reference"], "harbor.example.com/dhi/nginx:1.27");
    assert_eq!(found["asked"], "dhi.io/nginx:1.27");
    assert_eq!(found["pinned_and_never_seen"], json!([{ "digest": d, "pinned_by": ["github:acme/web"] }]));
    let seen = |digest: &str| {
        found["digests"].as_array().unwrap().iter().find(|seen| seen["digest"] == digest).unwrap().clone()
    };
    assert_eq!(
        seen(&c),
        json!({
            "digest": c, "first_seen": "2026-11-20T08:00:00Z", "last_seen": "2026-11-20T13:00:00Z",
            "head_seconds": 18_000, "head": true, "withdrawn": false, "denied": null, "pinned_by": [],
            "image": {
                "kind": "index", "media_type": "application/vnd.oci.image.index.v1+json", "version": "1.27.3",
                "created": "2026-11-20T00:00:00Z", "size_bytes": 11_849_999, "end_of_life": "2027-04-30",
                "manifests": [
                    { "os": "linux", "architecture": "amd64", "variant": null, "digest": d, "config": null, "layers": null },
                    { "os": "linux", "architecture": "arm64", "variant": null, "digest": a, "config": null, "layers": null },
                ],
                "configuration": null,
            },
        })
    );
    assert_eq!(seen(&a)["pinned_by"], json!(["github:acme/api", "github:acme/web"]));
    assert_eq!((&seen(&b)["withdrawn"], &seen(&b)["denied"]), (&json!(true), &json!("breaks TLS")));
    let page = include_str!("../../../docs/json.md");
    let mut values = vec![found];
    while let Some(value) = values.pop() {
        match value {
            Value::Object(pairs) => {
                for (key, value) in pairs {
                    assert!(page.contains(&format!("`{key}`")), "docs/json.md does not explain `{key}`");
                    values.push(value);
                }
            }
            Value::Array(all) => values.extend(all),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_tag_that_was_never_seen_is_said_and_a_wrong_name_is_wrong_usage() {
    let world = world();
    let missing = world.refrom(&["history", "dhi.io/nginx:1.27"]).ended(3);
    assert!(missing.stderr.contains("refrom.db` is not there yet"), "{}", missing.stderr);
    store(&world).await.close().await;
    let never = world.refrom(&["history", "nginx:1"]).ended(3);
    assert_eq!(never.stdout, "");
    assert!(never.stderr.contains("`docker.io/library/nginx:1` was never seen"), "{}", never.stderr);
    let store = SqliteStore::open(&world.path("state/refrom.db"), at(60)).await.unwrap();
    store.put_status(&[status("acme/web", &[("dhi.io/redis:7", digests()[0])])], None).await.unwrap();
    let pinned = world.refrom(&["history", "dhi.io/redis:7"]).ended(3);
    assert_eq!(pinned.stdout, format!("{} was never seen here, and is pinned by 1 repository\n", digests()[0]));
    assert!(
        pinned.stderr.contains("`dhi.io/redis:7` was never seen: its registry did not answer yet"),
        "{}",
        pinned.stderr
    );
    for (reference, message) in [
        ("dhi.io/nginx".to_owned(), "expected an image with its tag, as in `dhi.io/nginx:1.27`"),
        (format!("dhi.io/nginx:1.27@{}", digests()[0]), "expected no digest after the tag"),
        ("dhi.io/NGINX:1".to_owned(), "not an image reference"),
    ] {
        let wrong = world.refrom(&["history", &reference]).ended(2);
        assert!(wrong.stderr.contains(message), "{}", wrong.stderr);
    }
}
