//! A leader of high priority comes when the queues are full of another's tasks: its tasks go first.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
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
    let executed = ground.executed();
    let of_normal = executed.iter().filter(|deed| deed.part.block == 1).count();
    normal.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    ensure!(of_normal < 30, "{of_normal} tasks of normal priority went before");
    Ok(Figures::default().time("high took", took).count("normal tasks executed until then", of_normal))
}
