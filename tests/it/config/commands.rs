//! `refrom config`.

use insta::assert_snapshot;
use refrom::cli::config as commands;
use refrom::cli::exit::Outcome;
use refrom::config::{Config, RepositoryFile, Secrets};

use super::{LAYERS, SIGNED_IN, config_of, name, no_environment};

#[test]
fn check_says_what_is_wrong_and_ends_with_two() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.yaml");
    std::fs::write(&path, SIGNED_IN).unwrap();
    let report = commands::check(&path, &no_environment, Secrets::Skip);
    assert_eq!((report.outcome, report.stderr.as_str()), (Outcome::Done, ""));
    assert!(report.stdout.ends_with("refrom.yaml: no mistakes\n"));
    let report = commands::check(&path, &no_environment, Secrets::Read);
    assert_eq!((report.outcome, report.stdout.as_str()), (Outcome::Usage, ""));
    assert!(report.stderr.ends_with("5 mistakes in the configuration\n"), "{}", report.stderr);
}

#[test]
fn show_prints_the_policy_with_where_each_value_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("refrom.yaml");
    let text = format!(
        "{LAYERS}  - match: acme/web
    policy:
      tags: [{{ image: 'dhi.io/*', tag: 1.20 }}]
      patterns: [{{ files: '*.mk', regex: '(?<image>\\S+)@(?<digest>\\S+)' }}]
      base: develop
      title: \"a\\nb\"
"
    );
    std::fs::write(&path, text).unwrap();
    let report = commands::show(&path, "acme/web", &no_environment);
    assert_eq!((report.outcome, report.stderr.as_str()), (Outcome::Done, ""));
    let shown = report.stdout.replace(&format!("{}/", folder.path().display()), "");
    assert_snapshot!(shown, @r#"
    # the policy of acme/web
    enabled: true  # default
    images: ["**"]  # default
    tags:  # refrom.yaml:14:13, repositories[3] (match `acme/web`)
      - { image: "dhi.io/*", tag: "1.20" }
    files:
      include: ["Build"]  # refrom.yaml:7:46, repositories[0] (match `acme/*`)
      exclude: ["**/testdata/**"]  # default
    group: image  # refrom.yaml:2:10
    comment: write  # refrom.yaml:4:12
    patterns:  # refrom.yaml:15:17, repositories[3] (match `acme/web`)
      - { files: ["*.mk"], regex: "(?<image>\\S+)@(?<digest>\\S+)" }
    labels: ["d"]  # refrom.yaml:9:23, repositories[1] (match `/^acme\/(web|api)$/`)
    reviewers: []  # default
    assignees: []  # default
    draft: true  # refrom.yaml:9:35, repositories[1] (match `/^acme\/(web|api)$/`)
    base: "develop"  # refrom.yaml:16:13, repositories[3] (match `acme/web`)
    max_open: 2  # refrom.yaml:9:51, repositories[1] (match `/^acme\/(web|api)$/`)
    commits: git  # default
    automerge: off  # default
    schedule: null  # default
    timezone: "UTC"  # default
    window: null  # default
    freeze: []  # default
    jitter: 30m  # default
    min_age: 0s  # default
    settle: 0s  # default
    unchanged: off  # default
    platforms: []  # default
    denied: []  # default
    stages: all  # default
    pair: together  # default
    min_interval: 0s  # default
    stale_after: null  # default
    follow: digest  # default
    pin: off  # default
    title: "a\nb"  # refrom.yaml:17:14, repositories[3] (match `acme/web`)
    body: null  # default
    commit_message: null  # default
    "#);
    let own = config_of(
        "repository_may_set: [images, tags, patterns, draft, base, max_open, commits, automerge, schedule, timezone, window, freeze, jitter, title, enabled, files, group, comment, labels, reviewers, assignees, min_age, settle, unchanged, platforms, denied, stages, pair, min_interval, stale_after, follow, pin]",
    );
    let again = own.policy_for(&name("acme/web"), Some(&RepositoryFile::read(report.stdout.as_bytes())));
    assert_eq!(again.problem, None);
    let config = Config::load(&path, &no_environment, Secrets::Skip).unwrap();
    assert_eq!(format!("{:?}", again.policy), format!("{:?}", config.policy_for(&name("acme/web"), None).policy));
    assert_eq!(commands::show(&path, "web", &no_environment).outcome, Outcome::Usage);
}

#[test]
fn the_schema_is_printed_as_json() {
    let report = commands::schema();
    let schema: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!((report.outcome, schema["title"].as_str()), (Outcome::Done, Some("ConfigFile")));
}
