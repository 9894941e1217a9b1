//! What a cycle leaves in the store, for each situation.

use std::time::Duration;

use jiff::Timestamp;
use refrom::cycle::Request;
use refrom::demo::forge::{Fault as ForgeFault, FaultKind};
use refrom::demo::registry::Fault;
use refrom::domain::pull_request::Pipeline;
use refrom::domain::status::{FleetStatus, PinState, PinStatus, RepositoryStatus, Standing, StateFilter};
use refrom::net::Tally;
use refrom::serve::metrics::Metrics;
use refrom::store::{SqliteReader, StoreFacts};

use crate::cycle::world::{BRANCH, MIRROR_HOST, World, name, nginx};

const WEB: &str = "acme/web";
const NGINX: &str = "dhi.io/nginx";

async fn status(world: &World) -> FleetStatus {
    SqliteReader::open(&world.state().join("refrom.db")).await.unwrap().status().await.unwrap()
}

async fn only(world: &World) -> RepositoryStatus {
    let mut all = status(world).await.repositories;
    assert_eq!(all.len(), 1, "{all:#?}");
    all.pop().unwrap()
}

fn names(fleet: &FleetStatus) -> Vec<&str> {
    fleet.repositories.iter().map(|status| status.repository.name.as_str()).collect()
}

#[track_caller]
fn behind(pin: &PinStatus) -> (Option<Timestamp>, Option<&str>) {
    match &pin.state {
        PinState::Behind { since, waits, .. } => (*since, waits.as_ref().map(|wait| wait.why.as_str())),
        other => panic!("{other:?}"),
    }
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-20T{text}:00Z").parse().unwrap()
}

#[tokio::test]
async fn a_pin_is_current_then_behind_since_the_tag_moved_and_in_a_pull_request() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    let kept = only(&world).await;
    assert_eq!(kept.repository.to_string(), "github:acme/web");
    assert_eq!(kept.url.unwrap(), format!("{}/acme/web", world.forge.url().unwrap().as_str().trim_end_matches('/')));
    let pin = &kept.pins[0];
    assert_eq!((pin.path.as_str(), pin.line, pin.tag.to_string().as_str()), ("Dockerfile", 2, "dhi.io/nginx:1.27"));
    assert_eq!(
        (pin.digest, pin.first_seen, &pin.state),
        (Some(first), Some(at("08:00")), &PinState::Current { waits: None })
    );

    let second = world.release(NGINX, "1.27", "2");
    world.wait_minutes(60);
    world.run().await;
    world.wait_minutes(60);
    world.release(NGINX, "1.27", "3");
    world.run().await;
    let kept = only(&world).await;
    assert_eq!(kept.looked_at, Some(at("10:00")));
    let pin = &kept.pins[0];
    assert_eq!(pin.digest, Some(first));
    // The tag moved twice; the pin is behind since the first time.
    assert_eq!(behind(pin), (Some(at("09:00")), None));
    assert_ne!(pin.state, PinState::Behind { newest: second, newest_version: None, since: None, waits: None });
    assert_eq!(pin.version.as_deref(), Some("1.27.1"));
    assert_eq!(pin.created.map(|at| at.to_string()).as_deref(), Some("2026-11-01T04:00:00Z"));
    let open = &kept.pull_requests[0];
    assert_eq!((open.number, open.branch.as_str(), kept.pull_requests.len()), (1, BRANCH, 1));
    assert!(open.url.ends_with("/acme/web/pull/1") && open.title.contains("nginx"), "{open:?}");
    world.finish();
}

#[tokio::test]
async fn a_pin_that_was_never_current_here_is_behind_since_its_tag_was_first_seen() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(NGINX, "1.27", "2");
    world.run().await;
    world.wait_minutes(90);
    world.release(NGINX, "1.27", "3");
    world.run().await;
    assert_eq!(behind(&only(&world).await.pins[0]).0, Some(at("08:00")));
    world.finish();
}

#[tokio::test]
async fn a_refused_digest_says_why_it_waits_and_needs_nobody() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(NGINX, "1.27", "2");
    world.run().await;
    world.forge.close(&name(WEB), 1).unwrap();
    world.run().await;
    let kept = only(&world).await;
    assert_eq!(behind(&kept.pins[0]).1, Some("refused by closing #1"));
    assert!(kept.pull_requests.is_empty());
    assert_eq!(kept.standing(), Standing::Behind);
    world.finish();
}

#[tokio::test]
async fn somebody_elses_commit_needs_a_person() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(NGINX, "1.27", "2");
    world.run().await;
    world.commit(WEB, BRANCH, &[("notes", "mine")]);
    world.run().await;
    let kept = only(&world).await;
    assert_eq!(behind(&kept.pins[0]).1, Some("somebody else's commit is on the branch of #1"));
    assert!(kept.pull_requests[0].left_alone.as_ref().is_some_and(|wait| wait.needs_person));
    assert_eq!(kept.standing(), Standing::NeedsPerson);
    world.finish();
}

#[tokio::test]
async fn a_tag_that_could_not_be_asked_is_unknown_with_the_reason() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.registry.inject(Fault::status("/v2/dhi.io/nginx/manifests/1.27", 403));
    world.run_with_problems(&["nginx"]).await;
    let kept = only(&world).await;
    let PinState::Unknown { reason, .. } = &kept.pins[0].state else { panic!("{kept:?}") };
    // The tag stands beside it.
    assert!(reason.contains("403") || reason.contains("denied"), "{reason}");
    assert!(!reason.contains("`dhi.io/nginx:1.27`"), "{reason}");
    assert_eq!(kept.standing(), Standing::NeedsPerson);
    world.finish();
}

#[tokio::test]
async fn a_repository_that_is_off_is_kept_without_pins_and_digests_without_a_tag_are_named() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &format!("FROM dhi.io/nginx@{first}\n"))]);
    world.repository("acme/off", &[("Dockerfile", &nginx("1.27.1", &first)), (".refrom.yaml", "enabled: false\n")]);
    world.run().await;
    let fleet = status(&world).await;
    assert_eq!(names(&fleet), ["acme/off", WEB]);
    assert_eq!((fleet.repositories[0].standing(), fleet.repositories[0].pins.len()), (Standing::Off, 0));
    let noticed = &fleet.repositories[1].noticed[0];
    assert_eq!((noticed.image.as_str(), noticed.what.as_str(), noticed.line), ("dhi.io/nginx", "skipped: no-tag", 1));
    world.finish();
}

#[tokio::test]
async fn a_repository_that_cannot_be_read_stays_as_it_was_with_its_error() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.wait_minutes(60);
    world.commit(WEB, "main", &[(".refrom.yaml", "base: trunk\n")]);
    world.setting("repository_may_set: [base]");
    world.run_with_problems(&["its base branch `trunk` is not there"]).await;
    let kept = only(&world).await;
    assert_eq!((kept.looked_at, kept.pins.len()), (Some(at("08:00")), 1));
    assert!(kept.error.as_deref().is_some_and(|error| error.contains("trunk")), "{kept:?}");
    let cycle = status(&world).await.cycle.unwrap();
    assert_eq!((cycle.started, cycle.problems.len()), (at("09:00"), 0));
    // Mended: the error is gone with its cause.
    world.commit(WEB, "main", &[(".refrom.yaml", "base: main\n")]);
    world.run().await;
    assert_eq!(only(&world).await.error, None);
    world.finish();
}

#[tokio::test]
async fn a_whole_cycle_forgets_what_is_gone_and_one_over_some_replaces_theirs() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.repository("acme/other", &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.wait_minutes(60);
    world.run_only(&[WEB]).await;
    let fleet = status(&world).await;
    assert_eq!(names(&fleet), ["acme/other", WEB]);
    let looked: Vec<_> = fleet.repositories.iter().map(|status| status.looked_at.unwrap()).collect();
    assert_eq!(looked, [at("08:00"), at("09:00")]);
    assert_eq!(fleet.cycle.unwrap().started, at("08:00"));
    world.select(&[WEB]);
    world.run().await;
    assert_eq!(names(&status(&world).await), [WEB]);
    // A dry run changes nothing, here neither.
    world.wait_minutes(60);
    world.dry_run().await;
    assert_eq!(only(&world).await.looked_at, Some(at("09:00")));
    world.finish();
}

#[tokio::test]
async fn a_forge_that_does_not_answer_makes_nobody_forget_its_repositories() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    world.forge.fail(ForgeFault::next("POST /graphql", FaultKind::Status(401)));
    world.run_with_problems(&["its repositories cannot be listed"]).await;
    let fleet = status(&world).await;
    assert_eq!(names(&fleet), [WEB]);
    let cycle = fleet.cycle.unwrap();
    assert_eq!((cycle.problems.len(), cycle.problems[0].0.as_str()), (1, "github"));
    world.finish();
}

#[tokio::test]
async fn a_pull_request_that_could_not_be_opened_is_an_error_that_its_pins_name() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(NGINX, "1.27", "2");
    world.forge.fail(ForgeFault::next("POST /repos/acme/web/pulls", FaultKind::Status(403)));
    world.run_with_problems(&["not allowed"]).await;
    let kept = only(&world).await;
    assert_eq!(behind(&kept.pins[0]).1, Some("its pull request could not be written"));
    assert!(kept.error.is_some() && kept.pull_requests.is_empty(), "{kept:?}");
    world.finish();
}

#[tokio::test]
async fn an_open_pull_request_keeps_its_age_and_is_gone_when_it_is_merged() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(NGINX, "1.27", "2");
    world.run().await;
    let opened = only(&world).await.pull_requests[0].clone();
    assert_eq!((opened.opened_at, opened.pipeline), (Some(at("08:00")), Pipeline::Unknown));
    world.forge.merge(&name(WEB), 1).unwrap();
    world.run().await;
    let fleet = status(&world).await;
    assert!(fleet.repositories[0].pull_requests.is_empty(), "{fleet:?}");
    let current = refrom::domain::status::Filter { state: Some(StateFilter::Current), ..Default::default() };
    assert_eq!(fleet.select(&current).len(), 1);
    world.finish();
}

#[tokio::test]
async fn the_checks_of_a_pull_request_are_followed_and_failed_ones_need_a_person() {
    let mut world = World::new().await;
    world.policy(&["automerge: when_green"]);
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.release(NGINX, "1.27", "2");
    world.run().await;
    assert!(only(&world).await.pull_requests[0].is_auto_merging);
    let head = world.bare(WEB).head(&BRANCH.parse().unwrap()).unwrap().unwrap();
    for (checks, standing) in [(Pipeline::Pending, Standing::Behind), (Pipeline::Failed, Standing::NeedsPerson)] {
        world.forge.set_checks(&name(WEB), &head, checks).unwrap();
        world.run().await;
        let kept = only(&world).await;
        assert_eq!((kept.pull_requests[0].pipeline, kept.standing()), (checks, standing));
    }
    world.finish();
}

#[tokio::test]
async fn after_its_turn_a_repository_is_due_at_the_next_and_says_by_which_rule() {
    let mut world = World::new().await;
    world.policy(&["schedule: weekly", "jitter: 0s"]);
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    let kept = only(&world).await;
    assert_eq!(kept.due_at.unwrap().to_string(), "2026-11-23T00:00:00Z");
    assert!(kept.due_because.starts_with("schedule `weekly` ("), "{}", kept.due_because);
    world.release(NGINX, "1.27", "2");
    world.wait_minutes(60);
    world.run().await;
    let kept = only(&world).await;
    let why = behind(&kept.pins[0]).1.unwrap();
    assert!(why.starts_with("not due until 2026-11-23 00:00 UTC: schedule `weekly`"), "{why}");
    assert_eq!((kept.standing(), kept.pull_requests.len()), (Standing::Behind, 0));
    world.finish();
}

#[tokio::test]
async fn a_lost_digest_with_nothing_to_go_to_needs_a_person_and_is_counted() {
    let mut world = World::new().await;
    let first = world.release(NGINX, "1.27", "1");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.1", &first))]);
    world.run().await;
    let second = world.release(NGINX, "1.27", "2");
    world.repository(WEB, &[("Dockerfile", &nginx("1.27.2", &second))]);
    world.wait_minutes(60);
    world.run().await;
    world.registry.move_tag(NGINX, "1.27", first);
    world.registry.delete_manifest(NGINX, &second);
    let mut report = world.run().await;
    for _ in 0..3 {
        assert!(only(&world).await.findings.is_empty(), "twice is not yet");
        world.wait_minutes(60);
        report = world.run().await;
        if !report.repositories[0].plan.findings.is_empty() {
            break;
        }
    }
    let kept = only(&world).await;
    assert_eq!((kept.findings[0].trouble.as_str(), kept.findings.len()), ("digest-gone", 1));
    assert_eq!(kept.findings, report.repositories[0].plan.findings, "what is kept is what was found");
    assert_eq!((kept.standing(), behind(&kept.pins[0]).1.is_some()), (Standing::NeedsPerson, true));
    let metrics = Metrics::new();
    metrics.observe_cycle(&Request::default(), &report, Duration::ZERO, world.time());
    let text = metrics.render(&Tally::default(), &StoreFacts::default(), world.time());
    for line in [
        "refrom_tag_findings{finding=\"digest-gone\"} 1",
        "refrom_waiting_pins{needs_person=\"true\"} 0",
        "refrom_waiting_pins{needs_person=\"false\"} 1",
    ] {
        assert!(text.contains(line), "no `{line}` in {text}");
    }
    world.finish();
}

#[tokio::test]
async fn a_current_digest_that_its_mirror_lost_needs_a_person_and_is_asked_for_once_an_hour() {
    let of_mirror = |text: String| text.replace(NGINX, &format!("{MIRROR_HOST}/dhi/nginx"));
    let mut world = World::new().await;
    world.use_mirror();
    let first = world.release(NGINX, "1.27", "1");
    world.copy_to_mirror(NGINX, "dhi/nginx");
    world.repository(WEB, &[("Dockerfile", &of_mirror(nginx("1.27.1", &first)))]);
    let place = format!("HEAD /v2/{MIRROR_HOST}/dhi/nginx/manifests/{first}");
    for (minutes, asked) in [(0, 1), (30, 0), (30, 1)] {
        world.wait_minutes(minutes);
        world.run().await;
        assert_eq!(world.registry_asked(&place), asked, "after {minutes} minutes");
    }
    let mirror = world.other_registry.as_ref().unwrap();
    mirror.delete_manifest(&format!("{MIRROR_HOST}/dhi/nginx"), &first);
    // What is missing is asked for in each cycle.
    for (minutes, findings) in [(60, 0), (10, 1), (10, 1)] {
        world.wait_minutes(minutes);
        world.run().await;
        let kept = only(&world).await;
        let told: Vec<&str> = kept.findings.iter().map(|finding| finding.trouble.as_str()).collect();
        assert_eq!((told, world.registry_asked(&place)), (vec!["digest-gone"; findings], 1));
        assert_eq!(kept.standing() == Standing::NeedsPerson, findings > 0);
    }
    world.copy_to_mirror(NGINX, "dhi/nginx");
    world.wait_minutes(10);
    world.run().await;
    assert_eq!(only(&world).await.findings, []);
    world.finish();
}
