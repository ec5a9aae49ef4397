//! Witnesses from Polygon Zero's Erigon ("Jerigon"), which makes them itself: `eth_getWitness` gives the state before a
//! block, the tracer `zeroTracer` what each transaction does to it.
//!
//! Nothing is executed here. The block is decoded, and whatever its header fixes is compared: transactions, receipts and
//! gas, the state before it and the state after it. What the tracer says of a state between two transactions, and of what
//! was only read, is tried when the block is executed: it can make that fail, and no proof wrong.

mod traces;

use alloy::eips::BlockId;
use alloy::primitives::{B256, Bytes};
use evm_arithmetization::proof::BlockHashes;
use mpt_trie::partial_trie::PartialTrie;
use ops::witness::Witness;
use serde_json::json;
use trace_decoder::{BlockLevelData, BlockTrace, BlockTraceTriePreImages, CombinedPreImages, OtherBlockData, TxnInfo};

use crate::checkpoint::Checkpoint;
use crate::error::FetchError;
use crate::node::{FullBlock, Node, NodeError};
use crate::{convert, fork};

const WITNESS: &str = "eth_getWitness";
const TRACE: &str = "debug_traceBlockByNumber";

/// The witness of a block, for a chain of proofs that begins at the checkpoint.
pub async fn witness(node: &Node, block: BlockId, checkpoint: &Checkpoint) -> Result<Witness, FetchError> {
    let block = node.block(block).await?;
    fork::check(&block.header)?;
    let number = block.header.number;
    let (parent, hashes, compact) = tokio::try_join!(
        node.header(block.header.parent_hash.into()),
        node.previous_hashes(&block.header),
        compact(node, number),
    )?;
    // Afterwards, so that a node of another kind is known by the method that it lacks.
    let infos = infos(node, &block).await?;
    let witness = assemble(&block, node.chain_id(), hashes, compact, infos, checkpoint)?;
    let checked = tokio::task::spawn_blocking({
        let (node, witness) = (node.clone(), witness.clone());
        move || check(&node, &block, parent.state_root, witness)
    });
    checked.await.map_err(|error| FetchError::Panic { number, reason: error.to_string() })??;
    Ok(witness)
}

/// The state before a block, in the node's compact form.
async fn compact(node: &Node, number: u64) -> Result<Vec<u8>, NodeError> {
    let compact: Bytes = node.call(WITNESS, json!([format!("{number:#x}")])).await?;
    // This is how it says that there is no such block.
    if compact.is_empty() {
        return Err(NodeError::NoBlock { host: node.host().to_owned(), block: number.to_string(), head: None });
    }
    Ok(compact.into())
}

/// What each transaction does.
async fn infos(node: &Node, block: &FullBlock) -> Result<Vec<TxnInfo>, NodeError> {
    let answer = node.call(TRACE, json!([format!("{:#x}", block.header.number), {"tracer": "zeroTracer"}])).await?;
    let wrong = |reason| NodeError::Wrong { host: node.host().to_owned(), method: TRACE.to_owned(), reason };
    traces::read(answer, block).map_err(|reason| wrong(format!("block {}: {reason}", block.header.number)))
}

fn assemble(
    block: &FullBlock,
    chain_id: u64,
    hashes: Vec<B256>,
    compact: Vec<u8>,
    txn_info: Vec<TxnInfo>,
    checkpoint: &Checkpoint,
) -> Result<Witness, FetchError> {
    let invalid =
        || FetchError::Invalid { number: block.header.number, reason: "its header is not complete".to_owned() };
    let withdrawals = block.withdrawals.iter().map(|it| (convert::address(it.address), it.amount.into())).collect();
    Ok(Witness {
        block_trace: BlockTrace {
            trie_pre_images: BlockTraceTriePreImages::Combined(CombinedPreImages { compact }),
            // The code that is run is among the instructions of the compact form.
            code_db: Default::default(),
            txn_info,
        },
        other_data: OtherBlockData {
            b_data: BlockLevelData {
                b_meta: convert::metadata(&block.header, chain_id).ok_or_else(invalid)?,
                b_hashes: BlockHashes {
                    prev_hashes: hashes.into_iter().map(convert::hash).collect(),
                    cur_hash: convert::hash(block.hash),
                },
                withdrawals,
            },
            checkpoint_state_trie_root: checkpoint.state_root,
            checkpoint_consolidated_hash: checkpoint.consolidated_hash,
            burn_addr: None,
            ger_data: None,
        },
    })
}

/// Decodes the block, and compares where it begins and ends with the headers.
fn check(node: &Node, block: &FullBlock, before: B256, witness: Witness) -> Result<(), FetchError> {
    let header = &block.header;
    let number = header.number;
    let wrong = |method: &str, reason: String| {
        FetchError::Node(NodeError::Wrong { host: node.host().to_owned(), method: method.to_owned(), reason })
    };
    let batches = ops::decode::decode(witness, u32::MAX)
        .map_err(|error| wrong(WITNESS, format!("block {number} does not decode with it: {error:#}")))?;
    let (Some(first), Some(last)) = (batches.first(), batches.last()) else {
        return Err(wrong(WITNESS, format!("block {number} has nothing to execute with it")));
    };
    let found = first.inputs.tries.state_trie.hash();
    if found != convert::hash(before) {
        return Err(wrong(WITNESS, format!("the state before block {number} has root {found:?} instead of {before}")));
    }
    let after = &last.inputs.trie_roots_after;
    let roots = [
        ("state root", after.state_root, header.state_root),
        ("transactions root", after.transactions_root, header.transactions_root),
        ("receipts root", after.receipts_root, header.receipts_root),
    ];
    for (what, found, expected) in roots {
        if found != convert::hash(expected) {
            let reason = format!("they lead block {number} to {what} {found:?}, and the header says {expected}");
            return Err(wrong(TRACE, reason));
        }
    }
    Ok(())
}
