//! What a monitoring system is told: [`catalogue`] names every metric, `docs/metrics.md` explains them.
//!
//! [`Metrics`] holds what a process saw as plain values; the tally of outside calls and the store bring the rest when it
//! is rendered, so that nothing is counted in two places.

pub mod catalogue;
mod exposition;
mod histogram;
mod instruments;
mod textfile;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::exposition::Samples;
use self::histogram::{CYCLE_BOUNDS, Histogram, PATCH_BOUNDS};
use crate::cycle::{Deed, Figures, Outcome, Parts, PinCounts, Report, Request};
use crate::domain::candidates::RepositoryKey;
use crate::domain::freshness::{TagFinding, TagTrouble};
use crate::domain::plan::{Action, RepositoryPlan};
use crate::domain::proposal::Reason;
use crate::domain::pull_request::Pipeline;
use crate::domain::status::Wait;
use crate::domain::waves::{UnderWay, WaveCause};
use crate::net::{CallFailure, Calls, Tally, Target};
use crate::serve::waves::Rollout;
use crate::store::StoreFacts;

pub use exposition::CONTENT_TYPE;
pub use textfile::write as write_textfile;

/// Sources of webhooks with figures of their own: as many as a configuration has, and more than that is a mistake.
const WEBHOOK_SERIES_MAX: usize = 500;

/// What this process saw. Cycles and webhooks are noted as they come.
#[derive(Debug)]
pub struct Metrics(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// As the last cycle that read it found it.
    repositories: BTreeMap<RepositoryKey, Repository>,
    problems: usize,
    actions: BTreeMap<(&'static str, &'static str), u64>,
    cycles: BTreeMap<CycleOutcome, u64>,
    durations: Histogram,
    last_cycle: Option<Timestamp>,
    last_success: Option<Timestamp>,
    webhooks: BTreeMap<(String, String), u64>,
    /// What the store said when it last answered.
    facts: StoreFacts,
    /// The names of the waves, and the digests on their way through them.
    waves: Vec<String>,
    under_way: Vec<UnderWay>,
}

#[derive(Debug)]
struct Repository {
    pins: PinCounts,
    figures: Figures,
    left_alone: usize,
    findings: Vec<TagFinding>,
    denied: usize,
    /// Pins that wait, by whether somebody has to do something.
    waiting: BTreeMap<bool, usize>,
}

/// How a cycle ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CycleOutcome {
    Done,
    /// Something could not be looked up or done.
    Incomplete,
    /// It came to no end: the store did not answer, or it took too long.
    Failed,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    pub fn new() -> Self {
        Self(Mutex::new(Seen {
            repositories: BTreeMap::new(),
            problems: 0,
            actions: BTreeMap::new(),
            cycles: BTreeMap::new(),
            durations: Histogram::new(CYCLE_BOUNDS),
            last_cycle: None,
            last_success: None,
            webhooks: BTreeMap::new(),
            facts: StoreFacts::default(),
            waves: Vec::new(),
            under_way: Vec::new(),
        }))
    }

    /// Notes a cycle that came to its end, which is `now`. One over the whole fleet tells which repositories there are,
    /// another one how some of them stand.
    pub fn observe_cycle(&self, request: &Request, report: &Report, duration: Duration, now: Timestamp) {
        let outcome = if report.is_incomplete() { CycleOutcome::Incomplete } else { CycleOutcome::Done };
        self.with(|seen| {
            seen.ended(outcome, duration);
            if request.repositories.is_empty() {
                seen.repositories.clear();
                let incomplete = report.repositories.iter().filter(|repository| repository.is_incomplete()).count();
                seen.problems = report.problems.len() + incomplete;
                seen.last_cycle = Some(now);
                if outcome == CycleOutcome::Done {
                    seen.last_success = Some(now);
                }
            }
            for repository in &report.repositories {
                for (action, deed) in repository.plan.actions.iter().zip(&repository.deeds) {
                    seen.acted(action, deed);
                }
                let known = Repository {
                    pins: repository.pins,
                    figures: repository.figures.clone(),
                    left_alone: repository.plan.left_alone.len(),
                    findings: repository.plan.findings.clone(),
                    denied: repository.denied.len(),
                    waiting: waiting(&repository.plan, now),
                };
                seen.repositories.insert(repository.plan.repository.clone(), known);
            }
        });
    }

    /// Notes a cycle that came to no end.
    pub fn observe_failed_cycle(&self, duration: Duration) {
        self.with(|seen| seen.ended(CycleOutcome::Failed, duration));
    }

    /// Notes a webhook: `source` is the forge's or the webhook's name in the configuration, `outcome` a word of a short
    /// list. Never anything that its sender wrote.
    pub fn note_webhook(&self, source: &str, outcome: &str) {
        self.with(|seen| {
            let key = (source.to_owned(), outcome.to_owned());
            if seen.webhooks.len() < WEBHOOK_SERIES_MAX || seen.webhooks.contains_key(&key) {
                *seen.webhooks.entry(key).or_default() += 1;
            }
        });
    }

    /// Notes the waves and the digests on their way through them.
    pub fn observe_waves(&self, waves: Vec<String>, under_way: Vec<UnderWay>) {
        self.with(|seen| (seen.waves, seen.under_way) = (waves, under_way));
    }

    /// What a scrape is answered with. While the store does not answer, its figures stay as they were: one that falls
    /// would look like a restart, and one that rises again like a week's patches in a minute.
    pub async fn scrape(&self, parts: &Parts, now: Timestamp) -> String {
        match parts.store.facts().await {
            Ok(facts) => self.with(|seen| seen.facts = facts),
            Err(error) => tracing::warn!(%error, "the store did not answer"),
        }
        let rollout = Rollout::of(&parts.config);
        match rollout.under_way(parts.store.as_ref(), now).await {
            Ok(under_way) => self.observe_waves(rollout.names(), under_way),
            Err(error) => tracing::warn!(%error, "the store did not answer"),
        }
        let facts = self.with(|seen| seen.facts.clone());
        self.render(&parts.tally, &facts, now)
    }

    /// Everything as OpenMetrics text, with [`CONTENT_TYPE`].
    pub fn render(&self, tally: &Tally, facts: &StoreFacts, now: Timestamp) -> String {
        self.samples(tally, facts, now).open_metrics()
    }

    /// Everything in the format of node-exporter's textfile collector.
    pub fn render_textfile(&self, tally: &Tally, facts: &StoreFacts, now: Timestamp) -> String {
        self.samples(tally, facts, now).textfile()
    }

    fn samples(&self, tally: &Tally, facts: &StoreFacts, now: Timestamp) -> Samples {
        let mut samples = Samples::default();
        samples.gauge(catalogue::BUILD_INFO, &[env!("CARGO_PKG_VERSION")], 1.0);
        self.with(|seen| {
            seen.fleet(&mut samples, facts, now);
            seen.history(&mut samples);
            seen.waves(&mut samples);
        });
        store(&mut samples, facts);
        for (target, calls) in tally.snapshot() {
            outside(&mut samples, &target, &calls, now);
        }
        samples
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// How many pins something newer is kept from, by whether somebody has to act. Those of which that is not known are counted
/// as unknown, and why is told elsewhere.
fn waiting(plan: &RepositoryPlan, now: Timestamp) -> BTreeMap<bool, usize> {
    let mut waiting = BTreeMap::new();
    for pin in plan.not_proposed.iter().filter(|pin| !matches!(pin.reason, Reason::Unknown(_))) {
        *waiting.entry(Wait::new(&pin.reason, plan.vocabulary, now).needs_person).or_default() += 1;
    }
    waiting
}

impl Seen {
    fn ended(&mut self, outcome: CycleOutcome, duration: Duration) {
        *self.cycles.entry(outcome).or_default() += 1;
        self.durations.observe(duration);
    }

    fn acted(&mut self, action: &Action, deed: &Deed) {
        let outcome = match deed.outcome {
            Outcome::Planned => return,
            Outcome::Done => "done",
            Outcome::Failed(_) => "failed",
        };
        *self.actions.entry((word(action), outcome)).or_default() += 1;
    }

    /// How the fleet stands.
    fn fleet(&self, samples: &mut Samples, facts: &StoreFacts, now: Timestamp) {
        samples.gauge(catalogue::REPOSITORIES, &[], number(self.repositories.len()));
        samples.gauge(catalogue::PROBLEMS, &[], number(self.problems));
        let sum = |count: fn(&Repository) -> usize| number(self.repositories.values().map(count).sum());
        samples.gauge(catalogue::PINS, &["current"], sum(|it| it.pins.current));
        samples.gauge(catalogue::PINS, &["behind"], sum(|it| it.pins.behind));
        samples.gauge(catalogue::PINS, &["unknown"], sum(|it| it.pins.unknown));
        samples.gauge(catalogue::PINS, &["unpinned"], sum(|it| it.pins.unpinned));
        samples.gauge(catalogue::PINS, &["skipped"], sum(|it| it.pins.skipped));
        for word in TagTrouble::WORDS {
            let of_fleet = self.repositories.values().flat_map(|it| &it.findings);
            let count = of_fleet.filter(|finding| finding.trouble.as_str() == word).count();
            samples.gauge(catalogue::FINDINGS, &[word], number(count));
        }
        samples.gauge(catalogue::DENIED_PINS, &[], sum(|it| it.denied));
        for (word, needs_person) in [("true", true), ("false", false)] {
            let of_repositories = self.repositories.values().filter_map(|it| it.waiting.get(&needs_person));
            samples.gauge(catalogue::WAITING_PINS, &[word], number(of_repositories.sum()));
        }
        let stale_since = self.repositories.values().filter_map(|repository| repository.figures.stale_since).min();
        let age = stale_since.map(|since| now.duration_since(since).as_secs_f64().max(0.0)).unwrap_or_default();
        samples.gauge(catalogue::STALE_AGE, &[], age);
        samples.gauge(catalogue::PULL_REQUESTS, &["open"], sum(|it| it.figures.open.len()));
        samples.gauge(catalogue::PULL_REQUESTS, &["left_alone"], sum(|it| it.left_alone));
        samples.gauge(catalogue::PULL_REQUESTS, &["merged"], number(facts.to_merged.len()));
        samples.gauge(catalogue::PULL_REQUESTS, &["closed"], facts.closed as f64);
        for pipeline in [Pipeline::Absent, Pipeline::Pending, Pipeline::Passed, Pipeline::Failed, Pipeline::Unknown] {
            let open = self.repositories.values().flat_map(|repository| repository.figures.open.values());
            let count = open.filter(|state| **state == pipeline).count();
            samples.gauge(catalogue::PIPELINES, &[pipeline.as_str()], number(count));
        }
    }

    /// What happened since the process began. Series that can be are there from the beginning, at zero: a first failure
    /// is an increase then.
    fn history(&self, samples: &mut Samples) {
        for action in ["open", "update", "auto_merge", "close", "delete_branch"] {
            for outcome in ["done", "failed"] {
                let count = self.actions.get(&(action, outcome)).copied().unwrap_or_default();
                samples.count(catalogue::ACTIONS, &[action, outcome], count);
            }
        }
        for outcome in [CycleOutcome::Done, CycleOutcome::Incomplete, CycleOutcome::Failed] {
            let count = self.cycles.get(&outcome).copied().unwrap_or_default();
            samples.count(catalogue::CYCLES, &[outcome.as_str()], count);
        }
        samples.distribution(catalogue::CYCLE_DURATION, self.durations.clone());
        for (family, at) in [(catalogue::LAST_CYCLE, self.last_cycle), (catalogue::LAST_SUCCESS, self.last_success)] {
            if let Some(at) = at {
                samples.gauge(family, &[], seconds(at));
            }
        }
        for ((source, outcome), count) in &self.webhooks {
            samples.count(catalogue::WEBHOOKS, &[source, outcome], *count);
        }
    }
}

impl Seen {
    /// All causes of all waves are there, at zero.
    fn waves(&self, samples: &mut Samples) {
        for (index, wave) in self.waves.iter().enumerate() {
            let here: Vec<&UnderWay> = self.under_way.iter().filter(|it| it.reached() == index).collect();
            samples.gauge(catalogue::WAVE_DIGESTS, &[wave], number(here.len()));
            for cause in WaveCause::WORDS {
                let word = |it: &&&UnderWay| it.waits()?.blocked.as_ref().map(WaveCause::word);
                let blocked = here.iter().filter(|it| word(it) == Some(cause)).count();
                samples.gauge(catalogue::WAVE_BLOCKED, &[wave, cause], number(blocked));
            }
        }
    }
}

fn store(samples: &mut Samples, facts: &StoreFacts) {
    samples.gauge(catalogue::DIGESTS, &[], facts.digests_seen as f64);
    for (family, times) in [(catalogue::TO_OPENED, &facts.to_opened), (catalogue::TO_MERGED, &facts.to_merged)] {
        let mut histogram = Histogram::new(PATCH_BOUNDS);
        times.iter().for_each(|time| histogram.observe(time.unsigned_abs()));
        samples.distribution(family, histogram);
    }
}

fn outside(samples: &mut Samples, target: &Target, calls: &Calls, now: Timestamp) {
    let (kind, name) = (target.kind.as_str(), target.name.as_str());
    samples.count(catalogue::REQUESTS, &[kind, name], calls.requests);
    for failure in CallFailure::ALL {
        let count = calls.failures.get(&failure).copied().unwrap_or_default();
        samples.count(catalogue::ERRORS, &[kind, name, failure.as_str()], count);
    }
    for (resource, room) in calls.rooms(now) {
        let labels = [kind, name, resource];
        samples.gauge(catalogue::ROOM, &labels, room.remaining as f64);
        if let Some(limit) = room.limit {
            samples.gauge(catalogue::LIMIT, &labels, limit as f64);
        }
        if let Some(at) = room.resets_at {
            samples.gauge(catalogue::LIMIT_RESET, &labels, seconds(at));
        }
    }
    if let Some(credential) = calls.credential {
        samples.gauge(catalogue::REFUSED, &[kind, name], f64::from(u8::from(credential.is_refused)));
        samples.gauge(catalogue::EXPIRING, &[kind, name], f64::from(u8::from(credential.is_expiring(now))));
        if let Some(at) = credential.expires_at {
            samples.gauge(catalogue::EXPIRY, &[kind, name], seconds(at));
        }
    }
}

impl CycleOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
        }
    }
}

fn word(action: &Action) -> &'static str {
    match action {
        Action::Open { .. } => "open",
        Action::Update { .. } => "update",
        Action::AutoMerge { .. } => "auto_merge",
        Action::Close(_) => "close",
        Action::DeleteBranch { .. } => "delete_branch",
    }
}

fn number(count: usize) -> f64 {
    count as f64
}

/// Seconds since 1970.
fn seconds(at: Timestamp) -> f64 {
    at.as_microsecond() as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Room, SignIn, TargetKind};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn lines(metrics: &Metrics, tally: &Tally, now: Timestamp) -> Vec<String> {
        let text = metrics.render(tally, &StoreFacts::default(), now);
        assert!(text.ends_with("# EOF\n"));
        text.lines().map(str::to_owned).collect()
    }

    #[track_caller]
    fn expect(lines: &[String], expected: &[&str]) {
        for line in expected {
            assert!(lines.iter().any(|it| it == line), "no `{line}` in {lines:#?}");
        }
    }

    #[test]
    fn a_process_that_has_seen_nothing_says_so() {
        let lines = lines(&Metrics::new(), &Tally::default(), at(0));
        expect(
            &lines,
            &[
                concat!("refrom_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1.0"),
                "# TYPE refrom_cycles counter",
                "refrom_cycles_total{outcome=\"failed\"} 0",
                "refrom_first_seen_to_merged_seconds_bucket{le=\"+Inf\"} 0",
                "refrom_oldest_stale_pin_age_seconds 0.0",
            ],
        );
        assert!(!lines.iter().any(|line| line.contains("timestamp")), "no time that never was: {lines:#?}");
    }

    #[test]
    fn calls_rooms_and_credentials_of_each_target_are_shown() {
        let tally = Tally::default();
        let meter = tally.meter(TargetKind::Forge, "git\"hub");
        meter.request();
        meter.failed(CallFailure::RateLimited);
        meter.room("core", 0, Some(Room { remaining: 9, limit: Some(5000), resets_at: Some(at(50)) }));
        meter.sign_in(SignIn::Refused);
        meter.expires(Some(at(100)));
        let lines = lines(&Metrics::new(), &tally, at(10));
        expect(
            &lines,
            &[
                r#"refrom_requests_total{kind="forge",name="git\"hub"} 1"#,
                r#"refrom_request_errors_total{kind="forge",name="git\"hub",error="rate_limited"} 1"#,
                r#"refrom_request_errors_total{kind="forge",name="git\"hub",error="timeout"} 0"#,
                r#"refrom_rate_limit_remaining{kind="forge",name="git\"hub",resource="core"} 9.0"#,
                r#"refrom_rate_limit_reset_timestamp_seconds{kind="forge",name="git\"hub",resource="core"} 50.0"#,
                r#"refrom_credential_refused{kind="forge",name="git\"hub"} 1.0"#,
                r#"refrom_credential_expiring{kind="forge",name="git\"hub"} 1.0"#,
                r#"refrom_credential_expiry_timestamp_seconds{kind="forge",name="git\"hub"} 100.0"#,
            ],
        );
    }

    #[test]
    fn times_to_patch_come_from_the_store() {
        let facts = StoreFacts {
            digests_seen: 3,
            closed: 1,
            to_opened: vec![jiff::SignedDuration::from_mins(1)],
            to_merged: vec![jiff::SignedDuration::from_hours(2), jiff::SignedDuration::from_hours(24 * 400)],
        };
        let text = Metrics::new().render(&Tally::default(), &facts, at(0));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        expect(
            &lines,
            &[
                "refrom_digests_seen 3.0",
                "refrom_pull_requests{state=\"merged\"} 2.0",
                "refrom_pull_requests{state=\"closed\"} 1.0",
                "refrom_first_seen_to_opened_seconds_bucket{le=\"300.0\"} 1",
                "refrom_first_seen_to_merged_seconds_bucket{le=\"3600.0\"} 0",
                "refrom_first_seen_to_merged_seconds_bucket{le=\"14400.0\"} 1",
                "refrom_first_seen_to_merged_seconds_bucket{le=\"+Inf\"} 2",
            ],
        );
    }

    #[test]
    fn webhooks_are_counted_by_source_and_outcome_and_their_number_is_bounded() {
        let metrics = Metrics::new();
        for _ in 0..3 {
            metrics.note_webhook("github", "accepted");
        }
        for number in 0..WEBHOOK_SERIES_MAX * 2 {
            metrics.note_webhook(&number.to_string(), "refused");
        }
        let lines = lines(&metrics, &Tally::default(), at(0));
        expect(&lines, &[r#"refrom_webhooks_total{source="github",outcome="accepted"} 3"#]);
        let series = lines.iter().filter(|line| line.starts_with("refrom_webhooks_total{")).count();
        assert_eq!(series, WEBHOOK_SERIES_MAX);
    }

    #[test]
    fn the_last_success_is_not_the_last_cycle() {
        let (metrics, fleet) = (Metrics::new(), Request::default());
        let good = Report::default();
        let bad = Report {
            problems: vec![crate::cycle::Problem { subject: "github".to_owned(), message: "down".to_owned() }],
            ..Report::default()
        };
        let web = RepositoryKey { forge: "github".to_owned(), name: "acme/web".parse().unwrap() };
        let some = Request { repositories: [web].into(), ..Request::default() };
        metrics.observe_cycle(&fleet, &good, Duration::from_secs(2), at(100));
        metrics.observe_cycle(&fleet, &bad, Duration::from_secs(20), at(200));
        metrics.observe_cycle(&some, &good, Duration::from_secs(1), at(300));
        metrics.observe_failed_cycle(Duration::from_secs(1));
        let lines = lines(&metrics, &Tally::default(), at(400));
        expect(
            &lines,
            &[
                "refrom_last_cycle_timestamp_seconds 200.0",
                "refrom_last_success_timestamp_seconds 100.0",
                "refrom_problems 1.0",
                "refrom_cycles_total{outcome=\"done\"} 2",
                "refrom_cycles_total{outcome=\"incomplete\"} 1",
                "refrom_cycles_total{outcome=\"failed\"} 1",
                "refrom_cycle_duration_seconds_bucket{le=\"1.0\"} 2",
                "refrom_cycle_duration_seconds_sum 24.0",
            ],
        );
    }

    #[test]
    fn the_textfile_names_counters_as_its_format_wants_and_has_no_end_mark() {
        let text = Metrics::new().render_textfile(&Tally::default(), &StoreFacts::default(), at(0));
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        expect(&lines, &["# TYPE refrom_cycles_total counter", "# HELP refrom_cycles_total Cycles that ended."]);
        expect(&lines, &["# TYPE refrom_pins gauge", "# TYPE refrom_cycle_duration_seconds histogram"]);
        assert!(!lines.iter().any(|line| line.contains("EOF")));
    }
}
