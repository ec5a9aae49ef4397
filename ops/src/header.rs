//! Block headers: what a proof's statement is compared with.
//!
//! Read as nodes give them (`eth_getBlockByNumber`), checked against their own hash first: a header whose fields give
//! its hash is as good as the source of the hash.

use std::path::Path;

use ethereum_types::{Address, Bloom, H64, H256, U256};
use evm_arithmetization::Field;
use evm_arithmetization::proof::PublicValues;
use rlp::RlpStream;
use serde::Deserialize;

use crate::fs::{self, FsError};

/// A header file may not be larger than this.
const MAX_BYTES: u64 = 64 << 20;

/// A Cancun header (EIP-4788 and EIP-4844 added the last three fields).
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Header {
    hash: H256,
    parent_hash: H256,
    #[serde(rename = "sha3Uncles")]
    ommers_hash: H256,
    miner: Address,
    state_root: H256,
    transactions_root: H256,
    receipts_root: H256,
    logs_bloom: Bloom,
    difficulty: U256,
    /// Block number.
    pub number: U256,
    gas_limit: U256,
    gas_used: U256,
    timestamp: U256,
    #[serde(deserialize_with = "bytes")]
    extra_data: Vec<u8>,
    mix_hash: H256,
    nonce: H64,
    base_fee_per_gas: U256,
    withdrawals_root: H256,
    blob_gas_used: U256,
    excess_blob_gas: U256,
    parent_beacon_block_root: H256,
}

fn bytes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    hex::decode(text.strip_prefix("0x").unwrap_or(&text)).map_err(serde::de::Error::custom)
}

/// Why a header cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file system failed.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// Not a header.
    #[error("{file} is not a Cancun block header as a node gives it: {source}")]
    Parse {
        /// The file.
        file: String,
        /// Field and reason.
        source: serde_json::Error,
    },
    /// Its fields do not give its hash.
    #[error("{file}: the fields of header {number} give hash {found:?}, and it says {said:?}")]
    Hash {
        /// The file.
        file: String,
        /// Block number.
        number: U256,
        /// Hash of the fields.
        found: H256,
        /// Hash in the file.
        said: H256,
    },
}

/// Reads one header or an array of headers, and checks the hash of each.
pub fn read(path: &Path) -> Result<Vec<Header>, HeaderError> {
    parse(&fs::read_limited(path, MAX_BYTES)?, &path.display().to_string())
}

/// Like [`read`], from bytes that are called `file`.
pub fn parse(bytes: &[u8], file: &str) -> Result<Vec<Header>, HeaderError> {
    let file = file.to_owned();
    let headers: Vec<Header> = match bytes.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(bytes),
        _ => serde_json::from_slice(bytes).map(|header| vec![header]),
    }
    .map_err(|source| HeaderError::Parse { file: file.clone(), source })?;
    for header in &headers {
        let found = header.computed_hash();
        if found != header.hash {
            return Err(HeaderError::Hash { file, number: header.number, found, said: header.hash });
        }
    }
    Ok(headers)
}

/// A field that the proof states otherwise than the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Name of the header's field.
    pub field: &'static str,
    /// In the header.
    pub header: String,
    /// In the proof.
    pub proof: String,
}

impl Header {
    /// Keccak of the RLP of the fields (Yellow Paper, section 4.3; order of later fields by their EIPs).
    fn computed_hash(&self) -> H256 {
        let mut rlp = RlpStream::new_list(20);
        rlp.append(&self.parent_hash).append(&self.ommers_hash).append(&self.miner);
        rlp.append(&self.state_root)
            .append(&self.transactions_root)
            .append(&self.receipts_root)
            .append(&self.logs_bloom);
        rlp.append(&self.difficulty).append(&self.number).append(&self.gas_limit).append(&self.gas_used);
        rlp.append(&self.timestamp).append(&self.extra_data).append(&self.mix_hash).append(&self.nonce);
        rlp.append(&self.base_fee_per_gas).append(&self.withdrawals_root);
        rlp.append(&self.blob_gas_used).append(&self.excess_blob_gas).append(&self.parent_beacon_block_root);
        keccak_hash::keccak(rlp.out())
    }

    /// Hash of the block.
    pub fn hash(&self) -> H256 {
        self.hash
    }

    /// Compares everything that the header fixes of a proof's public values.
    pub fn compare(&self, proved: &PublicValues<Field>) -> Vec<Mismatch> {
        let meta = &proved.block_metadata;
        let roots = &proved.trie_roots_after;
        let hashes = &proved.block_hashes;
        let mut bloom = [0; 256];
        for (bytes, word) in bloom.chunks_exact_mut(32).zip(&meta.block_bloom) {
            word.to_big_endian(bytes);
        }
        let fields = [
            ("hash", text(&self.hash), text(&hashes.cur_hash)),
            ("parentHash", text(&self.parent_hash), hashes.prev_hashes.last().map(text).unwrap_or_default()),
            ("miner", text(&self.miner), text(&meta.block_beneficiary)),
            ("stateRoot", text(&self.state_root), text(&roots.state_root)),
            ("transactionsRoot", text(&self.transactions_root), text(&roots.transactions_root)),
            ("receiptsRoot", text(&self.receipts_root), text(&roots.receipts_root)),
            ("logsBloom", hex::encode(self.logs_bloom), hex::encode(bloom)),
            ("difficulty", text(&self.difficulty), text(&meta.block_difficulty)),
            ("number", text(&self.number), text(&meta.block_number)),
            ("gasLimit", text(&self.gas_limit), text(&meta.block_gaslimit)),
            ("gasUsed", text(&self.gas_used), text(&meta.block_gas_used)),
            ("timestamp", text(&self.timestamp), text(&meta.block_timestamp)),
            ("mixHash", text(&self.mix_hash), text(&meta.block_random)),
            ("baseFeePerGas", text(&self.base_fee_per_gas), text(&meta.block_base_fee)),
            ("blobGasUsed", text(&self.blob_gas_used), text(&meta.block_blob_gas_used)),
            ("excessBlobGas", text(&self.excess_blob_gas), text(&meta.block_excess_blob_gas)),
            ("parentBeaconBlockRoot", text(&self.parent_beacon_block_root), text(&meta.parent_beacon_block_root)),
        ];
        fields
            .into_iter()
            .filter(|(_, header, proof)| header != proof)
            .map(|(field, header, proof)| Mismatch { field, header, proof })
            .collect()
    }
}

fn text<T: std::fmt::Debug>(value: &T) -> String {
    format!("{value:?}")
}
