//! What happens to the fleet in these weeks: the same in every run.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use refrom::domain::pull_request::PullRequestState;

use super::at;
use super::fleet::IMAGES;
use super::house::House;
use super::ledger::{FORGE_OUTAGE, Ledger, REGISTRY_OUTAGE, RELOAD};

const SEED: u64 = 20_261_025;
/// Between two builds of an image, in minutes: at least so many, and so many more at most.
const RELEASES_MINUTES: (u64, u64) = (30 * 60, 120 * 60);
/// How often people look at what is open.
const PEOPLE: SignedDuration = SignedDuration::from_mins(7 * 60 + 13);
/// Of a hundred pull requests that people look at.
const MERGED: u64 = 25;
const CLOSED: u64 = 3;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// An image's tag moves.
    Release(usize),
    /// People merge and close some of what is open; the number is their dice.
    People(u64),
    Registry(Service),
    Forge(Service),
    Reload,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    Out,
    Back,
}

/// What is still to come.
pub struct Script(BTreeMap<(Timestamp, Event), ()>);

/// Numbers that look random: splitmix64.
pub struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}

impl Script {
    pub fn new(begin: Timestamp, end: Timestamp) -> Self {
        let mut dice = Dice(SEED);
        let mut events = BTreeMap::new();
        for image in 0..IMAGES {
            let mut now = begin;
            loop {
                let minutes = RELEASES_MINUTES.0 + dice.throw(RELEASES_MINUTES.1);
                now += SignedDuration::from_mins(i64::try_from(minutes).unwrap());
                if now >= end {
                    break;
                }
                events.insert((now, Event::Release(image)), ());
            }
        }
        let mut now = begin + PEOPLE;
        while now < end {
            events.insert((now, Event::People(dice.throw(u64::MAX))), ());
            now += PEOPLE;
        }
        for ((from, to), event) in
            [(REGISTRY_OUTAGE, Event::Registry as fn(Service) -> Event), (FORGE_OUTAGE, Event::Forge)]
        {
            events.insert((at(from), event(Service::Out)), ());
            events.insert((at(to), event(Service::Back)), ());
        }
        events.insert((at(RELOAD), Event::Reload), ());
        Self(events)
    }

    /// Takes what happens next, where that is until then.
    pub fn next_until(&mut self, until: Timestamp) -> Option<(Timestamp, Event)> {
        let next = self.0.first_entry().filter(|next| next.key().0 <= until)?;
        Some(next.remove_entry().0)
    }
}

/// It happens.
pub async fn apply(event: &Event, house: &mut House, ledger: &mut Ledger) {
    match event {
        Event::Release(image) => drop(house.release(*image)),
        Event::People(seed) => people(house, ledger, &mut Dice(*seed)),
        Event::Registry(service) => house.registry_is_out(*service == Service::Out),
        Event::Forge(service) => house.forge_is_out(*service == Service::Out),
        Event::Reload => {
            ledger.configuration_changed();
            house.reload(1).await;
        }
    }
}

fn people(house: &House, ledger: &mut Ledger, dice: &mut Dice) {
    for repository in &house.repositories {
        let forge = &house.forges[repository.forge];
        for hosted in forge.pull_requests(&repository.name).unwrap() {
            if hosted.state != PullRequestState::Open {
                continue;
            }
            let thrown = dice.throw(100);
            if thrown < MERGED {
                forge.merge(&repository.name, hosted.number).unwrap();
            } else if thrown < MERGED + CLOSED {
                forge.close(&repository.name, hosted.number).unwrap();
                ledger.refused += 1;
            }
        }
    }
}
