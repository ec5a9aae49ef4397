//! All connections are cut several times, in the middle of whatever they carry: everybody connects again. A task in the
//! hands of one worker may be delivered to another meanwhile, which is why it may be executed twice; one that is
//! finished is not.

use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "connection_cut",
    tier: Tier::Smoke,
    pins_down: "connections cut several times: everybody connects again, nothing finished is executed again",
    run,
};

const CUTS: usize = 4;

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    ground.relay();
    let _workers = [ground.mock("one", 500)?, ground.mock("two", 500)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(3)?;
    for _ in 0..CUTS {
        ground.relay().cut();
        sleep(Duration::from_millis(1200));
    }
    leader.end(PATIENCE)?.proved(1)?;
    ground.none_again()?;
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    let (executed, twice) = (ground.executed().len(), ground.twice().len());
    Ok(Figures::default().count("cuts", CUTS).count("executed", executed).count("executed twice", twice))
}
