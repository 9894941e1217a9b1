//! Simulated weeks: the real service with a scripted clock, over a fleet on both forges. What it should do is computed
//! apart from it, with a calendar's arithmetic, and compared after every cycle with what the forges recorded.

mod calendar;
mod fleet;
mod house;
mod ledger;
mod script;

use std::time::Duration;

use jiff::Timestamp;

use self::house::House;
use self::ledger::Ledger;
use self::script::Script;

/// The clocks of Berlin change on 25 October and those of New York on 1 November.
const BEGIN: &str = "2026-10-20T00:00:00Z";
const END: &str = "2026-11-05T00:00:00Z";
/// Far more than a cycle takes: whoever waits longer waits for what does not come.
const PATIENCE: Duration = Duration::from_secs(120);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weeks_of_a_fleet_go_as_its_calendars_say() {
    let (begin, end) = (at(BEGIN), at(END));
    let mut house = House::build(begin).await;
    let mut ledger = Ledger::new(&house);
    let mut script = Script::new(begin, end);
    house.start().await;
    loop {
        let until = house.idle().await;
        ledger.cycles_ended(&mut house);
        let next = script.next_until(until);
        match next {
            Some((now, event)) => {
                if now < until {
                    house.clock_shows(now);
                }
                script::apply(&event, &mut house, &mut ledger).await;
            }
            None if until >= end => break,
            None => house.reach(until).await,
        }
    }
    house.stop().await;
    ledger.finish(begin, end);
}
