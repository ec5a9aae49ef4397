//! The broker is short of memory for a while and takes no messages: workers finish what they have and report it when it
//! takes them again; operators are told rather than left waiting.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "memory_alarm",
    tier: Tier::Full,
    pins_down: "the broker takes no messages for a while: tasks are finished after it, none twice; operators are told",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let _workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(4)?;
    ground.broker().memory_alarm(true);
    let raised = ground.executed().len();
    sleep(Duration::from_secs(3));
    ground.operate("status")?.failed(1, &["takes no messages", "short of memory"])?;
    let during = ground.executed().len() - raised;
    ground.broker().memory_alarm(false);
    let ended = Instant::now();
    ground.until_executed(raised + during + 1)?;
    let recovered = ended.elapsed();
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    let executed = ground.executed().len();
    Ok(Figures::default()
        .count("executed", executed)
        .count("of these during the alarm", during)
        .time("working again after", recovered))
}
