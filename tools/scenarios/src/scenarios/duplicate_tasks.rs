//! Tasks are delivered once more after they are finished, as after the crash of a worker that had reported and not
//! acknowledged: their output is found, nothing is executed again. Those of a block that is proved are not even looked
//! at.

use amqp::topology::{TASKS, task_queue};

use crate::ground::{Ground, PATIENCE, until};
use crate::log::Part;
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "duplicate_tasks",
    tier: Tier::Smoke,
    pins_down: "finished tasks delivered again, during their block and after it: not executed again",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let wire = ground.wire()?;
    let tap = wire.tap_tasks()?;
    let _workers = [ground.mock("one", 200)?, ground.mock("two", 200)?];
    let leader = ground.leader("leader", "-m 12", &block)?;
    ground.until_executed(8)?;
    let done = ground.executed();
    let given_out = wire.heard_tasks(&tap)?;
    let mut copies = 0;
    for (message, body) in &given_out {
        let part = Part { block: message.task.block.number, what: message.task.work.to_string() };
        if done.iter().any(|deed| deed.part == part) {
            wire.publish_all(TASKS, &task_queue(message.class, message.priority), vec![body.clone(); 3])?;
            copies += 3;
        }
    }
    leader.end(PATIENCE)?.proved(1)?;
    ground.nothing_twice()?;

    let executed = ground.executed().len();
    for (message, body) in &given_out {
        wire.publish(TASKS, &task_queue(message.class, message.priority), body.clone())?;
    }
    until("the tasks of the proved block are off the queues", || ground.tasks_at_broker().1 == 0)?;
    ground.nothing_twice()?;
    Ok(Figures::default().count("executed", executed).count("copies", copies + given_out.len()))
}
