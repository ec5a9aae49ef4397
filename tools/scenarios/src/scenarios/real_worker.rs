//! A real worker, with the circuits of profile `test`, comes to a leader that wants something else: it is of no use, says
//! so in one sentence and ends with 1; what it may have taken goes to the right worker.

use anyhow::ensure;
use testing::witness;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "real_worker",
    tier: Tier::Full,
    pins_down: "a worker with circuits that no leader wants: one sentence, exit code 1, its task goes to the right one",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    // Where the tests keep theirs. None are built here, that would take minutes.
    let circuits = witness::root("target/test-circuits");
    let prepared = std::fs::read_dir(&circuits).is_ok_and(|mut folder| folder.next().is_some());
    if !prepared {
        return Ok(Figures::skipped("no circuits of profile `test` are prepared; the tests of `leader` do that"));
    }
    let block = ground.block(1)?;
    let leader = ground.leader("leader", "-m 14", &block)?;
    let real = ground.worker("real", &format!("--profile test --circuits-dir {} --slots 1", circuits.display()))?;
    real.end(PATIENCE)?.failed(1, &["of no use here", "profile MOCK", "profile test"])?;
    let _right = ground.mock("right", 50)?;
    leader.end(PATIENCE)?.proved(1)?;
    ensure!(ground.executed().iter().all(|deed| deed.worker == "right"), "the real worker has executed something");
    ground.nothing_twice()?;
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    Ok(Figures::default().count("executed", ground.executed().len()))
}
