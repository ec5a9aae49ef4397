//! Two leaders of the same group: the second says in one clear sentence that another is there, takes nothing away from
//! it, and goes on when the first has ended.

use std::time::Instant;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "same_group",
    tier: Tier::Full,
    pins_down: "a second leader of the same group says so, disturbs nobody, and goes on when the first has ended",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let (one, other) = (ground.block(1)?, ground.block(7)?);
    let one = ground.leader("one", "-m 12 --group mine", &one)?;
    until("the first is connected", || one.has_said("connected"))?;
    let other = ground.leader("other", "-m 13 --group mine", &other)?;
    until("the second says it", || other.has_said("another leader is connected as group mine"))?;
    let _workers = [ground.mock("one", 300)?, ground.mock("two", 300)?];
    one.end(PATIENCE)?.proved(1)?;
    let ended = Instant::now();
    other.end(PATIENCE)?.proved(7)?;
    let after = ended.elapsed();
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed", ground.executed().len()).time("second ended after the first by", after))
}
