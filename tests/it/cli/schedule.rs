//! `refrom schedule`, and what `refrom run` says of what waits.

use serde_json::{Value, json};

use super::World;
use super::run::{Office, keys};

const CONFIG: &str = "
forges:
  - auth: { token: { env: NOBODY_READS_THIS } }
    repositories: { include: ['acme/*'] }
freeze: [{ from: 2126-12-20, to: 2126-12-21, reason: centenary }]
policy:
  schedule: weekly
  timezone: Europe/Berlin
repositories:
  - match: acme/payments-*
    policy: { schedule: { every: 6h } }
  - match: acme/night-*
    policy: { schedule: always, window: [{ days: [mon], from: '22:00', to: '04:00' }] }
";

fn world(config: &str) -> World {
    let world = World::new(&[]);
    world.write("refrom.yaml", config.as_bytes());
    world
}

fn schedule(world: &World, arguments: &[&str]) -> super::Answer {
    world.refrom(&[&["schedule", "--config", "refrom.yaml"], arguments].concat())
}

#[test]
fn the_next_times_of_a_repository_say_which_rule_makes_each_so() {
    let answer = schedule(&world(CONFIG), &["--repository", "acme/web", "--next", "3", "--format", "json"]).ended(0);
    assert_eq!(answer.stderr, "", "notes are in the JSON");
    let record = answer.json();
    assert_eq!(keys(&record), ["notes", "subjects"]);
    assert!(record["notes"][0].as_str().unwrap().contains(".refrom.yaml"), "{record}");
    let subject = &record["subjects"][0];
    assert_eq!(keys(subject), ["forge", "match", "next", "repository", "rules", "timezone"]);
    assert_eq!(
        json!([subject["forge"], subject["repository"], subject["match"], subject["timezone"]]),
        json!(["github", "acme/web", null, "Europe/Berlin"])
    );
    assert_eq!(
        subject["rules"],
        json!([
            { "rule": "schedule", "value": "weekly", "origin": "refrom.yaml:7:13" },
            { "rule": "timezone", "value": "Europe/Berlin", "origin": "refrom.yaml:8:13" },
            { "rule": "freeze", "value": "2126-12-20 to 2126-12-21: centenary", "origin": "refrom.yaml:5:10" },
            { "rule": "jitter", "value": "30m", "origin": "default" },
        ])
    );
    let next = subject["next"].as_array().unwrap();
    assert_eq!(next.len(), 3);
    for time in next {
        assert_eq!(keys(time), ["at", "because", "until"]);
        // Its own place after midnight, by the clock of its zone.
        assert!(time["at"].as_str().unwrap().contains("T00:"), "{time}");
        assert_eq!(json!([time["because"], time["until"]]), json!(["schedule `weekly` (refrom.yaml:7:13)", null]));
    }
}

#[test]
fn without_a_repository_the_policy_and_each_override_are_told() {
    let record = schedule(&world(CONFIG), &["--next", "2", "--format", "json"]).ended(0).json();
    let subjects = record["subjects"].as_array().unwrap();
    let matches: Vec<&Value> = subjects.iter().map(|subject| &subject["match"]).collect();
    assert_eq!(json!(matches), json!([null, "acme/payments-*", "acme/night-*"]));
    assert_eq!(subjects[1]["next"], json!([]), "each repository has a grid of its own");
    assert!(
        record["notes"].to_string().contains("`every: 6h` counts from a point of each repository's own"),
        "{record}"
    );
    let night = &subjects[2]["next"][1];
    assert!(night["at"].as_str().unwrap().contains("T22:00:00"), "{night}");
    assert!(night["until"].as_str().unwrap().contains("T04:00:00"), "{night}");
    assert!(night["because"].as_str().unwrap().starts_with("window `mon 22:00–04:00` (refrom.yaml:13:"), "{night}");
}

#[test]
fn for_people_it_is_a_table_and_the_notes_go_to_stderr() {
    let answer = schedule(&world(CONFIG), &["--repository", "acme/web", "--next", "1"]).ended(0);
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert_eq!(lines[0], "github:acme/web");
    assert_eq!(lines[2], "schedule  weekly                               refrom.yaml:7:13");
    assert!(lines[6].starts_with("NEXT ") && lines[7].contains(" 00:"), "{}", answer.stdout);
    assert!(answer.stderr.contains("a repository's own `.refrom.yaml` is not known here"), "{}", answer.stderr);
}

#[test]
fn wrong_usage_and_impossible_schedules_are_refused() {
    let answer = schedule(&world(CONFIG), &["--repository", "other/web"]).ended(2);
    assert_eq!(answer.stderr, "refrom: no forge of the configuration includes `other/web`\n");
    schedule(&world(CONFIG), &["--repository", "web"]).ended(2);
    schedule(&world(CONFIG), &["--next", "0"]).ended(2);
    let answer = schedule(&world("policy:\n  schedule: 0 0 31 2 *\n"), &[]).ended(2);
    assert!(answer.stderr.contains("refrom.yaml:2:13: `policy.schedule`: impossible"), "{}", answer.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn run_says_what_is_not_due_and_until_when_and_now_waits_for_nothing() {
    let office = Office::open().await;
    // On a day that this test will not see: the clock is the machine's.
    office.policy("schedule: 0 0 29 2 *");
    office.policy("timezone: Europe/Berlin");
    office.run(&[]).ended(0);
    office.release("3");
    let answer = office.run(&[]).ended(0);
    let waiting: Vec<&str> = answer.stdout.lines().filter(|line| line.starts_with("acme/web: ")).collect();
    assert!(waiting[0].starts_with("acme/web: not due until 20"), "{}", answer.stdout);
    assert!(waiting[0].contains(" CET: schedule `0 0 29 2 *` (refrom.yaml:"), "{}", answer.stdout);
    assert!(waiting[1].starts_with("acme/web: #1 waits as it is  http"), "{}", answer.stdout);
    assert_eq!(waiting[2], "acme/web: Dockerfile:8  dhi.io/nginx:1.27-alpine  waits");
    let planned = office.run(&["--dry-run", "--format", "json"]).ended(0).json();
    let web = &planned["repositories"][2];
    assert_eq!(
        json!([web["not_proposed"][0]["reason"], web["left_alone"][0]["reason"]]),
        json!(["not-due", "not-due"])
    );
    assert_eq!(keys(&web["due"]), ["at", "because"]);
    assert!(web["due"]["at"].as_str().unwrap().ends_with("+01:00"), "{web}");
    let done = office.run(&["--now", "--format", "json"]).ended(0).json();
    assert_eq!(done["repositories"][2]["actions"][0]["action"], "update");
    assert_eq!(done["repositories"][2]["due"]["at"], Value::Null);
}
