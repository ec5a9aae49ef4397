//! The files: witnesses as the leader takes them, and headers as a node returns them.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use anyhow::{Context as _, ensure};
use ethereum_types::{H256, U256};
use evm_arithmetization::proof::{BlockHashes, BlockMetadata, consolidate_hashes};
use serde::Serialize;
use trace_decoder::{
    BlockLevelData, BlockTrace, BlockTraceTriePreImages, OtherBlockData, SeparateStorageTriesPreImage,
    SeparateTriePreImage, SeparateTriePreImages, TxnInfo, TxnMeta,
};

use crate::chain::{Block, CHAIN_ID, Executed};
use crate::header::{GAS_LIMIT, RpcBlock};

/// Hashes that BLOCKHASH can reach.
const BLOCK_HASH_WINDOW: usize = 256;

/// A witness: all that proving one block needs.
#[derive(Serialize)]
struct Witness {
    block_trace: BlockTrace,
    other_data: OtherBlockData,
}

/// The witnesses of the blocks with these numbers as one JSON array on one line. The checkpoint, from which a chain of
/// their proofs starts, is the block before the first.
pub(crate) fn witnesses(chain: &[Block], numbers: RangeInclusive<usize>) -> anyhow::Result<String> {
    let first = *numbers.start();
    let checkpoint = first.checked_sub(1).context("the genesis block cannot be proved")?;
    let checkpoint_state_trie_root = block(chain, checkpoint)?.header.state_root;
    // Without a proof of the block before it, a block's proof has to carry the digest of its own hash window
    // (evm_arithmetization 0.5.1, fixed_recursive_verifier.rs:1965).
    let checkpoint_consolidated_hash =
        consolidate_hashes::<evm_arithmetization::Hasher, evm_arithmetization::Field>(&hash_window(chain, first));

    let witnesses = numbers
        .map(|number| {
            let block = block(chain, number)?;
            Ok(Witness {
                block_trace: block_trace(block)?,
                other_data: OtherBlockData {
                    b_data: BlockLevelData {
                        b_meta: metadata(block),
                        b_hashes: BlockHashes {
                            prev_hashes: hash_window(chain, number),
                            cur_hash: block.header.hash(),
                        },
                        // In gwei: the decoder turns them into wei.
                        withdrawals: block.withdrawals.iter().map(|it| (it.address, it.gwei.into())).collect(),
                    },
                    checkpoint_state_trie_root,
                    checkpoint_consolidated_hash,
                    burn_addr: None,
                    ger_data: None,
                },
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(serde_json::to_string(&witnesses)? + "\n")
}

/// The headers of the blocks with these numbers as one indented JSON array.
pub(crate) fn headers(chain: &[Block], numbers: RangeInclusive<usize>) -> anyhow::Result<String> {
    let headers =
        numbers.map(|number| Ok(RpcBlock::from(block(chain, number)?))).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(serde_json::to_string_pretty(&headers)? + "\n")
}

fn block(chain: &[Block], number: usize) -> anyhow::Result<&Block> {
    chain.get(number).with_context(|| format!("the chain has no block {number}"))
}

/// Hashes of the 256 blocks before block `number`, the parent last, zeros for those before the genesis block.
fn hash_window(chain: &[Block], number: usize) -> Vec<H256> {
    let mut window = vec![H256::zero(); BLOCK_HASH_WINDOW];
    let known = chain.iter().take(number).rev();
    for (slot, block) in window.iter_mut().rev().zip(known) {
        *slot = block.header.hash();
    }
    window
}

fn metadata(block: &Block) -> BlockMetadata {
    let header = &block.header;
    BlockMetadata {
        block_beneficiary: header.beneficiary,
        block_timestamp: header.timestamp.into(),
        block_number: header.number.into(),
        block_difficulty: U256::zero(),
        block_random: header.prev_randao,
        block_gaslimit: GAS_LIMIT.into(),
        block_chain_id: CHAIN_ID.into(),
        block_base_fee: header.base_fee.into(),
        block_gas_used: header.gas_used.into(),
        block_blob_gas_used: U256::zero(),
        block_excess_blob_gas: U256::zero(),
        parent_beacon_block_root: header.parent_beacon_block_root,
        block_bloom: [U256::zero(); 8],
    }
}

/// State before the block, whole (there are four accounts at most), and what its transactions did.
fn block_trace(block: &Block) -> anyhow::Result<BlockTrace> {
    let storage = block.state_before.storage_tries()?.into_iter();
    // A hash map of more than one entry would be written in another order in every run.
    let storage: HashMap<_, _> = storage.map(|(account, trie)| (account, SeparateTriePreImage::Direct(trie))).collect();
    ensure!(storage.len() == 1, "a chain with more than one contract does not make the same bytes twice");
    Ok(BlockTrace {
        trie_pre_images: BlockTraceTriePreImages::Separate(SeparateTriePreImages {
            state: SeparateTriePreImage::Direct(block.state_before.trie()?),
            storage: SeparateStorageTriesPreImage::MultipleTries(storage),
        }),
        code_db: block.state_before.codes().collect(),
        txn_info: block.transactions.iter().map(transaction_info).collect(),
    })
}

fn transaction_info(transaction: &Executed) -> TxnInfo {
    TxnInfo {
        traces: transaction.traces.clone(),
        meta: TxnMeta {
            byte_code: transaction.bytes.clone(),
            // The decoder wants a typed receipt inside an RLP string (trace_decoder 0.7.0, core.rs:787).
            new_receipt_trie_node_byte: rlp::encode(&transaction.receipt).to_vec(),
            gas_used: transaction.gas_used,
        },
    }
}
