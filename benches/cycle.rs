//! `refrom run` over 200 repositories with four pins each: nothing new, every repository new, every tag moved, and in waves.

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

#[allow(dead_code, reason = "each measurement uses its part")]
mod world;

use divan::Bencher;
use world::{Measured, World};

const IMAGES: usize = 50;
const REPOSITORIES: usize = 200;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let world = everything_is_new();
        world::measure::print_table(&[
            ("everything new: 200 pull requests opened", done(world.measure_cycle())),
            ("nothing new, 200 pull requests open", done(world.measure_cycle())),
            ("every tag moved: 200 pull requests updated", {
                world.release("3");
                done(world.measure_cycle())
            }),
        ]);
        let world = World::with_fleet(IMAGES, REPOSITORIES);
        world::measure::print_table(&[
            ("first look, nothing behind", done(world.measure_cycle())),
            ("nothing new, nothing behind", done(world.measure_cycle())),
        ]);
        let world = World::with_fleet(IMAGES, REPOSITORIES).in_waves();
        assert_eq!(world.cycle().status, 0);
        world.release("2");
        world::measure::print_table(&[
            ("two waves, every tag moved: 20 opened", done(world.measure_cycle())),
            ("two waves, 180 repositories wait", done(world.measure_cycle())),
        ]);
    }
    divan::main();
}

/// No state, no pull request, and every pin is behind.
fn everything_is_new() -> World {
    let world = World::with_fleet(IMAGES, REPOSITORIES);
    world.release("2");
    world
}

fn done(measured: Measured) -> Measured {
    assert_eq!(measured.cost.status, 0, "{}", measured.cost.stderr);
    measured
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn nothing_new(bencher: Bencher<'_, '_>) {
    let world = everything_is_new();
    assert_eq!(world.cycle().status, 0);
    bencher.bench_local(|| assert_eq!(world.cycle().status, 0));
}

#[divan::bench(sample_count = 3, sample_size = 1)]
fn everything_new(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(everything_is_new).bench_local_refs(|world| assert_eq!(world.cycle().status, 0));
}
