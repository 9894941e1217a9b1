//! `refrom check`: states, exit statuses, and what it asks.

use jiff::{SignedDuration, Timestamp};
use refrom::demo::registry::{Access, Fault, Form, ImageSpec};
use refrom::domain::denial::Denial;
use refrom::domain::reference::TagRef;
use refrom::store::{PresenceStore as _, SqliteDenials, SqliteStore, Store as _};
use serde_json::{Value, json};

use super::{GONE, PLATFORMS, Shop, pin};

/// `state` of every use, in order.
fn states(answer: &Value) -> Vec<Value> {
    answer["uses"].as_array().unwrap().iter().map(|found| found["state"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_has_the_uses_with_their_state_and_what_was_left_out() {
    let shop = Shop::open(&[("large/Dockerfile", &"#".repeat((1 << 20) + 1))]).await;
    let old = shop.publish("docker.io/library/nginx", "1.27", "old");
    let current = shop.publish("dhi.io/node", "22", "current");
    let new = shop.publish("docker.io/library/nginx", "1.27", "new");
    let dockerfile =
        pin("nginx:1.27", old) + &pin("dhi.io/node:22", current) + "FROM busybox\n" + &pin("dhi.io/go", GONE);
    shop.world.write("Dockerfile", (dockerfile + &pin("cgr.dev/nobody:1", GONE)).as_bytes());
    let answer = shop.refrom(&["check", "--format", "json"]).ended(3).json();
    assert_eq!(answer.as_object().unwrap().len(), 2);
    assert_eq!(states(&answer), [json!("behind"), json!("current"), Value::Null, Value::Null, json!("unknown")]);
    let uses = answer["uses"].as_array().unwrap();
    assert!(uses.iter().all(|found| found.as_object().unwrap().len() == 19), "16 keys of `list`, and 3");
    let told = |index: usize| json!([uses[index]["current"], uses[index]["error"]]);
    assert_eq!(told(0), json!([new.to_string(), null]));
    assert_eq!(told(1), json!([current.to_string(), null]));
    assert_eq!((told(2), told(3)), (json!([null, null]), json!([null, null])));
    assert_eq!((&uses[2]["status"], &uses[3]["reason"]), (&json!("unpinned"), &json!("no-tag")));
    assert_eq!(uses[4]["current"], Value::Null);
    assert!(uses[4]["error"] == "no such repository", "{}", uses[4]["error"]);
    assert_eq!(answer["left_out"], json!([{ "path": "large/Dockerfile", "reason": "too-large" }]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exit_status_says_current_behind_or_incomplete_and_three_beats_one() {
    let shop = Shop::open(&[]).await;
    let old = shop.publish("dhi.io/nginx", "1", "old");
    let new = shop.publish("dhi.io/nginx", "1", "new");
    let status = |dockerfile: String| {
        shop.world.write("Dockerfile", dockerfile.as_bytes());
        shop.refrom(&["check"]).status
    };
    let (behind, current, unknown) =
        (pin("dhi.io/nginx:1", old), pin("dhi.io/nginx:1", new), pin("dhi.io/other:1", GONE));
    assert_eq!(status(current.clone()), 0);
    assert_eq!(status(format!("{current}FROM busybox\nFROM $X\nFROM dhi.io/go@{GONE}\n")), 0);
    assert_eq!(status(format!("{current}{behind}")), 1);
    assert_eq!(status(unknown.clone()), 3);
    assert_eq!(status(format!("{behind}{unknown}")), 3);
    assert_eq!(status(format!("# refrom: ignore\n{behind}")), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_digest_that_cannot_be_looked_into_is_incomplete() {
    let shop = Shop::open(&[]).await;
    let old = shop.publish("dhi.io/nginx", "1", "old");
    shop.publish("dhi.io/nginx", "1", "new");
    shop.world.write("Dockerfile", pin("dhi.io/nginx:1", old).as_bytes());
    shop.registry.inject(Fault::status(&format!("GET /v2/dhi.io/nginx/manifests/{old}"), 403));
    let answer = shop.refrom(&["check", "--format", "json"]).ended(3).json();
    assert_eq!(answer["uses"][0]["state"], "behind");
    let error = answer["uses"][0]["error"].as_str().unwrap();
    assert!(error.contains("pinned digest could not be looked up"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_of_one_platform_is_a_finding() {
    let shop = Shop::open(&[]).await;
    let single = shop.registry.publish("dhi.io/nginx", "1", &ImageSpec::single("linux/amd64", "single"));
    let index = shop.publish("dhi.io/nginx", "1", "index");
    shop.world.write("Dockerfile", pin("dhi.io/nginx:1", single).as_bytes());
    let answer = shop.refrom(&["check", "--format", "json"]).ended(1).json();
    let found = &answer["uses"][0];
    assert_eq!(
        json!([found["findings"], found["current"], found["state"]]),
        json!([["single-platform"], index.to_string(), "behind"])
    );
    // Nothing turns it into the index.
    let bumped = shop.refrom(&["bump"]).ended(0);
    assert!(bumped.stderr.starts_with("Dockerfile:1: `dhi.io/nginx:1`: "), "{}", bumped.stderr);
    assert_eq!(shop.world.text("Dockerfile"), pin("dhi.io/nginx:1", single));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tag_and_each_scope_is_asked_about_once() {
    let shop = Shop::open(&[]).await;
    shop.configure(&format!(
        "  '{}': {{ auth: {{ username: acme, password: {{ file: password }} }} }}\n",
        shop.registry.host()
    ));
    std::fs::write(shop.world.folder.path().join("password"), "secret-password\n").unwrap();
    shop.registry.set_access(Access::bearer("acme", "secret-password"));
    let spec = |content| ImageSpec { form: Form::IndexWithAttestation, ..ImageSpec::index(&PLATFORMS, content) };
    let digest = shop.registry.publish("dhi.io/nginx", "1", &spec("a"));
    shop.registry.publish("dhi.io/nginx", "2", &spec("a"));
    shop.registry.publish("docker.io/library/node", "22", &spec("b"));
    for folder in ["a", "b", "c"] {
        let dockerfile = pin("dhi.io/nginx:1", digest)
            + &pin("dhi.io/nginx:2", digest)
            + &pin("node:22", GONE)
            + &pin("docker.io/library/node:22", GONE);
        shop.world.write(&format!("{folder}/Dockerfile"), dockerfile.as_bytes());
    }
    let answer = shop.refrom(&["check", "a", "b", "c"]).ended(1);
    assert!(!format!("{answer:?}").contains("secret-password"));
    let questions = shop.questions();
    let heads: Vec<_> = questions.iter().filter(|(question, _)| question.starts_with("HEAD")).collect();
    assert_eq!(heads.len(), 3, "{questions:#?}");
    let tokens: Vec<_> = questions.iter().filter(|(question, _)| question.contains("/token")).collect();
    assert_eq!(tokens.len(), 2, "{questions:#?}");
    // A challenge is answered by asking again; nothing besides is asked twice.
    let tags: Vec<usize> = heads.iter().map(|(_, count)| **count).collect();
    assert!(tags.iter().all(|count| *count <= 2) && tags.iter().sum::<usize>() <= 5, "{questions:#?}");
    assert!(tokens.iter().all(|(_, count)| **count == 1), "{questions:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_needs_no_secret_of_the_fleet() {
    let shop = Shop::open(&[]).await;
    shop.configure("forges: [{ auth: { token: { env: UNSET } }, repositories: { include: ['acme/*'] } }]\ncommit: { signing_key: { file: none } }\n");
    let digest = shop.publish("dhi.io/nginx", "1", "a");
    shop.world.write("Dockerfile", pin("dhi.io/nginx:1", digest).as_bytes());
    shop.refrom(&["check"]).ended(0);
    shop.configure("  a.io: { auth: { token: { env: UNSET } } }\n");
    let answer = shop.refrom(&["check"]).ended(2);
    assert!(answer.stderr.contains("`registries.a.io.auth.token.env`: the environment variable `UNSET` is not set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_what_is_behind_and_why_something_is_unknown() {
    let shop = Shop::open(&[]).await;
    let old = shop.publish("dhi.io/nginx", "1", "old");
    shop.publish("dhi.io/nginx", "1", "new");
    shop.world.write(
        "web/Dockerfile",
        (pin("dhi.io/nginx:1", old) + "FROM busybox\n" + &pin("dhi.io/node:22", GONE)).as_bytes(),
    );
    let answer = shop.refrom(&["check"]).ended(3);
    insta::assert_snapshot!(answer.stdout.replace(&shop.registry.host(), "REGISTRY"), @"
    STATE     FILE              IMAGE           PINNED        CURRENT       WHY
    behind    web/Dockerfile:1  dhi.io/nginx:1  1f025670fc39  a40c4f5f6c2c
    unpinned  web/Dockerfile:2  busybox
    unknown   web/Dockerfile:3  dhi.io/node:22  aaaaaaaaaaaa                no such repository

    1 behind, 0 current, 1 unknown, 1 not followed
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_service_has_seen_decides_and_without_it_everything_is_new() {
    let shop = Shop::open(&[]).await;
    let [old, aged, new] = ["old", "aged", "new"].map(|content| shop.publish("dhi.io/nginx", "1", content));
    shop.world.write("a/Dockerfile", pin("dhi.io/nginx:1", old).as_bytes());
    let state = shop.world.folder.path().join("state");
    shop.configure(&format!("state_dir: '{}'\npolicy: {{ min_age: 24h }}\n", state.display()));
    let check = || shop.refrom(&["check", "--format", "json", "a"]).ended(1).json();
    let error = check()["uses"][0]["error"].as_str().unwrap().to_owned();
    assert!(error.contains("`min_age`") && error.contains(&new.short()), "{error}");
    assert!(!state.exists(), "it is only read");
    // A service that runs saw two of the three, long ago.
    let at = |hours: i64| Timestamp::from_second(hours * 3600).unwrap();
    let store = SqliteStore::open(&state.join("refrom.db"), at(0)).await.unwrap();
    let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() };
    for (hours, digest) in [(1, old), (2, aged)] {
        store.record_sightings(&[(tag.clone(), digest)], at(hours)).await.unwrap();
    }
    let checked = check();
    assert_eq!(checked["uses"][0]["error"], Value::Null);
    assert_eq!(checked["uses"][0]["current"], new.to_string());
    shop.refrom(&["bump", "a"]).ended(0);
    assert_eq!(shop.world.text("a/Dockerfile"), pin("dhi.io/nginx:1", aged));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_look_of_now_is_one_of_the_two_that_settle_a_digest() {
    let shop = Shop::open(&[]).await;
    let [old, new] = ["old", "new"].map(|content| shop.publish("dhi.io/nginx", "1", content));
    shop.world.write("a/Dockerfile", pin("dhi.io/nginx:1", old).as_bytes());
    let state = shop.world.folder.path().join("state");
    let policy = |settle: &str| format!("state_dir: '{}'\npolicy: {{ settle: {settle} }}\n", state.display());
    let hour_ago = Timestamp::now() - SignedDuration::from_hours(1);
    let store = SqliteStore::open(&state.join("refrom.db"), hour_ago).await.unwrap();
    let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() };
    store.record_sightings(&[(tag, new)], hour_ago).await.unwrap();
    store.close().await;
    let error = || shop.refrom(&["check", "--format", "json", "a"]).ended(1).json()["uses"][0]["error"].clone();
    shop.configure(&policy("2h"));
    assert!(error().as_str().unwrap().contains("`settle`"), "{}", error());
    shop.configure(&policy("30m"));
    assert_eq!(error(), Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_took_back_is_proposed_to_nobody() {
    let shop = Shop::open(&[]).await;
    let [old, new] = ["old", "new"].map(|content| shop.publish("dhi.io/nginx", "1", content));
    shop.world.write("a/Dockerfile", pin("dhi.io/nginx:1", old).as_bytes());
    let state = shop.world.folder.path().join("state");
    shop.configure(&format!("state_dir: '{}'\n", state.display()));
    let now = Timestamp::from_second(0).unwrap();
    SqliteStore::open(&state.join("refrom.db"), now).await.unwrap().close().await;
    let denials = SqliteDenials::open(&state.join("refrom.db")).await.unwrap();
    let (image, reason) = ("dhi.io/nginx".parse().unwrap(), "it crashes".to_owned());
    let denial = Denial { image, tag: None, digest: new, to: None, reason, at: now };
    denials.deny(&denial).await.unwrap();
    let checked = shop.refrom(&["check", "--format", "json", "a"]).ended(1).json();
    let error = checked["uses"][0]["error"].as_str().unwrap();
    assert!(error.contains(&format!("{} is denied: it crashes", new.short())), "{error}");
    shop.refrom(&["bump", "a"]).ended(0);
    assert_eq!(shop.world.text("a/Dockerfile"), pin("dhi.io/nginx:1", old));
    denials.allow(&"dhi.io/nginx".parse().unwrap(), &new, now).await.unwrap();
    denials.close().await;
    shop.refrom(&["bump", "a"]).ended(0);
    assert_eq!(shop.world.text("a/Dockerfile"), pin("dhi.io/nginx:1", new));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_digest_that_is_lost_is_a_finding_beside_the_reason() {
    let shop = Shop::open(&[]).await;
    let [lost, head] = ["lost", "head"].map(|content| shop.publish("dhi.io/nginx", "1", content));
    shop.world.write("a/Dockerfile", pin("dhi.io/nginx:1", lost).as_bytes());
    let state = shop.world.folder.path().join("state");
    shop.configure(&format!("state_dir: '{}'\n", state.display()));
    let at = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
    let store = SqliteStore::open(&state.join("refrom.db"), at(0)).await.unwrap();
    let tag = TagRef { image: "dhi.io/nginx".parse().unwrap(), tag: "1".parse().unwrap() };
    // The tag went back from it.
    for (minutes, digest) in [(1, head), (2, lost)] {
        store.record_sightings(&[(tag.clone(), digest)], at(minutes)).await.unwrap();
    }
    let check = || shop.refrom(&["check", "--format", "json", "a"]).ended(1).json()["uses"][0].clone();
    for (minutes, findings) in [(10, json!([])), (20, json!(["digest-gone"]))] {
        store.record_missing(&[(tag.image.clone(), lost)], at(minutes)).await.unwrap();
        let checked = check();
        assert_eq!((&checked["findings"], &checked["state"]), (&findings, &json!("behind")));
        assert!(checked["error"].as_str().unwrap().contains("an older digest than the pinned one"), "{checked}");
    }
    let table = shop.refrom(&["check", "a"]).ended(1).stdout;
    let words = format!("the pinned digest {} is gone from its registry since 1970-01-01: ", lost.short());
    assert!(table.contains(&words), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_digest_that_its_mirror_lost_is_a_finding() {
    let shop = Shop::open(&[]).await;
    let head = shop.publish("dhi.io/nginx", "1", "head");
    shop.world.write("a/Dockerfile", pin("harbor.acme.internal/dhi/nginx:1", head).as_bytes());
    let state = shop.world.folder.path().join("state");
    shop.configure(&format!(
        "  harbor.acme.internal: {{ mirrors: {{ 'dhi/': 'dhi.io/' }} }}\nstate_dir: '{}'\n",
        state.display()
    ));
    let at = |minutes: i64| Timestamp::from_second(minutes * 60).unwrap();
    let store = SqliteStore::open(&state.join("refrom.db"), at(0)).await.unwrap();
    let place = ("harbor.acme.internal/dhi/nginx".parse().unwrap(), head);
    for (minutes, findings) in [(10, json!([])), (20, json!(["digest-gone"]))] {
        store.record_missing(std::slice::from_ref(&place), at(minutes)).await.unwrap();
        let checked = shop.refrom(&["check", "--format", "json", "a"]).ended(0).json()["uses"][0].clone();
        assert_eq!((&checked["findings"], &checked["state"]), (&findings, &json!("current")));
    }
}
