//! Exchanges and queues, all of them, with a reason for each argument.
//!
//! A queue's arguments can never be changed, and declaring it with others is refused; so they are few, have the same
//! meaning from RabbitMQ 3.10 to 4.x, and everything that is a matter of taste or of version (delivery limit, consumer
//! timeout, expiry) is left to policies on `^blockproof\.`.

use std::fmt;

use clap::ValueEnum;
use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};
use ops::task::{Task, Work};
use serde::{Deserialize, Serialize};

/// Direct: from leaders (and from workers that give a task back) to the queues of tasks.
pub const TASKS: &str = "blockproof.tasks";
/// Direct: from workers to the queue of a group of leaders.
pub const RESULTS: &str = "blockproof.results";
/// Fanout: to the dead letters.
pub const DEAD: &str = "blockproof.dead";
/// The queue of the dead letters. Not of the name of the exchange, since rights are given by names: a worker may write to
/// the exchange, and who may write to a queue may bind it.
pub const DEAD_QUEUE: &str = "blockproof.dead.letters";
/// Fanout: from leaders and operators to everybody. Workers have no right to write here, so none can cancel.
pub const CONTROL: &str = "blockproof.control";
/// Fanout: from workers to leaders, to say that they are there.
pub const HELLO: &str = "blockproof.hello";
/// Direct: from whoever is asked to whoever asked.
pub const REPLIES: &str = "blockproof.replies";

/// Kinds of work that take machines of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Merges and blocks: short, and others wait for them.
    Merge,
    /// Segments: minutes of all cores.
    Segment,
    /// Segments that were too large for the worker that took them, or that workers vanished over.
    Large,
}

impl Class {
    /// All classes, in the order in which a worker looks for work.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Segment, Self::Large];

    /// The class of a task.
    pub fn of(task: &Task) -> Self {
        match task.work {
            Work::Segment(_) => Self::Segment,
            _ => Self::Merge,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Merge => "merge",
            Self::Segment => "segment",
            Self::Large => "large",
        })
    }
}

/// Which leader's tasks go first. A queue each, since quorum queues have no priorities that mean the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Before all that is normal.
    High,
    /// In the order of arrival.
    #[default]
    Normal,
}

impl Priority {
    /// All, highest first.
    pub const ALL: [Self; 2] = [Self::High, Self::Normal];
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "high",
            Self::Normal => "normal",
        })
    }
}

/// The queue of a class and priority; also its routing key at [`TASKS`].
pub fn task_queue(class: Class, priority: Priority) -> String {
    format!("{TASKS}.{class}.{priority}")
}

/// The queues that a worker of these classes takes tasks from, in the order in which it looks.
pub fn task_queues(classes: &[Class]) -> Vec<String> {
    let classes = || Class::ALL.into_iter().filter(|class| classes.contains(class));
    Priority::ALL.into_iter().flat_map(|priority| classes().map(move |class| task_queue(class, priority))).collect()
}

/// The queue of a group of leaders; the group is its routing key at [`RESULTS`].
pub fn results_queue(group: &str) -> String {
    format!("{RESULTS}.{group}")
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    // Replicated and on disk before it is confirmed, on every version; classic queues are neither since 4.0.
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments
}

fn durable() -> QueueDeclareOptions {
    QueueDeclareOptions::durable()
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> lapin::Result<()> {
    let options = ExchangeDeclareOptions { durable: true, ..Default::default() };
    channel.exchange_declare(name.into(), kind, options, FieldTable::default()).await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), key.into(), options, FieldTable::default()).await
}

/// Declares all that is shared. Leaders and operators do this; workers have no right to.
pub async fn declare(channel: &Channel) -> lapin::Result<()> {
    for name in [TASKS, RESULTS, REPLIES] {
        exchange(channel, name, ExchangeKind::Direct).await?;
    }
    for name in [DEAD, CONTROL, HELLO] {
        exchange(channel, name, ExchangeKind::Fanout).await?;
    }
    channel.queue_declare(DEAD_QUEUE.into(), durable(), quorum()).await?;
    bind(channel, DEAD_QUEUE, DEAD, "").await?;
    for queue in task_queues(&Class::ALL) {
        let mut arguments = quorum();
        // What the broker itself gives up (its delivery limit, 20 by default since 4.0) is kept with all other dead
        // letters. An argument, since without any policy it would be lost.
        arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(DEAD.into()));
        channel.queue_declare(queue.as_str().into(), durable(), arguments).await?;
        bind(channel, &queue, TASKS, &queue).await?;
    }
    Ok(())
}

/// Declares the queue of a group of leaders. Durable: what workers report while no leader is there is not lost.
pub async fn declare_results(channel: &Channel, group: &str) -> lapin::Result<String> {
    let queue = results_queue(group);
    channel.queue_declare(queue.as_str().into(), durable(), quorum()).await?;
    bind(channel, &queue, RESULTS, group).await?;
    Ok(queue)
}

/// Takes the place of the one leader of a group: refused while another connection has it. A queue that nobody writes to,
/// since only such can belong to one connection: consumers of quorum queues cannot be alone.
pub async fn occupy(channel: &Channel, group: &str) -> lapin::Result<()> {
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    let name = format!("blockproof.own.group.{group}");
    channel.queue_declare(name.into(), options, FieldTable::default()).await.map(drop)
}

/// Declares a queue for what is said to this process while it is connected. The name is new in each session: the
/// broker may not have noticed yet that the last one is gone. `role` is `worker`, `leader` or `operator`.
pub async fn declare_own(channel: &Channel, role: &str, exchanges: &[&str]) -> lapin::Result<ShortString> {
    let name = format!("blockproof.own.{role}.{:016x}", fastrand::u64(..));
    // Gone with the connection; classic, since quorum queues are not made for coming and going.
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..Default::default() };
    channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
    bind(channel, &name, REPLIES, &name).await?;
    for exchange in exchanges {
        bind(channel, &name, exchange, "").await?;
    }
    Ok(name.into())
}

/// How many messages of a queue wait for whoever takes them. A queue that is not there closes the channel.
pub async fn ready(channel: &Channel, queue: &str) -> lapin::Result<u32> {
    let options = QueueDeclareOptions { passive: true, ..Default::default() };
    Ok(channel.queue_declare(queue.into(), options, FieldTable::default()).await?.message_count())
}
