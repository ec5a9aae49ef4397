//! One of two blocks is cancelled: its running tasks are aborted, its queued ones vanish, its leader says so and ends
//! with 1; the other leader's block does not notice.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::log::Deed;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cancelled",
    tier: Tier::Smoke,
    pins_down: "one of two blocks is cancelled: its tasks stop within seconds, the other block is untouched",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let (one, other) = (ground.block(1)?, ground.block(7)?);
    let _worker = ground.worker("worker", "--mock-prover constant:1500 --slots 4")?;
    let one = ground.leader("one", "-m 14 --group one --max-in-flight 2", &one)?;
    let other = ground.leader("other", "-m 14 --group other", &other)?;
    let begun = |ground: &Ground, block| ground.taken().iter().filter(|deed| deed.part.block == block).count();
    until("tasks of both blocks are running", || begun(ground, 1) > 0 && begun(ground, 7) > 0)?;

    let told = Instant::now();
    ground.operate("cancel --block 1")?.ended_with(0)?;
    one.end(PATIENCE)?.failed(1, &["block 1 was cancelled"])?;
    let ended = told.elapsed();
    // What has ended in the very moment has said so by then.
    sleep(Duration::from_millis(500));
    let executed = ground.executed();
    other.end(PATIENCE)?.proved(7)?;

    let stopped = ground.stopped();
    ensure!(!stopped.is_empty(), "nothing was stopped");
    ensure!(stopped.iter().all(|deed| deed.part.block == 1), "tasks of the other block were stopped: {stopped:?}");
    let of_one = |deeds: &[Deed]| deeds.iter().filter(|deed| deed.part.block == 1).count();
    ensure!(of_one(&ground.executed()) == of_one(&executed), "the cancelled block went on");
    ground.nothing_twice()?;
    ensure!(ground.dead()?.is_empty(), "a cancelled task is a dead letter");
    Ok(Figures::default().count("aborted", stopped.len()).time("its leader ended after", ended))
}
