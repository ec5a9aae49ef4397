//! A leader with many tasks and a small `--max-in-flight`: however many there are, no more than so many are at the broker.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "bounded",
    tier: Tier::Full,
    pins_down: "--max-in-flight 4: never more than 4 tasks in the queues, nor given out by the leader's own count",
    run,
};

const LIMIT: usize = 4;

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let chain = ground.chain()?;
    let _workers = [ground.mock("one", 300)?, ground.mock("two", 300)?];
    let mut leader = ground.leader("leader", &format!("-m 11 --max-in-flight {LIMIT}"), &chain)?;
    ground.until_executed(2)?;
    let mut samples = BTreeMap::new();
    while leader.runs() {
        let (ready, all) = ground.tasks_at_broker();
        // A worker reports before it acknowledges: until the broker has heard that, its task counts beside the next.
        ensure!(ready <= LIMIT && all <= LIMIT + 2, "{ready} tasks wait and {all} are at the broker");
        *samples.entry(all).or_insert(0) += 1;
        let status = ground.status()?;
        if let Some(leader) = status["leaders"].get(0) {
            let in_flight = leader["in_flight"].as_u64().context("what is given out")?;
            ensure!(in_flight <= LIMIT as u64, "{in_flight} tasks are given out");
        }
    }
    leader.end(PATIENCE)?.proved(2)?;
    ground.nothing_twice()?;
    ensure!(samples.len() > 1 || samples.contains_key(&LIMIT), "nothing was seen at the broker: {samples:?}");
    let most = samples.keys().max().copied().unwrap_or_default();
    Ok(Figures::default()
        .count("executed", ground.executed().len())
        .count("looks", samples.values().sum())
        .count("most", most))
}
