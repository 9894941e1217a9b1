//! `refrom config`, `refrom demo` and the words of the command line.

use super::{World, answer};

const SECRET: &str = "hunter2-hunter2-hunter2";
const CONFIG: &str = "
forges: [{ auth: { token: { env: FORGE_TOKEN } }, repositories: { include: ['acme/*'] } }]
registries: { dhi.io: { auth: { username: acme, password: { file: password } } } }
policy: { labels: [a] }
repositories: [{ match: acme/web, policy: { labels: [b] } }]
";

#[test]
fn config_check_reads_secrets_only_when_told_to_and_prints_none() {
    let world = World::new(&[("refrom.yaml", CONFIG)]);
    assert_eq!(world.refrom(&["config", "check", "refrom.yaml"]).ended(0).stdout, "refrom.yaml: no mistakes\n");
    let answer_without = world.refrom(&["config", "check", "refrom.yaml", "--secrets"]).ended(2);
    assert!(
        answer_without.stderr.contains("refrom.yaml:2:34: `forges[0].auth.token.env`: "),
        "{}",
        answer_without.stderr
    );
    assert!(answer_without.stderr.contains("`registries.dhi.io.auth.password.file`: cannot read the secret file"));
    world.write("password", SECRET.as_bytes());
    for arguments in [
        &["config", "check", "refrom.yaml", "--secrets"][..],
        &["config", "show", "refrom.yaml", "--repository", "acme/web"],
        &["config", "schema"],
        &["--log", "trace", "list", "--config", "refrom.yaml"],
    ] {
        let mut command = world.command(env!("CARGO_BIN_EXE_refrom"), arguments);
        let answer = answer(command.env("FORGE_TOKEN", SECRET).output().unwrap()).ended(0);
        assert!(!format!("{answer:?}").contains(SECRET));
    }
}

#[test]
fn config_ends_with_two_where_something_is_wrong() {
    let world = World::new(&[("refrom.yaml", "policy: { title: '{{ nobody }}' }\n")]);
    let answer = world.refrom(&["config", "check", "refrom.yaml"]).ended(2);
    assert!(
        answer
            .stderr
            .contains("refrom.yaml:1:18: `policy.title`: bad template: line 1: there is no variable `nobody`\n"),
        "{}",
        answer.stderr
    );
    assert_eq!(answer.stdout, "");
    world.refrom(&["config", "check", "nowhere.yaml"]).ended(2);
    world.refrom(&["config", "check"]).ended(2);
    world.refrom(&["config", "show", "refrom.yaml"]).ended(2);
    world.refrom(&["config", "show", "refrom.yaml", "--repository", "acme/web"]).ended(2);
}

#[test]
fn config_show_says_where_a_value_comes_from() {
    let world = World::new(&[("refrom.yaml", CONFIG)]);
    let shown = world.refrom(&["config", "show", "refrom.yaml", "--repository", "acme/web"]).ended(0).stdout;
    assert!(shown.contains("labels: [\"b\"]  # refrom.yaml:5:53, repositories[0] (match `acme/web`)\n"), "{shown}");
    assert!(shown.contains("group: repository  # default\n"), "{shown}");
    let other = world.refrom(&["config", "show", "refrom.yaml", "--repository", "acme/api"]).ended(0).stdout;
    assert!(other.contains("labels: [\"a\"]  # refrom.yaml:4:19\n"), "{other}");
}

#[test]
fn the_example_and_the_schema_are_printed_and_right() {
    let world = World::new(&[]);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.yaml");
    world.refrom(&["config", "check", example]).ended(0);
    let schema = world.refrom(&["config", "schema"]).ended(0).json();
    assert!(schema["properties"]["policy"].is_object());
}

#[test]
fn the_demo_shows_the_loop_and_keeps_files_that_work() {
    let world = World::new(&[]);
    let shown = world.refrom(&["demo", "--keep", "kept"]).ended(0);
    assert_eq!(shown.stderr, "");
    for words in [
        "acme/web: would open refrom/base-images",
        "acme/web: open refrom/base-images  #1 http://",
        "-# base image: nginx 1.27-alpine (1.27.1)",
        "acme/web: #1 is up to date",
        "0 writes",
        "acme/web: update refrom/base-images  #1",
        "Kept in ",
    ] {
        assert!(shown.stdout.contains(words), "`{words}` is missing in\n{}", shown.stdout);
    }
    world.refrom(&["config", "check", "kept/refrom.yaml"]).ended(0);
    let clone = world.command("git", &["clone", "-q", "kept/forge/acme/web.git", "web"]).output().unwrap();
    assert!(clone.status.success());
    assert_eq!(world.list(&["web"]).len(), 3);
    // What is there is never touched.
    let answer = world.refrom(&["demo", "--keep", "kept"]).ended(2);
    assert!(answer.stderr.contains("is not empty"), "{}", answer.stderr);
    assert_eq!(answer.stdout, "");
    world.write("file", b"");
    world.refrom(&["demo", "--keep", "file"]).ended(2);
}

#[test]
fn help_is_a_result_and_wrong_usage_is_not() {
    let world = World::new(&[]);
    for command in [
        &["--help"][..],
        &["list", "--help"],
        &["check", "-h"],
        &["bump", "-h"],
        &["run", "-h"],
        &["config", "-h"],
        &["demo", "-h"],
        &["--version"],
    ] {
        let answer = world.refrom(command).ended(0);
        assert!(!answer.stdout.is_empty() && answer.stderr.is_empty(), "{command:?}");
    }
    let help = world.refrom(&["--help"]).stdout;
    for command in ["list", "check", "bump", "run", "config", "demo"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    assert!(help.contains("Exit status: 0 "), "{help}");
    for wrong in [&[][..], &["nothing"], &["list", "--nothing"], &["list", "--format", "xml"], &["--log", "[", "list"]]
    {
        let answer = world.refrom(wrong).ended(2);
        assert!(answer.stdout.is_empty() && !answer.stderr.is_empty(), "{wrong:?}");
    }
}
