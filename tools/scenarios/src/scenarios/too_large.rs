//! A segment kills every worker that takes it, as one that needs more memory than they have does, while a worker for large
//! ones is there: that one gets it, and the block ends well.

use anyhow::ensure;

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};
use crate::scenarios::lost_too_often::three_deaths;

pub(super) const SCENARIO: Scenario = Scenario {
    name: "too_large",
    tier: Tier::Full,
    pins_down: "a segment that kills its workers goes to a worker of class large, and its block ends well",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let _large = ground.worker("large", "--mock-prover constant:100 --slots 1 --class large")?;
    let leader = ground.leader("leader", "-m 14", &block)?;
    let deadly = three_deaths(ground)?;
    let _small = ground.worker("small", "--mock-prover constant:100 --slots 1 --class merge,segment")?;
    leader.end(PATIENCE)?.proved(1)?;
    let executed = ground.executed();
    let of_large: Vec<_> = executed.iter().filter(|deed| deed.worker == "large").map(|deed| &deed.part).collect();
    ensure!(of_large == [&deadly], "{deadly:?} killed its workers, and the large one has executed {of_large:?}");
    ground.nothing_twice()?;
    ensure!(ground.dead()?.is_empty(), "a dead letter");
    Ok(Figures::default().count("executed", executed.len()).count("by the large worker", of_large.len()))
}
