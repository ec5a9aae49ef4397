//! The leader is killed with `kill -9` when half is done, and the same command is started again: it goes on from there.
//! Workers meanwhile go on with what they have, and are not asked to do it twice.

use std::time::Instant;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "leader_killed",
    tier: Tier::Smoke,
    pins_down: "kill -9 of the leader at half: the same command goes on, nothing is executed twice, running or finished",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let chain = ground.chain()?;
    let _workers = [ground.mock("one", 1000)?, ground.mock("two", 1000)?];
    let leader = ground.leader("first", "-m 13", &chain)?;
    ground.until_executed(12)?;
    ground.until_begun("one")?;
    leader.kill()?;
    let done = ground.executed();
    let again = ground.leader("second", "-m 13", &chain)?;
    let started = Instant::now();
    ground.until_executed(done.len() + 3)?;
    let recovered = started.elapsed();
    again.end(PATIENCE)?.proved(2)?;
    ground.nothing_twice()?;
    Ok(Figures::default()
        .count("executed before", done.len())
        .count("executed after", ground.executed().len() - done.len())
        .time("working again after", recovered))
}
