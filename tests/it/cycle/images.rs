//! What has to be true of a digest before it is proposed.

use refrom::demo::registry::ImageSpec;
use refrom::domain::image_use::Finding;
use refrom::domain::pull_request::Vocabulary;
use refrom::domain::reference::TagRef;
use refrom::store::SqliteReader;

use super::world::{World, image_spec, nginx};

const WEB: &str = "acme/web";
const IMAGE: &str = "dhi.io/nginx";

#[tokio::test]
async fn a_digest_that_lacks_a_platform_of_the_pinned_one_is_not_proposed() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.registry.publish(IMAGE, "1.27", &ImageSpec::index(&["linux/amd64"], "smaller"));
    let report = world.run().await;
    let waiting = &report.repositories[0].plan.not_proposed[0];
    assert_eq!(
        waiting.reason.told(Vocabulary::PullRequest).to_string(),
        "the new digest lacks platforms of the pinned one: linux/arm64/v8"
    );
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn an_open_proposal_stays_where_the_newest_digest_may_not_be_proposed() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    world.run().await;
    world.registry.publish(IMAGE, "1.27", &ImageSpec::index(&["linux/amd64"], "smaller"));
    world.run().await;
    world.expect_pull_requests(WEB, &["#1 open refrom/base-images -> main"]);
    world.expect_proposal(WEB, 1, &nginx("1.27.2", &second));
    assert_eq!(world.costs().writes, 0);
    let fourth = world.release(IMAGE, "1.27", "4");
    world.run().await;
    world.expect_proposal(WEB, 1, &nginx("1.27.4", &fourth));
    world.finish();
}

#[tokio::test]
async fn a_pinned_digest_that_is_gone_is_followed_with_a_remark() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    let second = world.release(IMAGE, "1.27", "2");
    world.registry.delete_manifest(IMAGE, &first);
    world.run().await;
    let hosted = world.pull_request(WEB, 1);
    assert!(hosted.body.contains("The registry no longer gives out the pinned digest"), "{}", hosted.body);
    assert!(world.file(WEB, "refrom/base-images", "Dockerfile").contains(&second.to_string()));
    world.run().await;
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_single_platforms_pin_is_a_finding_and_never_becomes_the_index() {
    let mut world = World::new().await;
    let platform = image_spec(IMAGE, "1.27", "1").build().manifests.remove(0).digest;
    world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &platform))]);
    let report = world.run().await;
    assert_eq!(report.repositories[0].plan.not_proposed[0].reason.finding(), Some(Finding::SinglePlatform));
    assert_eq!(world.costs().writes, 0);
    world.finish();
}

#[tokio::test]
async fn a_pin_that_nobody_knows_the_tag_of_is_not_compared_with_anything() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "latest", "1");
    world.release(IMAGE, "latest", "2");
    world.repository(WEB, &[("Dockerfile", &format!("FROM dhi.io/nginx@{first}\n"))]);
    let report = world.run().await;
    assert_eq!((world.costs().registry, world.costs().writes), (0, 0));
    assert_eq!(report.repositories[0].pins.behind, 0);
    world.finish();
}

#[tokio::test]
async fn what_was_read_of_a_platforms_manifest_is_in_the_ledger() {
    let mut world = World::new().await;
    let first = world.release(IMAGE, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(IMAGE, "1.27", "2");
    world.run().await;
    assert_eq!(world.registry_asked("/manifests/sha256:"), 4, "of each build the index and one platform's");
    let reader = SqliteReader::open(&world.state().join("refrom.db")).await.unwrap();
    let tag = TagRef { image: IMAGE.parse().unwrap(), tag: "1.27".parse().unwrap() };
    let entry = reader.entries(&tag).await.unwrap().remove(0);
    let manifests = entry.image.unwrap().manifests;
    let read = manifests.iter().filter(|(_, manifest)| entry.contents.contains_key(manifest));
    let read: Vec<String> = read.map(|(platform, _)| platform.to_string()).collect();
    assert_eq!((read, manifests.len()), (vec!["linux/amd64".to_owned()], 2));
    assert!(entry.contents.values().all(|content| !content.layers.is_empty()));
    world.finish();
}
