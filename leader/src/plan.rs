//! What a block takes to prove: its batches and segments, found by running it once.
//!
//! Batches do not depend on each other, so they run side by side. Only what is needed to name tasks and to see that
//! they can be proved is kept: running a batch again on a worker costs next to nothing beside proving it.

use std::ops::Range;

use anyhow::Context;
use ops::execute::simulate;
use ops::machine;
use ops::profile::{Heights, Profile};
use ops::task::{BlockId, Scope};
use rayon::prelude::*;

use crate::decode::Batch;

/// A block's batches and segments.
#[derive(Clone, Debug)]
pub struct BlockPlan {
    /// The block.
    pub block: BlockId,
    /// What its task ids depend on.
    pub scope: Scope,
    /// Its batches.
    pub batches: Vec<BatchPlan>,
}

/// A batch's segments.
#[derive(Clone, Debug)]
pub struct BatchPlan {
    /// Transactions of the block.
    pub txs: Range<u32>,
    /// Heights of the tables of each segment.
    pub segments: Vec<Heights>,
}

impl BlockPlan {
    /// Number of transactions.
    pub fn transactions(&self) -> u32 {
        self.batches.last().map_or(0, |batch| batch.txs.end)
    }

    /// Number of segments.
    pub fn segments(&self) -> usize {
        self.batches.iter().map(|batch| batch.segments.len()).sum()
    }
}

/// A batch that failed to run, with its inputs for whoever wants to look into it.
#[derive(Debug, thiserror::Error)]
#[error("transactions {txs:?} (batch {batch}): {failure}")]
pub struct BatchFailure {
    /// Batch of the block.
    pub batch: usize,
    /// Transactions of the block.
    pub txs: Range<u32>,
    /// What happened.
    pub failure: ops::execute::Failure,
}

/// Runs all batches of a block.
pub fn plan(block: BlockId, scope: Scope, batches: &[Batch]) -> Result<BlockPlan, BatchFailure> {
    let batches = batches
        .par_iter()
        .enumerate()
        .map(|(index, batch)| {
            simulate::heights(&batch.inputs, scope.max_cpu_len_log)
                .map(|segments| BatchPlan { txs: batch.txs.clone(), segments })
                .map_err(|failure| BatchFailure { batch: index, txs: batch.txs.clone(), failure })
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(BlockPlan { block, scope, batches })
}

/// Whether every segment has circuits and fits into `budget` bytes of memory.
pub fn check(plan: &BlockPlan, profile: &Profile, budget: u64) -> anyhow::Result<()> {
    for (index, batch) in plan.batches.iter().enumerate() {
        for (segment, heights) in batch.segments.iter().enumerate() {
            let place = || format!("block {}, batch {index}, segment {segment}", plan.block.number);
            profile.check(heights).with_context(place)?;
            let needed = machine::segment_bytes(heights);
            if needed > budget {
                let gb = |bytes: u64| bytes as f64 / machine::GB as f64;
                return Err(ops::exit::resources(format!(
                    "{}: proving it needs {:.1} GB beside the circuits, and {:.1} GB are free for that; make segments \
                     smaller with --max-cpu-len-log {}",
                    place(),
                    gb(needed),
                    gb(budget),
                    plan.scope.max_cpu_len_log.saturating_sub(1)
                )));
            }
        }
    }
    Ok(())
}
