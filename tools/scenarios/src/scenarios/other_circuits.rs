//! A worker whose circuits are not those of the task in the queue, and no leader that could tell which of them is wrong:
//! it leaves the task as it was, says so in one sentence, and waits. Once a leader wants what it has, the task is a stray
//! one. (A worker that a leader has no use for is `real_worker`.)

use amqp::message::{TaskMessage, encode, now};
use amqp::topology::{Class, Priority, TASKS, task_queue};
use anyhow::ensure;
use ops::digest::Digest;
use ops::task::{BlockId, FORMAT, Task, Work};

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "other_circuits",
    tier: Tier::Full,
    pins_down: "a stray task for other circuits: the worker leaves it and waits for a leader, then buries it and works",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let wire = ground.wire()?;
    wire.declare_results("default")?;
    let queue = task_queue(Class::Merge, Priority::Normal);
    let task = Task {
        format: FORMAT,
        id: Digest::of_bytes(b"a task"),
        circuits: Digest::of_bytes(b"other circuits"),
        block: BlockId { number: 5, hash: Default::default() },
        work: Work::Block { batches: Digest::of_bytes(b"its batches"), previous: None },
    };
    let (run, group, class, priority) = (task.id, "default".to_owned(), Class::Merge, Priority::Normal);
    let message = TaskMessage { task, run, group, class, priority, failures: 0, lost: 0, sent: now() };
    wire.publish(TASKS, &queue, encode(&message))?;

    let mut worker = ground.mock("worker", 50)?;
    until("the worker has met it", || worker.has_said("taking no tasks until a leader wants what this worker has"))?;
    ground.broker().await_queue(&queue, |queue| queue.ready == 1 && queue.unacked == 0);
    ensure!(worker.runs(), "a stray task has ended the worker");

    let block = ground.block(1)?;
    let leader = ground.leader("leader", "-m 14 --group own", &block)?;
    leader.end(PATIENCE)?.proved(1)?;
    ensure!(worker.runs(), "a stray task has ended the right worker");
    let dead = ground.dead()?;
    ensure!(dead.len() == 1 && dead[0]["cause"] == "invalid", "the stray task is no dead letter: {dead:?}");
    Ok(Figures::default().count("executed", ground.executed().len()).count("dead letters", dead.len()))
}
