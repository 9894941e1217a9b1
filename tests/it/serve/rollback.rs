//! A digest that is taken back while the service runs: the two programs themselves, on one store.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::cycle::world::{World, name, nginx};

use super::house::LISTEN;
use super::processes::Process;

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

/// Runs a command without any secret, beside whoever has them.
async fn refrom(configuration: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_refrom"));
    command.args(arguments).arg("--config").arg(configuration).env_clear().stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_service_sees_what_is_taken_back_and_allowed_beside_it() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.forge.merge(&name(WEB), 1).unwrap();
    world.setting(LISTEN);
    let configuration = world.configuration();
    let before = world.begin();
    let mut service = Process::start(&configuration);
    service.says("the cycle ended").await;
    let digest = second.to_string();
    let rollback = ["rollback", IMAGE, "--from", &digest, "--reason", "it crashes"];

    let (status, out, err) = refrom(&configuration, &[&rollback[..], &["--dry-run"]].concat()).await;
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(&format!("would deny {} of dhi.io/nginx: it crashes\n", second.short())), "{out}");

    let (status, out, err) = refrom(&configuration, &rollback).await;
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains(&format!("the store is in use by process {}", service.child.id().unwrap())), "{out}");
    assert!(out.contains("acme/web") && out.contains("Dockerfile:2"), "{out}");
    assert!(out.contains(&format!("1 pin on {}, in 1 repository\n", second.short())), "{out}");
    service.says("somebody took a digest back").await;
    service.says("opened a pull request").await;
    service.says("the cycle ended").await;
    world.expect_proposal(WEB, 2, &nginx("1.27.1", &first));

    let (_, out, _) = refrom(&configuration, &["rollback", "--list", "--format", "json"]).await;
    let list: serde_json::Value = serde_json::from_str(&out).unwrap();
    let denial = &list["denials"][0];
    assert_eq!(
        (&denial["digest"], &denial["repositories"], &denial["pins"]),
        (&digest.as_str().into(), &1.into(), &1.into())
    );
    let (status, out, _) = refrom(&configuration, &["status"]).await;
    assert_eq!(status, Some(0));
    let expected = format!("denied (it crashes), goes back to {}: in #2", first.short());
    assert!(out.contains(&expected), "{out}");

    let (status, out, _) = refrom(&configuration, &["allow", IMAGE, &digest]).await;
    assert!(status == Some(0) && out.contains("may be proposed again"), "{out}");
    service.says("closed a pull request").await;
    service.says("the cycle ended").await;
    service.tell(rustix::process::Signal::TERM);
    service.says("ended").await;
    assert_eq!(service.child.wait().await.unwrap().code(), Some(0));
    world.end(&before);
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 closed refrom/base-images -> main"]);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}
