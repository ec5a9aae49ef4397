//! Worker and leader start before the broker does, in whatever order a cluster starts its parts: they wait for it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "broker_late",
    tier: Tier::Full,
    pins_down: "the broker comes last: workers and leaders wait for it",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    ground.relay().refuse(true);
    let worker = ground.mock("worker", 50)?;
    let leader = ground.leader("leader", "-m 14", &block)?;
    until("both have looked for the broker", || {
        worker.has_said("lost the broker") && leader.has_said("lost the broker")
    })?;
    sleep(Duration::from_secs(3));
    ground.relay().refuse(false);
    let there = Instant::now();
    ground.until_executed(1)?;
    let recovered = there.elapsed();
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed", ground.executed().len()).time("working after", recovered))
}
