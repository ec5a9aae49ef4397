//! A worker hangs, its connection open: when it was not heard of for a minute, its task is given to another. When it
//! wakes, it works on.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "worker_hangs",
    tier: Tier::Full,
    pins_down: "a worker hangs: after a minute its task is given to another; it may wake later",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let mut victim = ground.mock("victim", 500)?;
    let _other = ground.mock("other", 500)?;
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(4)?;
    let late = ground.until_begun("victim")?;
    victim.signal("STOP")?;
    let hung = Instant::now();
    let leader = leader.end(PATIENCE)?;
    let recovered = hung.elapsed();
    leader.proved(1)?;
    leader.said("giving out again")?;
    let by_other = ground.executed().iter().any(|deed| deed.worker == "other" && deed.part == late);
    ensure!(by_other, "{late:?} was not executed by the other");
    victim.signal("CONT")?;
    let next = ground.block(7)?;
    ground.leader("next", "-m 14", &next)?.end(PATIENCE)?.proved(7)?;
    ensure!(victim.runs(), "the worker has ended");
    Ok(Figures::default().count("executed", ground.executed().len()).time("block ended after the hang by", recovered))
}
