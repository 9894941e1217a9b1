//! Pins that follow versions, and tags that get their first digest.

use refrom::demo::forge::Face;
use refrom::demo::registry::Fault;
use refrom::domain::digest::Digest;
use refrom::domain::marker::Marker;
use refrom::domain::pull_request::{PullRequestState, Vocabulary};

use super::world::{World, name, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";
const LIST: &str = "GET /v2/dhi.io/nginx/tags/list";

on_both_forges!(
    a_higher_version_is_proposed_with_tag_digest_and_comment,
    where_the_list_fails_the_digest_of_the_own_tag_still_moves,
    a_refused_version_is_not_proposed_again_whatever_its_digest_and_the_next_version_is,
    tags_get_their_digests_after_the_tag,
);

/// `FROM dhi.io/nginx:<tag>@…` under a comment with its version.
fn pinned(tag: &str, version: &str, digest: &Digest) -> String {
    format!("# nginx {version}\nFROM dhi.io/nginx:{tag}@{digest}\n")
}

/// A repository that follows minor versions, at the newest digest of 1.27; there are 1.28, and tags that are none of it.
async fn following(face: Face) -> (World, Digest, Digest) {
    let mut world = World::on(face).await;
    world.policy(&["follow: minor"]);
    world.setting("poll: 1h");
    world.registry.set_page_tags(2);
    for tag in ["1", "1.27.0", "1.28-alpine", "1.28.0", "2.0", "latest", "1.29-rc1"] {
        world.release(IMAGE, tag, "1");
    }
    let first = world.release(IMAGE, "1.27", "1");
    let higher = world.release(IMAGE, "1.28", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    (world, first, higher)
}

async fn a_higher_version_is_proposed_with_tag_digest_and_comment(face: Face) {
    let (mut world, first, higher) = following(face).await;
    world.run().await;
    world.expect_proposal(WEB, 1, &pinned("1.28", "1.28.1", &higher));
    let hosted = world.pull_request(WEB, 1);
    assert_eq!(hosted.title, "build(deps): update dhi.io/nginx 1.27 → 1.28");
    assert!(hosted.body.contains("There is a higher version of a pinned base image."), "{}", hosted.body);
    assert!(hosted.body.contains("| `dhi.io/nginx:1.27` → `1.28` |"), "{}", hosted.body);
    let marked = Marker::read(&hosted.body).unwrap().pins.remove(0);
    let new_tag = marked.new_tag.as_ref().map(ToString::to_string);
    assert_eq!((marked.tag.as_str(), new_tag.as_deref()), ("1.27", Some("1.28")));
    assert_eq!((marked.old, marked.new), (Some(first), higher));
    // Nine tags, two a page.
    assert_eq!(world.registry_asked(LIST), 5);
    // Within `poll` nothing is asked again, and nothing changes.
    world.wait_minutes(5);
    world.run().await;
    assert_eq!((world.costs().registry, world.costs().writes), (0, 0));
    world.wait_minutes(60);
    world.run().await;
    assert_eq!((world.registry_asked(LIST), world.costs().writes), (5, 0));
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    world.wait_minutes(61);
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 merged refrom/base-images -> main"]);
    assert_eq!(world.costs().writes, 0);
    // And from there on.
    let next = world.release(IMAGE, "1.30", "4");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 2, &pinned("1.30", "1.30.4", &next));
    world.finish();
}

#[tokio::test]
async fn lists_are_asked_for_only_where_they_are_needed() {
    let (mut world, first, _) = following(Face::GitHub).await;
    world.policy(&["follow: digest"]);
    world.run().await;
    assert_eq!((world.registry_asked(LIST), world.costs().writes), (0, 0));
    // A patch of two parts is none.
    world.wait_minutes(61);
    world.policy(&["follow: patch"]);
    world.run().await;
    assert_eq!(world.registry_asked(LIST), 0);
    // Many repositories ask once.
    for repository in ["acme/api", "acme/db"] {
        world.repository(repository, &[("Dockerfile", &nginx("1.27.1", &first))]);
    }
    world.policy(&["follow: minor"]);
    world.wait_minutes(61);
    world.run().await;
    assert_eq!(world.registry_asked(LIST), 5);
    world.finish();
}

async fn where_the_list_fails_the_digest_of_the_own_tag_still_moves(face: Face) {
    let (mut world, _, higher) = following(face).await;
    let second = world.release(IMAGE, "1.27", "2");
    world.registry.inject(Fault::status(LIST, 503));
    world.run_with_problems(&["its tags could not be listed"]).await;
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    // As soon as it answers, what is open goes on to the higher version.
    world.registry.clear_faults();
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 1, &pinned("1.28", "1.28.1", &higher));
    // And what is open stays when the list or the higher tag fails again, whatever the own tag does.
    world.release(IMAGE, "1.27", "3");
    for fault in [LIST, "/dhi.io/nginx/manifests/1.28"] {
        world.registry.inject(Fault::status(fault, 503));
        world.wait_minutes(61);
        world.run_with_problems(&["HTTP 503"]).await;
        world.registry.clear_faults();
        world.expect_proposal(WEB, 1, &pinned("1.28", "1.28.1", &higher));
        assert_eq!(world.costs().writes, 0);
    }
    world.finish();
}

#[tokio::test]
async fn a_list_that_fails_is_asked_for_again_after_poll_where_an_older_one_is_known() {
    let (mut world, _, higher) = following(Face::GitHub).await;
    world.run().await;
    world.registry.inject(Fault::status(LIST, 503));
    world.wait_minutes(61);
    world.run_with_problems(&["its tags could not be listed"]).await;
    world.wait_minutes(5);
    world.run().await;
    assert_eq!(world.costs().registry, 0, "the old one holds");
    world.expect_proposal(WEB, 1, &pinned("1.28", "1.28.1", &higher));
    world.wait_minutes(61);
    world.run_with_problems(&["its tags could not be listed"]).await;
    world.registry.clear_faults();
    world.wait_minutes(61);
    world.run().await;
    world.finish();
}

async fn a_refused_version_is_not_proposed_again_whatever_its_digest_and_the_next_version_is(face: Face) {
    let (mut world, _, _) = following(face).await;
    world.run().await;
    let body = world.pull_request(WEB, 1).body;
    assert!(body.contains("these versions will not be proposed in this repository again"), "{body}");
    world.forge.close(&name(WEB), 1).unwrap();
    world.wait_minutes(61);
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    let waiting = &report.repositories[0].plan.not_proposed[0];
    let number = if face == Face::GitHub { "#1" } else { "!1" };
    let told = waiting.reason.told(report.repositories[0].plan.vocabulary).to_string();
    assert_eq!(told, format!("refused by closing {number}"));
    // What is below it goes on.
    let second = world.release(IMAGE, "1.27", "2");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.2", &second));
    let body = world.pull_request(WEB, 2).body;
    assert!(body.contains("these digests will not be proposed in this repository again"), "{body}");
    // A rebuild of it is none that anybody said yes to.
    world.release(IMAGE, "1.28", "2");
    world.wait_minutes(61);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 2, &nginx("1.27.3", &third));
    let next = world.release(IMAGE, "1.29", "1");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 2, &pinned("1.29", "1.29.1", &next));
    world.finish();
}

#[tokio::test]
async fn after_every_version_that_is_refused_the_next_lower_one_is_proposed() {
    let mut world = World::new().await;
    world.policy(&["follow: major"]);
    world.setting("poll: 1h");
    let own = world.release("dhi.io/node", "20", "1");
    for version in ["21", "22", "23", "24", "25"] {
        world.release("dhi.io/node", version, "1");
    }
    world.repository(WEB, &[("Dockerfile", &format!("FROM dhi.io/node:20@{own}\n"))]);
    for (number, version) in (1..).zip(["25", "24", "23", "22", "21"]) {
        world.run().await;
        let title = format!("build(deps): update dhi.io/node 20 → {version}");
        assert_eq!(world.pull_request(WEB, number).title, title);
        world.forge.close(&name(WEB), number).unwrap();
        world.wait_minutes(61);
    }
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    assert_eq!(report.repositories[0].plan.not_proposed.len(), 1);
    world.finish();
}

#[tokio::test]
async fn with_a_new_tag_each_day_the_highest_that_is_old_enough_is_proposed() {
    let mut world = World::new().await;
    world.policy(&["follow: patch", "min_age: 5d"]);
    world.setting("poll: 1h");
    let version = |day: u64| format!("9.6-{}", 1_754_000_000 + day);
    let own = world.release("dhi.io/ubi", &version(0), "1");
    world.repository(WEB, &[("Dockerfile", &format!("FROM dhi.io/ubi:{}@{own}\n", version(0)))]);
    for day in 1..=9 {
        let tag = version(day);
        world.release("dhi.io/ubi", &tag, "1");
        world.run().await;
        if day > 5 {
            let title = format!("build(deps): update dhi.io/ubi {} → {}", version(0), version(day - 5));
            assert_eq!(world.pull_request(WEB, 1).title, title);
        } else {
            world.expect_pull_requests(WEB, &[]);
        }
        world.wait_minutes(24 * 60);
    }
    // The list, its own tag, the three highest, and three that are old enough.
    assert_eq!(world.registry_asked("HEAD /v2/dhi.io/ubi/manifests/9.6-"), 7);
    world.finish();
}

#[tokio::test]
async fn a_refused_version_comes_back_when_its_pull_request_does() {
    let (mut world, _, _) = following(Face::GitHub).await;
    world.run().await;
    world.forge.close(&name(WEB), 1).unwrap();
    world.wait_minutes(61);
    world.run().await;
    let next = world.release(IMAGE, "1.28", "2");
    world.forge.reopen(&name(WEB), 1).unwrap();
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 1, &pinned("1.28", "1.28.2", &next));
    world.finish();
}

#[tokio::test]
async fn one_of_a_pair_gets_a_higher_tag_with_the_other_one_or_after_a_day() {
    let (mut world, first, higher) = following(Face::GitHub).await;
    let dev = world.release(IMAGE, "1.27-dev", "1");
    let both = |dev: (&str, &Digest), one: (&str, &Digest)| {
        format!("FROM dhi.io/nginx:{}@{} AS build\nFROM dhi.io/nginx:{}@{}\n", dev.0, dev.1, one.0, one.1)
    };
    world.commit(WEB, "main", &[("Dockerfile", &both(("1.27-dev", &dev), ("1.27", &first)))]);
    let report = world.run().await;
    let told = report.repositories[0].plan.not_proposed[0].reason.told(Vocabulary::PullRequest).to_string();
    assert!(told.starts_with("`pair`: `dhi.io/nginx:1.27-dev` has nothing to move to yet"), "{told}");
    let higher_dev = world.release(IMAGE, "1.28-dev", "1");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 1, &both(("1.28-dev", &higher_dev), ("1.28", &higher)));
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    let next = world.release(IMAGE, "1.29", "1");
    world.wait_minutes(61);
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.wait_minutes(25 * 60);
    world.run().await;
    world.expect_proposal(WEB, 2, &both(("1.28-dev", &higher_dev), ("1.29", &next)));
    world.finish();
}

#[tokio::test]
async fn a_tag_that_cannot_be_changed_is_told_and_its_digest_moves() {
    let (mut world, first, _) = following(Face::GitHub).await;
    let dockerfile = |digest| format!("ARG MAJOR=1\nFROM dhi.io/nginx:${{MAJOR}}.27@{digest}\n");
    world.commit(WEB, "main", &[("Dockerfile", &dockerfile(first))]);
    let report = world.run().await;
    assert_eq!(world.costs().writes, 0);
    let told = report.repositories[0].plan.not_proposed[0].reason.told(Vocabulary::PullRequest).to_string();
    assert!(told.starts_with("its tag stands where it cannot be changed to `1.28`"), "{told}");
    let second = world.release(IMAGE, "1.27", "2");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 1, &dockerfile(second));
    world.finish();
}

async fn tags_get_their_digests_after_the_tag(face: Face) {
    let mut world = World::on(face).await;
    world.policy(&["pin: digest"]);
    let nginx = world.release(IMAGE, "1.27", "1");
    let tool = world.release("cgr.dev/tool", "2", "1");
    let before = "FROM dhi.io/nginx:1.27 AS web\nCOPY --from=cgr.dev/tool:2 /bin /bin\nFROM dhi.io/other\nFROM web\n";
    world.repository(WEB, &[("Dockerfile", before)]);
    let report = world.run().await;
    let noticed: Vec<_> = report.repositories[0].noticed.iter().map(|it| it.image_use.shown_status()).collect();
    assert_eq!(noticed, ["skipped: no-tag"], "an image without a tag is not guessed, and told");
    let after =
        before.replace("nginx:1.27", &format!("nginx:1.27@{nginx}")).replace("tool:2", &format!("tool:2@{tool}"));
    world.expect_proposal(WEB, 1, &after);
    let hosted = world.pull_request(WEB, 1);
    assert_eq!(hosted.title, "build(deps): pin 2 base images");
    assert!(hosted.body.contains("2 base images get the digests that their tags point to."), "{}", hosted.body);
    assert!(Marker::read(&hosted.body).unwrap().pins.iter().all(|pin| pin.old.is_none() && pin.new_tag.is_none()));
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    // It goes on with the newest until it is merged, and is followed from then on.
    let second = world.release(IMAGE, "1.27", "2");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 1, &after.replace(&nginx.to_string(), &second.to_string()));
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    let third = world.release(IMAGE, "1.27", "3");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 2, &after.replace(&nginx.to_string(), &third.to_string()));
    world.finish();
}

#[tokio::test]
async fn with_written_comments_the_tag_goes_into_the_comment() {
    let mut world = World::new().await;
    world.policy(&["pin: digest", "comment: write"]);
    let digest = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", "FROM dhi.io/nginx:1.27\n")]);
    world.run().await;
    let written =
        |build: &str, digest| format!("# base image: dhi.io/nginx:1.27 (1.27.{build})\nFROM dhi.io/nginx@{digest}\n");
    world.expect_proposal(WEB, 1, &written("1", digest));
    assert_eq!(world.pull_request(WEB, 1).title, "build(deps): pin base image dhi.io/nginx:1.27");
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    let second = world.release(IMAGE, "1.27", "2");
    world.wait_minutes(61);
    world.run().await;
    world.expect_proposal(WEB, 2, &written("2", second));
    assert_eq!(world.pull_request(WEB, 1).state, PullRequestState::Merged);
    world.finish();
}

#[tokio::test]
async fn a_tag_is_pinned_and_followed_at_once() {
    let (mut world, _, higher) = following(Face::GitHub).await;
    world.policy(&["pin: digest", "follow: minor"]);
    world.commit(WEB, "main", &[("Dockerfile", "FROM dhi.io/nginx:1.27\n")]);
    world.run().await;
    world.expect_proposal(WEB, 1, &format!("FROM dhi.io/nginx:1.28@{higher}\n"));
    assert_eq!(world.pull_request(WEB, 1).title, "build(deps): pin dhi.io/nginx 1.27 → 1.28");
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}
