//! The queue between a leader and its workers: at least once, in order of priority.
//!
//! A task that was taken is acknowledged after its output is stored and its result is reported. One that is dropped
//! before that (its worker is gone) is delivered again; one that was delivered too often, or failed for good, becomes
//! a dead letter with the reason. A block can be cancelled: its queued tasks vanish, its running ones are told to
//! abort.

pub mod memory;

use std::time::Duration;

use crate::task::{Task, TaskId};

/// Deliveries of one task before it becomes a dead letter.
pub const MAX_DELIVERIES: u32 = 3;

/// What became of a task.
#[derive(Clone, Debug)]
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
        /// Why.
        reason: String,
    },
    /// Its block was cancelled.
    Cancelled,
}

/// A worker's word on a task.
#[derive(Clone, Debug)]
pub struct Report {
    /// The task.
    pub id: TaskId,
    /// What became of it.
    pub outcome: Outcome,
}

/// A task that nobody will try again by itself.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The task.
    pub task: Task,
    /// How often it was delivered.
    pub deliveries: u32,
    /// Why it is here.
    pub reason: String,
}
