//! What the administrator and the repository say.

use super::world::{World, name, nginx};

const WEB: &str = "acme/web";

/// A repository with two images in two files, each one build behind.
async fn two_files() -> World {
    let world = World::new().await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    let other = world.release("cgr.dev/static", "latest", "1");
    let both = format!("{}FROM cgr.dev/static:latest@{other}\n", nginx("1.27.1", &first));
    let one = nginx("1.27.1", &first);
    world.repository(WEB, &[("Dockerfile", &both), ("web/Dockerfile", &one)]);
    world.release("dhi.io/nginx", "1.27", "2");
    world.release("cgr.dev/static", "latest", "2");
    world
}

/// Repositories with these names that are one build behind.
async fn behind(repositories: &[(&str, &str)]) -> World {
    let world = World::new().await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    for (repository, own_file) in repositories {
        let dockerfile = nginx("1.27.1", &first);
        let files = [("Dockerfile", dockerfile.as_str()), (".refrom.yaml", own_file)];
        let count = if own_file.is_empty() { 1 } else { 2 };
        world.repository(repository, &files[..count]);
    }
    world.release("dhi.io/nginx", "1.27", "2");
    world
}

fn open(world: &World, repository: &str) -> usize {
    world.forge.pull_requests(&name(repository)).unwrap().len()
}

#[tokio::test]
async fn one_pull_request_for_each_image() {
    let mut world = two_files().await;
    world.policy(&["group: image"]);
    world.run().await;
    world.expect_branches(WEB, &["refrom/cgr-dev-static-8801db04", "refrom/dhi-io-nginx-cb06627b"]);
    assert_eq!(open(&world, WEB), 2);
    let second = world.release("dhi.io/nginx", "1.27", "2");
    assert_eq!(world.file(WEB, "refrom/dhi-io-nginx-cb06627b", "web/Dockerfile"), nginx("1.27.2", &second));
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn one_pull_request_for_each_file() {
    let mut world = two_files().await;
    world.policy(&["group: file"]);
    world.run().await;
    assert_eq!(open(&world, WEB), 2);
    let bodies: Vec<String> =
        world.forge.pull_requests(&name(WEB)).unwrap().into_iter().map(|hosted| hosted.body).collect();
    let about_both = |body: &&String| body.contains("cgr.dev/static");
    assert_eq!(bodies.iter().filter(about_both).count(), 1);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn comments_are_written_where_there_are_none() {
    let mut world = World::new().await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &format!("FROM dhi.io/nginx:1.27@{first}\n"))]);
    let second = world.release("dhi.io/nginx", "1.27", "2");
    world.policy(&["comment: write"]);
    world.run().await;
    let expected = format!("# base image: dhi.io/nginx:1.27 (1.27.2)\nFROM dhi.io/nginx:1.27@{second}\n");
    world.expect_proposal(WEB, 1, &expected);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_repository_sets_what_it_may() {
    let mut world = behind(&[(WEB, "labels: [web]\nreviewers: [ada]\ngroup: image\n")]).await;
    world.run().await;
    let hosted = world.pull_request(WEB, 1);
    assert_eq!(hosted.branch.as_str(), "refrom/dhi-io-nginx-cb06627b");
    assert_eq!(hosted.labels.into_iter().collect::<Vec<_>>(), ["web"]);
    assert!(hosted.reviewers.contains("ada"));
    world.finish();
}

#[tokio::test]
async fn a_repository_that_reaches_too_far_or_is_broken_is_reported_and_stops_nothing() {
    let files = [
        ("acme/broken", "labels: [\n"),
        ("acme/far", "labels: [mine]\nimages: [\"docker.io/**\"]\n"),
        ("acme/off", "enabled: false\n"),
        ("acme/off-and-broken", "enabled: false\nlabel: [x]\n"),
        (WEB, ""),
    ];
    let mut world = behind(&files).await;
    world.run_with_problems(&["github:acme/broken: ", "github:acme/far: ", "github:acme/off-and-broken: "]).await;
    for (repository, count) in
        [("acme/broken", 1), ("acme/far", 1), ("acme/off", 0), ("acme/off-and-broken", 0), (WEB, 1)]
    {
        assert_eq!(open(&world, repository), count, "{repository}");
    }
    assert!(!world.pull_request("acme/far", 1).labels.contains("mine"));
    world.finish();
}

#[tokio::test]
async fn switched_off_what_is_open_is_closed() {
    let mut world = behind(&[(WEB, "")]).await;
    world.run().await;
    world.commit(WEB, "main", &[(".refrom.yaml", "enabled: false\n")]);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    assert!(world.pull_request(WEB, 1).comments[0].1.contains("enabled: false"));
    world.expect_branches(WEB, &[]);
    world.commit(WEB, "main", &[(".refrom.yaml", "enabled: true\n")]);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.finish();
}

#[tokio::test]
async fn another_base_is_read_and_proposed_to() {
    let mut world = World::new().await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    let second = world.release("dhi.io/nginx", "1.27", "2");
    // What `main` pins is current, what `develop` pins is not.
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.2", &second))]);
    world.commit(WEB, "develop", &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.repository("acme/without", &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.policy(&["base: develop"]);
    world.run_with_problems(&["github:acme/without: its base branch `develop` is not there"]).await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> develop"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    world.run_with_problems(&["acme/without"]).await;
    assert_eq!((world.costs().git, world.costs().writes), (0, 0));
    world.finish();
}

#[tokio::test]
async fn no_more_are_open_than_max_open() {
    let mut world = two_files().await;
    world.policy(&["group: image", "max_open: 1"]);
    world.run().await;
    assert_eq!(open(&world, WEB), 1);
    world.run().await;
    assert_eq!((open(&world, WEB), world.costs().writes), (1, 0));
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    assert_eq!(open(&world, WEB), 2);
    world.finish();
}

#[tokio::test]
async fn no_more_are_new_within_an_hour_than_max_new_per_hour() {
    let names = ["acme/a", "acme/b", "acme/c"];
    let mut world = behind(&names.map(|name| (name, ""))).await;
    world.setting("max_new_per_hour: 2");
    let count = |world: &World| names.iter().map(|name| open(world, name)).sum::<usize>();
    world.run().await;
    assert_eq!(count(&world), 2);
    world.wait_minutes(30);
    world.run().await;
    assert_eq!((count(&world), world.costs().writes), (2, 0));
    world.wait_minutes(31);
    world.run().await;
    assert_eq!(count(&world), 3);
    world.finish();
}

#[tokio::test]
async fn a_dry_run_plans_the_same_and_writes_nothing() {
    let mut world = two_files().await;
    world.policy(&["group: image"]);
    let planned = world.dry_run().await;
    assert_eq!(world.costs().writes, 0);
    world.expect_branches(WEB, &[]);
    assert_eq!(open(&world, WEB), 0);
    let done = world.run().await;
    assert_eq!(planned.repositories[0].plan, done.repositories[0].plan);
    world.finish();
}

#[tokio::test]
async fn a_whole_life_as_a_github_app() {
    let mut world = World::signed_in_as_app().await;
    let first = world.release("dhi.io/nginx", "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release("dhi.io/nginx", "1.27", "2");
    world.run().await;
    assert_eq!(world.pull_request(WEB, 1).author, "refrom[bot]");
    let third = world.release("dhi.io/nginx", "1.27", "3");
    world.forge.expire_tokens();
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.run().await;
    assert_eq!((world.costs().git, world.costs().writes), (0, 0));
    world.forge.close(&name(WEB), 1).unwrap();
    world.forget();
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.finish();
}
