//! The program itself: what it ends with, and what it leaves when it is killed.

use std::path::Path;
use std::process::Stdio;

use refrom::cycle::AssemblyError;
use refrom::store::StoreError;

use super::meddling::Meddling;
use super::world::{BRANCH, FORGE_TOKEN, REGISTRY_PASSWORD, World, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

/// `refrom run` in an environment that has nothing but the secrets.
fn refrom(configuration: &Path) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_refrom"));
    command.args(["--log", "debug", "run", "--config"]).arg(configuration);
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs([("FORGE_TOKEN", FORGE_TOKEN), ("REGISTRY_PASSWORD", REGISTRY_PASSWORD), ("HOME", "/nonexistent")]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// Exit status, stdout and stderr, none of which holds a secret.
async fn ended(mut command: tokio::process::Command) -> (Option<i32>, String, String) {
    let output = command.output().await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    for secret in [FORGE_TOKEN, REGISTRY_PASSWORD] {
        assert!(!out.contains(secret) && !err.contains(secret), "{err}");
    }
    (output.status.code(), out, err)
}

async fn behind() -> World {
    let world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(IMAGE, "1.27", "2");
    world
}

#[tokio::test]
async fn the_second_of_two_runs_on_one_store_says_who_holds_it() {
    let mut world = behind().await;
    let first = world.assemble().await.unwrap();
    match world.assemble().await {
        Err(AssemblyError::Store(StoreError::Held { holder, .. })) => {
            assert!(holder.contains(&format!("process {}", std::process::id())), "{holder}");
        }
        other => panic!("{:?}", other.map(|_| ())),
    }
    let (status, out, err) = ended(refrom(&world.configuration())).await;
    assert_eq!((status, out.as_str()), (Some(3), ""));
    assert!(err.contains(&format!("process {}", std::process::id())), "{err}");
    drop(first);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.finish();
}

#[tokio::test]
async fn the_exit_status_tells_a_whole_cycle_from_one_with_gaps() {
    let mut world = behind().await;
    let (status, out, err) = ended(refrom(&world.configuration())).await;
    assert_eq!(status, Some(0), "{err}");
    assert!(out.contains("acme/web: open refrom/base-images  #1 "), "{out}");
    world.select(&[WEB, "acme/gone"]);
    let (status, _, err) = ended(refrom(&world.configuration())).await;
    assert_eq!(status, Some(3));
    assert!(err.contains("acme/gone"), "{err}");
    world.run_with_problems(&["acme/gone"]).await;
    world.finish();
}

#[tokio::test]
async fn a_process_that_is_killed_leaves_nothing_that_the_next_one_does_not_finish() {
    let push = "write POST /acme/web.git/git-receive-pack";
    let steps = [
        ("2", push),
        ("2", "write POST /repos/acme/web/pulls"),
        ("3", push),
        ("3", "write PATCH /repos/acme/web/pulls/1"),
    ];
    let mut world = behind().await;
    for (build, step) in steps {
        world.release(IMAGE, "1.27", build);
        let before = world.begin();
        world.meddlings.next(step, Meddling::HangAfterEffect);
        let mut child = refrom(&world.configuration()).spawn().unwrap();
        let meddlings = world.meddlings.clone();
        tokio::select! {
            () = meddlings.hanging() => {}
            status = child.wait() => panic!("it ended before {step}: {status:?}"),
        }
        // SIGKILL: the process can do nothing about it.
        child.kill().await.unwrap();
        world.end(&before);
    }
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_branches(WEB, &[BRANCH]);
    let third = world.release(IMAGE, "1.27", "3");
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    assert!(world.pull_request(WEB, 1).body.contains(&third.to_string()));
    world.finish();
}
