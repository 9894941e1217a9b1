//! `refrom simulate`: nine weeks of a real history over fleets with three pins each. How often a repository is planned, and
//! how long that takes; beside it the same with every repository planned at every look.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement may panic, and prints")]

use std::path::Path;
use std::time::Instant;

use divan::Bencher;
use jiff::SignedDuration;
use refrom::config::{Config, Secrets};
use refrom::domain::pattern::Pattern;
use refrom::domain::waves::Wave;
use refrom::simulate::{Outcome, Planning, Recording, Setup, drawn, replay};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/tuning");
const REPOSITORIES: usize = 1000;
/// Of so many every one is planned at every look, which takes long.
const REPOSITORIES_FOR_EVERYTHING: usize = 20;
const PINS: usize = 3;
/// At once, in two waves: a tenth of the repositories comes first.
const WAVES: &str = "waves";

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let history = history();
        println!("{:<14} {:>12} {:>10} {:>10} {:>8}", "policy", "repositories", "plans", "deeds", "seconds");
        for policy in ["at-once", "daily", "weekly", "settled", WAVES] {
            print_row(policy, &history, (REPOSITORIES, Planning::WhereSomethingChanged));
        }
        let [some, all] = [Planning::WhereSomethingChanged, Planning::Everything]
            .map(|planning| print_row("at-once", &history, (REPOSITORIES_FOR_EVERYTHING, planning)));
        println!("where something changed: one plan in {:.0}", all as f64 / some as f64);
    }
    divan::main();
}

fn history() -> Recording {
    Recording::read(&Path::new(EXAMPLES).join("dhi-churn.jsonl.gz")).unwrap()
}

fn run(policy: &str, history: &Recording, (repositories, planning): (usize, Planning)) -> Outcome {
    let named = if policy == WAVES { "at-once" } else { policy };
    let file = Path::new(EXAMPLES).join(format!("{named}.yaml"));
    let mut config = Config::load(&file, &|_| None, Secrets::Skip).unwrap();
    if policy == WAVES {
        let wave = |name: &str, pattern: &str| Wave {
            name: name.to_owned(),
            repositories: vec![Pattern::new(pattern).unwrap()],
        };
        config.waves = vec![wave("canary", "/0$/"), wave("rest", "**")];
    }
    let merge_after = SignedDuration::from_hours(24);
    let setup = Setup { from: None, to: None, merge_after, planning, word: |_| "waited" };
    replay(&config, history, &drawn(history, repositories, PINS), setup).unwrap()
}

/// How often a repository was planned.
fn print_row(policy: &str, history: &Recording, (repositories, planning): (usize, Planning)) -> u64 {
    let start = Instant::now();
    let outcome = run(policy, history, (repositories, planning));
    let seconds = start.elapsed().as_secs_f64();
    println!("{policy:<14} {repositories:>12} {:>10} {:>10} {seconds:>8.2}", outcome.plans, outcome.deeds.len());
    outcome.plans
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn a_thousand_repositories(bencher: Bencher<'_, '_>) {
    let history = history();
    bencher.bench_local(|| run("at-once", &history, (REPOSITORIES, Planning::WhereSomethingChanged)));
}
