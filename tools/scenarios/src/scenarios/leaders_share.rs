//! Two leaders of different groups, with as many tasks each, share the workers: neither waits for the other to end.

use std::time::Instant;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "leaders_share",
    tier: Tier::Full,
    pins_down: "two leaders of different groups with equal work end at about the same time",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let (one, other) = (ground.block(1)?, ground.block(7)?);
    let words = "-m 11 --max-in-flight 8";
    let mut one = ground.leader("one", &format!("{words} --group one"), &one)?;
    let mut other = ground.leader("other", &format!("{words} --group other"), &other)?;
    until("both are connected", || one.has_said("connected") && other.has_said("connected"))?;
    let _worker = ground.worker("worker", "--mock-prover constant:500 --slots 4")?;
    let start = Instant::now();
    let (mut first, mut last) = (None, None);
    until("both have ended", || {
        let ended = [one.runs(), other.runs()].iter().filter(|runs| !**runs).count();
        first = first.or((ended > 0).then(|| start.elapsed()));
        last = last.or((ended == 2).then(|| start.elapsed()));
        last.is_some()
    })?;
    one.end(PATIENCE)?.proved(1)?;
    other.end(PATIENCE)?.proved(7)?;
    ground.nothing_twice()?;
    let (first, last) = (first.unwrap_or_default(), last.unwrap_or_default());
    ensure!(first > last.mul_f64(0.7), "one has ended after {first:?}, the other only after {last:?}");
    Ok(Figures::default().count("executed", ground.executed().len()).time("first", first).time("second", last))
}
