//! Cycles, wake-ups, reloads and the end, in this process.

use refrom::serve::http::Limits;
use refrom::serve::{Ending, Signal};
use serde_json::{Value, json};

use super::house::{House, LISTEN, answer};
use crate::cycle::meddling::Meddling;
use crate::cycle::world::{BRANCH, World, nginx};

const WEB: &str = "acme/web";
const API: &str = "acme/api";
const IMAGE: &str = "dhi.io/nginx";
const POLL: i64 = 15 * 60;

/// Two repositories that pin the first build of an image.
async fn world() -> World {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    for repository in [WEB, API] {
        world.repository(repository, &[("Dockerfile", &nginx("1.27.1", &first))]);
    }
    world.setting(LISTEN);
    world.takes_webhooks();
    world
}

fn push() -> Value {
    json!({ "ref": "refs/heads/main", "repository": { "full_name": WEB, "default_branch": "main" } })
}

async fn readiness(house: &House) -> (u16, Value) {
    let (status, text) = answer(house.get("/readyz")).await;
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn the_fleet_is_looked_at_with_every_poll_and_what_is_behind_is_proposed_once() {
    let house = House::open(world().await).await;
    house.reach(POLL).await;
    house.cycles(2).await;
    let second = house.world.release(IMAGE, "1.27", "2");
    for poll in 2..=8 {
        house.reach(poll * POLL).await;
        assert_eq!(house.cycles(usize::try_from(poll).unwrap() + 1).await.len(), usize::try_from(poll).unwrap() + 1);
    }
    for repository in [WEB, API] {
        house.world.expect_pull_requests(repository, &["#1 open refrom/base-images -> main"]);
        house.world.expect_proposal(repository, 1, &nginx("1.27.2", &second));
    }
    house.finish().await;
}

#[tokio::test]
async fn a_repository_that_is_told_about_a_hundred_times_is_looked_at_once_and_alone() {
    let house = House::open(world().await).await;
    house.world.release(IMAGE, "1.27", "2");
    for number in 0..100 {
        let mut push = push();
        push["after"] = json!(number);
        assert_eq!(house.github("push", &push).await.status(), 202);
    }
    house.reach(5).await;
    assert_eq!(house.cycles(2).await, [true, false]);
    house.world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    house.world.expect_pull_requests(API, &[]);
    assert_eq!(house.idle().await, POLL);
    house.finish().await;
}

#[tokio::test]
async fn what_is_told_during_a_cycle_makes_the_next_one() {
    let world = world().await;
    world.meddlings.next("write POST /acme/web.git/git-receive-pack", Meddling::Hang);
    world.release(IMAGE, "1.27", "2");
    let house = House::start(world, Limits::default()).await;
    house.world.meddlings.hanging().await;
    assert_eq!(house.github("push", &push()).await.status(), 202);
    // The push hangs until git gives up on it; nothing of that is waited for.
    house.signals.send(Signal::Stop).await.unwrap();
    house.reach(30).await;
    let (ending, mut world) = house.close().await;
    assert_eq!(ending, Ending::Abandoned);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.finish();
}

#[tokio::test]
async fn a_pull_request_that_people_merge_is_tidied_up_at_once() {
    let world = world().await;
    world.release(IMAGE, "1.27", "2");
    let house = House::open(world).await;
    house.world.forge.merge(&WEB.parse().unwrap(), 1).unwrap();
    let merged = json!({ "action": "closed", "repository": { "full_name": WEB }, "pull_request":
        { "number": 1, "merged": true, "head": { "ref": BRANCH, "repo": { "full_name": WEB } } } });
    assert_eq!(house.github("pull_request", &merged).await.status(), 202);
    house.reach(5).await;
    house.cycles(2).await;
    house.world.expect_branches(WEB, &[]);
    house.finish().await;
}

#[tokio::test]
async fn an_installation_wakes_everything_but_not_more_often_than_once_a_minute() {
    let house = House::open(world().await).await;
    for number in 0..10 {
        let told = json!({ "action": "added", "number": number });
        assert_eq!(house.github("installation_repositories", &told).await.status(), 202);
    }
    house.reach(60).await;
    assert_eq!(house.cycles(2).await, [true, true]);
    // It takes no turn of those that come with every poll.
    assert_eq!(house.idle().await, POLL);
    house.finish().await;
}

#[tokio::test]
async fn what_waits_for_its_time_is_proposed_then_and_not_with_the_next_poll() {
    let mut world = world().await;
    // It is 08:00 when the service starts, and everything is current.
    world.policy(&["schedule: '5 9 * * *'", "jitter: 0s"]);
    world.select(&[WEB]);
    let house = House::open(world).await;
    house.world.release(IMAGE, "1.27", "2");
    for poll in 1..=4 {
        house.reach(poll * POLL).await;
        house.cycles(usize::try_from(poll).unwrap() + 1).await;
    }
    house.world.expect_pull_requests(WEB, &[]);
    house.reach(65 * 60).await;
    assert_eq!(house.cycles(6).await.last(), Some(&false));
    house.world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    assert_eq!(house.idle().await, 5 * POLL);
    house.finish().await;
}

#[tokio::test]
async fn it_is_ready_once_a_cycle_has_ended_and_not_when_none_has_for_three_polls() {
    let world = world().await;
    world.release(IMAGE, "1.27", "2");
    world.meddlings.next("read POST /graphql", Meddling::Meanwhile(Box::new(|| {})));
    let house = House::start(world, Limits::default()).await;
    house.cycles(1).await;
    house.idle().await;
    assert_eq!(
        readiness(&house).await,
        (
            200,
            json!({
                "ready": true, "reasons": [], "last_cycle": "2026-11-20T08:00:00Z", "after_restart": [],
            })
        )
    );
    assert_eq!(answer(house.get("/healthz")).await, (200, "alive\n".to_owned()));
    house.world.meddlings.next("read POST /graphql", Meddling::Hang);
    house.reach(POLL).await;
    house.world.meddlings.hanging().await;
    house.pass(3 * POLL);
    let (status, told) = readiness(&house).await;
    assert_eq!((status, told["ready"].as_bool()), (503, Some(false)));
    assert!(told["reasons"][0].as_str().unwrap().contains("too long ago"), "{told}");
    assert_eq!(answer(house.get("/healthz")).await.0, 200);
    // It only reads: there is nothing to wait for.
    house.finish().await;
}

#[tokio::test]
async fn a_store_that_fails_is_told_and_tried_again_with_growing_pauses() {
    let mut house = House::open(world().await).await;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(house.world.state().join("refrom.db"));
    let pool = sqlx::SqlitePool::connect_with(options).await.unwrap();
    sqlx::raw_sql("ALTER TABLE sighting RENAME TO gone").execute(&pool).await.unwrap();
    house.world.release(IMAGE, "1.27", "2");
    house.reach(POLL).await;
    house.cycles(2).await;
    assert_eq!(house.idle().await, POLL + 10);
    let (status, told) = readiness(&house).await;
    assert_eq!(status, 503);
    let reason = told["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("the last cycle failed: ") && reason.matches("no such table").count() == 1, "{told}");
    house.reach(POLL + 10).await;
    house.cycles(3).await;
    assert_eq!(house.idle().await, POLL + 30);
    sqlx::raw_sql("ALTER TABLE gone RENAME TO sighting").execute(&pool).await.unwrap();
    pool.close().await;
    house.reach(POLL + 30).await;
    house.cycles(4).await;
    house.idle().await;
    assert_eq!(readiness(&house).await.0, 200);
    house.world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    house.world.expect_errors();
    house.finish().await;
}

#[tokio::test]
async fn a_changed_configuration_holds_from_the_next_cycle_and_a_broken_one_changes_nothing() {
    let mut house = House::open(world().await).await;
    house.idle().await;
    house.world.release(IMAGE, "1.27", "2");
    house.world.policy(&["labels: [fresh]", "lables: [a]"]);
    house.world.configuration();
    house.signals.send(Signal::Reload).await.unwrap();
    // Nothing else wakes: the next look is the poll's.
    house.reach(POLL).await;
    house.cycles(2).await;
    house.idle().await;
    assert_eq!(house.world.pull_request(WEB, 1).labels, ["base-image".to_owned()].into());
    let (status, told) = readiness(&house).await;
    assert_eq!(status, 503);
    let reason = told["reasons"][0].as_str().unwrap();
    let text = std::fs::read_to_string(house.world.configuration()).unwrap();
    let line = text.lines().position(|line| line.contains("lables")).unwrap() + 1;
    let expected = format!("refrom.yaml:{line}:3: `policy.lables`: unknown key");
    assert!(reason.contains(&expected), "{reason}");
    let page = answer(house.get("/")).await.1;
    let told = "The configuration file is refused, the one before it stays in use: ";
    assert!(
        page.contains(told) && page.contains(&format!(":{line}:3: <code>policy.lables</code>: unknown key")),
        "{page}"
    );

    let third = house.world.release(IMAGE, "1.27", "3");
    house.world.policy(&["labels: [fresh]", "group: image"]);
    house.world.setting("store: sqlite://other.db\nserve: { listen: '127.0.0.1:1' }");
    house.world.configuration();
    house.signals.send(Signal::Reload).await.unwrap();
    // Its effect is wanted now.
    house.cycles(3).await;
    house.idle().await;
    assert_eq!(
        readiness(&house).await,
        (
            200,
            json!({ "ready": true, "reasons": [],
        "last_cycle": "2026-11-20T08:15:00Z", "after_restart": ["store", "serve.listen"] })
        )
    );
    let page = answer(house.get("/")).await.1;
    assert!(!page.contains(told) && page.contains("in use after a restart: <code>store</code>"), "{page}");
    let hosted = house.world.pull_request(WEB, 2);
    assert_eq!(
        (hosted.labels, hosted.branch.as_str().starts_with("refrom/dhi-io-nginx")),
        (["fresh".to_owned()].into(), true)
    );
    house.world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    assert!(!house.world.state().join("other.db").exists());
    house.world.expect_errors();
    house.finish().await;
}

#[tokio::test]
async fn a_service_that_is_told_to_end_ends_what_it_began_and_begins_nothing_more() {
    let mut world = world().await;
    world.policy(&["group: file"]);
    let first = world.release(IMAGE, "1.27", "1");
    world.commit(
        WEB,
        "main",
        &[("a/Dockerfile", &nginx("1.27.1", &first)), ("b/Dockerfile", &nginx("1.27.1", &first))],
    );
    world.select(&[WEB]);
    world.release(IMAGE, "1.27", "2");
    let (tell, told) = std::sync::mpsc::channel::<tokio::sync::mpsc::Sender<Signal>>();
    let stop = move || told.recv().unwrap().try_send(Signal::Stop).unwrap();
    world.meddlings.next("write POST /repos/acme/web/pulls", Meddling::Meanwhile(Box::new(stop)));
    let house = House::start(world, Limits::default()).await;
    tell.send(house.signals.clone()).unwrap();
    let (ending, mut world) = house.ended().await;
    assert_eq!(ending, Ending::Clean);
    let open = world.forge.pull_requests(&WEB.parse().unwrap()).unwrap();
    assert_eq!(open.len(), 1);
    world.run().await;
    assert_eq!(world.forge.pull_requests(&WEB.parse().unwrap()).unwrap().len(), 3);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}
