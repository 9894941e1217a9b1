//! `refrom check` of 100 uses of 50 images (two tags each) on a registry on loopback: requests, bytes, time, memory.

#![allow(clippy::unwrap_used, reason = "a measurement may panic")]

#[allow(dead_code, reason = "each measurement uses its part")]
mod world;

use std::path::PathBuf;

use divan::Bencher;
use world::{Door, World};

const IMAGES: usize = 50;

fn main() {
    if std::env::args().any(|argument| argument == "--bench") {
        let row = |what, (world, tree): (World, PathBuf)| (what, world.measure_check(&tree));
        world::measure::print_table(&[
            row("all current", current(Door::Open)),
            row("all current, by token", current(Door::Token)),
            row("all behind", behind()),
        ]);
    }
    divan::main();
}

fn current(door: Door) -> (World, PathBuf) {
    let world = World::new(IMAGES, door);
    let tree = world.work_tree();
    (world, tree)
}

fn behind() -> (World, PathBuf) {
    let (world, tree) = current(Door::Open);
    world.release("2");
    (world, tree)
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn all_current(bencher: Bencher<'_, '_>) {
    let (world, tree) = current(Door::Open);
    bencher.bench_local(|| assert_eq!(world.check(&tree).status, 0));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn all_current_by_token(bencher: Bencher<'_, '_>) {
    let (world, tree) = current(Door::Token);
    bencher.bench_local(|| assert_eq!(world.check(&tree).status, 0));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn all_behind(bencher: Bencher<'_, '_>) {
    let (world, tree) = behind();
    bencher.bench_local(|| assert_eq!(world.check(&tree).status, 1));
}
