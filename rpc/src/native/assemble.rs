//! A witness out of an executed block.

use std::collections::HashMap;

use evm_arithmetization::proof::BlockHashes;
use ops::witness::Witness;
use trace_decoder::{
    BlockLevelData, BlockTrace, BlockTraceTriePreImages, OtherBlockData, SeparateStorageTriesPreImage,
    SeparateTriePreImage, SeparateTriePreImages,
};

use super::Work;
use crate::checkpoint::Checkpoint;
use crate::convert;
use crate::error::FetchError;
use crate::trie::{EMPTY_ROOT, TrieError};
use alloy::primitives::keccak256;

/// The witness; takes the traces out of the block.
pub(super) fn witness(work: &mut Work, chain_id: u64, checkpoint: &Checkpoint) -> Result<Witness, FetchError> {
    let Work { block, state, run } = work;
    let header = &block.header;
    let number = header.number;
    let trie = |what: &str| {
        let what = what.to_owned();
        move |source: TrieError| FetchError::Trie { number, what, source }
    };
    let mut storage = HashMap::new();
    for (address, account) in &state.accounts {
        let Some(account) = account else { continue };
        // What is not known of a storage trie at all, the decoder makes up by its root. The empty one it would make a
        // hash as well, in which nothing can be set.
        if account.storage_root == EMPTY_ROOT || state.pool.contains(account.storage_root) {
            let tries = state.pool.trie(account.storage_root).map_err(trie(&format!("storage of {address}")))?;
            storage.insert(convert::hash(keccak256(address)), SeparateTriePreImage::Direct(tries));
        }
    }
    let pre_images = SeparateTriePreImages {
        state: SeparateTriePreImage::Direct(state.pool.trie(state.root).map_err(trie("the state"))?),
        storage: SeparateStorageTriesPreImage::MultipleTries(storage),
    };
    // Code that was created in the block is in its traces.
    let code = run.codes.iter().filter_map(|hash| state.code(*hash));
    let b_meta = convert::metadata(header, chain_id)
        .ok_or_else(|| FetchError::Invalid { number, reason: "its header lacks fields of Cancun".to_owned() })?;
    let witness = Witness {
        block_trace: BlockTrace {
            trie_pre_images: BlockTraceTriePreImages::Separate(pre_images),
            code_db: code.map(|code| code.original_byte_slice().to_vec()).collect(),
            txn_info: std::mem::take(&mut run.done),
        },
        other_data: OtherBlockData {
            b_data: BlockLevelData {
                b_meta,
                b_hashes: BlockHashes {
                    prev_hashes: state.hashes.iter().map(|hash| convert::hash(*hash)).collect(),
                    cur_hash: convert::hash(block.hash),
                },
                // In gwei, as they are in the block.
                withdrawals: block
                    .withdrawals
                    .iter()
                    .map(|one| (convert::address(one.address), one.amount.into()))
                    .collect(),
            },
            checkpoint_state_trie_root: checkpoint.state_root,
            checkpoint_consolidated_hash: checkpoint.consolidated_hash,
            burn_addr: None,
            ger_data: None,
        },
    };
    witness.check().map_err(|error| FetchError::Invalid { number, reason: error.to_string() })?;
    Ok(witness)
}
