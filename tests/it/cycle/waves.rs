//! A digest goes through three waves: in each, by pull requests that people merge, once those before have proved it.

use jiff::SignedDuration;
use refrom::config::{Config, Secrets};
use refrom::cycle::Report;
use refrom::demo::forge::Face;
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::denial::Denial;
use refrom::domain::digest::Digest;
use refrom::domain::proposal::Reason;
use refrom::domain::pull_request::{Pipeline, PullRequestState};
use refrom::domain::reference::TagRef;
use refrom::domain::waves::{AdoptionChanges, Listings, UnderWay};
use refrom::serve::waves::Rollout;
use refrom::store::{SqliteDenials, SqliteReader, SqliteStore, WaveStore as _};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::world::{World, branch, environment, name, nginx};

const IMAGE: &str = "dhi.io/nginx";
const CANARY: &str = "acme/canary";
const INTERNAL: &str = "acme/internal";
const REST: &str = "acme/web";
const WAVES: &str = "waves: [{ name: canary, match: [acme/canary] }, { name: internal, match: [acme/internal] }, \
                     { name: rest, match: ['**'] }]\nadvance: { green_for: 6h }";

on_both_forges!(
    a_digest_goes_from_wave_to_wave_as_it_is_merged_and_stays_green,
    a_failed_pipeline_stops_the_next_wave_and_says_so_until_it_has_recovered,
    what_the_forge_would_merge_by_itself_is_closed_when_an_earlier_wave_fails,
    a_canary_that_moved_past_the_tag_on_which_it_failed_still_stops_it,
    a_merge_whose_pipeline_has_not_begun_proves_nothing,
    a_cycle_over_one_repository_knows_the_others_waves,
    a_fleet_that_was_never_listed_lets_no_later_wave_begin,
    a_repository_that_waits_for_its_first_digest_is_not_overtaken,
    a_rollback_gives_nobody_what_the_wave_before_never_had,
    another_base_branch_has_a_pipeline_of_its_own,
);

/// Three repositories, each a wave, behind by one build, with green base branches.
async fn three_waves(face: Face) -> (World, Digest) {
    three_waves_in(World::on(face).await).await
}

async fn three_waves_in(mut world: World) -> (World, Digest) {
    world.setting(WAVES);
    let first = world.release(IMAGE, "1.27", "1");
    for repository in [CANARY, INTERNAL, REST] {
        world.repository(repository, &[("Dockerfile", &nginx("1.27.1", &first))]);
        checks(&world, repository, Pipeline::Passed);
    }
    world.run().await;
    world.wait_minutes(60);
    let second = world.release(IMAGE, "1.27", "2");
    (world, second)
}

/// How the checks of the base branch's head stand from now on.
fn checks(world: &World, repository: &str, checks: Pipeline) {
    let head = world.bare(repository).head(&branch("main")).unwrap().unwrap();
    world.forge.set_checks(&name(repository), &head, checks).unwrap();
}

/// Somebody merges what is open, and its checks run.
fn merge(world: &World, repository: &str) {
    world.forge.merge(&name(repository), 1).unwrap();
    checks(world, repository, Pipeline::Pending);
}

/// What a repository's pins wait for.
fn waits(report: &Report, repository: &str) -> Vec<String> {
    let of = report.repositories.iter().filter(|it| it.plan.repository.name.as_str() == repository);
    let reasons = of.flat_map(|it| &it.plan.not_proposed).map(|pin| &pin.reason);
    reasons.filter_map(|reason| if let Reason::Wave(wait) = reason { Some(wait.to_string()) } else { None }).collect()
}

fn opened(world: &World, repository: &str) -> bool {
    !world.forge.pull_requests(&name(repository)).unwrap().is_empty()
}

async fn a_digest_goes_from_wave_to_wave_as_it_is_merged_and_stays_green(face: Face) {
    let (mut world, second) = three_waves(face).await;
    let short = second.short();
    let report = world.run().await;
    let opened_in = |world: &World| [CANARY, INTERNAL, REST].map(|repository| opened(world, repository));
    assert_eq!(opened_in(&world), [true, false, false]);
    let nobody = format!("wave `canary`: 0 of its 1 repositories have merged {short}");
    assert_eq!([waits(&report, INTERNAL), waits(&report, REST)], [vec![nobody.clone()], vec![nobody]]);
    merge(&world, CANARY);
    world.wait_minutes(60);
    let report = world.run().await;
    let pending =
        format!("wave `canary`: the pipeline of `{}:acme/canary` has not passed with {short} yet", world.forge_name());
    assert_eq!(waits(&report, INTERNAL), [pending]);
    checks(&world, CANARY, Pipeline::Passed);
    let until = world.time() + SignedDuration::from_hours(6);
    world.wait_minutes(60);
    let report = world.run().await;
    let green = format!("wave `canary`: its pipelines have to stay green until {until} with {short}");
    assert_eq!([waits(&report, INTERNAL), waits(&report, REST)], [vec![green.clone()], vec![green]]);
    world.wait_minutes(5 * 60);
    world.run().await;
    assert_eq!(opened_in(&world), [true, true, false]);
    let bodies = [CANARY, INTERNAL].map(|repository| world.pull_request(repository, 1).body);
    let proof = "- `dhi.io/nginx:1.27`: wave `canary` had merged it, or a later digest, by 2026-11-20 10:00 UTC, and its \
                 pipelines stayed green for 6h.";
    assert_eq!([bodies[0].contains("wave"), bodies[1].contains(proof)], [false, true], "{}", bodies[1]);
    merge(&world, INTERNAL);
    checks(&world, INTERNAL, Pipeline::Passed);
    world.run().await;
    world.wait_minutes(6 * 60);
    let report = world.run().await;
    assert_eq!((opened_in(&world), waits(&report, REST).len()), ([true; 3], 0));
    world.forge.merge(&name(REST), 1).unwrap();
    world.run().await;
    assert_eq!(world.file(REST, "main", "Dockerfile"), nginx("1.27.2", &second));
    world.finish();
}

async fn a_failed_pipeline_stops_the_next_wave_and_says_so_until_it_has_recovered(face: Face) {
    let (mut world, _) = three_waves(face).await;
    world.run().await;
    merge(&world, CANARY);
    checks(&world, CANARY, Pipeline::Passed);
    world.run().await;
    world.wait_minutes(60);
    checks(&world, CANARY, Pipeline::Failed);
    world.run().await;
    world.wait_minutes(24 * 60);
    let failed = [format!("wave `canary`: the pipeline of `{}:acme/canary` failed", world.forge_name())];
    assert_eq!(waits(&world.run().await, INTERNAL), failed);
    world.commit(CANARY, "main", &[("README", "mended")]);
    checks(&world, CANARY, Pipeline::Pending);
    assert_eq!(waits(&world.run().await, INTERNAL), failed, "it runs, and has not passed");
    checks(&world, CANARY, Pipeline::Passed);
    assert!(waits(&world.run().await, INTERNAL)[0].contains("have to stay green"));
    world.wait_minutes(6 * 60);
    assert_eq!((waits(&world.run().await, INTERNAL), opened(&world, INTERNAL)), (vec![], true));
    world.finish();
}

async fn what_the_forge_would_merge_by_itself_is_closed_when_an_earlier_wave_fails(face: Face) {
    for (policy, is_closed) in [(&["automerge: when_green"][..], true), (&[], false)] {
        let (mut world, _) = three_waves(face).await;
        world.policy(policy);
        world.run().await;
        merge(&world, CANARY);
        checks(&world, CANARY, Pipeline::Passed);
        world.run().await;
        world.wait_minutes(6 * 60);
        world.run().await;
        assert!(opened(&world, INTERNAL));
        checks(&world, CANARY, Pipeline::Failed);
        let report = world.run().await;
        assert!(waits(&report, INTERNAL)[0].ends_with("acme/canary` failed"), "{:?}", waits(&report, INTERNAL));
        let expected = if is_closed { PullRequestState::Closed } else { PullRequestState::Open };
        assert_eq!(world.pull_request(INTERNAL, 1).state, expected, "{policy:?}");
        assert!(world.run().await.repositories.iter().all(|it| it.plan.actions.is_empty()));
        checks(&world, CANARY, Pipeline::Passed);
        world.run().await;
        world.wait_minutes(6 * 60);
        world.run().await;
        let open = world.forge.pull_requests(&name(INTERNAL)).unwrap();
        assert_eq!(open.iter().filter(|it| it.state == PullRequestState::Open).count(), 1, "it is proved again");
        world.finish();
    }
}

async fn a_canary_that_moved_past_the_tag_on_which_it_failed_still_stops_it(face: Face) {
    let mut world = World::on(face).await;
    world.setting(WAVES);
    world.policy(&["follow: minor"]);
    let first = world.release(IMAGE, "1.27", "1");
    for repository in [CANARY, INTERNAL, REST] {
        world.repository(repository, &[("Dockerfile", &nginx("1.27.1", &first))]);
        checks(&world, repository, Pipeline::Passed);
    }
    world.run().await;
    world.release(IMAGE, "1.28", "1");
    world.wait_minutes(60);
    world.run().await;
    world.forge.merge(&name(CANARY), 1).unwrap();
    checks(&world, CANARY, Pipeline::Failed);
    world.wait_minutes(60);
    world.run().await;
    world.release(IMAGE, "1.29", "1");
    world.wait_minutes(60);
    world.run().await;
    world.forge.merge(&name(CANARY), 2).unwrap();
    for _ in 0..10 {
        world.wait_minutes(60);
        let report = world.run().await;
        assert!(!opened(&world, INTERNAL) && !opened(&world, REST), "{:?}", waits(&report, INTERNAL));
    }
    checks(&world, CANARY, Pipeline::Passed);
    world.run().await;
    world.wait_minutes(6 * 60);
    world.run().await;
    assert!(opened(&world, INTERNAL) && !opened(&world, REST));
    let hosted = world.pull_request(INTERNAL, 1);
    assert!(hosted.title.ends_with("1.27 → 1.29"), "{}", hosted.title);
    world.finish();
}

async fn a_merge_whose_pipeline_has_not_begun_proves_nothing(face: Face) {
    let (mut world, second) = three_waves(face).await;
    world.run().await;
    world.forge.merge(&name(CANARY), 1).unwrap();
    world.wait_minutes(1);
    let canary = format!("{}:acme/canary", world.forge_name());
    let pending = [format!("wave `canary`: the pipeline of `{canary}` has not passed with {} yet", second.short())];
    assert_eq!(waits(&world.run().await, INTERNAL), pending, "shortly after the merge, before its pipeline is there");
    checks(&world, CANARY, Pipeline::Pending);
    world.wait_minutes(8 * 60);
    assert_eq!(waits(&world.run().await, INTERNAL), pending, "it hangs for longer than `green_for`");
    checks(&world, CANARY, Pipeline::Passed);
    assert!(!opened(&world, INTERNAL));
    world.run().await;
    assert!(opened(&world, INTERNAL), "and takes nothing away from the time before it");
    world.finish();
}

async fn a_cycle_over_one_repository_knows_the_others_waves(face: Face) {
    let (mut world, _) = three_waves(face).await;
    world.run().await;
    assert!(waits(&world.run_only(&[REST]).await, REST)[0].contains("0 of its 1 repositories"));
    merge(&world, CANARY);
    checks(&world, CANARY, Pipeline::Passed);
    assert!(waits(&world.run_only(&[INTERNAL]).await, INTERNAL)[0].contains("0 of its 1"), "nobody looked");
    world.run_only(&[CANARY]).await;
    assert!(waits(&world.run_only(&[INTERNAL]).await, INTERNAL)[0].contains("have to stay green"));
    world.wait_minutes(6 * 60);
    assert!(waits(&world.run_only(&[INTERNAL]).await, INTERNAL)[0].contains("stands is not known"), "nobody looked");
    world.run_only(&[CANARY]).await;
    world.run_only(&[INTERNAL]).await;
    assert!(opened(&world, INTERNAL) && !opened(&world, REST));
    world.finish();
}

async fn a_fleet_that_was_never_listed_lets_no_later_wave_begin(face: Face) {
    let (mut world, _) = three_waves(face).await;
    world.forget();
    let unlisted = format!("wave `canary`: the repositories of `{}` were not all listed yet", world.forge_name());
    assert_eq!(waits(&world.run_only(&[REST]).await, REST), [unlisted]);
    world.run_only(&[CANARY]).await;
    assert!(opened(&world, CANARY), "the first one has nobody before it");
    world.run().await;
    assert!(waits(&world.run_only(&[REST]).await, REST)[0].contains("0 of its 1 repositories"));
    // Who is gone is waited for by nobody.
    world.forge.delete(&name(CANARY)).unwrap();
    world.run().await;
    assert!(opened(&world, INTERNAL) && !opened(&world, REST));
    world.finish();
}

async fn a_repository_that_waits_for_its_first_digest_is_not_overtaken(face: Face) {
    let (mut world, second) = three_waves(face).await;
    world.setting(&format!("{WAVES}\nrepositories: [{{ match: acme/canary, policy: {{ pin: digest }} }}]"));
    world.commit(CANARY, "main", &[("Dockerfile", "FROM dhi.io/nginx:1.27\n")]);
    checks(&world, CANARY, Pipeline::Passed);
    let nobody = format!("wave `canary`: 0 of its 1 repositories have merged {}", second.short());
    assert_eq!(waits(&world.run().await, INTERNAL).as_slice(), std::slice::from_ref(&nobody));
    assert_eq!(waits(&world.run_only(&[INTERNAL]).await, INTERNAL), [nobody], "it is remembered");
    assert_eq!([CANARY, INTERNAL].map(|repository| opened(&world, repository)), [true, false]);
    world.forge.merge(&name(CANARY), 1).unwrap();
    checks(&world, CANARY, Pipeline::Passed);
    world.wait_minutes(1);
    assert!(waits(&world.run().await, INTERNAL)[0].contains("have to stay green"));
    world.finish();
}

async fn a_rollback_gives_nobody_what_the_wave_before_never_had(face: Face) {
    let (mut world, second) = three_waves(face).await;
    world.run().await;
    world.wait_minutes(60);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    world.forge.merge(&name(CANARY), 1).unwrap();
    checks(&world, CANARY, Pipeline::Passed);
    world.wait_minutes(1);
    world.run().await;
    world.wait_minutes(6 * 60);
    world.run().await;
    assert!(opened(&world, INTERNAL), "the canary has the third one, and never had the second");
    deny(&world, &third).await;
    world.run().await;
    let open = world.forge.pull_requests(&name(INTERNAL)).unwrap();
    assert!(
        open.iter().all(|it| it.state != PullRequestState::Open),
        "it was closed, and not turned to the second one"
    );
    assert_eq!(open.len(), 1, "{}", second.short());
    world.finish();
}

/// Somebody takes a digest back.
async fn deny(world: &World, digest: &Digest) {
    let denials = SqliteDenials::open(&world.state().join("refrom.db")).await.unwrap();
    let (image, reason) = (IMAGE.parse().unwrap(), "it is slow".to_owned());
    denials.deny(&Denial { image, tag: None, digest: *digest, to: None, reason, at: world.time() }).await.unwrap();
    denials.close().await;
}

async fn another_base_branch_has_a_pipeline_of_its_own(face: Face) {
    let (mut world, second) = three_waves(face).await;
    let develop = world.bare(CANARY);
    let main = develop.head(&branch("main")).unwrap().unwrap();
    develop.set_branch(&branch("develop"), &main).unwrap();
    world.commit(CANARY, "develop", &[("Dockerfile", &nginx("1.27.2", &second))]);
    let head = develop.head(&branch("develop")).unwrap().unwrap();
    world.forge.set_checks(&name(CANARY), &head, Pipeline::Failed).unwrap();
    world.setting(&format!("{WAVES}\nrepositories: [{{ match: acme/canary, policy: {{ base: develop }} }}]"));
    let report = world.run().await;
    assert!(waits(&report, INTERNAL)[0].ends_with("acme/canary` failed"), "{:?}", waits(&report, INTERNAL));
    world.finish();
}

#[tokio::test]
async fn what_keeps_a_fleet_from_being_listed_is_told_and_holds_no_other_owner() {
    let (mut world, _) = three_waves_in(World::signed_in_as_app().await).await;
    world.select(&["acme/*", "nobody/*"]);
    let problem = ["github:nobody/*"];
    world.run_with_problems(&problem).await;
    assert!(opened(&world, CANARY) && !opened(&world, INTERNAL));
    world.forge.delete(&name(CANARY)).unwrap();
    world.run_with_problems(&problem).await;
    assert!(opened(&world, INTERNAL), "who is gone is waited for by nobody, whatever another owner keeps to itself");
    world.forget();
    let report = world.run_with_problems(&problem).await;
    let unlisted = "wave `canary`: the repositories of `github` were not all listed yet: `nobody/*`: ";
    assert!(waits(&report, REST)[0].starts_with(unlisted), "{:?}", waits(&report, REST));
    world.finish();
}

#[tokio::test]
async fn a_forge_that_is_configured_no_more_holds_nobody() {
    let (mut world, second) = three_waves(Face::GitHub).await;
    let store = SqliteStore::open(&world.state().join("refrom.db"), world.time()).await.unwrap();
    let left = RepositoryKey { forge: "old".to_owned(), name: name(CANARY) };
    let tag = TagRef { image: IMAGE.parse().unwrap(), tag: "1.27".parse().unwrap() };
    let begun = vec![(left, tag, Some(Digest::of(b"before")))];
    let changes = AdoptionChanges { begun, ended: Vec::new() };
    store.record_adoptions(&changes, &Listings::default(), world.time()).await.unwrap();
    store.close().await;
    world.run().await;
    assert_eq!(under_way(&world).await, [("1.27".to_owned(), second, vec![(0, 1); 3])]);
    world.finish();
}

/// What `refrom waves` tells: tag, digest, and how many of each wave have it, of how many.
async fn under_way(world: &World) -> Vec<(String, Digest, Vec<(usize, usize)>)> {
    let file = world.state().join("refrom.db");
    let books = SqliteReader::open(&file).await.unwrap().wave_books(world.time()).await.unwrap();
    let config = Config::load(&world.configuration(), &environment, Secrets::Read).unwrap();
    let told = Rollout::of(&config).told(books, world.time());
    let counts = |it: &UnderWay| it.waves.iter().map(|wave| (wave.have, wave.of)).collect();
    told.iter().map(|it| (it.tag.tag.to_string(), it.digest, counts(it))).collect()
}

#[tokio::test]
async fn whoever_looks_sees_the_waves_of_a_digest() {
    let (mut world, second) = three_waves(Face::GitHub).await;
    world.run().await;
    let file = world.state().join("refrom.db");
    let store = SqliteStore::open(&file, world.time()).await.unwrap();
    let books = store.wave_books(world.time()).await.unwrap();
    assert_eq!(SqliteReader::open(&file).await.unwrap().wave_books(world.time()).await.unwrap(), books);
    assert_eq!(under_way(&world).await, [("1.27".to_owned(), second, vec![(0, 1); 3])]);
    world.finish();
}

#[tokio::test]
async fn what_is_too_young_and_what_is_a_higher_version_is_under_way() {
    let (mut world, second) = three_waves(Face::GitHub).await;
    world.policy(&["min_age: 3d"]);
    world.run().await;
    world.wait_minutes(60);
    let third = world.release(IMAGE, "1.27", "3");
    world.run().await;
    let waiting = |tag: &str, digest| (tag.to_owned(), digest, vec![(0, 1); 3]);
    let expected = [waiting("1.27", third), waiting("1.27", second)];
    assert_eq!(under_way(&world).await, expected, "the second one comes next, and is neither pinned nor the head");
    deny(&world, &second).await;
    assert_eq!(under_way(&world).await, expected[..1], "it was taken back");
    world.policy(&["follow: minor"]);
    let higher = world.release(IMAGE, "1.28", "1");
    world.run().await;
    let told = under_way(&world).await;
    assert!(told.contains(&waiting("1.28", higher)), "{told:?}");
    world.forge.merge(&name(CANARY), 1).unwrap();
    world.wait_minutes(1);
    world.run().await;
    let told = under_way(&world).await;
    assert!(told.contains(&("1.28".to_owned(), higher, vec![(1, 1), (0, 1), (0, 1)])), "{told:?}");
    world.finish();
}

#[tokio::test]
async fn what_cannot_be_kept_for_people_who_look_loses_no_report() {
    let (mut world, _) = three_waves(Face::GitHub).await;
    let full = "CREATE TRIGGER full BEFORE INSERT ON sought BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    let options = SqliteConnectOptions::new().filename(world.state().join("refrom.db"));
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(full).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    world.expect_errors();
    let report = world.run_with_problems(&["where pins are on their way to cannot be kept"]).await;
    assert!(opened(&world, CANARY));
    assert_eq!(report.repositories.len(), 3, "what was done is told");
    world.finish();
}
