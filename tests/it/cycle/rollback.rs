//! Digests that somebody takes back: each situation from end to end.

use refrom::cycle::Report;
use refrom::demo::forge::Face;
use refrom::domain::denial::{Denial, ImageScope};
use refrom::domain::digest::Digest;
use refrom::domain::proposal::Reason;
use refrom::domain::pull_request::Vocabulary;
use refrom::domain::status::{PinState, RepositoryStatus};
use refrom::store::{Allowance, Denied, SqliteDenials};

use super::world::{World, name, nginx};

const WEB: &str = "acme/web";
const API: &str = "acme/api";
const IMAGE: &str = "dhi.io/nginx";
const WHY: &str = "it crashes on arm64";

on_both_forges!(
    a_digest_that_is_taken_back_goes_back_by_pull_request,
    what_proposes_it_is_closed_with_a_sentence_and_refuses_nothing,
    what_proposes_it_is_turned_to_another_digest_where_there_is_one,
    allowing_it_closes_the_way_back_and_refuses_nothing,
    a_way_back_that_people_close_is_refused,
    it_goes_to_the_digest_that_is_named,
    who_followed_a_version_goes_back_with_tag_digest_and_comment,
    what_the_registry_lost_since_it_was_merged_is_no_way_back,
    where_nothing_is_known_to_go_back_to_it_stays_and_says_so_until_there_is_a_newer_one,
    a_way_back_waits_for_no_age,
    a_pull_request_with_a_denied_digest_does_not_stay_open_until_the_next_turn,
    on_hold_and_with_somebodys_commit_nothing_is_touched,
    cycles_that_are_killed_at_every_step_end_with_one_way_back,
    a_digest_that_the_policy_denies_is_no_rollback_and_a_finding,
);

async fn denials(world: &World) -> SqliteDenials {
    SqliteDenials::open(&world.state().join("refrom.db")).await.unwrap()
}

async fn deny_to(world: &World, digest: &Digest, to: Option<Digest>) {
    let (image, reason) = (IMAGE.parse().unwrap(), WHY.to_owned());
    let denial = Denial { image, tag: None, digest: *digest, to, reason, at: world.time() };
    let denials = denials(world).await;
    assert_eq!(denials.deny(&denial).await.unwrap(), Denied::Now);
    denials.close().await;
}

async fn deny(world: &World, digest: &Digest) {
    deny_to(world, digest, None).await;
}

async fn allow(world: &World, digest: &Digest) {
    let (denials, scope) = (denials(world).await, IMAGE.parse::<ImageScope>().unwrap());
    assert_eq!(denials.allow(&scope, digest, world.time()).await.unwrap(), Allowance::Now);
    denials.close().await;
}

/// The first build is pinned, seen, and current.
async fn current(face: Face) -> (World, Digest) {
    let mut world = World::on(face).await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.wait_minutes(60);
    (world, first)
}

/// The second one was merged as `#1`.
async fn merged(face: Face) -> (World, Digest, Digest) {
    let (mut world, first) = current(face).await;
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    world.wait_minutes(60);
    (world, first, second)
}

/// Why the pins of a repository wait.
fn waits(report: &Report, repository: &str) -> Vec<String> {
    let found = report.repositories.iter().find(|it| it.plan.repository.name.as_str() == repository).unwrap();
    let told = |reason: &Reason| reason.told(Vocabulary::PullRequest).to_string();
    found.plan.not_proposed.iter().map(|pin| told(&pin.reason)).collect()
}

async fn status(world: &World, repository: &str) -> RepositoryStatus {
    let parts = world.assemble().await.unwrap();
    let fleet = parts.store.status().await.unwrap();
    fleet.repositories.into_iter().find(|it| it.repository.name.as_str() == repository).unwrap()
}

async fn a_digest_that_is_taken_back_goes_back_by_pull_request(face: Face) {
    let (mut world, first, second) = merged(face).await;
    deny(&world, &second).await;
    let report = world.run().await;
    assert_eq!(report.repositories[0].denied.len(), 1);
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.1", &first));
    let hosted = world.pull_request(WEB, 2);
    assert!(hosted.title.contains("roll back base image dhi.io/nginx:1.27"), "{}", hosted.title);
    assert!(hosted.body.starts_with("The digest of a pinned base image was taken back."), "{}", hosted.body);
    let PinState::Denied { reason, to, to_tag: None, pull_request, waits: None } =
        &status(&world, WEB).await.pins[0].state
    else {
        panic!("{:?}", status(&world, WEB).await.pins)
    };
    assert_eq!((reason.as_str(), *to, *pull_request), (WHY, Some(first), Some(2)));
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    assert_eq!(report.repositories[0].denied[0].pull_request.as_ref().map(|(number, _)| *number), Some(2));
    world.forge.merge(&name(WEB), 2).unwrap();
    for _ in 0..2 {
        let report = world.run().await;
        assert_eq!(waits(&report, WEB), [format!("{} is denied: {WHY}", second.short())]);
        assert!(report.repositories[0].denied.is_empty());
    }
    assert_eq!(world.file(WEB, "main", "Dockerfile"), nginx("1.27.1", &first));
    world.expect_branches(WEB, &[]);
    allow(&world, &second).await;
    world.run().await;
    world.expect_proposal(WEB, 3, &nginx("1.27.2", &second));
    world.finish();
}

async fn what_proposes_it_is_closed_with_a_sentence_and_refuses_nothing(face: Face) {
    let (mut world, _) = current(face).await;
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    deny(&world, &second).await;
    let report = world.run().await;
    assert_eq!(waits(&report, WEB), [format!("{} is denied: {WHY}", second.short())]);
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    let said: String = world.pull_request(WEB, 1).comments.into_iter().map(|(_, text)| text).collect();
    assert!(said.contains(&format!("is denied: `{WHY}`")) && said.contains("This refuses no digest."), "{said}");
    allow(&world, &second).await;
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.2", &second));
    world.finish();
}

async fn what_proposes_it_is_turned_to_another_digest_where_there_is_one(face: Face) {
    let (mut world, _) = current(face).await;
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.wait_minutes(60);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.3", &third));
    deny(&world, &third).await;
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    world.finish();
}

async fn allowing_it_closes_the_way_back_and_refuses_nothing(face: Face) {
    let (mut world, first, second) = merged(face).await;
    deny(&world, &second).await;
    world.run().await;
    allow(&world, &second).await;
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    assert_eq!(status(&world, WEB).await.pins[0].state, PinState::Current { waits: None });
    deny(&world, &second).await;
    world.run().await;
    world.expect_proposal(WEB, 3, &nginx("1.27.1", &first));
    world.finish();
}

async fn a_way_back_that_people_close_is_refused(face: Face) {
    let (mut world, _, second) = merged(face).await;
    deny(&world, &second).await;
    world.run().await;
    world.forge.close(&name(WEB), 2).unwrap();
    let report = world.run().await;
    assert_eq!(waits(&report, WEB).len(), 1);
    assert!(waits(&report, WEB)[0].starts_with("refused by closing"), "{:?}", waits(&report, WEB));
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 closed refrom/base-images -> main"]);
    world.finish();
}

async fn it_goes_to_the_digest_that_is_named(face: Face) {
    let (mut world, _, second) = merged(face).await;
    let named = world.registry.publish(IMAGE, "kept", &super::world::image_spec(IMAGE, "1.27", "0"));
    deny_to(&world, &second, Some(named)).await;
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.0", &named));
    world.finish();
}

async fn who_followed_a_version_goes_back_with_tag_digest_and_comment(face: Face) {
    let (mut world, first) = current(face).await;
    world.policy(&["follow: minor"]);
    let higher = world.release(IMAGE, "1.28", "1");
    world.run().await;
    world.expect_proposal(WEB, 1, &format!("# nginx 1.28.1\nFROM dhi.io/nginx:1.28@{higher}\n"));
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    world.wait_minutes(60);
    deny(&world, &higher).await;
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.1", &first));
    assert_eq!(world.pull_request(WEB, 2).title, "build(deps): urgently roll back dhi.io/nginx 1.28 → 1.27");
    let body = world.pull_request(WEB, 2).body;
    assert!(body.contains("these digests will not be proposed in this repository again"), "no version: {body}");
    let PinState::Denied { to, to_tag, waits: None, .. } = &status(&world, WEB).await.pins[0].state else {
        panic!("{:?}", status(&world, WEB).await.pins)
    };
    assert_eq!((*to, to_tag.as_ref().map(ToString::to_string).as_deref()), (Some(first), Some("1.27")));
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.forge.merge(&name(WEB), 2).unwrap();
    let report = world.run().await;
    assert_eq!(waits(&report, WEB), [format!("{} is denied: {WHY}", higher.short())]);
    let PinState::Current { waits: Some(wait) } = &status(&world, WEB).await.pins[0].state else {
        panic!("{:?}", status(&world, WEB).await.pins)
    };
    assert_eq!(wait.why, format!("{} is denied: {WHY}", higher.short()), "a higher tag is there");
    world.expect_branches(WEB, &[]);
    world.wait_minutes(60);
    let next = world.release(IMAGE, "1.28", "2");
    world.run().await;
    world.expect_proposal(WEB, 3, &format!("# nginx 1.28.2\nFROM dhi.io/nginx:1.28@{next}\n"));
    world.finish();
}

async fn what_the_registry_lost_since_it_was_merged_is_no_way_back(face: Face) {
    let (mut world, first, second) = merged(face).await;
    world.registry.delete_manifest(IMAGE, &first);
    deny(&world, &second).await;
    let report = world.run().await;
    assert_eq!(
        waits(&report, WEB),
        [format!("{} was taken back ({WHY}), and nothing is known to go back to", second.short())]
    );
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main"]);
    world.finish();
}

async fn where_nothing_is_known_to_go_back_to_it_stays_and_says_so_until_there_is_a_newer_one(face: Face) {
    let (mut world, first) = current(face).await;
    deny(&world, &first).await;
    let report = world.run().await;
    assert_eq!(
        waits(&report, WEB),
        [format!("{} was taken back ({WHY}), and nothing is known to go back to", first.short())]
    );
    assert!(status(&world, WEB).await.needs_person());
    world.expect_pull_requests(WEB, &[]);
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    world.finish();
}

async fn a_way_back_waits_for_no_age(face: Face) {
    let (mut world, first, second) = merged(face).await;
    world.policy(&["min_age: 30d", "settle: 30d"]);
    deny(&world, &second).await;
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.1", &first));
    world.finish();
}

async fn a_pull_request_with_a_denied_digest_does_not_stay_open_until_the_next_turn(face: Face) {
    let (mut world, _) = current(face).await;
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.wait_minutes(60);
    let third = world.release(IMAGE, "1.27", "3");
    world.policy(&["schedule: daily"]);
    world.run().await;
    deny(&world, &third).await;
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 closed refrom/base-images -> main"]);
    world.policy(&["schedule: always"]);
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.2", &second));
    world.finish();
}

async fn on_hold_and_with_somebodys_commit_nothing_is_touched(face: Face) {
    let (mut world, first) = current(face).await;
    world.repository(API, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.forge.label(&name(WEB), 1, "refrom:hold").unwrap();
    world.commit(API, super::world::BRANCH, &[("notes.txt", "mine")]);
    world.run().await;
    deny(&world, &second).await;
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    assert!(report.repositories.iter().all(|it| it.plan.left_alone.len() == 1));
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_pull_requests(API, &["#1 open refrom/base-images -> main"]);
    world.finish();
}

async fn cycles_that_are_killed_at_every_step_end_with_one_way_back(face: Face) {
    let (mut world, first, second) = merged(face).await;
    deny(&world, &second).await;
    assert!(world.run_piece_by_piece().await >= 2);
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 2, &nginx("1.27.1", &first));
    allow(&world, &second).await;
    assert!(world.run_piece_by_piece().await >= 2);
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main", "#2 closed refrom/base-images -> main"]);
    world.expect_branches(WEB, &[]);
    world.finish();
}

async fn a_digest_that_the_policy_denies_is_no_rollback_and_a_finding(face: Face) {
    let (mut world, first, second) = merged(face).await;
    world.policy(&[&format!("denied: [{{ digest: \"{second}\", reason: slow }}]")]);
    let report = world.run().await;
    assert!(report.repositories[0].denied.is_empty());
    let noticed = &report.repositories[0].noticed;
    assert_eq!(noticed.iter().map(|it| it.image_use.shown_status()).collect::<Vec<_>>(), ["pinned (denied-digest)"]);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    // And where it is not pinned it is not proposed.
    world.registry.move_tag(IMAGE, "1.27", second);
    world.repository(API, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let report = world.run().await;
    assert_eq!(waits(&report, API), [format!("{} is denied: slow", second.short())]);
    world.expect_pull_requests(API, &[]);
    world.finish();
}
