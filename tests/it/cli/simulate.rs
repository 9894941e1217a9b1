//! `refrom simulate`.

use serde_json::Value;

use super::World;
use super::run::keys;

const A: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

fn sighting(at: &str, reference: &str, digest: &str) -> String {
    format!("{{\"first_seen\": \"{at}\", \"reference\": \"{reference}\", \"digest\": \"{digest}\"}}\n")
}

/// Two configurations, a history of two tags, and a list of two repositories.
fn world() -> World {
    let history = [
        sighting("2026-07-01T00:00:00Z", "dhi.io/nginx:1", A),
        sighting("2026-07-03T12:00:00Z", "dhi.io/nginx:1", B),
        sighting("2026-07-29T00:00:00Z", "dhi.io/node:24", A),
    ];
    let fleet = "{\"repository\": \"acme/web\", \"pins\": [\"dhi.io/nginx:1\"]}\n\
                 {\"repository\": \"acme/api\", \"pins\": [\"dhi.io/nginx:1\", \"dhi.io/gone:1\"]}\n";
    let world = World::new(&[("at-once.yaml", "policy: {}\n"), ("weekly.yaml", "policy: { schedule: weekly }\n")]);
    world.write("history.jsonl", history.concat().as_bytes());
    world.write("fleet.jsonl", fleet.as_bytes());
    world
}

fn simulate(world: &World, arguments: &[&str]) -> super::Answer {
    let always = ["simulate", "--config", "at-once.yaml", "--history", "history.jsonl"];
    world.refrom(&[&always, arguments].concat())
}

fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let line = table.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{table}"));
    line.trim_start().trim_start_matches(name).split_whitespace().collect()
}

#[test]
fn two_configurations_stand_side_by_side_and_in_a_picture() {
    let world = world();
    let arguments = ["--repositories", "fleet.jsonl", "--compare", "weekly.yaml", "--svg", "plot.svg"];
    let answer = simulate(&world, &arguments).ended(0);
    assert_eq!(answer.stderr, "left out, because the history does not know them: `dhi.io/gone:1`\n");
    assert_eq!(answer.stdout.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(), ["at-once", "weekly"]);
    assert_eq!(row(&answer.stdout, "pull requests opened"), ["2", "2"]);
    assert_eq!(row(&answer.stdout, "pins behind, share of the time").len(), 4, "{}", answer.stdout);
    assert_eq!(row(&answer.stdout, "waited: not-due, pin-days")[0], "-");
    let picture = world.text("plot.svg");
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    for part in [">at-once</text>", ">weekly</text>", "prefers-color-scheme:dark"] {
        assert!(picture.contains(part), "{part}");
    }
    assert!(!picture.contains("NaN"));
}

#[test]
fn the_record_has_every_figure() {
    let arguments = ["--repositories", "fleet.jsonl", "--format", "json", "--merge-after", "2d"];
    let record = simulate(&world(), &arguments).ended(0).json();
    let record = &record.as_array().unwrap()[0];
    assert_eq!(
        keys(record),
        [
            "age_days",
            "behind_days",
            "days",
            "from",
            "name",
            "notes",
            "pins",
            "pipelines",
            "pipelines_per_repository_and_week",
            "pull_requests",
            "repositories",
            "share_behind",
            "to",
            "waited_pin_days"
        ]
    );
    assert_eq!(
        keys(&record["pull_requests"]),
        ["closed", "merged", "open", "opened", "opened_per_repository_and_week", "updated"]
    );
    assert_eq!(
        keys(&record["days"][0]),
        ["age_days", "date", "merged", "opened", "pipelines", "share_behind", "updated"]
    );
    // Two repositories, four weeks, one pull request each, which is merged two days later.
    assert_eq!(record["pull_requests"]["opened_per_repository_and_week"], 0.25);
    assert_eq!((&record["from"], &record["to"]), (&"2026-07-01T00:00:00Z".into(), &"2026-07-29T00:00:00Z".into()));
    assert_eq!(record["behind_days"]["median"], 2.0);
    assert_eq!(record["waited_pin_days"], serde_json::json!({ "open": 4.0 }));
    assert_eq!(record["days"].as_array().unwrap().len(), 29);
}

#[test]
fn repositories_are_made_up_where_none_are_given() {
    let record = simulate(&world(), &["--format", "json", "--count", "5", "--pins", "2"]).ended(0).json();
    assert_eq!((&record[0]["repositories"], &record[0]["pins"]), (&Value::from(5), &Value::from(10)));
}

#[test]
fn a_part_of_the_history_is_replayed_with_what_was_known_before() {
    let arguments = ["--from", "2026-07-10", "--to", "2026-07-20", "--repositories", "fleet.jsonl", "--format", "json"];
    let record = simulate(&world(), &arguments).ended(0).json();
    assert_eq!(record[0]["to"], "2026-07-20T23:59:59Z");
    assert_eq!(record[0]["pull_requests"]["opened"], 0, "the pins begin where the tag is then");
    let oldest = record[0]["age_days"]["p90"].as_f64().unwrap();
    assert!((6.0..18.0).contains(&oldest), "{oldest}");
}

#[test]
fn what_cannot_be_replayed_is_said_with_its_place() {
    let world = world();
    world.write("broken.jsonl", b"\n{\"first_seen\": \"2026-07-01T00:00:00Z\", \"reference\": \"a b\"}\n");
    world.write("empty.jsonl", b"");
    world.write("unknown.jsonl", b"{\"repository\": \"acme/web\", \"pins\": [\"dhi.io/gone:1\"]}\n");
    world.write("bare.jsonl", b"{\"repository\": \"acme/web\", \"pins\": []}\n");
    let fails = |arguments: &[&str], told: &str| {
        let answer = simulate(&world, arguments).ended(2);
        assert!(answer.stderr.contains(told), "{told}\n{}", answer.stderr);
    };
    let with_history = |file: &str| world.refrom(&["simulate", "--config", "at-once.yaml", "--history", file]);
    for (file, told) in [
        ("broken.jsonl", "broken.jsonl:2:58: `a b`: not an image reference"),
        ("empty.jsonl", "`empty.jsonl` has no sighting"),
        ("none.jsonl", "cannot read `none.jsonl`: "),
    ] {
        let answer = with_history(file).ended(2);
        assert!(answer.stderr.contains(told), "{told}\n{}", answer.stderr);
    }
    fails(&["--from", "2026-07-20", "--to", "2026-07-10"], "the replay ends at 2026-07-10T23:59:59Z, before it begins");
    let goes = "the history goes from 2026-07-01T00:00:00Z to 2026-07-29T00:00:00Z: there is nothing";
    for span in [&["--from", "2027-01-01"][..], &["--from", "2027-01-01", "--to", "2027-02-01"]] {
        fails(span, &format!("{goes} from 2027-01-01T00:00:00Z on"));
    }
    fails(&["--to", "2026-06-20"], &format!("{goes} until 2026-06-20T23:59:59Z"));
    for span in [["--to", "2030-01-01"], ["--to", "9998-01-01"], ["--from", "2020-01-01"]] {
        let told =
            "the history goes from 2026-07-01T00:00:00Z to 2026-07-29T00:00:00Z: a replay goes at most 366 days beyond";
        fails(&span, told);
    }
    simulate(&world, &["--to", "2027-07-28", "--repositories", "fleet.jsonl"]).ended(0);
    fails(&["--from", "soon"], "expected a day such as `2026-07-01`");
    fails(&["--merge-after", "later"], "expected a length of time such as `24h`");
    fails(&["--repositories", "unknown.jsonl"], "the history knows none of the tags that the repositories pin");
    fails(&["--repositories", "bare.jsonl"], "the repositories pin nothing");
    fails(&["--repositories", "fleet.jsonl", "--count", "3"], "cannot be used with");
    fails(&["--compare", "none.yaml"], "none.yaml");
}

#[test]
fn what_is_not_replayed_is_said_below_the_table_and_in_the_record() {
    let world = world();
    world.write("attested.yaml", b"policy: { unchanged: content, stale_after: 30d }\n");
    world.write("stale.yaml", b"policy: { stale_after: 30d }\n");
    let arguments =
        ["simulate", "--config", "attested.yaml", "--history", "history.jsonl", "--repositories", "fleet.jsonl"];
    let with = |more: &[&str]| world.refrom(&[&arguments, more].concat()).ended(0);
    let unchanged = "`unchanged`: the history does not say what 2 of 2 digests hold; a move from or to one of them counts as a change";
    let stale = "`stale_after`: what it tells is no pull request, and in no figure";
    let table = with(&[]).stdout;
    assert!(table.ends_with(&format!("\nnot replayed: {unchanged}\nnot replayed: {stale}\n")), "{table}");
    let both = with(&["--compare", "stale.yaml"]).stdout;
    let told = format!("\nnot replayed (attested): {unchanged}\nnot replayed (attested, stale): {stale}\n");
    assert!(both.ends_with(&told), "{both}");
    let record = with(&["--format", "json"]).json();
    assert_eq!(record[0]["notes"], serde_json::json!([unchanged, stale]));
    assert_eq!(simulate(&world, &["--format", "json"]).json()[0]["notes"], serde_json::json!([]));
}
