//! A leader of high priority comes when the queues are full of another's tasks: its tasks go first.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
use crate::log::Deed;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "high_priority",
    tier: Tier::Full,
    pins_down: "a leader of high priority overtakes one whose tasks fill the queues",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let (normal, high) = (ground.block(1)?, ground.block(7)?);
    let _workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let mut normal = ground.leader("normal", "-m 11", &normal)?;
    ground.until_executed(4)?;
    let start = Instant::now();
    let high = ground.leader("high", "-m 13 --group high --priority high", &high)?;
    high.end(PATIENCE)?.proved(7)?;
    let took = start.elapsed();
    ensure!(normal.runs(), "the leader of normal priority was not overtaken");
    let taken = ground.taken();
    let of_high = || taken.iter().filter(|deed| deed.part.block == 7).map(|deed| &deed.at);
    let (first, last) = (of_high().min(), of_high().max());
    let between = |deed: &&Deed| deed.part.block == 1 && Some(&deed.at) > first && Some(&deed.at) < last;
    let of_normal = taken.iter().filter(between).count();
    normal.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    // Only while nothing of high priority is ready, since a merge needs what it merges.
    ensure!(of_normal < of_high().count(), "{of_normal} tasks of normal priority were begun meanwhile");
    Ok(Figures::default().time("high took", took).count("normal tasks begun meanwhile", of_normal))
}
