//! A task that fails every time: it is tried three times and becomes a dead letter, its block fails with one sentence.
//! Once the cause is mended, the dead letter is put back, and the leader, started again, ends well.

use anyhow::{Context, ensure};

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "always_fails",
    tier: Tier::Smoke,
    pins_down: "a task that always fails: three tries, exit code 1, a dead letter; mended by `queue retry` and a new start",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let broken = ground.worker("broken", "--mock-prover fail:1 --slots 1")?;
    // One task at a time, so that it is one that fails.
    let leader = ground.leader("leader", "-m 14 --max-in-flight 1", &block)?;
    leader.end(PATIENCE)?.failed(1, &["block 1", "the mock was told to fail", "3 times"])?;
    let tries = ground.failed();
    ensure!(tries.len() == 3, "tried {} times", tries.len());
    let part = tries.last().context("it was tried")?.part.clone();

    let dead = ground.dead()?;
    ensure!(dead.len() == 1, "not one dead letter: {dead:?}");
    ensure!(dead[0]["cause"] == "transient" && dead[0]["from"] == "broken", "a dead letter of another kind: {dead:?}");
    let id = dead[0]["message"]["task"]["id"].as_str().context("the id of the dead task")?.to_owned();
    broken.kill()?;

    let _healthy = ground.mock("healthy", 50)?;
    ground.operate(&format!("retry {}", &id[..10]))?.ended_with(0)?;
    until("the dead task is executed", || ground.executed().iter().any(|deed| deed.part == part))?;
    ensure!(ground.dead()?.is_empty(), "put back, and still there");
    let again = ground.leader("again", "-m 14", &block)?.end(PATIENCE)?;
    again.proved(1)?;
    ground.nothing_twice()?;
    Ok(Figures::default().count("tries", tries.len()).count("executed", ground.executed().len()))
}
