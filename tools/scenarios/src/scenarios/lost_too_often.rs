//! A task kills every worker that takes it, as one that makes the prover run out of memory does: after three deaths it is
//! given up with the cause `lost`, and its block fails. Put back after the cause was mended, it goes well.

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::log::Part;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "lost_too_often",
    tier: Tier::Full,
    pins_down: "a task that kills its workers: given up after three deaths, a dead letter with the cause `lost`",
    run,
};

/// Workers that take a task and die of it, one after another.
pub(super) fn three_deaths(ground: &mut Ground) -> anyhow::Result<Part> {
    let mut deadly = None;
    for victim in ["victim-1", "victim-2", "victim-3"] {
        let worker = ground.worker(victim, "--mock-prover constant:600000 --slots 1 --class merge,segment")?;
        let part = ground.until_running(victim)?;
        worker.kill()?;
        ensure!(*deadly.get_or_insert(part.clone()) == part, "the task comes first again: {part:?} after {deadly:?}");
    }
    deadly.ok_or_else(|| anyhow::anyhow!("nobody took a task"))
}

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let leader = ground.leader("leader", "-m 14", &block)?;
    let deadly = three_deaths(ground)?;
    let mut last = ground.worker("last", "--mock-prover constant:100 --slots 1 --class merge,segment")?;
    leader.end(PATIENCE)?.failed(1, &["block 1", "its worker vanished 3 times"])?;
    let dead = ground.dead()?;
    ensure!(dead.len() == 1 && dead[0]["cause"] == "lost", "not one dead letter that was lost: {dead:?}");
    ensure!(last.runs(), "the task has killed the last worker, too");
    ground.operate("retry --all")?.ended_with(0)?;
    until("the dead task is executed", || ground.executed().iter().any(|deed| deed.part == deadly))?;
    ground.leader("again", "-m 14", &block)?.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    Ok(Figures::default().count("deaths", 3).count("executed", ground.executed().len()))
}
