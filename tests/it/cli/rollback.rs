//! `refrom rollback` and `refrom allow` where nobody else uses the store: the program itself on a small organization.

use refrom::demo::fleet::{Fleet, NGINX};
use refrom::demo::forge::{Fault, FaultKind};
use refrom::demo::git_repository::Content;
use refrom::domain::digest::Digest;
use refrom::domain::pull_request::{BranchName, RepoName};
use serde_json::{Value, json};

use super::run::Office;
use super::{Answer, answer};

const IMAGE: &str = "dhi.io/nginx";
const TAGGED: &str = "dhi.io/nginx:1.27-alpine";

/// Runs a command with the secrets.
fn refrom(office: &Office, arguments: &[&str]) -> Answer {
    let arguments = [arguments, &["--config", "refrom.yaml"]].concat();
    let mut command = office.world.command(env!("CARGO_BIN_EXE_refrom"), &arguments);
    for name in ["REFROM_DEMO_FORGE_TOKEN", "REFROM_DEMO_REGISTRY_PASSWORD"] {
        command.env(name, Fleet::environment(name).unwrap());
    }
    answer(command.output().unwrap())
}

/// `acme/web` has merged the second build.
async fn merged() -> (Office, Digest) {
    let office = Office::open().await;
    office.run(&[]).ended(0);
    let web: RepoName = "acme/web".parse().unwrap();
    office.fleet.forge.merge(&web, 1).unwrap();
    office.run(&[]).ended(0);
    let second = office.fleet.release(NGINX, "2", "2026-11-02");
    (office, second)
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_denies_runs_the_cycle_and_shows_who_is_on_the_digest() {
    let (office, second) = merged().await;
    let (from, first) = (second.to_string(), office.fleet.release(NGINX, "1", "2026-10-01").to_string());
    office.fleet.release(NGINX, "2", "2026-11-02");
    let rollback = ["rollback", TAGGED, "--from", &from, "--to", &first, "--reason", "it  crashes\non arm64"];
    let planned = refrom(&office, &[&rollback[..], &["--dry-run"]].concat()).ended(0).stdout;
    assert!(
        planned.contains(&format!("would deny {} of {TAGGED}: it crashes on arm64\n", second.short())),
        "{planned}"
    );
    assert!(planned.contains("acme/web: would open refrom/base-images\n"), "{planned}");
    let list = refrom(&office, &["rollback", "--list"]).ended(0).stdout;
    assert_eq!(list, "nothing was ever taken back\n");

    let done = refrom(&office, &[&rollback[..], &["--format", "json"]].concat()).ended(0).json();
    assert_eq!(keys(&done), ["denial", "fleet_read_at", "held_by", "notes", "pins", "recorded", "run"]);
    assert!(done["fleet_read_at"].is_string());
    assert_eq!(keys(&done["denial"]), ["at", "digest", "reason", "registry", "repository", "tag", "to"]);
    let denial = &done["denial"];
    assert_eq!(
        json!([
            denial["repository"],
            denial["tag"],
            denial["digest"],
            denial["reason"],
            done["recorded"],
            done["held_by"]
        ]),
        json!(["nginx", "1.27-alpine", from, "it crashes on arm64", "now", null])
    );
    let pin = &done["pins"][0];
    let expected =
        ["forge", "line", "name", "path", "pull_request", "reason", "registry", "repository", "tag", "to", "to_tag"];
    assert_eq!(keys(pin), expected);
    assert_eq!(
        json!([pin["name"], pin["path"], pin["line"], pin["to"], pin["pull_request"]["number"], pin["reason"]]),
        json!(["acme/web", "Dockerfile", 8, first, 2, null])
    );
    assert_eq!(done["run"]["repositories"][0]["actions"][0]["action"], "open");

    let again = refrom(&office, &rollback).ended(0).stdout;
    assert!(again.contains(&format!("denied already: {} of {TAGGED}", second.short())), "{again}");
    assert!(again.contains("acme/web: #2 is up to date"), "{again}");
    let list = refrom(&office, &["rollback", "--list", "--format", "json"]).ended(0).json();
    let listed = &list["denials"];
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(json!([listed[0]["repositories"], listed[0]["pins"], listed[0]["allowed"]]), json!([1, 1, null]));
    let page = include_str!("../../../docs/json.md");
    for key in [keys(&done), keys(denial), keys(pin), keys(&listed[0])].concat() {
        assert!(page.contains(&format!("`{key}`")), "the page does not explain `{key}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_follows_is_listed_and_makes_it_incomplete() {
    let (office, second) = merged().await;
    let web: RepoName = "acme/web".parse().unwrap();
    let files = [
        ("a/Dockerfile", format!("FROM dhi.io/nginx@{second}\n")),
        ("b/Dockerfile", format!("# refrom: ignore\nFROM dhi.io/nginx:1.27-alpine@{second}\n")),
        ("c/Dockerfile", format!("FROM dhi.io/nginx:1.28@{second}\n")),
    ];
    let changes: Vec<(&str, Content<'_>)> =
        files.iter().map(|(path, text)| (*path, Content::File(text.as_bytes()))).collect();
    let main: BranchName = "main".parse().unwrap();
    office.fleet.bare(&web).unwrap().commit(&main, &changes, "More images").unwrap();
    // The tag of the third one is not there, which makes this run incomplete, too.
    office.run(&[]);
    let rollback = ["rollback", TAGGED, "--from", &second.to_string(), "--reason", "slow", "--format", "json"];
    let done = refrom(&office, &rollback).ended(3).json();
    let pins: Vec<_> = done["pins"].as_array().unwrap().iter().map(|pin| json!([pin["path"], pin["tag"]])).collect();
    let expected = [json!(["Dockerfile", "1.27-alpine"]), json!(["a/Dockerfile", null])];
    assert_eq!(pins, [&expected[..], &[json!(["b/Dockerfile", "1.27-alpine"])]].concat(), "{done}");
    let reasons = [1, 2].map(|pin| done["pins"][pin]["reason"].as_str().unwrap().to_owned());
    assert_eq!(reasons, ["skipped: no-tag", "skipped: ignored"]);
    let list = refrom(&office, &["rollback", "--list"]).ended(0).stdout;
    assert!(list.contains("3 pins, 1 repository"), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn allowing_is_said_once_more_and_a_digest_that_was_never_denied_is_no_success() {
    let (office, second) = merged().await;
    let from = second.to_string();
    let never = refrom(&office, &["allow", IMAGE, &from]).ended(3);
    assert_eq!(never.stderr, format!("refrom: {} of dhi.io/nginx was never denied\n", second.short()));
    refrom(&office, &["rollback", IMAGE, "--from", &from, "--reason", "slow"]).ended(0);
    let of_tag = refrom(&office, &["allow", TAGGED, &from]).ended(3);
    assert!(of_tag.stderr.contains("is denied for all tags of `dhi.io/nginx`: allow it without a tag"), "{of_tag:?}");
    let now = refrom(&office, &["allow", IMAGE, &from]).ended(0).stdout;
    assert!(now.contains("may be proposed again"), "{now}");
    let before = refrom(&office, &["allow", IMAGE, &from]).ended(0).stdout;
    assert!(before.contains("was allowed again at "), "{before}");
    let list = refrom(&office, &["rollback", "--list", "--format", "json"]).ended(0).json();
    assert!(list["denials"][0]["allowed"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sense_is_refused_before_anything_is_denied() {
    let (office, second) = merged().await;
    let (from, gone) = (second.to_string(), Digest::of(b"gone").to_string());
    let with = |more: &[&str]| refrom(&office, &[&["rollback", IMAGE, "--from", &from], more].concat());
    for (arguments, words) in [
        (&["--reason", " "][..], "`--reason` takes 1 to 500 characters"),
        (&["--reason", "slow", "--to", &from], "`--to` is the digest that is taken back"),
        (&[], "--reason"),
        (&["--reason", "slow", "--list"], "cannot be used with"),
    ] {
        let answer = with(arguments).ended(2);
        assert!(answer.stderr.contains(words), "{answer:?}");
    }
    refrom(&office, &["rollback"]).ended(2);
    let answer = with(&["--reason", "slow", "--to", &gone]).ended(3);
    assert!(answer.stderr.contains("`--to` is not at `dhi.io/nginx`: nothing was denied"), "{answer:?}");
    assert_eq!(refrom(&office, &["rollback", "--list"]).ended(0).stdout, "nothing was ever taken back\n");
    with(&["--reason", "slow"]).ended(0);
    let other = Digest::of(b"other").to_string();
    let answer = refrom(&office, &["rollback", IMAGE, "--from", &other, "--to", &from, "--reason", "x"]).ended(2);
    assert!(answer.stderr.contains("`--to` is denied itself: slow"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emergency_waits_for_no_secret() {
    let (office, second) = merged().await;
    let arguments = ["rollback", IMAGE, "--from", &second.to_string(), "--reason", "slow", "--config", "refrom.yaml"];
    let without = |more: &[&str]| {
        let arguments = [&arguments[..], more].concat();
        answer(office.world.command(env!("CARGO_BIN_EXE_refrom"), &arguments).output().unwrap())
    };
    let planned = without(&["--dry-run"]).ended(3).stdout;
    assert!(planned.starts_with("would deny ") && planned.contains("acme/web"), "{planned}");
    let told = without(&[]).ended(3);
    assert!(told.stdout.starts_with("denied ") && told.stdout.contains("acme/web"), "{told:?}");
    assert!(told.stderr.contains("nothing was looked at or done, the next cycle does it: "), "{told:?}");
    assert!(told.stderr.contains("REFROM_DEMO_FORGE_TOKEN"), "which secret: {told:?}");
    let list = refrom(&office, &["rollback", "--list", "--format", "json"]).ended(0).json();
    assert_eq!(list["denials"].as_array().map(Vec::len), Some(1));
    let cycle = office.run(&[]).ended(0).stdout;
    assert!(cycle.contains("acme/web: open refrom/base-images"), "{cycle}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_nobody_pins_is_denied_and_nothing_else_happens() {
    let (office, _) = merged().await;
    office.release("3");
    let from = Digest::of(b"redis").to_string();
    let rollback = ["rollback", "dhi.io/redis", "--from", &from, "--reason", "slow"];
    let done = refrom(&office, &[&rollback[..], &["--format", "json"]].concat()).ended(0).json();
    assert_eq!(json!([done["recorded"], done["run"], done["pins"]]), json!(["now", null, []]));
    assert_eq!(done["notes"], json!(["no repository pins the image: nothing was looked at"]));
    assert!(done["fleet_read_at"].is_string());
    let cycle = office.run(&[]).ended(0).stdout;
    assert!(cycle.contains("refrom/base-images"), "which was left to the next cycle: {cycle}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_not_be_read_is_on_the_digest_as_far_as_anybody_knows() {
    let (office, second) = merged().await;
    let kind = FaultKind::PartialError { repository: "acme/web".into(), kind: "FORBIDDEN".into() };
    office.fleet.forge.fail(Fault::next("POST /graphql#RepositoriesByName", kind));
    let from = second.to_string();
    let rollback = ["rollback", IMAGE, "--from", &from, "--reason", "slow"];
    let done = refrom(&office, &[&rollback[..], &["--format", "json"]].concat()).ended(3).json();
    let pin = &done["pins"][0];
    assert_eq!(json!([pin["name"], pin["reason"]]), json!(["acme/web", "its repository could not be read"]), "{done}");
    let again = refrom(&office, &rollback).ended(0).stdout;
    assert!(again.contains(" in 1 repository\nthe whole fleet was last read at "), "{again}");
}

/// The repositories that a cycle looked at.
fn looked_at(done: &Value) -> Vec<&str> {
    let repositories = done["run"]["repositories"].as_array().unwrap();
    repositories.iter().map(|repository| repository["repository"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_cycle_over_the_fleet_all_of_it_is_looked_at() {
    let office = Office::open().await;
    office.run(&["--repository", "acme/web"]).ended(0);
    let from = Digest::of(b"slow").to_string();
    let rollback = ["rollback", IMAGE, "--from", &from, "--reason", "slow", "--dry-run", "--format", "json"];
    let done = refrom(&office, &rollback).ended(0).json();
    assert_eq!(looked_at(&done), ["acme/payments", "acme/tools", "acme/web"]);
    assert_eq!(done["fleet_read_at"], Value::Null);
    assert_eq!(done["notes"], json!(["no cycle over the whole fleet has ended yet: not every repository is known"]));
    office.run(&[]).ended(0);
    let done = refrom(&office, &rollback).ended(0).json();
    assert_eq!((looked_at(&done), &done["notes"]), (vec!["acme/web"], &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_could_never_be_read_is_looked_at_and_that_the_fleet_was_not_read_is_said() {
    let office = Office::open().await;
    let objects = office.fleet.bare(&"acme/payments".parse().unwrap()).unwrap().directory().join("objects");
    let away = objects.with_extension("away");
    std::fs::rename(&objects, &away).unwrap();
    office.run(&[]).ended(3);
    std::fs::rename(&away, &objects).unwrap();
    let from = Digest::of(b"slow").to_string();
    let rollback = ["rollback", IMAGE, "--from", &from, "--reason", "slow", "--dry-run"];
    let done = refrom(&office, &[&rollback[..], &["--format", "json"]].concat()).ended(0).json();
    assert_eq!(looked_at(&done), ["acme/payments", "acme/web"]);
    assert_eq!(done["notes"], json!(["the last cycle could not read the whole fleet: there may be more pins"]));
    let told = refrom(&office, &rollback).ended(0).stdout;
    assert!(told.contains("\nthe last cycle over the whole fleet began at ") && !told.contains("last read"), "{told}");
}

/// Words of a command line.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let split = |(index, part): (usize, &str)| match index % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    };
    parts.flat_map(split).collect()
}

/// Without what differs each time: digests, times, addresses, and the width of columns.
fn plain(text: &str) -> Vec<String> {
    let word = |word: &str| match word {
        _ if word.contains("://") => "URL".to_owned(),
        _ if word.len() == 20 && word.ends_with('Z') => "TIME".to_owned(),
        _ if word.len() >= 12 && word.trim_end_matches(',').chars().all(|c| c.is_ascii_hexdigit()) => {
            "DIGEST".to_owned()
        }
        _ => word.to_owned(),
    };
    text.lines().map(|line| line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_what_the_program_prints() {
    let (office, second) = merged().await;
    let page = include_str!("../../../docs/rollback.md");
    let blocks: Vec<&str> = page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 3, "{blocks:?}");
    for block in blocks {
        let joined = block.replace("\\\n", " ");
        let (command, output) = joined.split_once('\n').unwrap();
        let arguments: Vec<String> = words(command.strip_prefix("$ refrom ").unwrap())
            .into_iter()
            .map(|word| if word.starts_with("sha256:") { second.to_string() } else { word })
            .collect();
        let mut program = office
            .world
            .command(env!("CARGO_BIN_EXE_refrom"), &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        for name in ["REFROM_DEMO_FORGE_TOKEN", "REFROM_DEMO_REGISTRY_PASSWORD"] {
            program.env(name, Fleet::environment(name).unwrap());
        }
        let told = answer(program.output().unwrap()).ended(0);
        assert_eq!(plain(&told.stdout), plain(output), "{command}\n{}", told.stdout);
    }
}
