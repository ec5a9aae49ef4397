//! Witnesses and headers: those of the project, as text, JSON and blocks, and those that may lie beside it.

use std::fs;
use std::path::{Path, PathBuf};

use ethereum_types::{H256, U256};
use evm_arithmetization::GenerationInputs;
use ops::witness::{Witness, WitnessError};
use serde::Deserialize;
use serde_json::Value;
use trace_decoder::observer::DummyObserver;
use trace_decoder::{WireDisposition, entrypoint};

use crate::say;

/// A path from the root of the workspace.
pub fn root(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is two folders below the root").join(path)
}

/// The text of a file of `witnesses`.
pub fn shipped(name: &str) -> String {
    fs::read_to_string(root("witnesses").join(name)).expect(name)
}

/// The blocks of such a file, as JSON.
pub fn blocks(name: &str) -> Vec<Value> {
    serde_json::from_str(&shipped(name)).expect(name)
}

/// The block of `transfer.json`, as JSON: one transaction.
pub fn transfer() -> Value {
    blocks("transfer.json").remove(0)
}

/// Gives a field that is there another value.
pub fn set(block: &mut Value, pointer: &str, value: Value) {
    *block.pointer_mut(pointer).expect(pointer) = value;
}

/// A file of the folder where witnesses that are not part of the project may lie, or with no name that folder itself.
/// `None`, said aloud, where it is absent.
pub fn elsewhere(name: &str) -> Option<PathBuf> {
    let path = root("../shared/witnesses").join(name);
    if !path.exists() {
        say(&format!("not tested with {}: it is absent", path.display()));
        return None;
    }
    Some(path)
}

/// All blocks of a text, as the programs read them.
pub fn read(text: &str) -> Result<Vec<Witness>, WitnessError> {
    let mut blocks = Vec::new();
    let count = ops::witness::read(text.as_bytes(), |block| {
        blocks.push(block);
        Ok(())
    })?;
    assert_eq!(count, blocks.len());
    Ok(blocks)
}

/// The inputs of all batches of a block, from the decoder itself.
pub fn batches(witness: Witness, batch_size: usize) -> Vec<GenerationInputs> {
    let Witness { block_trace, other_data } = witness;
    entrypoint(block_trace, other_data, batch_size, &mut DummyObserver::new(), WireDisposition::Type1)
        .expect("it decodes")
}

/// What tests look at in a header.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "they are the fields of a header")]
pub struct Header {
    pub number: U256,
    pub hash: H256,
    pub parent_hash: H256,
    pub state_root: H256,
    pub transactions_root: H256,
    pub receipts_root: H256,
    pub gas_used: U256,
    pub base_fee_per_gas: U256,
}
