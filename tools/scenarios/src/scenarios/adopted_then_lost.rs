//! A leader is started again and finds that a worker still proves what it wants; then that worker dies. The broker
//! delivers the task to somebody who does not want it, since it was given out by the earlier run: the leader notices
//! that the worker is gone, and gives it out again.

use std::time::Instant;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "adopted_then_lost",
    tier: Tier::Full,
    pins_down: "the worker that a restarted leader relies on dies: within minutes its task is given out again",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let victim = ground.mock("victim", 600_000)?;
    let leader = ground.leader("first", "-m 14", &block)?;
    ground.until_running("victim")?;
    leader.kill()?;
    let leader = ground.leader("second", "-m 14", &block)?;
    until("the new leader relies on the worker", || leader.has_said("still proving"))?;
    victim.kill()?;
    let killed = Instant::now();
    let _other = ground.mock("other", 50)?;
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    Ok(Figures::default()
        .count("executed", ground.executed().len())
        .time("block ended after the death by", killed.elapsed()))
}
