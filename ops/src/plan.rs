//! What a block takes to prove: its batches and segments, found by running it once.
//!
//! Batches do not depend on each other, so they run side by side. Only what is needed to name tasks and to see that
//! they can be proved is kept: running a batch again on a worker costs next to nothing beside proving it.

use std::ops::Range;

use anyhow::Context;
use rayon::prelude::*;

use crate::decode::{Batch, decode};
use crate::execute::{Failure, simulate};
use crate::explain::explain;
use crate::profile::{Heights, Profile};
use crate::statement::Statement;
use crate::task::{BlockId, Scope, SegmentWork, Work};
use crate::witness::Witness;
use crate::{exit, machine};

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
    /// What the proof of each segment has to state.
    pub statements: Vec<Statement>,
}

impl BlockPlan {
    /// Number of transactions.
    pub fn transactions(&self) -> u32 {
        self.batches.last().map_or(0, |batch| batch.txs.end)
    }

    /// What the proof of a task has to state; absent if the plan has no such task.
    pub fn statement(&self, work: &Work) -> Option<Statement> {
        let segment = |batch: u32, segment: u32| self.batches.get(batch as usize)?.statements.get(segment as usize);
        let first_of = |batch: u32| segment(batch, 0);
        let last_of = |batch: u32| self.batches.get(batch as usize)?.statements.last();
        let (first, last) = match work {
            Work::Segment(SegmentWork { batch, index, .. }) => (segment(*batch, *index), segment(*batch, *index)),
            Work::SegmentMerge { batch, segments: (first, last), .. } => {
                (segment(*batch, *first), segment(*batch, *last))
            }
            Work::BatchMerge { batches: (first, last), .. } => (first_of(*first), last_of(*last)),
            Work::Block { .. } => (first_of(0), self.batches.last().and_then(|batch| batch.statements.last())),
        };
        Some(first?.up_to(last?))
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
    pub failure: Failure,
}

/// Runs all batches of a block.
pub fn plan(block: BlockId, scope: Scope, batches: &[Batch]) -> Result<BlockPlan, BatchFailure> {
    let batches =
        batches
            .par_iter()
            .enumerate()
            .map(|(index, batch)| {
                let txs = batch.txs.clone();
                let measured = simulate::measure(&batch.inputs, scope.max_cpu_len_log)
                    .map_err(|failure| BatchFailure { batch: index, txs: txs.clone(), failure })?;
                let (segments, registers) = measured.into_iter().unzip();
                Ok(BatchPlan { txs, segments, statements: Statement::of_segments(&batch.inputs, registers) })
            })
            .collect::<Result<Vec<_>, _>>()?;
    Ok(BlockPlan { block, scope, batches })
}

/// Decodes and plans a block. What is wrong with a witness is said as closely as can be found out.
pub fn of_witness(witness: Witness, scope: Scope) -> anyhow::Result<(BlockPlan, Vec<Batch>)> {
    let block = BlockId { number: witness.number(), hash: witness.hash() };
    let batch_size = scope.batch_size;
    let name = || format!("block {}", block.number);
    let batches = decode(witness.clone(), batch_size).context("it does not decode").with_context(name)?;
    let plan = plan(block, scope, &batches).map_err(|failed| {
        let why = match &failed.failure {
            Failure::Execution { tries: Some(tries), .. } => {
                explain(&witness, batch_size, failed.batch, &batches[failed.batch].inputs, tries)
            }
            _ => Vec::new(),
        };
        let failed = anyhow::Error::new(failed);
        if why.is_empty() { failed } else { failed.context(why.join("; ")) }
    });
    Ok((plan.with_context(name)?, batches))
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
                return Err(exit::resources(format!(
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
