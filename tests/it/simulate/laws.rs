//! Over random fleets, histories and policies.

use proptest::prelude::*;
use refrom::simulate::{Outcome, Planning, Recording, replay};

use super::facts::line;
use super::{config, fleet, recording_of, run, setup};
use crate::laws::law;

const TAGS: [&str; 5] =
    ["dhi.io/nginx:1", "dhi.io/nginx:1-dev", "dhi.io/nginx:2", "docker.io/library/redis:7", "cgr.dev/a/go:1.25"];
const REPOSITORIES: [(&str, &[&str]); 4] = [
    ("acme/web", &["dhi.io/nginx:1", "dhi.io/nginx:1-dev"]),
    ("acme/api", &["dhi.io/nginx:2", "redis:7", "cgr.dev/a/go:1.25"]),
    ("acme/edge", &["redis:7"]),
    ("acme/job", &["dhi.io/nginx:1", "cgr.dev/a/go:1.25"]),
];
const HOURS: i64 = 6 * 24;

/// Keys of `policy`, each in a few forms; the first one is as good as none.
const KEYS: [&[&str]; 12] = [
    &[
        "schedule: always",
        "schedule: daily",
        "schedule: weekdays",
        "schedule: '0 */5 * * *'",
        "schedule: { every: 7h }",
    ],
    &["window: [{ days: [weekdays, weekend] }]", "window: [{ days: weekdays, from: '09:00', to: '17:00' }]"],
    &["freeze: []", "freeze: [{ from: 2026-07-03, to: 2026-07-05, reason: fair }]"],
    &["timezone: UTC", "timezone: America/New_York"],
    &["group: repository", "group: image", "group: file"],
    &["automerge: off", "automerge: when_green"],
    &["min_age: 0s", "min_age: 3h", "min_age: 2d"],
    &["settle: 0s", "settle: 5h"],
    &["min_interval: 0s", "min_interval: 30h"],
    &["pair: off", "pair: together"],
    &["follow: digest", "follow: major"],
    &["unchanged: off", "unchanged: platforms", "unchanged: content"],
];
/// What some digests hold, by their letter: the same manifest, another one of the same content, fewer platforms; nothing is
/// known of the others.
const MANIFESTS: [(char, &[&str]); 4] = [
    ('a', &["amd64=x", "arm64=y"]),
    ('b', &["amd64=x", "arm64=y"]),
    ('c', &["amd64=x.2", "arm64=y"]),
    ('d', &["amd64=z"]),
];

/// The configuration's text.
fn policy() -> impl Strategy<Value = String> {
    let keys: Vec<_> = KEYS.iter().map(|forms| prop::sample::select(forms.to_vec())).collect();
    let top = (
        prop::sample::select(vec!["40m", "1h", "2h30m", "20h"]),
        prop::sample::select(vec!["null", "1", "2"]),
        prop::sample::select(vec!["40m", "4h"]),
        prop::sample::select(vec!["null", "1"]),
        prop::sample::select(vec![
            "[]",
            "[{ name: first, match: [acme/web, acme/api] }, { name: rest, match: ['**'] }]",
        ]),
    );
    (keys, top).prop_map(|(keys, (poll, per_hour, redis, max_open, waves))| {
        let keys: String = keys.iter().map(|key| format!("  {key}\n")).collect();
        format!(
            "waves: {waves}\nadvance: {{ merged: 50%, green_for: 10h }}\npoll: {poll}\nmax_new_per_hour: {per_hour}\nregistries: {{ docker.io: {{ poll: {redis} }} }}\n\
             policy:\n{keys}  max_open: {max_open}\n\
             repositories:\n  - match: acme/edge\n    policy: {{ schedule: always, group: repository }}\n"
        )
    })
}

fn history() -> impl Strategy<Value = Recording> {
    let moved = (0..HOURS, 0..TAGS.len(), prop::char::range('a', 'f'));
    prop::collection::vec(moved, 5..60).prop_map(|moves| {
        let first = (0, "dhi.io/nginx:1", 'a');
        let moves = moves.into_iter().map(|(hour, tag, letter)| (hour, TAGS[tag], letter));
        let lines = std::iter::once(first).chain(moves).map(|(hour, tag, letter)| {
            let manifests = MANIFESTS.iter().find(|(known, _)| *known == letter).map(|(_, manifests)| *manifests);
            line(hour, (tag, &letter.to_string()), manifests)
        });
        recording_of(&lines.collect::<Vec<_>>())
    })
}

fn both(text: &str, recording: &Recording) -> [Outcome; 2] {
    let (config, fleet) = (config(text), fleet(&REPOSITORIES));
    [Planning::WhereSomethingChanged, Planning::Everything]
        .map(|planning| replay(&config, recording, &fleet, setup(planning)).unwrap())
}

proptest! {
    #![proptest_config(law(24))]

    #[test]
    fn planning_where_something_changed_gives_the_pull_requests_of_planning_everything(
        text in policy(), recording in history()
    ) {
        let [some, all] = both(&text, &recording);
        prop_assert_eq!(&some.deeds, &all.deeds);
        prop_assert!(some.plans < all.plans, "{} of {}", some.plans, all.plans);
        prop_assert_eq!(some.waits, all.waits);
    }

    #[test]
    fn the_same_inputs_give_the_same_replay(text in policy(), recording in history()) {
        let fleet = fleet(&REPOSITORIES);
        let [one, other] = [0, 1].map(|_| run(&text, &recording, &fleet));
        prop_assert_eq!((one.deeds, one.waits), (other.deeds, other.waits));
    }
}
