//! Whole cycles over a tag that moves: which digest is proposed, and when, from the ledger in a real store.

use refrom::cycle::Report;

use super::world::{MIRROR_HOST, World, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// Why the one pin waits.
fn waits(report: &Report) -> String {
    let plan = &report.repositories[0].plan;
    let reasons: Vec<String> =
        plan.not_proposed.iter().map(|pin| pin.reason.told(plan.vocabulary).to_string()).collect();
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons.concat()
}

#[tokio::test]
async fn with_min_age_a_tag_that_moves_each_day_is_followed_three_days_later() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "0");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.0", &first))]);
    world.policy(&["min_age: 3d"]);
    world.run().await;
    let mut digests = vec![first];
    for day in 1..=6_usize {
        world.wait_minutes(DAY);
        digests.push(world.release(IMAGE, "1.27", &day.to_string()));
        let report = world.run().await;
        match day {
            1..=3 => assert!(waits(&report).starts_with("`min_age`: "), "{}", waits(&report)),
            _ => world.expect_proposal(WEB, 1, &nginx(&format!("1.27.{}", day - 3), &digests[day - 3])),
        }
    }
    world.finish();
}

#[tokio::test]
async fn what_comes_and_goes_is_not_proposed_and_what_stays_is() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.policy(&["settle: 30m"]);
    world.run().await;
    world.wait_minutes(HOUR);
    world.release(IMAGE, "1.27", "2");
    assert!(waits(&world.run().await).starts_with("`settle`: "));
    world.wait_minutes(HOUR);
    world.release(IMAGE, "1.27", "1");
    world.run().await;
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(HOUR);
    let third = world.release(IMAGE, "1.27", "3");
    assert!(waits(&world.run().await).starts_with("`settle`: "));
    world.wait_minutes(HOUR);
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn a_pin_at_what_the_tag_went_back_from_stays_and_that_is_said() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.wait_minutes(HOUR);
    let second = world.release(IMAGE, "1.27", "2");
    world.commit(WEB, "main", &[("Dockerfile", &nginx("1.27.2", &second))]);
    world.run().await;
    world.wait_minutes(HOUR);
    world.release(IMAGE, "1.27", "1");
    assert!(waits(&world.run().await).contains("older digest than the pinned one"));
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(HOUR);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    world.finish();
}

#[tokio::test]
async fn a_mirrors_pin_is_resolved_at_the_upstream_and_waits_until_the_mirror_has_the_digest() {
    let of_mirror = |text: String| text.replace(IMAGE, &format!("{MIRROR_HOST}/dhi/nginx"));
    let mut world = World::new().await;
    world.use_mirror();
    let first = world.release(IMAGE, "1.27", "1");
    world.copy_to_mirror(IMAGE, "dhi/nginx");
    world.repository(WEB, &[("Dockerfile", &of_mirror(nginx("1.27.1", &first)))]);
    let report = world.run().await;
    assert_eq!(report.repositories[0].pins.current, 1);
    world.wait_minutes(HOUR);
    let second = world.release(IMAGE, "1.27", "2");
    assert!(waits(&world.run().await).starts_with("not in the mirror yet: "));
    world.expect_pull_requests(WEB, &[]);
    world.wait_minutes(HOUR);
    world.copy_to_mirror(IMAGE, "dhi/nginx");
    world.run().await;
    world.expect_proposal(WEB, 1, &of_mirror(nginx("1.27.2", &second)));
    world.finish();
}

#[tokio::test]
async fn a_name_that_becomes_a_mirrors_keeps_what_was_seen_under_it() {
    let of_mirror = |text: String| text.replace(IMAGE, &format!("{MIRROR_HOST}/dhi/nginx"));
    let mut world = World::new().await;
    world.use_unnamed_mirror();
    let release = |world: &World, build| {
        let digest = world.release(IMAGE, "1.27", build);
        world.copy_to_mirror(IMAGE, "dhi/nginx");
        world.wait_minutes(HOUR);
        digest
    };
    let first = release(&world, "1");
    world.repository(WEB, &[("Dockerfile", &of_mirror(nginx("1.27.1", &first)))]);
    world.run().await;
    let second = release(&world, "2");
    world.commit(WEB, "main", &[("Dockerfile", &of_mirror(nginx("1.27.2", &second)))]);
    world.run().await;
    release(&world, "1");
    assert!(waits(&world.run().await).contains("older digest than the pinned one"));
    world.use_mirror();
    world.wait_minutes(HOUR);
    assert!(waits(&world.run().await).contains("older digest than the pinned one"));
    world.expect_pull_requests(WEB, &[]);
    let third = release(&world, "3");
    world.run().await;
    world.expect_proposal(WEB, 1, &of_mirror(nginx("1.27.3", &third)));
    world.finish();
}

#[tokio::test]
async fn a_denied_digest_is_not_proposed_and_what_proposes_it_is_closed() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    world.policy(&[&format!("denied: [{{ digest: '{second}', reason: \"starts as root\" }}]")]);
    let report = world.run().await;
    assert!(waits(&report).ends_with("starts as root"), "{}", waits(&report));
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    world.wait_minutes(HOUR);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(HOUR);
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    // Allowed again it is no step back from what is open.
    world.policy(&["denied: []"]);
    world.wait_minutes(HOUR);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn only_images_that_the_final_one_is_made_of_move() {
    let mut world = World::new().await;
    let (go, static_image) = ("dhi.io/golang", "dhi.io/static");
    let [go_one, static_one, first] =
        [(go, "1.25"), (static_image, "1"), (IMAGE, "1.27")].map(|(image, tag)| world.release(image, tag, "1"));
    let dockerfile = |nginx| {
        format!(
            "FROM {go}:1.25@{go_one} AS build\nCOPY --from={static_image}:1@{static_one} /etc/ssl /etc/ssl\n\
             FROM dhi.io/nginx:1.27@{nginx} AS base\nFROM base\nCOPY --from=build /app /app\n"
        )
    };
    world.repository(WEB, &[("Dockerfile", &dockerfile(first))]);
    world.policy(&["stages: final"]);
    world.release(go, "1.25", "2");
    world.release(static_image, "1", "2");
    let report = world.run().await;
    assert_eq!((report.repositories[0].pins.current, world.costs().writes), (1, 0));
    let second = world.release(IMAGE, "1.27", "2");
    world.wait_minutes(HOUR);
    world.run().await;
    world.expect_proposal(WEB, 1, &dockerfile(second));
    assert_eq!(world.registry_asked("dhi.io/golang"), 0, "nobody needs to know");
    world.finish();
}
