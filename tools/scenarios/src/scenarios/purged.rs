//! An operator empties the queues while a block is being proved: the leader puts back what it still wants.

use anyhow::{Context, ensure};

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "purged",
    tier: Tier::Full,
    pins_down: "the queues are emptied during a block: it ends well, nothing finished is executed again",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let _workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(3)?;
    let purge = ground.operate("purge")?;
    purge.ended_with(0)?;
    let purged = purge.said("emptied the queues")?.field("tasks").context("how many")?.parse()?;
    ensure!(purged > 0, "nothing was in the queues");
    leader.end(PATIENCE)?.proved(1)?;
    ground.none_again()?;
    let (executed, twice) = (ground.executed().len(), ground.twice().len());
    Ok(Figures::default().count("purged", purged).count("executed", executed).count("executed twice", twice))
}
