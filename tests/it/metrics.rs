//! The metrics' documentation, dashboard and alerts say what the program says.

use std::collections::BTreeSet;
use std::path::Path;

use refrom::serve::metrics::catalogue::{self, Family, Kind};
use serde::Deserialize;
use serde_json::Value;

fn text(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Prometheus' alerting rules, as far as they are used here
/// (<https://prometheus.io/docs/prometheus/latest/configuration/alerting_rules/>).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Alerts {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a group has a name")]
struct Group {
    name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    duration: Option<String>,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    severity: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a description is for people")]
struct Annotations {
    summary: String,
    description: Option<String>,
}

/// Every word that could be a metric's name.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("refrom_")).map(str::to_owned).collect()
}

/// Whether samples of this name are ever written.
fn is_sample(name: &str) -> bool {
    let is_of = |family: &Family| match family.kind {
        Kind::Counter | Kind::Gauge => family.name == name,
        Kind::Histogram => {
            ["_bucket", "_sum", "_count"].iter().any(|part| name.strip_suffix(part) == Some(family.name))
        }
    };
    catalogue::ALL.iter().any(is_of)
}

/// The cells of the documentation's table without their backticks.
fn documented() -> Vec<[String; 5]> {
    let text = text("docs/metrics.md");
    let rows = text.lines().filter(|line| line.starts_with("| `refrom_"));
    let cells = |row: &str| -> Vec<String> { row.split('|').map(|cell| cell.trim().replace('`', "")).collect() };
    rows.map(|row| cells(row)[1..6].to_vec().try_into().unwrap()).collect()
}

#[test]
fn the_documentation_has_exactly_the_programs_metrics() {
    let documented = documented();
    let said: Vec<(&str, &str, &str)> =
        documented.iter().map(|[name, kind, labels, ..]| (name.as_str(), kind.as_str(), labels.as_str())).collect();
    let labels: Vec<String> = catalogue::ALL.iter().map(|family| family.labels.join(", ")).collect();
    let programs: Vec<(&str, &str, &str)> = catalogue::ALL
        .iter()
        .zip(&labels)
        .map(|(family, labels)| (family.name, family.kind.as_str(), labels.as_str()))
        .collect();
    assert_eq!(said, programs);
    assert!(documented.iter().all(|[_, _, _, meaning, _]| !meaning.is_empty()));
}

#[test]
fn names_follow_the_conventions() {
    for family in catalogue::ALL {
        assert!(family.name.starts_with("refrom_") && family.help.ends_with('.'), "{family:?}");
        assert_eq!(family.kind == Kind::Counter, family.name.ends_with("_total"), "{}", family.name);
        let forbidden = ["repository", "repo", "image", "tag", "digest"];
        assert!(family.labels.iter().all(|label| !forbidden.contains(label)), "{}", family.name);
    }
    let distinct: BTreeSet<&str> = catalogue::ALL.iter().map(|family| family.name).collect();
    assert_eq!(distinct.len(), catalogue::ALL.len());
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/refrom.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(expressions.len() > 15);
    let asked: BTreeSet<String> = expressions.iter().flat_map(|expression| names(expression)).collect();
    let unknown: Vec<&String> = asked.iter().filter(|name| !is_sample(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for expression in &expressions {
        assert!(!names(expression).is_empty(), "`{expression}` asks for nothing");
        let count = |c| expression.matches(c).count();
        assert!(count('(') == count(')') && count('{') == count('}') && count('[') == count(']'), "{expression}");
    }
    let mut numbers: Vec<i64> = panels.iter().map(|panel| panel["id"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), panels.len(), "two panels with one id");
}

#[test]
fn the_alerts_ask_for_metrics_that_there_are_and_cover_the_documentations_column() {
    let alerts: Alerts = serde_saphyr::from_str(&text("deploy/prometheus/alerts.yaml")).unwrap();
    let rules: Vec<Rule> = alerts.groups.into_iter().flat_map(|group| group.rules).collect();
    for rule in &rules {
        assert!(rule.alert.starts_with("Refrom") && !names(&rule.expr).is_empty(), "{rule:?}");
        assert!(rule.annotations.summary.ends_with('.'), "{rule:?}");
        assert!(["critical", "warning", "info"].contains(&rule.labels.severity.as_str()), "{rule:?}");
        let is_duration =
            |text: &String| text.strip_suffix(['m', 'h', 'd']).is_some_and(|number| number.parse::<u32>().is_ok());
        assert!(rule.duration.iter().all(is_duration), "{rule:?}");
    }
    let asked: BTreeSet<String> = rules.iter().flat_map(|rule| names(&rule.expr)).collect();
    let unknown: Vec<&String> = asked.iter().filter(|name| !is_sample(name)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for [name, _, _, _, alert] in documented() {
        assert!(alert.is_empty() || asked.contains(&name), "`{name}` is to be alerted on: {alert}");
    }
}

#[test]
fn queries_of_the_documentation_can_be_asked() {
    let text = text("docs/metrics.md");
    let queries = text.split("```promql").skip(1).map(|rest| rest.split("```").next().unwrap());
    let asked: BTreeSet<String> = queries.flat_map(names).collect();
    assert!(!asked.is_empty() && asked.iter().all(|name| is_sample(name)), "{asked:?}");
}
