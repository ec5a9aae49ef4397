//! What the proof of a task has to state, as far as its plan tells: everything but the digests of memory.
//!
//! A proof can be valid and be that of another task. Built upon, it would only make a merge fail, and with it the block.

use std::sync::Arc;

use evm_arithmetization::proof::{BlockHashes, BlockMetadata, ExtraBlockData, RegistersData, TrieRoots};
use evm_arithmetization::{Field, GenerationInputs, PublicValues};
use mpt_trie::partial_trie::PartialTrie;

use crate::execute::simulate::Registers;
use crate::task::Kind;

/// What the proof of a range of segments has to state.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The same for all tasks of a block, and some kilobytes.
    block: Arc<(BlockMetadata, BlockHashes)>,
    roots_before: TrieRoots,
    roots_after: TrieRoots,
    /// The checkpoint; transactions and gas before and after.
    extra: ExtraBlockData<Field>,
    registers_before: RegistersData,
    registers_after: RegistersData,
}

impl Statement {
    /// Of each segment of a batch, which state the same but for the registers.
    pub fn of_segments(inputs: &GenerationInputs, registers: Vec<Registers>) -> Vec<Self> {
        let block = Arc::new((inputs.block_metadata.clone(), inputs.block_hashes.clone()));
        let roots_before = TrieRoots {
            state_root: inputs.tries.state_trie.hash(),
            transactions_root: inputs.tries.transactions_trie.hash(),
            receipts_root: inputs.tries.receipts_trie.hash(),
        };
        let extra = ExtraBlockData {
            checkpoint_state_trie_root: inputs.checkpoint_state_trie_root,
            checkpoint_consolidated_hash: inputs.checkpoint_consolidated_hash,
            txn_number_before: inputs.txn_number_before,
            txn_number_after: inputs.txn_number_before + inputs.signed_txns.len(),
            gas_used_before: inputs.gas_used_before,
            gas_used_after: inputs.gas_used_after,
        };
        let statement = |(registers_before, registers_after)| Self {
            block: block.clone(),
            roots_before: roots_before.clone(),
            roots_after: inputs.trie_roots_after.clone(),
            extra: extra.clone(),
            registers_before,
            registers_after,
        };
        registers.into_iter().map(statement).collect()
    }

    /// Of the range that begins as this one and ends as `last`.
    pub fn up_to(&self, last: &Self) -> Self {
        Self {
            block: self.block.clone(),
            roots_before: self.roots_before.clone(),
            roots_after: last.roots_after.clone(),
            extra: ExtraBlockData {
                txn_number_after: last.extra.txn_number_after,
                gas_used_after: last.extra.gas_used_after,
                ..self.extra.clone()
            },
            registers_before: self.registers_before.clone(),
            registers_after: last.registers_after.clone(),
        }
    }

    /// Whether a proof of this kind states it; if not, what it states otherwise.
    pub fn check(&self, kind: Kind, stated: &PublicValues) -> Result<(), String> {
        let (metadata, hashes) = &*self.block;
        let block = stated.block_metadata == *metadata && stated.block_hashes == *hashes;
        // The block circuit puts the checkpoint in the place of the state before.
        let before = kind == Kind::Block || stated.trie_roots_before == self.roots_before;
        let extra = kind == Kind::Block || stated.extra_block_data == self.extra;
        // Batches have none: each begins and ends in the same place of the kernel.
        let has_registers = matches!(kind, Kind::Segment | Kind::SegmentMerge);
        let registers = !has_registers
            || (stated.registers_before == self.registers_before && stated.registers_after == self.registers_after);
        let checks = [
            (block, "another block"),
            (before, "other tries before it"),
            (stated.trie_roots_after == self.roots_after, "other tries after it"),
            (extra, "other transactions, gas or another checkpoint"),
            (registers, "another segment"),
        ];
        match checks.into_iter().find(|(same, _)| !same) {
            Some((_, what)) => Err(format!("it is a proof of another task: it states {what}")),
            None => Ok(()),
        }
    }
}
