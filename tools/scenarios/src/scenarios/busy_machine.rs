//! All cores of the machine are busy four times over for a minute, with heartbeats of 10 s: nobody is taken for dead.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::log::Line;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "busy_machine",
    tier: Tier::Full,
    pins_down: "all cores busy for a minute, heartbeats of 10 s: no connection is lost",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    ground.broker_with("heartbeat = 10");
    let block = ground.block(1)?;
    let workers = [ground.mock("one", 8000)?, ground.mock("two", 8000)?];
    let leader = ground.leader("leader", "-m 14", &block)?;
    until("both workers have a task", || ground.running("one").is_some() && ground.running("two").is_some())?;
    let lost = |lines: &[Line]| lines.iter().filter(|line| line.message.contains("lost the broker")).count();
    // Before there was a leader, the queues were not there.
    let before = workers.each_ref().map(|worker| lost(&worker.lines()));
    let _burners = ground.burn(4)?;
    let start = Instant::now();
    let leader = leader.end(2 * PATIENCE)?;
    let busy = start.elapsed();
    leader.proved(1)?;
    ensure!(busy.as_secs() > 45, "it was over after {busy:?}");
    ensure!(lost(&leader.lines) == 0, "the leader has lost the broker");
    let after = workers.each_ref().map(|worker| lost(&worker.lines()));
    ensure!(after == before, "the workers have lost the broker, so often: {before:?} before, {after:?} now");
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed", ground.executed().len()).time("busy for", busy))
}
