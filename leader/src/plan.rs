//! What a block takes to prove: its batches and segments, found by running it once.
//!
//! Batches do not depend on each other, so they run side by side. Only what is needed to name tasks and to see that
//! they can be proved is kept: running a batch again on a worker costs next to nothing beside proving it.

use std::ops::Range;

use anyhow::Context;
use ops::execute::simulate;
use ops::machine;
use ops::profile::{Heights, Profile, TABLES};
use ops::task::{BlockId, Scope};
use rayon::prelude::*;
use serde::Serialize;

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

/// A plan as `--test-only --json` prints it.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Block number.
    pub block_number: u64,
    /// Block hash.
    pub block_hash: ethereum_types::H256,
    /// Transactions.
    pub transactions: u32,
    /// Gas used.
    pub gas_used: u64,
    /// Digest of the witness.
    pub witness: ops::digest::Digest,
    /// Logarithm of the CPU cycles per segment.
    pub max_cpu_len_log: u8,
    /// Tasks in all.
    pub tasks: usize,
    /// The profile's word on the sizes: absent if all have circuits.
    pub missing_circuits: Option<String>,
    /// The batches.
    pub batches: Vec<BatchSummary>,
}

/// A batch as `--test-only --json` prints it.
#[derive(Debug, Serialize)]
pub struct BatchSummary {
    /// First transaction, and the one after the last.
    pub transactions: (u32, u32),
    /// For each segment the logarithms of the rows of each table in use.
    pub segments: Vec<std::collections::BTreeMap<&'static str, usize>>,
    /// For each segment the bytes of memory that proving it takes.
    pub memory: Vec<u64>,
}

impl Summary {
    /// Puts a plan into the form that is printed.
    pub fn new(plan: &BlockPlan, gas_used: u64, profile: &Profile) -> Self {
        let heights = |heights: &Heights| {
            heights.iter().enumerate().filter_map(|(table, height)| Some((TABLES[table].name, (*height)?))).collect()
        };
        let missing =
            plan.batches.iter().flat_map(|batch| &batch.segments).find_map(|heights| profile.check(heights).err());
        Self {
            block_number: plan.block.number,
            block_hash: plan.block.hash,
            transactions: plan.transactions(),
            gas_used,
            witness: plan.scope.witness,
            max_cpu_len_log: plan.scope.max_cpu_len_log,
            tasks: crate::graph::Graph::new(plan, None).len(),
            missing_circuits: missing.map(|error| error.to_string()),
            batches: plan
                .batches
                .iter()
                .map(|batch| BatchSummary {
                    transactions: (batch.txs.start, batch.txs.end),
                    segments: batch.segments.iter().map(heights).collect(),
                    memory: batch.segments.iter().map(machine::segment_bytes).collect(),
                })
                .collect(),
        }
    }
}
