//! The only door to proving: a task, the circuits, and the proofs it builds on give a proof.
//!
//! A function of its arguments: no files, no queue, and nothing global but the counting of what it took. Whoever calls it fetches the inputs first and stores
//! the output after; it blocks for seconds to minutes and wants a thread of its own with a large stack.

mod merge;
mod segment;
pub mod simulate;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use evm_arithmetization::generation::DebugOutputTries;
use evm_arithmetization::{GenerationInputs, ProofWithPublicValues};

use crate::artifacts::{ArtifactError, Artifacts};
use crate::circuits::Circuits;
use crate::circuits::store::StoreError;
use crate::digest::Digest;
use crate::metrics::tasks;
use crate::panics;
use crate::profile::SizeError;
use crate::queue::Cause;
use crate::task::{self, Task, TaskId, Work};

/// Why a task failed, by what is to be done about it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The circuits are not those of the task: another worker must take it.
    #[error(
        "the task is for circuits {wanted}, and these are {found} (profile {profile}); prepare the same profile with the same version"
    )]
    OtherCircuits {
        /// Short digest in the task.
        wanted: String,
        /// Short digest of the circuits here.
        found: String,
        /// Profile here.
        profile: String,
    },
    /// Made by a version that this one does not understand.
    #[error("the task has format {found}, and this version reads format {}", task::FORMAT)]
    OtherFormat {
        /// Format of the task.
        found: u32,
    },
    /// It will fail the same way every time.
    #[error("{0}")]
    Invalid(String),
    /// The kernel refuses it: the witness is wrong.
    #[error("{reason}")]
    Execution {
        /// What it said.
        reason: String,
        /// The tries as they were then.
        tries: Option<Box<DebugOutputTries>>,
    },
    /// A table is larger than any circuit.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// It does not fit into this worker's memory.
    #[error("proving it takes {needed} MB beside the circuits, and this worker has {there} MB for that")]
    Memory {
        /// Megabytes that it takes.
        needed: u32,
        /// Megabytes that there are for segments.
        there: u32,
    },
    /// It was told to stop.
    #[error("aborted")]
    Aborted,
    /// An input is not there (yet), or the store failed: may go better next time.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The circuits could not be read: may go better next time, or elsewhere.
    #[error(transparent)]
    Circuits(#[from] StoreError),
    /// The prover panicked.
    #[error("the prover panicked: {0}")]
    Panic(String),
}

impl Failure {
    /// Whether trying again can help.
    pub fn retryable(&self) -> bool {
        match self {
            Self::OtherCircuits { .. } | Self::Artifact(_) | Self::Circuits(_) | Self::Panic(_) => true,
            Self::OtherFormat { .. }
            | Self::Invalid(_)
            | Self::Execution { .. }
            | Self::Size(_)
            | Self::Memory { .. }
            | Self::Aborted => false,
        }
    }

    /// What can be done about it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::OtherFormat { .. } | Self::Invalid(_) | Self::Execution { .. } | Self::Size(_) => Cause::Invalid,
            Self::Memory { .. } => Cause::Resources,
            Self::Artifact(error) if error.is_full() => Cause::Resources,
            _ => Cause::Transient,
        }
    }
}

/// What a task works on, fetched.
#[derive(Debug)]
pub enum Inputs {
    /// For a segment.
    Batch(Box<GenerationInputs>),
    /// For merges and blocks: the earlier or only proof, and the later or previous one.
    Proofs(Box<ProofWithPublicValues>, Option<Box<ProofWithPublicValues>>),
}

impl Inputs {
    /// Fetches what a task works on.
    pub async fn fetch(artifacts: &Artifacts, task: &Task) -> Result<Self, ArtifactError> {
        let output = async |id: &TaskId| {
            let proof = artifacts.output(id).await?.ok_or_else(|| ArtifactError::Absent(id.to_string()))?;
            Ok::<_, ArtifactError>(Box::new(proof))
        };
        Ok(match &task.work {
            Work::Segment(segment) => Self::Batch(Box::new(artifacts.inputs(&segment.inputs).await?)),
            Work::SegmentMerge { left, right, .. } => {
                let right = match right {
                    Some(right) => Some(output(&right.id).await?),
                    None => None,
                };
                Self::Proofs(output(&left.id).await?, right)
            }
            Work::BatchMerge { left, right, .. } => {
                Self::Proofs(output(&left.id).await?, Some(output(&right.id).await?))
            }
            Work::Block { batches, previous } => {
                let previous = match previous {
                    Some(previous) => Some(output(previous).await?),
                    None => None,
                };
                Self::Proofs(output(batches).await?, previous)
            }
        })
    }
}

/// Proves a task.
pub fn execute(
    circuits: &Circuits,
    task: &Task,
    inputs: Inputs,
    abort: &Arc<AtomicBool>,
) -> Result<ProofWithPublicValues, Failure> {
    check(circuits.digest, &circuits.profile.name, task)?;
    if abort.load(Ordering::Relaxed) {
        return Err(Failure::Aborted);
    }
    match panics::catch(|| prove(circuits, task, inputs, abort)) {
        // Whatever fails after the signal was given fails because of it.
        Ok(Err(_)) if abort.load(Ordering::Relaxed) => Err(Failure::Aborted),
        Ok(result) => result,
        Err(panic) => Err(Failure::Panic(panic)),
    }
}

/// Whether a task is for these circuits and of this format.
pub fn check(circuits: Digest, profile: &str, task: &Task) -> Result<(), Failure> {
    if task.format != task::FORMAT {
        return Err(Failure::OtherFormat { found: task.format });
    }
    if task.circuits != circuits {
        let (wanted, found) = (task.circuits.short(), circuits.short());
        return Err(Failure::OtherCircuits { wanted, found, profile: profile.to_owned() });
    }
    Ok(())
}

fn prove(
    circuits: &Circuits,
    task: &Task,
    inputs: Inputs,
    abort: &Arc<AtomicBool>,
) -> Result<ProofWithPublicValues, Failure> {
    if let (Work::Segment(work), Inputs::Batch(inputs)) = (&task.work, &inputs) {
        return segment::prove(circuits, task, work, inputs, abort);
    }
    let start = Instant::now();
    let proof = join(circuits, task, inputs)?;
    tasks::families().stage(tasks::kind(task.work.kind()), start.elapsed());
    Ok(proof)
}

/// Merges, and blocks.
fn join(circuits: &Circuits, task: &Task, inputs: Inputs) -> Result<ProofWithPublicValues, Failure> {
    match (&task.work, inputs) {
        (Work::SegmentMerge { left, right, .. }, Inputs::Proofs(left_proof, right_proof)) => {
            let right = right.as_ref().zip(right_proof.as_deref());
            merge::segments(&circuits.upper, (left, &left_proof), right)
        }
        (Work::BatchMerge { left, right, .. }, Inputs::Proofs(left_proof, Some(right_proof))) => {
            merge::batches(&circuits.upper, (left, &left_proof), (right, &right_proof))
        }
        (Work::Block { .. }, Inputs::Proofs(batches, previous)) => {
            merge::block(&circuits.upper, &batches, previous.as_deref())
        }
        _ => Err(Failure::Invalid("the inputs are not of the task's kind".to_owned())),
    }
}
