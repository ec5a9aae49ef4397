//! The disk of the artifact store is full: the block fails with one sentence and the exit code that says what is short.
//! With space again, the same command goes on from what was stored before.

use std::fs;
use std::io::Write;

use anyhow::ensure;
use testing::folder::Small;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "disk_full",
    tier: Tier::Full,
    pins_down: "no space in the artifact store: exit code 3 with a sentence; with space again, the same command goes on",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let Some(disk) = Small::mount("4m") else { return Ok(Figures::skipped("this user may not mount a small disk")) };
    ground.store_in(disk.path());
    let block = ground.block(1)?;
    let _workers = [ground.mock("one", 300)?, ground.mock("two", 300)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(4)?;
    let ballast = disk.path().join("ballast");
    let mut file = fs::File::create(&ballast)?;
    while file.write_all(&[0; 512]).is_ok() {}
    drop(file);
    let reason = leader.end(PATIENCE)?.failed(3, &["block 1"])?;
    ensure!(reason.to_lowercase().contains("no space"), "it does not say what is short: {reason}");
    let done = ground.executed();
    let dead = ground.dead()?;
    ensure!(dead.iter().all(|letter| letter["cause"] == "resources"), "dead letters of another cause: {dead:?}");
    fs::remove_file(&ballast)?;
    ground.leader("again", "-m 12", &block)?.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed before", done.len()).count("dead letters", dead.len()))
}
