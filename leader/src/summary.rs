//! What `--test-only` says of a block: a plan for people, or as JSON.

use std::collections::BTreeMap;

use ops::machine;
use ops::plan::BlockPlan;
use ops::profile::{Heights, Profile, TABLES};
use serde::Serialize;

use crate::graph::Graph;

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
    pub segments: Vec<BTreeMap<&'static str, usize>>,
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
            tasks: Graph::new(plan, None).len(),
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
