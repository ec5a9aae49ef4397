//! Everything that workers report arrives several times, in order and long after: the leader counts it once.

use amqp::topology::RESULTS;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "duplicate_results",
    tier: Tier::Full,
    pins_down: "every report arrives three times: the block ends well, nothing is executed twice",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let wire = ground.wire()?;
    wire.declare_results("default")?;
    let tap = wire.tap(RESULTS, &["default".to_owned()])?;
    let _workers = [ground.mock("one", 200)?, ground.mock("two", 200)?];
    let mut leader = ground.leader("leader", "-m 12", &block)?;
    let (mut heard, mut copies) = (Vec::new(), 0);
    while leader.runs() && copies < 1000 {
        let more = wire.heard(&tap)?;
        // What was sent here comes by again.
        let new: Vec<_> = more.into_iter().filter(|body| !heard.contains(body)).collect();
        for body in &new {
            wire.publish_all(RESULTS, "default", vec![body.clone(); 2])?;
            copies += 2;
        }
        heard.extend(new);
    }
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;
    // They wait for the next leader of the group: it must know them from its own.
    wire.publish_all(RESULTS, "default", heard)?;
    let next = ground.block(7)?;
    ground.leader("next", "-m 14", &next)?.end(PATIENCE)?.proved(7)?;
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed", ground.executed().len()).count("copies", copies))
}
