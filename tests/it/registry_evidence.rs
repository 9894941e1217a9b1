//! What has to be known of a move: what mirrors have, and what manifests are made of.

use std::collections::BTreeSet;

use refrom::cycle::{evidence, lookup};
use refrom::demo::registry::{Access, Fault, FaultKind, Form, ImageSpec, Registry};
use refrom::domain::candidates::{Candidate, Move, Observations, Unanswered, UseState};
use refrom::domain::digest::Digest;
use refrom::domain::image::Platform;
use refrom::domain::plan::{Knowledge, Missing};
use refrom::domain::policy::{Policy, Unchanged};
use refrom::domain::proposal::{Evidence, NoImage, Reason, Urgency};
use refrom::domain::target::{self, Choice, Rules};
use refrom::domain::unchanged::is_unchanged;
use refrom::registry::{Auth, Registries};
use refrom::store::SqliteStore;

use crate::registry::{at, name, registries, requests, tag};

/// An upstream with two builds of `nginx:1`, and a mirror of it below `dhi/`.
struct Mirrored {
    upstream: Registry,
    mirror: Registry,
    registries: Registries,
    old: Digest,
    new: Digest,
}

impl Mirrored {
    async fn open(old: &ImageSpec, new: &ImageSpec) -> Self {
        let upstream = Registry::start(Access::Open).await.unwrap();
        let mirror = Registry::start(Access::Open).await.unwrap();
        let hosts = [&upstream, &mirror].map(|registry| (registry.host(), at(&registry.url(), Auth::Anonymous)));
        let old = upstream.publish("nginx", "1", old);
        mirror.mirror("dhi/nginx", &upstream, "nginx");
        let new = upstream.publish("nginx", "1", new);
        Self { registries: registries(hosts), upstream, mirror, old, new }
    }

    fn wanted(&self, mirror: Option<&str>) -> Move {
        let mirror = mirror.map(|repository| name(&self.mirror.host(), repository));
        Move { image: name(&self.upstream.host(), "nginx"), mirror, old: Some(self.old), new: self.new }
    }

    async fn evidence(&self, wanted: &Move) -> Evidence {
        let moves = BTreeSet::from([wanted.clone()]);
        let found = lookup::evidence(&self.registries.session(), None, &moves, &none(), &|_| {}).await;
        let kinds = lookup::kinds(&self.registries.session(), &moves, &|_| {}).await;
        assert_eq!(found[wanted].in_mirror, kinds[wanted].in_mirror);
        found[wanted].clone()
    }
}

/// Nothing was seen of any tag.
fn none() -> Observations {
    Observations::new()
}

fn build(text: &str) -> ImageSpec {
    ImageSpec::index(&["linux/amd64", "linux/arm64"], text)
}

#[tokio::test]
async fn a_digest_is_in_a_mirror_once_the_mirror_has_it() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    let wanted = world.wanted(Some("dhi/nginx"));
    assert_eq!(world.evidence(&wanted).await.in_mirror, Some(Ok(false)));
    world.mirror.mirror("dhi/nginx", &world.upstream, "nginx");
    assert_eq!(world.evidence(&wanted).await.in_mirror, Some(Ok(true)));
    assert_eq!(world.evidence(&world.wanted(None)).await.in_mirror, None, "no mirror is asked for");
}

#[tokio::test]
async fn what_the_store_knows_is_asked_for_once_more_unless_a_tag_points_to_it() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    let directory = tempfile::tempdir().unwrap();
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    let store = SqliteStore::open(&directory.path().join("refrom.db"), now).await.unwrap();
    let wanted = world.wanted(None);
    let moves = BTreeSet::from([wanted.clone()]);
    let head = Observations::from([(tag(&world.upstream.host(), "nginx", "1"), Ok(world.new))]);
    let new = async |observed: &Observations| {
        let session = world.registries.session();
        world.upstream.traffic().take();
        let mut found = lookup::evidence(&session, Some(&store), &moves, observed, &|_| {}).await;
        let asked = requests(world.upstream.traffic()).len();
        lookup::evidence(&session, Some(&store), &moves, observed, &|_| {}).await;
        assert_eq!(requests(world.upstream.traffic()), [""; 0], "once in a session");
        (found.remove(&wanted).unwrap().new.map(|image| image.digest), asked)
    };
    // Read for the first time.
    lookup::evidence(&world.registries.session(), Some(&store), &moves, &none(), &|_| {}).await;
    assert_eq!(new(&none()).await, (Ok(world.new), 1));
    assert_eq!(new(&head).await, (Ok(world.new), 0));
    world.upstream.inject(Fault::status("manifests", 403));
    assert!(matches!(new(&none()).await.0, Err(NoImage::Unknown(_))));
    world.upstream.clear_faults();
    world.upstream.delete_manifest("nginx", &world.new);
    assert_eq!(new(&none()).await.0, Err(NoImage::Gone));
    store.close().await;
}

#[tokio::test]
async fn a_repository_that_nobody_pulled_through_a_mirror_yet_has_nothing_yet() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    assert_eq!(world.evidence(&world.wanted(Some("dhi/other"))).await.in_mirror, Some(Ok(false)));
}

#[tokio::test]
async fn a_mirror_that_shows_no_lists_has_nothing_yet_and_has_lost_nothing_for_certain() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    world.mirror.inject(Fault::status("tags/list", 403));
    assert_eq!(world.evidence(&world.wanted(Some("dhi/nginx"))).await.in_mirror, Some(Ok(false)));
    let session = world.registries.session();
    let pinned = session.exists(&name(&world.mirror.host(), "dhi/nginx"), &world.new).await;
    assert!(pinned.is_err_and(|error| !error.is_not_found()), "what is pinned is not urgent by that");
}

#[tokio::test]
async fn a_mirror_that_does_not_answer_is_unknown_and_one_that_hides_is_too() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    for status in [500, 403] {
        world.mirror.clear_faults();
        world.mirror.inject(Fault::status("manifests", status));
        let found = world.evidence(&world.wanted(Some("dhi/nginx"))).await;
        assert!(matches!(found.in_mirror, Some(Err(_))), "{status}: {:?}", found.in_mirror);
    }
}

#[tokio::test]
async fn a_mirror_that_refuses_by_a_policy_holds_back() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    for (status, code) in [(403, "DENIED: pull denied by policy"), (412, "PROJECTPOLICYVIOLATION")] {
        world.mirror.clear_faults();
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"current image with 3 vulnerabilities"}}]}}"#);
        world.mirror.inject(Fault::on("manifests", FaultKind::Status { status, headers: Vec::new(), body }));
        let found = world.evidence(&world.wanted(Some("dhi/nginx"))).await;
        assert!(matches!(found.in_mirror, Some(Err(Unanswered::HeldBack(_)))), "{status}: {:?}", found.in_mirror);
    }
}

#[tokio::test]
async fn a_mirror_is_not_asked_for_what_its_upstream_has_not() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    world.upstream.delete_manifest("nginx", &world.new);
    assert_eq!(world.evidence(&world.wanted(Some("dhi/nginx"))).await.in_mirror, None);
    assert_eq!(requests(world.mirror.traffic()), [""; 0]);
}

#[tokio::test]
async fn a_rebuild_of_attestations_alone_has_the_same_manifests() {
    let built = |attestation: &str| ImageSpec {
        form: Form::IndexWithAttestation,
        attestation: Some(attestation.into()),
        ..build("same")
    };
    let world = Mirrored::open(&built("one"), &built("other")).await;
    assert_ne!(world.old, world.new);
    let found = world.evidence(&world.wanted(None)).await;
    let (old, new) = (found.old.unwrap(), found.new.unwrap());
    let unchanged = is_unchanged((&old, &new), &[], &found.contents, Unchanged::Platforms);
    assert_eq!(unchanged, Ok(Some(Unchanged::Platforms)));
}

#[tokio::test]
async fn contents_are_read_for_the_platforms_in_use_alone_and_once_for_ever() {
    let rebuilt = |rebuild: &str| ImageSpec { rebuild: Some(rebuild.into()), ..build("same") };
    let world = Mirrored::open(&rebuilt("one"), &rebuilt("other")).await;
    let directory = tempfile::tempdir().unwrap();
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    let store = SqliteStore::open(&directory.path().join("refrom.db"), now).await.unwrap();
    let wanted = world.wanted(None);
    let moves = BTreeSet::from([wanted.clone()]);
    let amd64 = Platform { os: "linux".into(), architecture: "amd64".into(), variant: None };
    for (platforms, asked) in [(vec![amd64], 2), (vec![], 2), (vec![], 0)] {
        let session = world.registries.session();
        let mut found = lookup::evidence(&session, Some(&store), &moves, &none(), &|_| {}).await;
        world.upstream.traffic().take();
        let in_use = BTreeSet::from([(wanted.clone(), platforms.clone())]);
        for _ in 0..2 {
            evidence::add_contents(&session, Some(&store), &mut found, &in_use).await;
        }
        // The representative's manifest is known to the session that read the image; the store knows it afterwards.
        let read = requests(world.upstream.traffic()).len();
        assert!(read <= asked, "{platforms:?}: {read} requests");
        let it = &found[&wanted];
        let (old, new) = (it.old.as_ref().unwrap(), it.new.as_ref().unwrap());
        let told = |rule| is_unchanged((old, new), &platforms, &it.contents, rule);
        assert_eq!(told(Unchanged::Content), Ok(Some(Unchanged::Content)), "{platforms:?}");
        assert_eq!(told(Unchanged::Platforms), Ok(None), "{platforms:?}");
    }
    store.close().await;
}

#[tokio::test]
async fn contents_that_cannot_be_read_are_unknown() {
    let rebuilt = |rebuild: &str| ImageSpec { rebuild: Some(rebuild.into()), ..build("same") };
    let world = Mirrored::open(&rebuilt("one"), &rebuilt("other")).await;
    let wanted = world.wanted(None);
    let mut found = lookup::kinds(&world.registries.session(), &BTreeSet::from([wanted.clone()]), &|_| {}).await;
    world.upstream.inject(Fault::status("manifests", 404));
    let session = world.registries.session();
    evidence::add_contents(&session, None, &mut found, &BTreeSet::from([(wanted.clone(), vec![])])).await;
    let contents = &found[&wanted].contents;
    assert_eq!(contents.len(), 4, "two platforms of two indexes");
    assert!(contents.values().all(Result::is_err));
}

#[tokio::test]
async fn a_tag_is_gone_where_its_repository_is_there_and_unknown_where_it_is_not() {
    let world = Mirrored::open(&build("old"), &build("new")).await;
    let (gone, misspelt) = (tag(&world.upstream.host(), "nginx", "9"), tag(&world.upstream.host(), "ngink", "1"));
    let tags = BTreeSet::from([gone.clone(), misspelt.clone()]);
    let found = lookup::observe(&world.registries.session(), tags, &|_| {}).await;
    assert_eq!(found[&gone], Err(Unanswered::Gone));
    assert!(
        matches!(&found[&misspelt], Err(Unanswered::Unknown(unknown)) if unknown.reason.contains("no such repository"))
    );
}

/// What becomes of the world's pin by this policy, once nothing is missing to decide.
async fn choice(world: &Mirrored, policy: &Policy, missing: u32) -> Choice {
    let tag = tag(&world.upstream.host(), "nginx", "1");
    let candidate = Candidate {
        path: "Dockerfile".into(),
        use_index: 0,
        line: 1,
        asked: tag.clone(),
        tag: tag.clone(),
        can_change_tag: true,
        old: Some(world.old),
        state: UseState::Behind { new: world.new },
        in_use: Vec::new(),
        place: 0,
    };
    let now = "2026-11-20T08:00:00Z".parse().unwrap();
    let mut knowledge = Knowledge::default();
    knowledge.observations.insert(tag.clone(), Ok(world.new));
    knowledge.missing.insert((tag.image, world.old), Missing { since: now, looks: missing });
    let session = world.registries.session();
    for _ in 0..3 {
        let wanted = target::wanted(&candidate, &Rules { repository: None, policy, knowledge: &knowledge, now });
        if wanted.is_empty() {
            break;
        }
        if !wanted.iter().all(|wanted| knowledge.evidence.contains_key(wanted)) {
            knowledge.evidence = lookup::evidence(&session, None, &wanted, &none(), &|_| {}).await;
        } else {
            let in_use = wanted.into_iter().map(|wanted| (wanted, vec![])).collect();
            evidence::add_contents(&session, None, &mut knowledge.evidence, &in_use).await;
        }
    }
    let rules = Rules { repository: None, policy, knowledge: &knowledge, now };
    assert_eq!(target::wanted(&candidate, &rules), BTreeSet::new());
    target::choose(&candidate, &rules)
}

#[tokio::test]
async fn what_changes_nothing_is_not_proposed_unless_the_pinned_digest_must_go() {
    let rebuilt = |rebuild: &str| ImageSpec { rebuild: Some(rebuild.into()), ..build("same") };
    let world = Mirrored::open(&rebuilt("one"), &rebuilt("other")).await;
    let policy = |unchanged| Policy { unchanged, ..Policy::default() };
    for rule in [Unchanged::Off, Unchanged::Platforms] {
        assert!(matches!(choice(&world, &policy(rule), 0).await, Choice::Propose(_)), "{rule:?}");
    }
    let Choice::Wait(waiting) = choice(&world, &policy(Unchanged::Content), 0).await else { panic!("it waits") };
    assert_eq!(waiting.reason, Reason::Unchanged(Unchanged::Content));
    let urgent = choice(&world, &policy(Unchanged::Content), 2).await;
    assert!(matches!(urgent, Choice::Propose(pin) if pin.urgency == Some(Urgency::Gone)));
}
