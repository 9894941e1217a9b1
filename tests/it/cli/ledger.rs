//! `refrom ledger`: the real program.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::LazyLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use refrom::domain::digest::Digest;
use refrom::domain::image::{Image, ManifestKind, Platform};
use refrom::domain::reference::TagRef;
use refrom::store::{SqliteStore, Store as _};

use super::{Answer, World, answer};

/// Thirty days ago at eight: the program's own clock decides what is forgotten, and what is in the future.
static START: LazyLock<Timestamp> = LazyLock::new(|| {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    today.saturating_sub(30.days()).at(8, 0, 0, 0).to_zoned(TimeZone::UTC).unwrap().timestamp()
});

fn at(days: i64) -> Timestamp {
    *START + SignedDuration::from_hours(days * 24)
}

fn tag(image: &str, tag: &str) -> TagRef {
    TagRef { image: image.parse().unwrap(), tag: tag.parse().unwrap() }
}

fn line(reference: &str, content: &str, first_seen: &str) -> String {
    let digest = Digest::of(content.as_bytes());
    format!("{{\"first_seen\": \"{first_seen}\", \"reference\": \"{reference}\", \"digest\": \"{digest}\"}}\n")
}

/// Three digests of two images; what one of them holds is known.
async fn store(world: &World) -> SqliteStore {
    let store = SqliteStore::open(&world.path("state/refrom.db"), at(0)).await.unwrap();
    let digests = [b"a", b"b", b"c"].map(|content| Digest::of(content));
    let nginx = tag("nginx", "1");
    for (day, digest) in (0..).zip(digests) {
        let looks = [(nginx.clone(), digest), (tag("dhi.io/node", "22"), digests[0])];
        store.record_sightings(&looks, at(day)).await.unwrap();
    }
    let platform = Platform { os: "linux".into(), architecture: "arm".into(), variant: Some("v7".into()) };
    let image = Image { manifests: [(platform, digests[1])].into(), ..Image::bare(digests[0], ManifestKind::Index) };
    store.put_image(&nginx.image, &image).await.unwrap();
    store
}

/// Imports what stands on stdin.
fn import(world: &World, lines: &str) -> Answer {
    let mut command = world.command(env!("CARGO_BIN_EXE_refrom"), &["ledger", "import", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that ended early reads no more.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    answer(child.wait_with_output().unwrap())
}

#[tokio::test]
async fn a_ledger_moves_from_a_store_that_is_held_into_a_new_one() {
    let (one, other) = (World::new(&[]), World::new(&[]));
    let _held = store(&one).await;
    let exported = one.refrom(&["ledger", "export"]).ended(0).stdout;
    let references: Vec<_> = exported.lines().map(|line| line.split('"').nth(3).unwrap()).collect();
    assert_eq!(
        references,
        ["dhi.io/node:22", "docker.io/library/nginx:1", "docker.io/library/nginx:1", "docker.io/library/nginx:1"]
    );
    assert_eq!(import(&other, &exported).ended(0).stdout, "4 lines: 4 new, 0 merged, 0 unchanged\n");
    assert_eq!(other.refrom(&["ledger", "export"]).ended(0).stdout, exported);
    other.write("ledger.jsonl", exported.as_bytes());
    let again = other.refrom(&["ledger", "import", "ledger.jsonl"]).ended(0);
    assert_eq!(again.stdout, "4 lines: 0 new, 0 merged, 4 unchanged\n");
    let refused = import(&one, &exported).ended(3);
    assert!(refused.stderr.contains("refrom.db` is in use by process "), "{}", refused.stderr);
}

#[tokio::test]
async fn a_part_of_it_is_chosen_by_image_and_time() {
    let world = World::new(&[]);
    store(&world).await.close().await;
    let count =
        |arguments: &[&str]| world.refrom(&[&["ledger", "export"], arguments].concat()).ended(0).stdout.lines().count();
    assert_eq!(count(&["--image", "nginx"]), 3);
    assert_eq!(count(&["--image", "docker.io/**"]), 3);
    assert_eq!(count(&["--image", "dhi.io/*"]), 1);
    assert_eq!(count(&["--since", &at(1).strftime("%Y-%m-%d").to_string()]), 3);
    let after = at(1) + SignedDuration::from_micros(1);
    assert_eq!(count(&["--since", &after.to_string(), "--image", "nginx"]), 1);
    for wrong in [["--since", "yesterday"], ["--image", "/(/"]] {
        world.refrom(&[&["ledger", "export"], &wrong[..]].concat()).ended(2);
    }
}

#[test]
fn a_mirrors_names_are_those_of_its_upstream() {
    let mirrors = "registries: { harbor.example.com: { mirrors: { \"dhi/\": \"dhi.io/\" } } }\n";
    let world = World::new(&[("refrom.yaml", mirrors)]);
    let lines = line("harbor.example.com/dhi/nginx:1", "b", "2026-08-02T00:00:00Z")
        + &line("dhi.io/nginx:1", "a", "2026-08-01T00:00:00Z")
        + &line("ghcr.io/acme/nginx:1", "a", "2026-08-01T00:00:00Z");
    world.write("ledger.jsonl", lines.as_bytes());
    let refrom = |arguments: &[&str]| {
        world.refrom(&[&["ledger"], arguments, &["--config", "refrom.yaml"]].concat()).ended(0).stdout
    };
    assert_eq!(refrom(&["import", "ledger.jsonl"]), "3 lines: 3 new, 0 merged, 0 unchanged\n");
    let exported = |image: &str| refrom(&["export", "--image", image]);
    for image in ["harbor.example.com/dhi/*", "harbor.example.com/dhi/nginx", "dhi.io/nginx"] {
        let exported = exported(image);
        assert_eq!(exported.matches("\"reference\":\"dhi.io/nginx:1\"").count(), 2, "{image}: {exported}");
        assert_eq!(exported.lines().count(), 2, "{image}: {exported}");
    }
    assert_eq!(exported("harbor.example.com/other/*"), "");
}

#[test]
fn three_keys_of_a_line_are_enough_and_empty_lines_none() {
    let world = World::new(&[]);
    let lines = line("dhi.io/nginx:1", "b", "2026-08-02T00:00:00Z")
        + "\r\n"
        + &line("dhi.io/nginx:1", "a", "2026-08-01T00:00:00Z");
    assert_eq!(import(&world, &lines).ended(0).stdout, "2 lines: 2 new, 0 merged, 0 unchanged\n");
    let exported = world.refrom(&["ledger", "export"]).ended(0).stdout;
    let seen =
        [("2026-08-01T00:00:00Z", "2026-08-01T23:59:59.999999Z"), ("2026-08-02T00:00:00Z", "2026-08-02T00:00:00Z")];
    for (line, (first, last)) in exported.lines().zip(seen) {
        assert!(line.contains(&format!("\"first_seen\":\"{first}\",\"last_seen\":\"{last}\"")), "{line}");
    }
}

#[test]
fn one_wrong_line_and_nothing_is_imported() {
    let world = World::new(&[]);
    let good = line("dhi.io/nginx:1", "a", "2026-08-01T00:00:00Z");
    let long = format!("{{\"reference\": \"{}\"}}\n", "a".repeat(1 << 20));
    for (wrong, message) in [
        ("{\n".to_owned(), "refrom: stdin:2:1: EOF while parsing an object"),
        (
            line("dhi.io/nginx", "a", "2026-08-01T00:00:00Z"),
            "refrom: stdin:2:66: `dhi.io/nginx`: expected an image with its tag",
        ),
        (line("dhi.io/nginx:1", "a", "2226-08-01T00:00:00Z"), "refrom: stdin:2:2: `first_seen` is in the future"),
        (good.replace('}', ", \"seen\": 1}"), "refrom: stdin:2:161: unknown field `seen`"),
        (long, "refrom: stdin:2: longer than 1048576 bytes"),
    ] {
        let answer = import(&world, &(good.clone() + &wrong)).ended(2);
        assert!(answer.stderr.starts_with(message), "{}", answer.stderr);
        assert_eq!(world.refrom(&["ledger", "export"]).ended(0).stdout, "");
    }
    let nowhere = world.refrom(&["ledger", "import", "nowhere.jsonl"]).ended(2);
    assert!(nowhere.stderr.starts_with("refrom: nowhere.jsonl: No such file"), "{}", nowhere.stderr);
}

#[tokio::test]
async fn what_is_exported_is_replayed_with_what_digests_hold() {
    let world = World::new(&[("refrom.yaml", ""), ("quiet.yaml", "policy: { unchanged: platforms }\n")]);
    let _store = store(&world).await;
    let exported = world.refrom(&["ledger", "export"]).ended(0).stdout;
    world.write("ledger.jsonl", exported.as_bytes());
    let arguments =
        ["simulate", "--config", "quiet.yaml", "--history", "ledger.jsonl", "--count", "2", "--format", "json"];
    let record = world.refrom(&arguments).ended(0).json();
    let note = record[0]["notes"][0].as_str().unwrap();
    assert!(note.starts_with("`unchanged`: the history does not say what 3 of 4 digests hold"), "{note}");
}
