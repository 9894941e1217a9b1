//! One failure stays in its place: the rest goes on, and the cycle says by name what is missing.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use refrom::cycle::Request;
use refrom::demo::forge::{Fault, FaultKind, Flag};
use refrom::demo::registry::{Fault as RegistryFault, FaultKind as RegistryFaultKind, Registry};
use refrom::domain::digest::Digest;
use refrom::domain::proposal::Reason;
use refrom::net::Tally;
use refrom::serve::metrics::Metrics;
use refrom::store::StoreFacts;

use super::meddling::Meddling;
use super::world::{World, name, nginx};

/// Two repositories, each one build behind with an image of a registry of its own.
async fn two() -> (World, Digest) {
    let world = World::new().await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    let other = world.release("cgr.dev/static", "latest", "1");
    world.repository("acme/web", &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.repository("acme/tools", &[("Dockerfile", &format!("FROM cgr.dev/static:latest@{other}\n"))]);
    world.release("cgr.dev/static", "latest", "2");
    let second = world.release("dhi.io/nginx", "1.27", "2");
    (world, second)
}

fn other(world: &World) -> &Registry {
    world.other_registry.as_ref().unwrap()
}

fn expect_web_alone(world: &World, second: &Digest) {
    world.expect_pull_requests("acme/tools", &[]);
    world.expect_proposal("acme/web", 1, &nginx("1.27.2", second));
}

#[tokio::test]
async fn a_registry_that_is_down_leaves_the_others_alone() {
    let (mut world, second) = two().await;
    other(&world).inject(RegistryFault::status("/v2/cgr.dev/", 503));
    let report = world.run_with_problems(&["acme/tools: Dockerfile: unknown"]).await;
    expect_web_alone(&world, &second);
    let metrics = Metrics::new();
    metrics.observe_cycle(&Request::default(), &report, Duration::ZERO, world.time());
    let text = metrics.render(&Tally::default(), &StoreFacts::default(), world.time());
    for (line, count) in [("pins{state=\"unknown\"}", 1), ("waiting_pins{needs_person=\"true\"}", 0)] {
        assert!(text.contains(&format!("refrom_{line} {count}.0\n")), "no `{line}` in {text}");
    }
    other(&world).clear_faults();
    world.run().await;
    world.expect_pull_requests("acme/tools", &["#1 open refrom/base-images -> main"]);
    world.finish();
}

#[tokio::test]
async fn a_registry_that_wants_to_be_left_alone_for_an_hour_leaves_the_others_alone() {
    let (mut world, second) = two().await;
    let headers = vec![("retry-after".to_owned(), "3600".to_owned())];
    let kind = RegistryFaultKind::Status { status: 429, headers, body: String::new() };
    other(&world).inject(RegistryFault::on("/v2/cgr.dev/", kind));
    world.run_with_problems(&["acme/tools: Dockerfile: unknown"]).await;
    expect_web_alone(&world, &second);
    world.finish();
}

#[tokio::test]
async fn a_tag_that_is_gone_is_told_and_nothing_else_waits_for_it() {
    let (mut world, second) = two().await;
    other(&world).delete_tag("cgr.dev/static", "latest");
    let report = world.run().await;
    let not_proposed = report.repositories.iter().flat_map(|repository| &repository.plan.not_proposed);
    assert_eq!(not_proposed.map(|pin| &pin.reason).collect::<Vec<_>>(), [&Reason::TagGone]);
    expect_web_alone(&world, &second);
    world.finish();
}

#[tokio::test]
async fn a_pin_whose_registry_is_down_stays_in_the_pull_request_that_another_pin_moves() {
    let mut world = World::new().await;
    let (nginx, other_old) = (world.release("dhi.io/nginx", "1", "1"), world.release("cgr.dev/static", "latest", "1"));
    let file = |nginx: &Digest, other: &Digest| {
        format!("FROM cgr.dev/static:latest@{other} AS base\nFROM dhi.io/nginx:1@{nginx}\n")
    };
    world.repository("acme/web", &[("Dockerfile", &file(&nginx, &other_old))]);
    world.release("dhi.io/nginx", "1", "2");
    let other_new = world.release("cgr.dev/static", "latest", "2");
    world.run().await;
    let nginx = world.release("dhi.io/nginx", "1", "3");
    other(&world).inject(RegistryFault::status("/v2/cgr.dev/", 503));
    world.run_with_problems(&["acme/web: Dockerfile: unknown"]).await;
    world.expect_proposal("acme/web", 1, &file(&nginx, &other_new));
    world.run_with_problems(&["acme/web: Dockerfile: unknown"]).await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_tag_that_cannot_be_looked_up_closes_nothing() {
    let (mut world, _) = two().await;
    world.run().await;
    let before = world.pull_request("acme/tools", 1);
    world.other_registry = None;
    world.run_with_problems(&["acme/tools: "]).await;
    assert_eq!(world.costs().writes, 0);
    assert_eq!(world.pull_request("acme/tools", 1), before);
    world.finish();
}

#[tokio::test]
async fn a_rejected_push_is_an_error_with_the_servers_words() {
    let (mut world, second) = two().await;
    let hook = world.bare("acme/tools").directory().join("hooks/pre-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\necho 'branches need a ticket number' >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.run_with_problems(&["branches need a ticket number"]).await;
    expect_web_alone(&world, &second);
    world.expect_branches("acme/tools", &[]);
    std::fs::remove_file(&hook).unwrap();
    world.run().await;
    world.expect_pull_requests("acme/tools", &["#1 open refrom/base-images -> main"]);
    world.finish();
}

#[tokio::test]
async fn a_repository_that_git_cannot_read_is_named_and_the_others_go_on() {
    let (mut world, second) = two().await;
    for _ in 0..2 {
        world.meddlings.next("GET /acme/tools.git/info/refs?service=git-upload-pack", Meddling::Status(403));
    }
    world.run_with_problems(&["github:acme/tools: "]).await;
    world.meddlings.clear();
    expect_web_alone(&world, &second);
    world.finish();
}

#[tokio::test]
async fn a_repository_that_is_archived_in_the_middle_is_named_and_the_others_go_on() {
    let (mut world, second) = two().await;
    let forge = std::sync::Arc::clone(&world.forge);
    let archive = move || forge.set(&name("acme/tools"), Flag::Archived).unwrap();
    let push = "GET /acme/tools.git/info/refs?service=git-receive-pack";
    world.meddlings.next(push, Meddling::Meanwhile(Box::new(archive)));
    world.run_with_problems(&["acme/tools: "]).await;
    expect_web_alone(&world, &second);
    world.finish();
}

#[tokio::test]
async fn a_repository_that_the_forge_fails_to_show_is_named_and_the_others_go_on() {
    let (mut world, second) = two().await;
    world.select(&["acme/web", "acme/tools"]);
    let kind = FaultKind::PartialError { repository: "acme/tools".into(), kind: "FORBIDDEN".into() };
    world.forge.fail(Fault::next("POST /graphql#RepositoriesByName", kind));
    world.run_with_problems(&["github:acme/tools: not allowed"]).await;
    expect_web_alone(&world, &second);
    world.finish();
}

#[tokio::test]
async fn an_account_that_may_not_open_pull_requests_is_told_so() {
    let (mut world, _) = two().await;
    world.forge.deny(refrom::demo::forge::Permission::OpenPullRequests);
    world.run_with_problems(&["acme/web: not allowed", "acme/tools: not allowed"]).await;
    world.finish();
}

#[tokio::test]
async fn a_forge_that_does_not_know_the_token_is_told_and_nothing_is_asked_of_it() {
    let (mut world, _) = two().await;
    world.forge.revoke(super::world::FORGE_TOKEN);
    world.run_with_problems(&["github: its repositories cannot be listed: the credentials were refused"]).await;
    world.finish();
}

#[tokio::test]
async fn a_reviewer_who_is_nobody_is_a_warning() {
    let (mut world, second) = two().await;
    world.policy(&["reviewers: [ada, nobody]"]);
    let report = world.run().await;
    let warnings: Vec<&String> = report.repositories.iter().flat_map(|it| &it.deeds[0].warnings).collect();
    assert!(warnings.len() == 2 && warnings.iter().all(|warning| warning.contains("`nobody`")), "{warnings:?}");
    assert!(world.pull_request("acme/web", 1).reviewers.contains("ada"));
    world.expect_proposal("acme/web", 1, &nginx("1.27.2", &second));
    world.finish();
}
