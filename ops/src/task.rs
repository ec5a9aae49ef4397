//! Tasks: units of proving, named by what determines their result.
//!
//! A [`TaskId`] hashes the circuits, the witness, how it is cut into batches and segments, the kind of work and the
//! range it covers. So it is known before the work is done and is the same in every process: the result of a task is
//! stored under its id, and whoever finds it there need not prove it again.

use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Version of the tasks on the wire and of the artifacts they name. Goes up with every change of either.
pub const FORMAT: u32 = 1;

/// Name of a task and of its output.
pub type TaskId = Digest;

/// The block that a task belongs to, for logs and for cancelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockId {
    /// Block number.
    pub number: u64,
    /// Block hash.
    pub hash: ethereum_types::H256,
}

/// One unit of proving.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// [`FORMAT`] of whoever made the task.
    pub format: u32,
    /// Name of the task and of its output.
    pub id: TaskId,
    /// The circuits to prove with.
    pub circuits: Digest,
    /// The block.
    pub block: BlockId,
    /// What is to be done.
    pub work: Work,
}

/// What a task does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Prove one segment of a batch.
    Segment(SegmentWork),
    /// Merge two neighbouring ranges of segments of one batch. A batch of one segment is merged with nothing, which
    /// makes a proof of the shape that batch merges take.
    SegmentMerge {
        /// Batch of the block.
        batch: u32,
        /// First segment and last.
        segments: (u32, u32),
        /// The earlier part.
        left: Child,
        /// The later part.
        right: Option<Child>,
    },
    /// Merge two neighbouring ranges of batches of one block.
    BatchMerge {
        /// First batch and last.
        batches: (u32, u32),
        /// The earlier part.
        left: Child,
        /// The later part.
        right: Child,
    },
    /// Prove the block from the merge of all its batches, on top of the block before it if there is one.
    Block {
        /// The merge of all batches.
        batches: TaskId,
        /// The proof of the block before.
        previous: Option<TaskId>,
    },
}

/// A segment: which batch inputs to run, and up to where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentWork {
    /// Batch of the block.
    pub batch: u32,
    /// Artifact with the inputs of the batch.
    pub inputs: Digest,
    /// Segment of the batch.
    pub index: u32,
    /// Logarithm of the CPU cycles that a segment has at most.
    pub max_cpu_len_log: u8,
    /// First transaction of the batch, and the one after its last.
    pub txs: (u32, u32),
    /// Megabytes that proving it takes beside the circuits.
    pub memory_mb: u32,
}

/// An output that a merge takes: a proof of its own kind of merge, or of the kind below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// The task whose output it is.
    pub id: TaskId,
    /// Whether that task was the same kind of merge.
    pub merged: bool,
}

/// The kinds of tasks, from the many and heavy to the one at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// [`Work::Segment`].
    Segment,
    /// [`Work::SegmentMerge`].
    SegmentMerge,
    /// [`Work::BatchMerge`].
    BatchMerge,
    /// [`Work::Block`].
    Block,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Segment, Self::SegmentMerge, Self::BatchMerge, Self::Block];

    /// For logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Segment => "segment",
            Self::SegmentMerge => "segment merge",
            Self::BatchMerge => "batch merge",
            Self::Block => "block",
        }
    }
}

/// Which part of a block: `batch 0 segment 3`, `batch 0 segments 0..3`, `batches 0..1`, `block`.
impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(SegmentWork { batch, index, .. }) => write!(f, "batch {batch} segment {index}"),
            Self::SegmentMerge { batch, segments: (first, last), .. } => {
                write!(f, "batch {batch} segments {first}..{last}")
            }
            Self::BatchMerge { batches: (first, last), .. } => write!(f, "batches {first}..{last}"),
            Self::Block { .. } => f.write_str("block"),
        }
    }
}

impl Work {
    /// The kind of the work.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Segment(_) => Kind::Segment,
            Self::SegmentMerge { .. } => Kind::SegmentMerge,
            Self::BatchMerge { .. } => Kind::BatchMerge,
            Self::Block { .. } => Kind::Block,
        }
    }
}

/// Place of a task in a queue, smallest first.
pub type Place = (u64, Reverse<Kind>);

impl Task {
    /// Digest of all of it: tells whether two messages ask for the same.
    pub fn digest(&self) -> Digest {
        Digest::of("task", self)
    }

    /// Older blocks go before younger ones, and in a block merges before segments, since they are short and free what
    /// others wait for.
    pub fn place(&self) -> Place {
        (self.block.number, Reverse(self.work.kind()))
    }

    /// Megabytes that it takes beside the circuits, where that is much.
    pub fn memory_mb(&self) -> u32 {
        match &self.work {
            Work::Segment(segment) => segment.memory_mb,
            _ => 0,
        }
    }
}

/// What all tasks of a block have in common; with a kind and a range it gives a task's id.
#[derive(Clone, Debug, Serialize)]
pub struct Scope {
    /// The circuits.
    pub circuits: Digest,
    /// [`crate::witness::Witness::digest`].
    pub witness: Digest,
    /// Transactions per batch.
    pub batch_size: u32,
    /// Logarithm of the CPU cycles that a segment has at most.
    pub max_cpu_len_log: u8,
}

impl Scope {
    /// The artifact with the inputs of a batch. The circuits have no part in it.
    pub fn inputs(&self, batch: u32) -> Digest {
        Digest::of("batch inputs", &(FORMAT, self.witness, self.batch_size, batch))
    }

    /// One segment.
    pub fn segment(&self, batch: u32, index: u32) -> TaskId {
        Digest::of("segment", &(FORMAT, self, batch, index))
    }

    /// A merge of segments, first to last.
    pub fn segment_merge(&self, batch: u32, segments: (u32, u32)) -> TaskId {
        Digest::of("segment merge", &(FORMAT, self, batch, segments))
    }

    /// A merge of batches, first to last.
    pub fn batch_merge(&self, batches: (u32, u32)) -> TaskId {
        Digest::of("batch merge", &(FORMAT, self, batches))
    }

    /// The block on top of a previous proof.
    pub fn block(&self, previous: Option<TaskId>) -> TaskId {
        Digest::of("block", &(FORMAT, self, previous))
    }
}
