//! The leader is killed, and workers finish all that it had given out: what they report waits in the leader's queue. The
//! same command, started again, builds on all of it.

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "results_waiting",
    tier: Tier::Full,
    pins_down: "results that arrive while no leader is there: the next one executes none of it again",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let _workers = [ground.mock("one", 300)?, ground.mock("two", 300)?];
    let leader = ground.leader("first", "-m 12", &block)?;
    ground.until_executed(3)?;
    leader.kill()?;
    until("no task is in a queue or in a worker's hands", || ground.tasks_at_broker().1 == 0)?;
    let done = ground.executed();
    let results = ground.broker().await_queue("blockproof.results.default", |queue| queue.ready > 0);
    ensure!(done.len() > 3, "nothing was executed while no leader was there");
    ground.leader("second", "-m 12", &block)?.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    Ok(Figures::default()
        .count("executed before", done.len())
        .count("results waiting", results.ready as usize)
        .count("executed after", ground.executed().len() - done.len()))
}
