//! The artifact store does not answer for a while: what was proved meanwhile is kept and stored when it does.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "store_away",
    tier: Tier::Full,
    pins_down: "the artifact store is away for a while: workers wait for it, nothing fails, nothing is executed twice",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(4)?;
    let (store, away) = (ground.artifacts(), ground.path().join("away"));
    fs::rename(&store, &away)?;
    // A file in its place: nobody, not even root, can make folders in it.
    fs::write(&store, "")?;
    until("all wait for it", || workers.iter().all(|worker| worker.has_said("waiting for the artifact store")))?;
    sleep(Duration::from_secs(5));
    let done = ground.executed().len();
    fs::remove_file(&store)?;
    fs::rename(&away, &store)?;
    let back = Instant::now();
    ground.until_executed(done + 1)?;
    let recovered = back.elapsed();
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    ensure!(ground.failed().is_empty(), "a task has failed: {:?}", ground.failed());
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    Ok(Figures::default().count("executed", ground.executed().len()).time("working again after", recovered))
}
