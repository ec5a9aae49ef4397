//! What travels through the broker: JSON, since operators will look at it, with a version and a limit of size.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ops::digest::Digest;
use ops::queue::{Cause, Outcome};
use ops::task::{BlockId, Kind, Task, TaskId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::topology::{Class, Priority};

/// Version of the messages. Goes up with every change.
pub const FORMAT: u32 = 1;

/// A message may not be larger than this; tasks have some hundred bytes, the state of a leader a few megabytes.
pub const MAX_BYTES: usize = 8 << 20;

/// A task with its history on the way from a leader to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskMessage {
    /// What is to be done.
    pub task: Task,
    /// The run of the leader that wants it; see [`ops::artifacts::Artifacts::run`].
    pub run: Digest,
    /// The group of leaders that hears of it.
    pub group: String,
    /// Which of the classes it is for, now.
    pub class: Class,
    /// Which leaders' tasks go first.
    pub priority: Priority,
    /// How often it has failed in a way that may go better next time.
    pub failures: u32,
    /// How often its worker vanished, before the message was written; the broker counts from then on.
    pub lost: u32,
    /// When it was given out.
    pub sent: u64,
}

/// A worker's report.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultMessage {
    /// The task.
    pub id: TaskId,
    /// [`Task::digest`] of what was asked for under this name: others than a leader may write messages.
    pub task: Digest,
    /// Its block.
    pub block: BlockId,
    /// The run that the task was taken for.
    pub run: Digest,
    /// Who says it.
    pub worker: String,
    /// What happened; absent if it was begun.
    pub outcome: Option<Outcome>,
    /// Checksum of the output, and the worker's signature over [`ResultMessage::signed`] if it signs.
    pub output: Option<Digest>,
    /// In hexadecimal digits.
    pub signature: Option<String>,
}

impl ResultMessage {
    /// What a worker signs: that it is the one who says this of this task.
    pub fn signed(&self) -> Digest {
        Digest::of("result", &(&self.id, &self.task, &self.block, &self.run, &self.worker, &self.outcome, &self.output))
    }
}

/// A task that nobody will try again by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadMessage {
    /// The task; absent if the message was none.
    pub message: Option<TaskMessage>,
    /// Which kind of failure.
    pub cause: Cause,
    /// Why it is here.
    pub reason: String,
    /// Who gave up.
    pub from: String,
    /// When, in milliseconds since 1970.
    pub at: u64,
}

/// A word to everybody.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Control {
    /// There are tasks: no need to wait for the next look.
    Work,
    /// Tasks of these blocks are not wanted any more, whoever asked for them.
    Cancel {
        /// First block.
        first: u64,
        /// Last block.
        last: u64,
    },
    /// These tasks of a run are not wanted any more: another worker was faster, or their block has failed.
    Stop {
        /// The run.
        run: Digest,
        /// Tasks.
        ids: Vec<TaskId>,
    },
    /// This worker has returned what is no proof: it must not work any more.
    Fence {
        /// Its name.
        worker: String,
        /// What it did.
        reason: String,
    },
    /// Queues were emptied: leaders put back what they still want.
    Purged,
    /// Who is there?
    Ping {
        /// Queue for the answers, bound to [`crate::topology::REPLIES`] by its name.
        reply_to: String,
    },
}

/// Who is there and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Presence {
    /// A worker.
    Worker(WorkerState),
    /// A leader.
    Leader(LeaderState),
}

/// A worker and what it does.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerState {
    /// Its name, unique in the cluster.
    pub name: String,
    /// The circuits that it proves with.
    pub circuits: Digest,
    /// Their profile; `MOCK` if it proves nothing.
    pub profile: String,
    /// What it takes.
    pub classes: Vec<Class>,
    /// Tasks that it takes at the same time.
    pub slots: usize,
    /// Whether it takes no more tasks.
    pub draining: bool,
    /// The tasks that it has.
    pub running: Vec<RunningTask>,
    /// Queue for answers.
    pub reply_to: String,
}

/// A task in the hands of a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunningTask {
    /// The task.
    pub id: TaskId,
    /// Its block.
    pub block: u64,
    /// Which part of it.
    pub what: String,
    /// Milliseconds so far.
    pub millis: u64,
}

/// A leader and what it waits for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderState {
    /// Its group.
    pub group: String,
    /// The circuits that it wants proofs of.
    pub circuits: Digest,
    /// Their profile; `MOCK` if nothing is proved.
    pub profile: String,
    /// Tasks that it keeps back until others are done.
    pub waiting: usize,
    /// Tasks that it has given out.
    pub in_flight: usize,
    /// The blocks that it works on.
    pub blocks: Vec<BlockState>,
}

/// A block that is being proved.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockState {
    /// The block.
    pub block: BlockId,
    /// Transactions in it.
    pub transactions: u32,
    /// Transactions in batches whose segments are all proved.
    pub transactions_proved: u32,
    /// Time left by what was measured.
    pub eta: Option<Duration>,
    /// Time so far.
    pub elapsed: Duration,
    /// Its tasks, each after those it builds on.
    pub tasks: Vec<TaskState>,
}

/// A task of a block.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskState {
    /// The task.
    pub id: TaskId,
    /// What it does.
    pub kind: Kind,
    /// Which part of the block.
    pub what: String,
    /// The task that builds on it: its place in the list.
    pub parent: Option<usize>,
    /// Where it stands.
    pub stage: Stage,
    /// The worker that has it, and for how many milliseconds.
    pub worker: Option<(String, u64)>,
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What it builds on is missing, or there is no room in the queue yet.
    Waiting,
    /// In the queue.
    Queued,
    /// In the hands of a worker.
    Running,
    /// Its output is there, or not needed any more.
    Done,
}

/// Why a message is refused.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Larger than any of ours.
    #[error("the message has {0} bytes, and {MAX_BYTES} are allowed")]
    TooLarge(usize),
    /// Of another version.
    #[error("the message has format {0}, and this version reads format {FORMAT}")]
    Version(u32),
    /// Not of our form.
    #[error("the message does not parse: {0}")]
    Parse(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Sent<'a, T> {
    format: u32,
    message: &'a T,
}

#[derive(Deserialize)]
struct Received<'a> {
    format: u32,
    #[serde(borrow)]
    message: &'a serde_json::value::RawValue,
}

/// The bytes of a message.
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    // Messages are structs of strings, numbers and lists, which always serialize.
    serde_json::to_vec(&Sent { format: FORMAT, message }).expect("messages serialize")
}

/// Reads a message of this version.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, MessageError> {
    if bytes.len() > MAX_BYTES {
        return Err(MessageError::TooLarge(bytes.len()));
    }
    let Received { format, message } = serde_json::from_slice(bytes)?;
    if format != FORMAT {
        return Err(MessageError::Version(format));
    }
    Ok(serde_json::from_str(message.get())?)
}

/// Milliseconds since 1970.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
