//! A worker is far slower than others, and alive: when its task takes far longer than others of its kind, it is offered to
//! a second worker. The first to finish counts, the other is told to stop.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "straggler",
    tier: Tier::Full,
    pins_down: "a task takes far longer than others: after a minute it is offered to another worker, the slow one stops",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let _quick = ground.mock("quick", 300)?;
    let leader = ground.leader("leader", "-m 12", &block)?;
    let segment = |what: &str| what.contains(" segment ");
    // A percentile of fewer is none.
    until("eight segments are executed", || {
        ground.executed().iter().filter(|deed| segment(&deed.part.what)).count() >= 8
    })?;
    let mut slow = ground.worker("slow", "--mock-prover constant:600000 --slots 1 --class segment")?;
    let late = ground.until_running("slow")?;
    let begun = Instant::now();
    let leader = leader.end(PATIENCE)?;
    let recovered = begun.elapsed();
    leader.proved(1)?;
    leader.said("it takes far longer than others of its kind")?;
    until("the slow worker has stopped", || ground.stopped().iter().any(|deed| deed.part == late))?;
    ensure!(slow.runs(), "the slow worker has ended");
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed", ground.executed().len()).time("block ended after", recovered))
}
