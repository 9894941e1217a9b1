//! What holds of every plan, whatever happened before.

mod events;
mod pairs;
mod promises;

use proptest::prelude::*;
use refrom::domain::marker::Marker;
use refrom::domain::message::BODY_LENGTH_MAX;
use refrom::domain::plan::plan;

use crate::laws::law;
use crate::plan_world::{World, digest};
use events::{Event, event, happen, world};
use promises::check;

/// Plans, holds the plan against its promises and carries it out; then there is nothing left to do.
fn cycle(world: &mut World) -> Result<(), TestCaseError> {
    let decided = world.plan();
    check(world, &decided)?;
    world.apply(&decided);
    let again = world.plan();
    prop_assert!(again.is_empty(), "{:#?}\nafter\n{:#?}", again, decided);
    Ok(())
}

proptest! {
    #![proptest_config(law(100))]

    #[test]
    fn every_plan_keeps_its_promises_and_applying_it_leaves_an_empty_one(
        events in prop::collection::vec(event(), 0..60)
    ) {
        let mut world = world();
        for event in &events {
            happen(&mut world, event);
            if let Event::Cycle = event {
                world.look();
                cycle(&mut world)?;
            }
        }
        let decided = world.plan();
        prop_assert_eq!(&world.plan(), &decided, "the same plan from the same facts");
        let mut facts = world.facts();
        facts.reverse();
        let reversed = plan(&facts, &world.knowledge(&facts), &world.limits(), world.now());
        prop_assert_eq!(&reversed, &decided, "in whatever order the facts come");
        // Also where the last look was not noted.
        cycle(&mut world)?;
    }

    #[test]
    fn every_body_is_short_enough_and_reads_back(
        paths in prop::collection::btree_set(".{1,400}", 1..60), uses in 1..4_usize
    ) {
        const TAG: &str = "dhi.io/nginx:1";
        let mut world = World::new();
        for path in &paths {
            (0..uses).for_each(|_| world.pin("acme/web", path, TAG, 'a'));
        }
        world.content('b', |image| image.version = Some("| @all <!-- refrom {\"version\":1} --> `x`".to_owned()));
        world.moves(TAG, 'b');
        world.cycle();
        let body = &world.pull_request(1).body;
        prop_assert!(body.len() <= BODY_LENGTH_MAX, "{}", body.len());
        let marker = Marker::read(body).unwrap();
        prop_assert!(marker.pins.iter().all(|pin| pin.new == digest('b') && paths.contains(&pin.file)));
    }
}
