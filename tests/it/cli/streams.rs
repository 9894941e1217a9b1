//! Results on stdout, everything else on stderr, progress for people only.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::{GONE, Shop, World, answer, pin};

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new(&[("Dockerfile", &"FROM x:1\n".repeat(20_000))]);
    for arguments in [&["list"][..], &["list", "--format", "json"]] {
        let mut command = world.command(env!("CARGO_BIN_EXE_refrom"), arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ended = answer(child.wait_with_output().unwrap()).ended(0);
        assert_eq!(ended.stderr, "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_changes_neither_the_work_nor_the_status() {
    let shop = Shop::open(&[]).await;
    let old = shop.publish("dhi.io/nginx", "1", "old");
    let new = shop.publish("dhi.io/nginx", "1", "new");
    for number in 0..20 {
        shop.world.write(&format!("{number:02}/Dockerfile"), pin("dhi.io/nginx:1", old).as_bytes());
    }
    let configuration = shop.configuration();
    let run = |command: &str| {
        let arguments = [command, "--config", configuration.to_str().unwrap()];
        let mut command = shop.world.command(env!("CARGO_BIN_EXE_refrom"), &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        answer(child.wait_with_output().unwrap())
    };
    assert_eq!(run("check").ended(1).stderr, "");
    assert_eq!(run("bump").ended(0).stderr, "");
    assert_eq!(shop.world.text("19/Dockerfile"), pin("dhi.io/nginx:1", new));
}

#[test]
fn a_stderr_that_nobody_reads_is_no_panic() {
    let world = World::new(&[("Dockerfile", &pin("x:1", GONE))]);
    world.write("refrom.yaml", b"registries: { docker.io: { endpoint: 'http://127.0.0.1:1' } }\n");
    let arguments = ["--log", "trace", "check", "--config", "refrom.yaml"];
    let mut command = world.command(env!("CARGO_BIN_EXE_refrom"), &arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    answer(child.wait_with_output().unwrap()).ended(3);
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_to_stdout_and_logs_to_stderr_without_escape_codes() {
    let shop = Shop::open(&[("Dockerfile", &pin("dhi.io/nginx:1", GONE))]).await;
    for format in ["text", "json"] {
        let arguments = ["--log", "debug", "--log-format", format, "check", "--format", "json"];
        let answer = shop.refrom(&arguments).ended(3);
        assert_eq!(answer.json()["uses"][0]["state"], "unknown");
        assert!(answer.stderr.contains("a tag could not be looked up"), "{}", answer.stderr);
        assert!(!answer.stdout.contains('\u{1b}') && !answer.stderr.contains('\u{1b}'));
    }
}

/// By util-linux' `script`; other systems' takes other arguments.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn progress_is_drawn_on_a_terminal_and_the_result_stays_plain() {
    let shop = Shop::open(&[]).await;
    let digest = shop.publish("dhi.io/nginx", "1", "a");
    shop.world.write("Dockerfile", pin("dhi.io/nginx:1", digest).as_bytes());
    let (program, configuration) = (env!("CARGO_BIN_EXE_refrom"), shop.configuration());
    let line = format!("'{program}' check --config '{}' >result", configuration.display());
    let mut command = shop.world.command("script", &["-qec", &line, "/dev/null"]);
    let Ok(output) = command.env("TERM", "xterm").stdin(Stdio::null()).output() else {
        assert!(std::env::var_os("CI").is_none(), "`script` is missing");
        eprintln!("left out: there is no `script` to make a terminal with");
        return;
    };
    let drawn = answer(output).ended(0).stdout;
    assert!(drawn.contains("tags 1/1") && drawn.contains('\u{1b}'), "{drawn:?}");
    assert!(shop.world.text("result").starts_with("STATE"), "{}", shop.world.text("result"));
}
