//! What `zeroTracer` says of a block's transactions, taken for nothing that the header does not confirm.

use alloy::consensus::ReceiptEnvelope;
use alloy::consensus::proofs::ordered_trie_root_encoded;
use alloy::eips::eip2718::Decodable2718;
use alloy::primitives::{B256, keccak256};
use serde::Deserialize;
use serde_json::Value;
use trace_decoder::TxnInfo;

use crate::node::FullBlock;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    tx_hash: B256,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error: Value,
}

/// Reads the traces of a block and compares them with what its header fixes: the transactions, their order, the receipts
/// and the gas. What a transaction did to the state is compared when the block is decoded.
pub(super) fn read(answer: Value, block: &FullBlock) -> Result<Vec<TxnInfo>, String> {
    let entries: Vec<Entry> = serde_json::from_value(answer).map_err(|error| error.to_string())?;
    if entries.len() != block.transactions.len() {
        let (found, wanted) = (entries.len(), block.transactions.len());
        return Err(format!("{found} transactions are traced, and it has {wanted}"));
    }
    let mut infos = Vec::with_capacity(entries.len());
    let mut receipts = Vec::with_capacity(entries.len());
    let mut gas_used: u64 = 0;
    for (index, (entry, expected)) in entries.into_iter().zip(&block.transactions).enumerate() {
        let info = transaction(entry, expected.tx_hash()).map_err(|reason| format!("transaction {index}: {reason}"))?;
        let receipt = receipt(&info.meta.new_receipt_trie_node_byte)
            .map_err(|reason| format!("transaction {index}: its receipt does not decode: {reason}"))?;
        gas_used = gas_used.saturating_add(info.meta.gas_used);
        let said = receipt.cumulative_gas_used;
        if said != gas_used {
            return Err(format!("transaction {index}: {gas_used} gas was used so far, and its receipt says {said}"));
        }
        receipts.push(receipt.encoded);
        infos.push(info);
    }
    let (root, expected) = (ordered_trie_root_encoded(&receipts), block.header.receipts_root);
    if root != expected {
        return Err(format!("the receipts have root {root}, and the header says {expected}"));
    }
    let expected = block.header.gas_used;
    if gas_used != expected {
        return Err(format!("the transactions use {gas_used} gas, and the header says {expected}"));
    }
    Ok(infos)
}

/// What is said of one transaction, if it is that one.
fn transaction(entry: Entry, expected: &B256) -> Result<TxnInfo, String> {
    let Entry { tx_hash, result, error } = entry;
    if !error.is_null() || result.is_null() {
        let message = error.get("message").unwrap_or(&error).as_str().unwrap_or("without a reason").to_owned();
        return Err(format!("the tracer failed: {message}"));
    }
    let info: TxnInfo = serde_json::from_value(result).map_err(|error| error.to_string())?;
    let found = keccak256(&info.meta.byte_code);
    match found == *expected && tx_hash == *expected {
        true => Ok(info),
        false => Err(format!("{found} is traced, and the block has {expected} there")),
    }
}

/// A receipt as its trie has it.
struct Receipt {
    encoded: Vec<u8>,
    cumulative_gas_used: u64,
}

/// Typed receipts come wrapped in a string of RLP, legacy ones are a list.
fn receipt(bytes: &[u8]) -> Result<Receipt, String> {
    let encoded = match bytes.first() {
        Some(first) if *first < 0xc0 => rlp::decode::<Vec<u8>>(bytes).map_err(|error| error.to_string())?,
        _ => bytes.to_vec(),
    };
    let receipt = ReceiptEnvelope::decode_2718_exact(&encoded).map_err(|error| error.to_string())?;
    Ok(Receipt { encoded, cumulative_gas_used: receipt.cumulative_gas_used() })
}
