//! The queue between a leader and its workers: at least once, in order of priority.
//!
//! A task that was taken is acknowledged after its output is stored and its result is reported. One that is dropped
//! before that (its worker is gone) is delivered again; one that was delivered too often, or failed for good, becomes
//! a dead letter with the reason. A block can be cancelled: its queued tasks vanish, its running ones are told to
//! abort. What is here holds for every queue; [`memory`] is the one within a process.

pub mod memory;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::task::{Task, TaskId};

/// Deliveries of one task before it becomes a dead letter.
pub const MAX_DELIVERIES: u32 = 3;

/// Where a worker gets its tasks from.
pub trait Tasks: Clone + Send + Sync + 'static {
    /// Waits for the next task; `None` once there will be no more.
    fn take(&self) -> impl Future<Output = Option<Delivery>> + Send;
}

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// Its output is in the artifact store.
    Done {
        /// Whether it was there before, and nothing had to be proved.
        reused: bool,
        /// Time of proving.
        time: Duration,
    },
    /// It failed for good.
    Failed {
        /// Which kind of failure.
        cause: Cause,
        /// Why.
        reason: String,
    },
    /// Its block was cancelled.
    Cancelled,
}

/// Kinds of failure, by what can be done about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The same everywhere and every time: the witness, the execution, a table larger than any circuit.
    Invalid,
    /// May go better next time: a store that does not answer, a panic.
    Transient,
    /// Its workers vanished.
    Lost,
    /// Not enough memory or space on the worker.
    Resources,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Invalid => "invalid",
            Self::Transient => "transient",
            Self::Lost => "lost",
            Self::Resources => "resources",
        })
    }
}

/// What happened to a task.
#[derive(Clone, Debug)]
pub enum Event {
    /// A worker has it.
    Started,
    /// Nobody will try it again by itself.
    Ended(Outcome),
    /// Its whole block is not wanted any more.
    Cancelled,
}

/// A worker's word on a task.
#[derive(Clone, Debug)]
pub struct Report {
    /// The task.
    pub id: TaskId,
    /// Who says it.
    pub worker: String,
    /// What happened.
    pub event: Event,
    /// Checksum of the output that the worker has signed for.
    pub output: Option<Digest>,
    /// Whether the worker had the task as its leader has given it out, and not as somebody else has written it.
    pub genuine: bool,
}

/// A task that nobody will try again by itself.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The task.
    pub task: Task,
    /// How often it was delivered.
    pub deliveries: u32,
    /// Which kind of failure.
    pub cause: Cause,
    /// Why it is here.
    pub reason: String,
}

/// What a worker does with a delivery in the end.
#[derive(Clone, Debug)]
pub enum Word {
    /// Report the outcome, take the task off the queue.
    Settled(Outcome),
    /// Failed, but may go better next time, while deliveries are left.
    Retry(Cause, String),
    /// Not begun or not finished, through no fault of the task: to be delivered again, at no cost.
    HandBack,
    /// Nobody wants it any more: take it off the queue, report nothing.
    Forget,
}

/// A task in the hands of a worker. Dropped without a word, it is delivered again.
pub struct Delivery {
    /// The task.
    pub task: Task,
    /// How often it was delivered, this time included.
    pub deliveries: u32,
    /// Set when the task is to be stopped.
    pub abort: Arc<AtomicBool>,
    say: Option<Box<dyn FnOnce(Word) + Send + Sync>>,
}

impl Delivery {
    /// A delivery; `say` hears the worker's word, just once.
    pub fn new(
        task: Task,
        deliveries: u32,
        abort: Arc<AtomicBool>,
        say: impl FnOnce(Word) + Send + Sync + 'static,
    ) -> Self {
        Self { task, deliveries, abort, say: Some(Box::new(say)) }
    }

    /// Done, failed for good or cancelled: reports the outcome, then takes the task off the queue.
    pub fn settle(self, outcome: Outcome) {
        self.word(Word::Settled(outcome));
    }

    /// Failed, but may go better next time, while deliveries are left.
    pub fn retry(self, cause: Cause, reason: impl Into<String>) {
        self.word(Word::Retry(cause, reason.into()));
    }

    /// Gives it back unfinished, at no cost to its budget of deliveries.
    pub fn hand_back(self) {
        self.word(Word::HandBack);
    }

    /// Nobody wants it any more: takes it off the queue and reports nothing.
    pub fn forget(self) {
        self.word(Word::Forget);
    }

    fn word(mut self, word: Word) {
        if let Some(say) = self.say.take() {
            say(word);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(say) = self.say.take() {
            say(Word::Retry(Cause::Lost, "its worker stopped without a word".to_owned()));
        }
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery").field("task", &self.task).field("deliveries", &self.deliveries).finish()
    }
}
