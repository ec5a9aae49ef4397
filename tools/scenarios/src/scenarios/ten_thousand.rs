//! Ten thousand tasks that take no time wait in a queue: what broker, store and reports cost is what is left. Each is
//! executed once and reported once.

use std::collections::HashSet;
use std::time::Instant;

use amqp::message::{ResultMessage, TaskMessage, decode, encode, now};
use amqp::topology::{Class, Priority, TASKS, task_queue};
use anyhow::{bail, ensure};
use ops::artifacts::{Artifacts, RunKey};
use ops::digest::Digest;
use ops::mock;
use ops::queue::Outcome;
use ops::task::{BlockId, FORMAT, Task, Work};

use crate::ground::{Ground, PATIENCE};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "ten_thousand",
    tier: Tier::Full,
    pins_down: "10,000 queued tasks of 0 ms: each executed and reported once; throughput",
    run,
};

const TASK_COUNT: usize = 10_000;
const GROUP: &str = "load";

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let wire = ground.wire()?;
    let results = wire.declare_results(GROUP)?;
    let (run, block) = (Digest::of_bytes(b"a run"), BlockId { number: 5, hash: Default::default() });
    let artifacts = Artifacts::local(&ground.artifacts())?;
    let key = RunKey { group: GROUP.to_owned(), block };
    wire.block_on(artifacts.begin_run(&key, run))?;

    let message = |number: usize| {
        let id = Digest::of("load", &number);
        let work = Work::Block { batches: id, previous: None };
        let task = Task { format: FORMAT, id, circuits: mock::digest(), block, work };
        let (group, class, priority) = (GROUP.to_owned(), Class::Merge, Priority::Normal);
        encode(&TaskMessage { task, run, group, class, priority, failures: 0, lost: 0, sent: now() })
    };
    let start = Instant::now();
    wire.publish_all(TASKS, &task_queue(Class::Merge, Priority::Normal), (0..TASK_COUNT).map(message).collect())?;
    let published = start.elapsed();

    let start = Instant::now();
    let words = "--mock-prover constant:0 --slots 8";
    let _workers = [ground.worker("one", words)?, ground.worker("two", words)?];
    let mut done = HashSet::new();
    wire.take_until(&results, 2 * PATIENCE, |body| {
        let result: ResultMessage = decode(body)?;
        match result.outcome {
            None => {}
            Some(Outcome::Done { reused: false, .. }) => ensure!(done.insert(result.id), "done twice: {}", result.id),
            other => bail!("{} has ended with {other:?}", result.id),
        }
        Ok(done.len() == TASK_COUNT)
    })?;
    let drained = start.elapsed();
    let executed = ground.executed().len();
    ensure!(executed == TASK_COUNT, "executed {executed}");
    let rate = (TASK_COUNT as f64 / drained.as_secs_f64()) as usize;
    Ok(Figures::default().time("published in", published).time("drained in", drained).count("tasks per second", rate))
}
