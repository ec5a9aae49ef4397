//! A block fails for good while other workers are in the middle of its tasks: they are told to stop, since nobody wants
//! the rest of it any more.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "failed_block",
    tier: Tier::Full,
    pins_down: "a block has failed: what of it still runs elsewhere is stopped, what is queued is not begun",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let leader = ground.leader("leader", "-m 14", &block)?;
    let mut slow = ground.mock("slow", 600_000)?;
    ground.until_running("slow")?;
    let _broken = ground.worker("broken", "--mock-prover fail:1 --slots 1")?;
    leader.end(PATIENCE)?.failed(1, &["block 1", "3 times"])?;
    let failed = Instant::now();
    until("the other worker has stopped", || !ground.stopped().is_empty())?;
    let stopped = failed.elapsed();
    ensure!(stopped.as_secs() < 30, "the other worker has stopped only after {stopped:?}");
    until("what is queued is off the queue", || ground.tasks_at_broker().1 == 0)?;
    ensure!(slow.runs(), "the other worker has ended");
    ensure!(!ground.dead()?.is_empty(), "no dead letter");
    Ok(Figures::default().time("stopped elsewhere after", stopped))
}
