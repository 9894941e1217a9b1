//! A fleet of an organization, with everything that a Monday can bring.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use refrom::domain::candidates::RepositoryKey;
use refrom::domain::digest::Digest;
use refrom::domain::freshness::{TagFinding, TagTrouble};
use refrom::domain::pull_request::{Pipeline, Vocabulary};
use refrom::domain::reference::TagRef;
use refrom::domain::status::{
    CycleStatus, FleetStatus, NoticedStatus, PinState, PinStatus, PullRequestStatus, RepositoryStatus, Wait,
};
use refrom::serve::Clock;

/// When it is looked at: Monday, 23 November 2026, 07:30 UTC.
pub fn now() -> Timestamp {
    "2026-11-23T07:30:00Z".parse().unwrap()
}

/// A clock that stands still.
#[derive(Debug)]
pub struct Still(pub Timestamp);

#[async_trait]
impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }

    async fn wait_until(&self, _at: Timestamp) {}
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

pub fn repository(forge: &str, name: &str, pins: Vec<PinStatus>) -> RepositoryStatus {
    let host = if forge == "github" { "github.com" } else { "gitlab.example.com" };
    RepositoryStatus {
        repository: RepositoryKey { forge: forge.to_owned(), name: name.parse().unwrap() },
        vocabulary: if forge == "github" { Vocabulary::PullRequest } else { Vocabulary::MergeRequest },
        url: Some(format!("https://{host}/{name}")),
        looked_at: Some(now() - SignedDuration::from_mins(12)),
        is_enabled: true,
        pins,
        noticed: Vec::new(),
        unfollowed: Vec::new(),
        findings: Vec::new(),
        pull_requests: Vec::new(),
        due_at: None,
        due_because: String::new(),
        error: None,
    }
}

pub fn pin(place: (&str, u32), image: &str, version: Option<&str>, state: PinState) -> PinStatus {
    let (image, tag) = image.rsplit_once(':').unwrap();
    let digest = Digest::of(format!("{image} {tag} {version:?}").as_bytes());
    PinStatus {
        path: place.0.to_owned(),
        line: place.1,
        tag: TagRef { image: image.parse().unwrap(), tag: tag.parse().unwrap() },
        digest: Some(digest),
        version: version.map(str::to_owned),
        created: version.map(|_| ago(24 * 33)),
        first_seen: Some(ago(24 * 31)),
        state,
    }
}

/// Behind for so many hours; proposed where nothing is said.
pub fn behind(hours: i64, newest_version: &str, waits: Option<(&str, bool)>) -> PinState {
    PinState::Behind {
        newest: Digest::of(newest_version.as_bytes()),
        newest_version: Some(newest_version.to_owned()),
        since: Some(ago(hours)),
        waits: waits.map(|(why, needs_person)| Wait::of_words(why, needs_person)),
    }
}

pub fn open(number: u64, name: &str, pipeline: Pipeline) -> PullRequestStatus {
    PullRequestStatus {
        number,
        url: format!("https://github.com/{name}/pull/{number}"),
        title: "build(deps): refresh 2 base images".to_owned(),
        branch: "refrom/base-images".parse().unwrap(),
        pipeline,
        is_auto_merging: false,
        opened_at: Some(ago(52)),
        left_alone: None,
    }
}

fn left_alone(why: &str, needs_person: bool) -> Option<Wait> {
    Some(Wait::of_words(why, needs_person))
}

fn noticed(path: &str, image: &str, what: &str) -> NoticedStatus {
    NoticedStatus { path: path.to_owned(), line: 3, image: image.to_owned(), what: what.to_owned() }
}

const NGINX: &str = "dhi.io/nginx:1.27-alpine";
const GOLANG: &str = "dhi.io/golang:1.24-dev";
const UBI: &str = "registry.access.redhat.com/ubi9/ubi-minimal:9.6";
const STATIC: &str = "cgr.dev/chainguard/static:latest";
const NODE: &str = "docker.io/library/node:22-bookworm-slim";

fn current(image: &str) -> PinStatus {
    pin(("Dockerfile", 7), image, Some("1.27.4"), PinState::Current { waits: None })
}

/// Repositories where somebody has to do something.
fn troubled() -> Vec<RepositoryStatus> {
    let payments = "acme/payments-settlement-reconciliation-worker-for-eu-west";
    let mut failed = repository(
        "github",
        payments,
        vec![
            pin(
                ("services/reconciliation/build/Containerfile", 14),
                UBI,
                Some("9.6-1755"),
                behind(24 * 23, "9.6-1790", None),
            ),
            pin(("services/reconciliation/Dockerfile.debug", 3), GOLANG, Some("1.24.6"), behind(20, "1.24.9", None)),
            current(STATIC),
        ],
    );
    failed.pull_requests = vec![open(1832, payments, Pipeline::Failed)];
    let mut foreign = repository(
        "github",
        "acme/web",
        vec![pin(
            ("Dockerfile", 8),
            NGINX,
            Some("1.27.1"),
            behind(24 * 6, "1.27.4", Some(("somebody else's commit is on the branch of #7", true))),
        )],
    );
    foreign.due_because = "no schedule".to_owned();
    foreign.pull_requests = vec![PullRequestStatus {
        left_alone: left_alone("somebody else's commit is on the branch of #7", true),
        ..open(7, "acme/web", Pipeline::Passed)
    }];
    let unknown = repository(
        "github",
        "acme/identity",
        vec![
            pin(
                ("Dockerfile", 1),
                "cgr.dev/chainguard/jre:openjdk-21",
                None,
                PinState::Unknown {
                    reason: "the registry is unavailable: 503 Service Unavailable".to_owned(),
                    needs_person: true,
                },
            ),
            current(NGINX),
            current(NODE),
        ],
    );
    let mut broken = repository("gitlab", "platform/build/images/base-runtime", vec![current(UBI)]);
    broken.error = Some(
        "`.refrom.yaml`:3:5: `schedule`: `0 0 31 2 *` never comes: the push to `refrom/base-images` was rejected: \
         GitLab: You are not allowed to push code to protected branches on this project"
            .to_owned(),
    );
    let mut never = repository("github", "acme/archive-2019", Vec::new());
    never.looked_at = None;
    never.error = Some("its base branch `trunk` is not there".to_owned());
    let single = repository(
        "github",
        "acme/edge-proxy",
        vec![pin(
            ("deploy/Dockerfile", 2),
            NGINX,
            Some("1.27.3"),
            behind(
                24 * 11,
                "1.27.4",
                Some((
                    "the pin is a single platform's manifest, the tag is an index: pin the index to follow it",
                    true,
                )),
            ),
        )],
    );
    vec![failed, foreign, unknown, broken, never, single]
}

/// Repositories where something is behind and goes its way.
fn on_their_way() -> Vec<RepositoryStatus> {
    let mut pending = repository(
        "github",
        "acme/checkout",
        vec![
            pin(("Dockerfile", 1), GOLANG, Some("1.24.6"), behind(20, "1.24.9", None)),
            pin(("Dockerfile", 12), STATIC, None, behind(3, "20261123", None)),
        ],
    );
    pending.pull_requests = vec![PullRequestStatus {
        is_auto_merging: true,
        opened_at: Some(ago(2)),
        ..open(411, "acme/checkout", Pipeline::Pending)
    }];
    let mut passed = repository(
        "github",
        "acme/search",
        vec![pin(("Dockerfile", 5), NODE, Some("22.11.0"), behind(50, "22.12.0", None))],
    );
    passed.pull_requests = vec![open(88, "acme/search", Pipeline::Passed)];
    let mut later = repository(
        "gitlab",
        "data/warehouse/loader",
        vec![pin(
            ("Dockerfile", 5),
            NODE,
            Some("22.11.0"),
            behind(50, "22.12.0", Some(("not due before 24 Nov 2026 04:12 CET: schedule `weekly`", false))),
        )],
    );
    later.due_at = Some(now() + SignedDuration::from_mins(20 * 60 + 42));
    later.due_because = "schedule `weekly` (refrom.yaml:31:13)".to_owned();
    let mut frozen = repository(
        "gitlab",
        "data/warehouse/reports",
        vec![pin(
            ("report/Dockerfile", 9),
            UBI,
            Some("9.6-1755"),
            behind(24 * 9, "9.6-1790", Some(("frozen until 4 Jan 2027: end-of-year closing", false))),
        )],
    );
    frozen.due_at = Some(now() + SignedDuration::from_hours(42 * 24));
    frozen.due_because = "freeze: end-of-year closing (refrom.yaml:12:5)".to_owned();
    let mut held = repository(
        "github",
        "acme/legacy-portal",
        vec![pin(
            ("Dockerfile", 2),
            "docker.io/library/php:8.3-apache",
            Some("8.3.11"),
            behind(24 * 40, "8.3.14", Some(("held by `refrom:hold` on #12", false))),
        )],
    );
    held.pull_requests = vec![PullRequestStatus {
        left_alone: left_alone("held by `refrom:hold` on #12", false),
        ..open(12, "acme/legacy-portal", Pipeline::Absent)
    }];
    let mut fresh = repository(
        "github",
        "acme/notifications",
        vec![pin(("Dockerfile", 4), NGINX, Some("1.27.3"), behind(1, "1.27.4", None))],
    );
    fresh.pull_requests =
        vec![PullRequestStatus { opened_at: Some(ago(0)), ..open(3, "acme/notifications", Pipeline::Unknown) }];
    vec![pending, passed, later, frozen, held, fresh]
}

/// Twenty repositories on two forges.
pub fn fleet() -> FleetStatus {
    let mut repositories = troubled();
    repositories.extend(on_their_way());
    for (name, images) in [
        ("acme/api-gateway", vec![NGINX, GOLANG, STATIC]),
        ("acme/billing", vec![UBI]),
        ("acme/docs", vec![NGINX]),
        ("acme/mobile-backend", vec![GOLANG, STATIC]),
        ("acme/terraform-modules", vec![]),
    ] {
        repositories.push(repository("github", name, images.into_iter().map(current).collect()));
    }
    let mut tools = repository("github", "acme/tools", vec![current(STATIC)]);
    tools.noticed = vec![
        noticed("Dockerfile", "dhi.io/nginx", "skipped: no-tag"),
        noticed("ci/Dockerfile", "node:22", "pinned (comment-disagrees)"),
    ];
    let mut etl = repository("gitlab", "data/etl", vec![current(NODE), current(UBI)]);
    let tag = |text: &str| current(text).tag;
    etl.findings = vec![
        TagFinding { tag: tag(NODE), trouble: TagTrouble::EndsLife { on: "2027-01-31".parse().unwrap() } },
        TagFinding { tag: tag(UBI), trouble: TagTrouble::Stale { since: ago(24 * 120) } },
    ];
    let mut off = repository("gitlab", "data/sandbox", Vec::new());
    off.is_enabled = false;
    repositories.extend([tools, etl, off]);
    repositories.sort_by(|one, other| one.repository.cmp(&other.repository));
    FleetStatus {
        cycle: Some(CycleStatus {
            started: now() - SignedDuration::from_secs(12 * 60 + 41),
            ended: now() - SignedDuration::from_mins(12),
            problems: vec![("gitlab".to_owned(), "`mobile/*`: the forge is rate limited until 07:45".to_owned())],
        }),
        repositories,
        waves: Vec::new(),
    }
}
