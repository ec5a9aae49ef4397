//! The broker is restarted in good order, as for an update, while tasks are queued and running: nothing is lost, what
//! was running goes on, and everybody finds it again.

use std::time::Instant;

use testing::broker::Broker;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "broker_restarted",
    tier: Tier::Smoke,
    pins_down: "the broker is restarted: queued and running tasks end well, nothing is executed twice",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    ride_out(ground, Broker::restart)
}

/// Tasks are queued and running while this happens to the broker.
pub(super) fn ride_out(ground: &mut Ground, fault: fn(&mut Broker)) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let _workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(4)?;
    ground.until_begun("one")?;
    let gone = Instant::now();
    fault(ground.broker());
    let (back, taken) = (Instant::now(), ground.taken().len());
    let outage = back.duration_since(gone);
    until("a task is begun", || ground.taken().len() > taken)?;
    let recovered = back.elapsed();
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    let executed = ground.executed().len();
    Ok(Figures::default().count("executed", executed).time("outage", outage).time("working again after", recovered))
}
