//! `refrom run`: the contract of its JSON, on a small organization.

use refrom::demo::fleet::{Fleet, NGINX};
use serde_json::{Value, json};

use super::{Answer, World, answer};

pub struct Office {
    pub fleet: Fleet,
    pub world: World,
}

impl Office {
    pub async fn open() -> Self {
        let world = World::new(&[]);
        let fleet = Fleet::start(&world.tree()).await.unwrap();
        Self { fleet, world }
    }

    /// From now on this stands in the configuration's `policy`, too.
    pub fn policy(&self, line: &str) {
        let text = self.world.text("refrom.yaml").replace("\npolicy:\n", &format!("\npolicy:\n  {line}\n"));
        assert!(text.contains(line), "{text}");
        self.world.write("refrom.yaml", text.as_bytes());
    }

    /// The vendor publishes another build of nginx.
    pub fn release(&self, build: &str) {
        self.fleet.release(NGINX, build, "2026-11-04");
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_in(&[], arguments)
    }

    /// With more variables in its environment.
    pub fn run_in(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Answer {
        let arguments = [&["run", "--config", "refrom.yaml"], arguments].concat();
        let mut command = self.world.command(env!("CARGO_BIN_EXE_refrom"), &arguments);
        command.envs(environment.iter().copied());
        let secrets = ["REFROM_DEMO_FORGE_TOKEN", "REFROM_DEMO_REGISTRY_PASSWORD"];
        for name in secrets {
            command.env(name, Fleet::environment(name).unwrap());
        }
        let answer = answer(command.output().unwrap());
        for name in secrets {
            assert!(!format!("{answer:?}").contains(&Fleet::environment(name).unwrap()), "{answer:?}");
        }
        answer
    }

    /// What changed something on the forge.
    fn writes(&self) -> usize {
        let exchanges = self.fleet.forge.traffic().take();
        let is_write = |path: &str, method: &str| {
            path.contains("git-receive-pack")
                || (!path.contains("graphql") && !path.contains(".git/") && method != "GET")
        };
        exchanges.iter().filter(|exchange| is_write(&exchange.path, &exchange.method)).count()
    }
}

pub(super) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_says_the_plan_and_what_became_of_it() {
    let office = Office::open().await;
    let planned = office.run(&["--dry-run", "--format", "json"]).ended(0).json();
    assert_eq!(office.writes(), 0);
    assert_eq!(keys(&planned), ["left_out", "notes", "problems", "repositories"]);
    let repository = &planned["repositories"][2];
    assert_eq!(
        keys(repository),
        [
            "actions",
            "counts",
            "due",
            "error",
            "findings",
            "forge",
            "left_alone",
            "not_proposed",
            "noticed",
            "repository",
            "up_to_date",
            "warnings"
        ]
    );
    assert_eq!(repository["repository"], "acme/web");
    assert_eq!(repository["counts"], json!({ "behind": 3, "current": 0, "unknown": 0, "unpinned": 0, "skipped": 0 }));
    let action = &repository["actions"][0];
    assert_eq!(
        keys(action),
        ["action", "branch", "cause", "error", "outcome", "pins", "pull_request", "title", "warnings"]
    );
    assert_eq!(
        json!([action["action"], action["branch"], action["outcome"], action["pull_request"], action["cause"]]),
        json!(["open", "refrom/base-images", "planned", null, null])
    );
    let pin = &action["pins"][2];
    assert_eq!(keys(pin), ["line", "new", "old", "path", "registry", "repository", "tag", "urgent"]);
    assert_eq!(
        json!([pin["path"], pin["line"], pin["registry"], pin["repository"], pin["tag"]]),
        json!(["Dockerfile", 8, "dhi.io", "nginx", "1.27-alpine"])
    );

    let done = office.run(&["--format", "json"]).ended(0).json();
    assert!(office.writes() > 0);
    let action = &done["repositories"][2]["actions"][0];
    assert_eq!((&action["outcome"], &action["pull_request"]["number"]), (&json!("done"), &json!(1)));
    assert!(action["pull_request"]["url"].as_str().unwrap().ends_with("/acme/web/pull/1"));

    let again = office.run(&["--format", "json"]).ended(0).json();
    assert_eq!(office.writes(), 0);
    let standing = &again["repositories"][2]["up_to_date"][0];
    assert_eq!(keys(standing), ["branch", "pull_request"]);
    assert_eq!((&again["repositories"][2]["actions"], &standing["pull_request"]["number"]), (&json!([]), &json!(1)));

    office.fleet.release(NGINX, "3", "2026-11-04");
    let updated = office.run(&["--format", "json"]).ended(0).json();
    assert_eq!(updated["repositories"][2]["actions"][0]["action"], "update");
}

#[test]
fn the_page_about_json_explains_every_key() {
    let page = include_str!("../../../docs/json.md");
    for key in [
        "repositories",
        "problems",
        "left_out",
        "notes",
        "forge",
        "counts",
        "actions",
        "up_to_date",
        "left_alone",
        "not_proposed",
        "noticed",
        "warnings",
        "error",
        "action",
        "branch",
        "title",
        "cause",
        "pull_request",
        "pins",
        "outcome",
        "old",
        "new",
        "reason",
        "subject",
        "message",
        "due",
        "because",
    ] {
        assert!(page.contains(&format!("`{key}`")), "the page does not explain `{key}`");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_can_be_chosen_and_an_unknown_one_is_wrong_usage() {
    let office = Office::open().await;
    let answer =
        office.run(&["--repository", "acme/web", "--repository", "acme/tools", "--dry-run", "--format", "json"]);
    let planned = answer.ended(0).json();
    let names: Vec<&Value> =
        planned["repositories"].as_array().unwrap().iter().map(|repository| &repository["repository"]).collect();
    assert_eq!(names, ["acme/tools", "acme/web"]);
    let answer = office.run(&["--repository", "other/web"]).ended(2);
    assert_eq!(answer.stderr, "refrom: no forge of the configuration includes `other/web`\n");
    office.run(&["--repository", "web"]).ended(2);
    // The pattern includes it, and the forge does not have it.
    let answer = office.run(&["--repository", "acme/nowhere"]).ended(3);
    assert!(answer.stderr.contains("acme/nowhere"), "{}", answer.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_digest_whose_tag_nobody_knows_is_named_and_no_failure() {
    let office = Office::open().await;
    let answer = office.run(&["--dry-run"]).ended(0);
    assert!(answer.stdout.contains("acme/tools: Dockerfile:1  dhi.io/nginx  skipped: no-tag\n"), "{}", answer.stdout);
    let answer = office.run(&["--dry-run", "--format", "json"]).ended(0).json();
    let noticed = &answer["repositories"][1]["noticed"];
    assert_eq!(noticed.as_array().map(Vec::len), Some(1));
    assert_eq!((&noticed[0]["path"], &noticed[0]["reason"]), (&json!("Dockerfile"), &json!("no-tag")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_proposed_has_a_code_and_words() {
    let office = Office::open().await;
    office.fleet.registry.inject(refrom::demo::registry::Fault::status("/v2/dhi.io/nginx/manifests/1.27-alpine", 403));
    let answer = office.run(&["--dry-run", "--format", "json"]).ended(3).json();
    let waiting = &answer["repositories"][2]["not_proposed"][0];
    assert_eq!(
        keys(waiting),
        ["line", "message", "new", "old", "path", "reason", "registry", "repository", "tag", "until", "urgent"]
    );
    assert_eq!((&waiting["reason"], &waiting["new"]), (&json!("unknown"), &Value::Null));
    assert!(waiting["message"].as_str().unwrap().contains("dhi.io/nginx"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_named_with_repository_image_and_reason() {
    let office = Office::open().await;
    office.fleet.registry.inject(refrom::demo::registry::Fault::status("/v2/dhi.io/nginx/manifests/1.27-alpine", 403));
    let answer = office.run(&["--dry-run"]).ended(3);
    let line = answer.stdout.lines().find(|line| line.contains("nginx:1.27-alpine")).unwrap();
    assert!(line.starts_with("acme/web: Dockerfile:8  dhi.io/nginx:1.27-alpine  unknown: "), "{line}");
    assert!(!answer.stdout.contains('\u{1b}') && !answer.stderr.contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_refused_before_anything_is_asked() {
    let office = Office::open().await;
    let answer = office.world.refrom(&["run", "--config", "refrom.yaml"]).ended(2);
    assert!(answer.stderr.contains("refrom.yaml:7:"), "{}", answer.stderr);
    assert!(office.fleet.forge.traffic().take().is_empty() && office.fleet.registry.traffic().take().is_empty());
    office.world.refrom(&["run"]).ended(2);
    office.world.refrom(&["run", "--config", "nowhere.yaml"]).ended(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_jobs_metrics_are_a_file_whose_counters_go_on() {
    let office = Office::open().await;
    let value = |series: &str| -> f64 {
        let text = office.world.text("refrom.prom");
        let line = text.lines().find_map(|line| line.strip_prefix(series));
        line.unwrap_or_else(|| panic!("no `{series}` in {text}")).trim().parse().unwrap()
    };
    office.run(&["--metrics-file", "refrom.prom"]).ended(0);
    assert_eq!(value("refrom_actions_total{action=\"open\",outcome=\"done\"}"), 3.0);
    assert_eq!(value("refrom_first_seen_to_opened_seconds_count"), 3.0);
    assert!(value("refrom_last_success_timestamp_seconds") > 1.7e9);
    let requests = value("refrom_requests_total{kind=\"forge\",name=\"acme-forge\"}");
    office.run(&["--metrics-file", "refrom.prom"]).ended(0);
    assert_eq!(value("refrom_actions_total{action=\"open\",outcome=\"done\"}"), 3.0);
    assert_eq!(value("refrom_cycles_total{outcome=\"done\"}"), 2.0);
    assert_eq!(value("refrom_cycle_duration_seconds_count"), 2.0);
    assert_eq!(value("refrom_first_seen_to_opened_seconds_count"), 3.0);
    assert_eq!(value("refrom_pull_requests{state=\"open\"}"), 3.0);
    assert!(value("refrom_requests_total{kind=\"forge\",name=\"acme-forge\"}") > requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_of_whole_cycles_and_a_file_that_cannot_be_written_is_said() {
    let office = Office::open().await;
    for other in [&["--dry-run"][..], &["--repository", "acme/web"]] {
        office.run(&[&["--metrics-file", "refrom.prom"], other].concat()).ended(2);
    }
    let answer = office.run(&["--metrics-file", "nowhere/refrom.prom"]).ended(3);
    assert!(answer.stderr.contains("cannot write the metrics to `nowhere/refrom.prom`"), "{}", answer.stderr);
    assert!(answer.stdout.contains("3 repositories"), "{}", answer.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_without_forges_is_told_so() {
    let world = World::new(&[("none.yaml", "policy: {}\n")]);
    let answer = world.refrom(&["run", "--config", "none.yaml"]).ended(0);
    assert_eq!(answer.stderr, "the configuration has no `forges`: no repository is looked at\n");
    assert_eq!(answer.stdout, "0 repositories: 0 pins behind, 0 current, 0 unknown, 0 skipped, 0 unpinned\n");
}
