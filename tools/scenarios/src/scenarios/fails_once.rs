//! Tasks that fail once, by a panic of the prover, and go well with the next worker: they are tried again, at the end of
//! the queue, and the block ends well.

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::log::times;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "fails_once",
    tier: Tier::Full,
    pins_down: "tasks that fail with one worker: tried again with another, no dead letter, the tries are visible",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let broken = ground.worker("broken", "--mock-prover fail:1 --slots 1")?;
    let leader = ground.leader("leader", "-m 12", &block)?;
    until("five tasks have failed", || ground.failed().len() >= 5)?;
    broken.signal("TERM")?;
    broken.end(PATIENCE)?.ended_with(0)?;
    let failed = times(&ground.failed());
    ensure!(failed.values().all(|times| *times == 1), "failed tasks go to the end of the queue: {failed:?}");

    let healthy = ground.mock("healthy", 50)?;
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    let again = healthy
        .lines()
        .iter()
        .filter(|line| line.message.starts_with("taken") && line.field("deliveries").as_deref() == Some("2"))
        .count();
    ensure!(again == failed.len(), "{} have failed, and {again} were taken for the second time", failed.len());
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    Ok(Figures::default().count("executed", ground.executed().len()).count("tried again", again))
}
