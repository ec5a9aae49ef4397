//! A worker is killed with `kill -9` while it proves: its task, and no other, is begun once more by somebody else, at
//! once.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "worker_killed",
    tier: Tier::Smoke,
    pins_down: "kill -9 of a worker: its task goes to another at once, nothing finished is executed again",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let victim = ground.mock("victim", 500)?;
    let _other = ground.mock("other", 500)?;
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(6)?;
    let lost = ground.until_begun("victim")?;
    victim.kill()?;
    let killed = Instant::now();
    until("the task is executed by the other", || {
        ground.executed().iter().any(|deed| deed.part == lost && deed.worker == "other")
    })?;
    let recovered = killed.elapsed();
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    // It is delivered before all others, after the task that the other has in hand.
    ensure!(recovered.as_secs() < 10, "the lost task was executed only after {recovered:?}");
    Ok(Figures::default().count("executed", ground.executed().len()).time("lost task executed after", recovered))
}
