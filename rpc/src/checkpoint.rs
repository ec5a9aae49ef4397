//! The block that a chain of proofs begins after.

use alloy::eips::BlockId;
use ethereum_types::H256;
use evm_arithmetization::proof::consolidate_hashes;
use evm_arithmetization::{ConsolidatedHash, Field, Hasher};

use crate::convert;
use crate::node::{Node, NodeError};

/// What witnesses say of the block that their chain of proofs begins after.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    /// Root of the state after it.
    pub state_root: H256,
    /// Digest of the hashes of it and the 255 blocks before it.
    pub consolidated_hash: ConsolidatedHash,
}

impl Checkpoint {
    /// Of this block: for a chain of proofs that begins with block N, of block N - 1.
    pub async fn at(node: &Node, block: BlockId) -> Result<Self, NodeError> {
        let header = node.header(block).await?;
        let before = node.previous_hashes(&header).await?;
        let own = header.hash_slow();
        let hashes: Vec<H256> = before.into_iter().skip(1).chain([own]).map(convert::hash).collect();
        Ok(Self {
            state_root: convert::hash(header.state_root),
            consolidated_hash: consolidate_hashes::<Hasher, Field>(&hashes),
        })
    }
}
