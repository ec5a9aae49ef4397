//! All connections are cut several times during one and the same task, beside idle workers: the broker takes each cut
//! for the death of a worker and delivers the task to the next. The first is alive and ends it; a task is given up
//! because its workers die, not because its connections do.

use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "connection_cut_long_tasks",
    tier: Tier::Full,
    pins_down: "five cuts during one task beside idle workers: it is not taken for one that kills its workers",
    run,
};

const CUTS: usize = 5;

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    ground.relay();
    let mut workers = Vec::new();
    for name in ["one", "two", "three", "four", "five", "six"] {
        workers.push(ground.mock(name, 12_000)?);
    }
    // One task at a time: all others are idle.
    let leader = ground.leader("leader", "-m 17 --max-in-flight 1", &block)?;
    until("a task is begun", || !ground.taken().is_empty())?;
    for _ in 0..CUTS {
        ground.relay().cut();
        sleep(Duration::from_secs(2));
    }
    let leader = leader.end(2 * PATIENCE)?;
    leader.proved(1)?;
    // Else the cuts were not enough.
    leader.said("not given up")?;
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    let (executed, twice) = (ground.executed().len(), ground.twice().len());
    Ok(Figures::default().count("cuts", CUTS).count("executed", executed).count("executed twice", twice))
}
