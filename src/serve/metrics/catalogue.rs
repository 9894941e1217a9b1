//! Every metric that there is: the one list that rendering, the documentation's table and the dashboard's test share.
//!
//! Names begin with `refrom_`, units are base units. **Invariant**: no label has a value that a repository can make up:
//! no repository, image, tag or digest. A fleet of a thousand repositories has some 200 series here; with a label per
//! repository it would have tens of thousands, and the status page shows each of them already.

/// A metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// As it stands in queries; a counter's ends in `_total`, a histogram has `_bucket`, `_sum` and `_count` besides.
    pub name: &'static str,
    pub kind: Kind,
    /// In the order in which they are written.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of the exposition format.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

const fn counter(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, labels: &[], help }
}

/// `kind` is `registry`, `forge` or `git`; `name` a registry's host, or a forge's name in the configuration.
const TARGET: &[&str] = &["kind", "name"];

pub const BUILD_INFO: Family = gauge("refrom_build_info", &["version"], "The version that runs; always 1.");
pub const REPOSITORIES: Family = gauge("refrom_repositories", &[], "Repositories that were read.");
pub const PROBLEMS: Family =
    gauge("refrom_problems", &[], "What the last cycle over the whole fleet could not look up or do.");
pub const PINS: Family = gauge("refrom_pins", &["state"], "Uses of images by state.");
pub const FINDINGS: Family =
    gauge("refrom_tag_findings", &["finding"], "What is to be said of tags, in each repository.");
pub const DENIED_PINS: Family =
    gauge("refrom_denied_pins", &[], "Pins at digests that were taken back; 0 once a rollback is done.");
pub const WAITING_PINS: Family = gauge(
    "refrom_waiting_pins",
    &["needs_person"],
    "Pins for which something newer is not proposed, whether or not somebody has to do something.",
);
pub const STALE_AGE: Family = gauge(
    "refrom_oldest_stale_pin_age_seconds",
    &[],
    "How long the longest stale pin has been behind; 0 where none is.",
);
pub const DIGESTS: Family = gauge("refrom_digests_seen", &[], "Digests that were seen for tags, as far as remembered.");
pub const PULL_REQUESTS: Family = gauge("refrom_pull_requests", &["state"], "Pull requests of refrom by state.");
pub const PIPELINES: Family =
    gauge("refrom_pull_request_pipelines", &["pipeline"], "Open pull requests by the state of their pipelines.");
pub const TO_OPENED: Family =
    histogram("refrom_first_seen_to_opened_seconds", "From the first sight of a digest to its pull request.");
pub const TO_MERGED: Family =
    histogram("refrom_first_seen_to_merged_seconds", "From the first sight of a digest to its merge: time to patch.");
pub const WAVE_DIGESTS: Family =
    gauge("refrom_wave_digests", &["wave"], "Digests that have reached this wave, and no later one.");
pub const WAVE_BLOCKED: Family =
    gauge("refrom_wave_blocked_digests", &["wave", "cause"], "Digests that wait for this wave to prove them.");
pub const ACTIONS: Family = counter("refrom_actions_total", &["action", "outcome"], "What was done on forges.");
pub const CYCLES: Family = counter("refrom_cycles_total", &["outcome"], "Cycles that ended.");
pub const CYCLE_DURATION: Family = histogram("refrom_cycle_duration_seconds", "How long cycles took.");
pub const LAST_CYCLE: Family = gauge(
    "refrom_last_cycle_timestamp_seconds",
    &[],
    "When a cycle over the whole fleet last came to its end, with or without problems.",
);
pub const LAST_SUCCESS: Family = gauge(
    "refrom_last_success_timestamp_seconds",
    &[],
    "When a cycle over the whole fleet last looked up and did everything.",
);
pub const REQUESTS: Family = counter("refrom_requests_total", TARGET, "Requests, and git processes that talk.");
pub const ERRORS: Family =
    counter("refrom_request_errors_total", &["kind", "name", "error"], "Calls that failed, each attempt.");
pub const ROOM: Family =
    gauge("refrom_rate_limit_remaining", &["kind", "name", "resource"], "What is left of a rate limit.");
pub const LIMIT: Family = gauge("refrom_rate_limit", &["kind", "name", "resource"], "The whole of a rate limit.");
pub const LIMIT_RESET: Family = gauge(
    "refrom_rate_limit_reset_timestamp_seconds",
    &["kind", "name", "resource"],
    "When the whole of a rate limit is there again.",
);
pub const REFUSED: Family = gauge("refrom_credential_refused", TARGET, "Whether the credentials were refused last.");
pub const EXPIRING: Family =
    gauge("refrom_credential_expiring", TARGET, "Whether the credentials expire within a week, or have expired.");
pub const EXPIRY: Family = gauge(
    "refrom_credential_expiry_timestamp_seconds",
    TARGET,
    "When the credentials expire, where the other side says so.",
);
pub const WEBHOOKS: Family = counter("refrom_webhooks_total", &["source", "outcome"], "Webhooks that arrived.");

/// In the order in which they are written.
pub const ALL: &[Family] = &[
    BUILD_INFO,
    REPOSITORIES,
    PROBLEMS,
    PINS,
    FINDINGS,
    DENIED_PINS,
    WAITING_PINS,
    STALE_AGE,
    DIGESTS,
    PULL_REQUESTS,
    PIPELINES,
    TO_OPENED,
    TO_MERGED,
    WAVE_DIGESTS,
    WAVE_BLOCKED,
    ACTIONS,
    CYCLES,
    CYCLE_DURATION,
    LAST_CYCLE,
    LAST_SUCCESS,
    REQUESTS,
    ERRORS,
    ROOM,
    LIMIT,
    LIMIT_RESET,
    REFUSED,
    EXPIRING,
    EXPIRY,
    WEBHOOKS,
];
