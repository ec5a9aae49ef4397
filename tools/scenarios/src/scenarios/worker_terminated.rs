//! A worker is told to stop while it proves, as Kubernetes does: within its grace it finishes the task that it has, with
//! none left it hands the task back, says which, and another worker has it at once.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::member::Ended;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "worker_terminated",
    tier: Tier::Smoke,
    pins_down: "SIGTERM: the task in hand is finished within the grace, or handed back and named; exit code 0",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let patient = ground.mock("patient", 2000)?;
    let leader = ground.leader("leader", "-m 14", &block)?;

    let finished = ground.until_running("patient")?;
    patient.signal("TERM")?;
    let patient = patient.end(PATIENCE)?;
    drained(&patient, 1, 0)?;
    ensure!(ground.executed().iter().any(|deed| deed.part == finished), "{finished:?} was not finished");

    let hasty = ground.worker("hasty", "--mock-prover constant:60000 --slots 1 --grace 0")?;
    let given_back = ground.until_running("hasty")?;
    hasty.signal("TERM")?;
    let told = Instant::now();
    let hasty = hasty.end(Duration::from_secs(20))?;
    let stopped = told.elapsed();
    drained(&hasty, 0, 1)?;
    hasty.said(&format!("handing back {}", given_back.what))?;

    let _other = ground.mock("other", 100)?;
    until("the task that was handed back is executed", || {
        ground.executed().iter().any(|deed| deed.part == given_back)
    })?;
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    ensure!(ground.dead()?.is_empty(), "handing back counts as a failure");
    Ok(Figures::default().count("executed", ground.executed().len()).time("stopped without grace in", stopped))
}

fn drained(worker: &Ended, finished: usize, handed_back: usize) -> anyhow::Result<()> {
    worker.ended_with(0)?;
    let line = worker.said("drained")?;
    let (finished, handed_back) = (Some(finished.to_string()), Some(handed_back.to_string()));
    ensure!((line.field("finished"), line.field("handed_back")) == (finished, handed_back), "it says: {line:?}");
    Ok(())
}
