//! Nothing gets through the network for longer than heartbeats allow, and no connection ends: both sides give theirs up
//! and begin anew when it works again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "network_stalled",
    tier: Tier::Full,
    pins_down: "a network that swallows everything for a while: connections are given up and made anew",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    ground.broker_with("heartbeat = 4");
    let block = ground.block(1)?;
    ground.relay();
    let workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(4)?;
    ground.relay().stall(true);
    let stalled = Instant::now();
    until("everybody has noticed", || {
        leader.has_said("lost the broker") && workers.iter().all(|worker| worker.has_said("lost the broker"))
    })?;
    let noticed = stalled.elapsed();
    sleep(Duration::from_secs(5));
    let done = ground.executed();
    ground.relay().stall(false);
    let back = Instant::now();
    ground.until_executed(done.len() + 1)?;
    let recovered = back.elapsed();
    leader.end(PATIENCE)?.proved(1)?;
    ground.none_again()?;
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    Ok(Figures::default()
        .count("executed", ground.executed().len())
        .count("executed twice", ground.twice().len())
        .time("noticed after", noticed)
        .time("working again after", recovered))
}
