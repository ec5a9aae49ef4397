//! Messages that are none of ours, in the queues that workers and leaders read: garbage, another version, too large, an
//! unknown field. They end in the dead letters, where they can be looked at; workers and leader live on.

use amqp::message::{FORMAT, MAX_BYTES};
use amqp::topology::{CONTROL, Class, HELLO, Priority, RESULTS, TASKS, task_queue};
use anyhow::ensure;

use crate::ground::{Ground, PATIENCE, until};
use crate::scenario::{Figures, Scenario, Tier};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "poison",
    tier: Tier::Smoke,
    pins_down: "messages that cannot be understood: dead letters that `dead list` shows, everybody lives on",
    run,
};

fn run(ground: &mut Ground) -> anyhow::Result<Figures> {
    let block = ground.block(1)?;
    let wire = ground.wire()?;
    let mut worker = ground.mock("worker", 200)?;
    let leader = ground.leader("leader", "-m 13", &block)?;
    ground.until_executed(2)?;

    let poison = [
        (b"no JSON at all \xff\x00".to_vec(), "parse"),
        (br#"{"format": 99, "message": {}}"#.to_vec(), "format 99"),
        (format!(r#"{{"format": {FORMAT}, "message": {{"unknown": 1}}}}"#).into_bytes(), "unknown"),
        (vec![b' '; MAX_BYTES + 1], "bytes"),
        (Vec::new(), "parse"),
    ];
    let queue = task_queue(Class::Segment, Priority::High);
    for (body, _) in &poison {
        wire.publish(TASKS, &queue, body.clone())?;
        wire.publish(RESULTS, "default", body.clone())?;
    }
    for exchange in [CONTROL, HELLO] {
        wire.publish_all(exchange, "", poison.iter().map(|(body, _)| body.clone()).collect())?;
    }

    leader.end(PATIENCE)?.proved(1)?;
    until("the worker has read them all", || {
        worker.lines().iter().filter(|line| line.message.starts_with("to the dead letters")).count() == poison.len()
    })?;
    let dead = ground.dead()?;
    ensure!(dead.len() == poison.len(), "{} dead letters instead of {}: {dead:?}", dead.len(), poison.len());
    for ((_, word), letter) in poison.iter().zip(&dead) {
        let reason = letter["reason"].as_str().unwrap_or_default();
        let known = letter["message"].is_null() && letter["cause"] == "invalid" && letter["from"] == "worker";
        ensure!(known && reason.contains(word), "a dead letter that does not say `{word}`: {letter}");
    }
    ensure!(worker.runs(), "the worker has ended");
    ground.nothing_twice()?;
    ground.operate("dead drop --all")?.ended_with(0)?;
    ensure!(ground.dead()?.is_empty(), "dropped, and still there");
    Ok(Figures::default().count("executed", ground.executed().len()).count("dead letters", dead.len()))
}
