//! The broker's consumer timeout is shorter than the tasks, whether by its default of half an hour or by mistake: it
//! closes the channel and delivers the task to others, again and again. The block ends well all the same.

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ack_timeout",
    tier: Tier::Full,
    pins_down: "tasks longer than the broker's consumer timeout: executed more than once, but the block ends well",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    ground.broker_with("consumer_timeout = 1000");
    let block = ground.block(1)?;
    let workers = ["one", "two", "three", "four"].map(|name| ground.mock(name, 6000));
    let leader = ground.leader("leader", "-m 14", &block)?;
    leader.end(2 * PATIENCE)?.proved(1)?;
    let timeouts = workers
        .into_iter()
        .collect::<anyhow::Result<Vec<_>>>()?
        .iter()
        .map(|worker| worker.lines().iter().filter(|line| line.message.contains("delivery acknowledgement")).count())
        .sum();
    ensure!(timeouts > 0, "the timeout was never hit");
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    let (executed, twice) = (ground.executed().len(), ground.twice().len());
    Ok(Figures::default().count("timeouts", timeouts).count("executed", executed).count("executed twice", twice))
}
