//! What `rpc extract` prints: answers of the node in its own words, each compared with its hash.

use alloy::consensus::TxEnvelope;
use alloy::consensus::proofs::calculate_transaction_root;
use alloy::eips::BlockId;
use alloy::eips::eip2718::Encodable2718;
use alloy::primitives::{B256, Bytes, keccak256};
use alloy::rpc::types::{Block, Transaction};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::node::{Node, NodeError};

/// A transaction, its receipt (which nothing here compares), its raw bytes.
pub async fn transaction(node: &Node, hash: B256) -> anyhow::Result<Value> {
    let method = "eth_getTransactionByHash";
    let (text, receipt) = tokio::try_join!(
        node.call::<Value>(method, json!([hash])),
        node.call::<Value>("eth_getTransactionReceipt", json!([hash])),
    )?;
    if text.is_null() {
        anyhow::bail!("{} has no transaction {hash}", node.host());
    }
    let transaction = Transaction::<TxEnvelope>::deserialize(&text).map_err(|error| nonsense(node, method, &error))?;
    let raw = Bytes::from(transaction.inner.into_inner().encoded_2718());
    let found = keccak256(&raw);
    if found != hash {
        return Err(wrong(node, method, format!("transaction {found} instead of {hash}")).into());
    }
    Ok(json!({"transaction": text, "receipt": receipt, "raw": raw}))
}

/// A header.
pub async fn header(node: &Node, block: BlockId) -> anyhow::Result<Box<RawValue>> {
    let (_, hash) = node.resolve(block).await?;
    Ok(verified(node, hash, false).await?.0)
}

/// A block with its transactions and withdrawals.
pub async fn block(node: &Node, block: BlockId) -> anyhow::Result<Box<RawValue>> {
    let (_, hash) = node.resolve(block).await?;
    let (text, block) = verified(node, hash, true).await?;
    let transactions: Vec<TxEnvelope> =
        block.transactions.into_transactions().map(|one| one.inner.into_inner()).collect();
    let (root, wanted) = (calculate_transaction_root(&transactions), block.header.inner.transactions_root);
    if root != wanted {
        return Err(wrong(
            node,
            BY_HASH,
            format!("the transactions of block {hash} have root {root} instead of {wanted}"),
        )
        .into());
    }
    Ok(text)
}

const BY_HASH: &str = "eth_getBlockByHash";

/// A block whose header has this hash.
async fn verified(node: &Node, hash: B256, full: bool) -> Result<(Box<RawValue>, Block), NodeError> {
    let text = node.raw(BY_HASH, json!([hash, full])).await?;
    let block: Option<Block> = serde_json::from_str(text.get()).map_err(|error| nonsense(node, BY_HASH, &error))?;
    let Some(block) = block else {
        return Err(NodeError::NoBlock { host: node.host().to_owned(), block: hash.to_string(), head: None });
    };
    let found = block.header.inner.hash_slow();
    if found != hash || block.header.hash != hash {
        return Err(wrong(node, BY_HASH, format!("block {found} instead of {hash}")));
    }
    Ok((text, block))
}

fn wrong(node: &Node, method: &str, reason: String) -> NodeError {
    NodeError::Wrong { host: node.host().to_owned(), method: method.to_owned(), reason }
}

fn nonsense(node: &Node, method: &str, reason: &serde_json::Error) -> NodeError {
    NodeError::Nonsense { host: node.host().to_owned(), method: method.to_owned(), reason: reason.to_string() }
}
