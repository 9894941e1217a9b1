//! The checks that every test of a cycle ends with see what they are there for.

use refrom::demo::forge::Face;
use refrom::demo::git_repository::{Content, Person};

use super::meddling::Meddling;
use super::world::{FORGE_TOKEN, REGISTRY_PASSWORD, World, branch, nginx};

const WEB: &str = "acme/web";

async fn behind() -> World {
    behind_on(Face::GitHub).await
}

async fn behind_on(face: Face) -> World {
    let world = World::on(face).await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release("dhi.io/nginx", "1.27", "2");
    world
}

#[tokio::test]
#[should_panic(expected = "is in the logs")]
async fn a_secret_in_the_logs_is_seen() {
    let mut world = behind().await;
    world.run().await;
    tracing::trace!(token = FORGE_TOKEN, "signing in");
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "is in a pushed object")]
async fn a_secret_in_a_commit_is_seen() {
    let mut world = behind().await;
    world.run().await;
    world.commit(WEB, "refrom/x", &[("notes", REGISTRY_PASSWORD)]);
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "is in a request's body")]
async fn a_secret_in_a_pull_request_is_seen() {
    let mut world = behind().await;
    world.policy(&[&format!("title: \"{FORGE_TOKEN}\"")]);
    world.run().await;
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "the words of another forge")]
async fn a_pull_request_on_gitlab_is_seen() {
    let mut world = behind_on(Face::GitLab).await;
    world.policy(&["title: \"A pull request\""]);
    world.run().await;
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "the words of another forge")]
async fn a_merge_request_on_github_is_seen() {
    let mut world = behind_on(Face::GitHub).await;
    world.policy(&["title: \"A merge request\""]);
    world.run().await;
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "refs/heads/main` was changed")]
async fn a_base_that_refrom_moves_is_seen() {
    let mut world = behind().await;
    let bare = world.bare(WEB);
    let refrom = Person { name: "refrom", email: "refrom@refrom.invalid" };
    let push = move || {
        bare.commit_by(refrom, &branch("main"), &[("x", Content::File(b"x"))], "x").unwrap();
    };
    world.meddlings.next("write POST /repos/acme/web/pulls", Meddling::Meanwhile(Box::new(push)));
    world.run().await;
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "unexpected: github:acme/web")]
async fn a_problem_that_nobody_expected_is_seen() {
    let mut world = behind().await;
    world.meddlings.next("write POST /repos/acme/web/pulls", Meddling::Status(403));
    world.run().await;
    world.finish();
}

#[tokio::test]
#[should_panic(expected = "a test ends with `finish`")]
async fn a_test_without_its_end_is_seen() {
    let mut world = behind().await;
    world.run().await;
}
