//! Witnesses: what a node's `rpc` hands to a leader, read block by block from a stream of JSON.
//!
//! The format is the ancestor's: objects with `block_trace` and `other_data`, in one array, alone, or one after
//! another (people pipe through `jq '.[]'`). A block is handed on as soon as it is parsed, so a stream of a thousand
//! blocks needs the memory of one.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use ethereum_types::{H256, U256};
use evm_arithmetization::proof::{BlockHashes, BlockMetadata, consolidate_hashes};
use evm_arithmetization::{Field, Hasher};
use plonky2::field::types::PrimeField64;
use serde::de::{self, DeserializeSeed, Deserializer as _, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use trace_decoder::{
    BlockLevelData, BlockTrace, BlockTraceTriePreImages, OtherBlockData, SeparateStorageTriesPreImage,
};

use crate::digest::Digest;

/// A block may not be larger than this. The largest mainnet witnesses have some 30 MB.
pub const MAX_BLOCK_BYTES: u64 = 1 << 30;

/// One block of a witness.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// State before the block and the trace of each transaction.
    pub block_trace: BlockTrace,
    /// Header fields, block hashes, withdrawals, checkpoint.
    pub other_data: OtherBlockData,
}

/// Why a witness cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// Nothing but white space.
    #[error("the witness is empty: expected a JSON array of blocks, or one block after another")]
    Empty,
    /// Not JSON, or not of the format.
    #[error("block {position} of the witness does not parse: {message}")]
    Parse {
        /// Position in the stream, from 1.
        position: usize,
        /// Field and reason.
        message: String,
    },
    /// Parsed, but wrong in itself.
    #[error("block {number}: {message}")]
    Invalid {
        /// Block number.
        number: u64,
        /// What is wrong.
        message: String,
    },
    /// The fork is not the one that the circuits are for.
    #[error("block {number} is of the {fork} fork, and these circuits prove Cancun blocks only ({reason})")]
    Fork {
        /// Block number.
        number: u64,
        /// Fork that was found.
        fork: &'static str,
        /// What it was found by.
        reason: String,
    },
    /// The receiver of blocks has gone.
    #[error("reading stopped")]
    Stopped,
}

impl Witness {
    /// Block number.
    pub fn number(&self) -> u64 {
        self.other_data.b_data.b_meta.block_number.low_u64()
    }

    /// Block hash.
    pub fn hash(&self) -> H256 {
        self.other_data.b_data.b_hashes.cur_hash
    }

    /// Transactions in the block.
    pub fn transactions(&self) -> usize {
        self.block_trace.txn_info.len()
    }

    /// A digest of everything in the witness. Parts that are hash maps, and so have no order of their own, are taken
    /// in the order of their keys; so the same block has the same digest in every process.
    pub fn digest(&self) -> Digest {
        let BlockTrace { trie_pre_images, code_db, txn_info } = &self.block_trace;
        match trie_pre_images {
            BlockTraceTriePreImages::Combined(combined) => {
                Digest::of("witness combined 1", &(combined, code_db, txn_info, &self.other_data))
            }
            BlockTraceTriePreImages::Separate(separate) => {
                let SeparateStorageTriesPreImage::MultipleTries(tries) = &separate.storage;
                let mut storage: Vec<_> = tries.iter().collect();
                storage.sort_by_key(|(account, _)| **account);
                Digest::of("witness separate 1", &(&separate.state, storage, code_db, txn_info, &self.other_data))
            }
        }
    }

    /// What can be seen to be wrong without executing anything.
    pub fn check(&self) -> Result<(), WitnessError> {
        let number = self.number();
        let invalid = |message: String| Err(WitnessError::Invalid { number, message });
        let data = &self.other_data;
        let meta = &data.b_data.b_meta;
        if meta.block_number.is_zero() {
            return invalid("the genesis block has no execution to prove".to_owned());
        }
        // What the provers' transcript has room for (`evm_arithmetization-0.5.1/src/get_challenges.rs:56`).
        let fields = [
            ("block_number", meta.block_number, 32),
            ("block_timestamp", meta.block_timestamp, 32),
            ("block_difficulty", meta.block_difficulty, 32),
            ("block_gaslimit", meta.block_gaslimit, 32),
            ("block_chain_id", meta.block_chain_id, 32),
            ("block_gas_used", meta.block_gas_used, 32),
            ("block_base_fee", meta.block_base_fee, 64),
            ("block_blob_gas_used", meta.block_blob_gas_used, 64),
            ("block_excess_blob_gas", meta.block_excess_blob_gas, 64),
        ];
        for (field, value, bits) in fields {
            if value.bits() > bits {
                return invalid(format!("other_data.b_data.b_meta.{field} does not fit into {bits} bits"));
            }
        }
        if data.b_data.b_hashes.prev_hashes.len() != 256 {
            let found = data.b_data.b_hashes.prev_hashes.len();
            return invalid(format!("other_data.b_data.b_hashes.prev_hashes has {found} hashes instead of 256"));
        }
        if data.burn_addr.is_some() || data.ger_data.is_some() {
            return invalid("burn_addr and ger_data belong to other chains than Ethereum".to_owned());
        }
        let fork = |fork, reason: &str| Err(WitnessError::Fork { number, fork, reason: reason.to_owned() });
        if !meta.block_difficulty.is_zero() {
            return fork("pre-Merge", "its difficulty is not zero");
        }
        if let Some((chain, cancun, prague)) =
            KNOWN_CHAINS.iter().find(|(chain, ..)| meta.block_chain_id == (*chain).into())
        {
            let timestamp = meta.block_timestamp.low_u64();
            if timestamp < *cancun {
                return fork("pre-Cancun", &format!("Cancun began on chain {chain} at time {cancun}"));
            }
            if timestamp >= *prague {
                return fork("Prague or later", &format!("Prague began on chain {chain} at time {prague}"));
            }
        }
        for (index, info) in self.block_trace.txn_info.iter().enumerate() {
            if info.meta.byte_code.first() == Some(&SET_CODE_TRANSACTION) {
                return fork("Prague or later", &format!("transaction {index} is a set-code transaction, EIP-7702"));
            }
        }
        Ok(())
    }

    /// What the next block must connect to.
    pub fn link(&self) -> Link {
        let BlockLevelData { b_meta, b_hashes, .. } = &self.other_data.b_data;
        Link::new(b_meta, b_hashes, self.other_data.checkpoint_state_trie_root)
    }

    /// Mends the digest of the block hashes that a chain of proofs starts with, if it is that of this block and was only
    /// rounded: jq before 1.7 reads numbers as doubles. Returns whether it was.
    pub fn mend_rounded_hash(&mut self) -> bool {
        let exact = consolidate_hashes::<Hasher, Field>(&self.other_data.b_data.b_hashes.prev_hashes);
        let given = self.other_data.checkpoint_consolidated_hash;
        let rounded = |number: &Field| number.to_canonical_u64() as f64;
        // jq prints the 17 digits that tell a double from its neighbours.
        let same = exact.iter().zip(&given).all(|(exact, given)| (rounded(exact) / rounded(given) - 1.0).abs() < 1e-15);
        if given == exact || !same {
            return false;
        }
        self.other_data.checkpoint_consolidated_hash = exact;
        true
    }

    /// Hash of the parent block.
    pub fn parent_hash(&self) -> H256 {
        self.other_data.b_data.b_hashes.prev_hashes.last().copied().unwrap_or_default()
    }
}

/// A block as seen by the one after it.
#[derive(Clone, Debug)]
pub struct Link {
    number: u64,
    timestamp: U256,
    hashes: BlockHashes,
    checkpoint: H256,
}

impl Link {
    /// From what a witness or a proof says of a block.
    pub fn new(metadata: &BlockMetadata, hashes: &BlockHashes, checkpoint: H256) -> Self {
        let (number, timestamp) = (metadata.block_number.low_u64(), metadata.block_timestamp);
        Self { number, timestamp, hashes: hashes.clone(), checkpoint }
    }

    /// Whether `next` is the block after this one, to be proved on top of it: everything that the block circuit connects
    /// (`connect_block_hashes` and others in `evm_arithmetization-0.5.1/src/fixed_recursive_verifier.rs`), except the
    /// state, which only execution tells.
    pub fn check_next(&self, next: &Witness) -> Result<(), WitnessError> {
        let Self { number, timestamp, hashes, checkpoint } = self;
        let (parent, data) = (next.parent_hash(), &next.other_data.b_data);
        let message = if next.number() != number + 1 {
            format!("it follows block {number}; the blocks have a gap or are out of order")
        } else if parent != hashes.cur_hash {
            format!("its parent is {parent:?}, and the block {number} before it is {:?}", hashes.cur_hash)
        } else if !hashes.prev_hashes.iter().skip(1).eq(data.b_hashes.prev_hashes.iter().take(255)) {
            format!("other_data.b_data.b_hashes.prev_hashes are not those of block {number}, moved on by one")
        } else if data.b_meta.block_timestamp < *timestamp {
            format!("its timestamp is before that of block {number}")
        } else if next.other_data.checkpoint_state_trie_root != *checkpoint {
            "other_data.checkpoint_state_trie_root differs from that of the block before".to_owned()
        } else {
            return Ok(());
        };
        Err(WitnessError::Invalid { number: next.number(), message })
    }
}

/// Chain id, time of Cancun, time of Prague (EIP-7569 and EIP-7600, "Activation").
const KNOWN_CHAINS: [(u64, u64, u64); 3] = [
    (1, 1_710_338_135, 1_746_612_311),
    (11_155_111, 1_706_655_072, 1_741_159_776),
    (17_000, 1_707_305_664, 1_740_434_112),
];

/// Transaction type of EIP-7702.
const SET_CODE_TRANSACTION: u8 = 4;

/// Reads blocks one by one and hands each to `each`, which may stop the reading by an error.
pub fn read(
    input: impl Read,
    mut each: impl FnMut(Witness) -> Result<(), WitnessError>,
) -> Result<usize, WitnessError> {
    let left = Rc::new(Cell::new(MAX_BLOCK_BYTES));
    let mut input = io::BufReader::with_capacity(1 << 16, Limited { input, left: left.clone() });
    let mut stream = Stream { each: &mut each, left, read: 0, failure: None };
    loop {
        match skip_white_space(&mut input) {
            Ok(false) => break,
            Ok(true) => {}
            Err(error) => return Err(WitnessError::Parse { position: stream.read + 1, message: error.to_string() }),
        }
        // The deserializer stops right behind the closing bracket, so the next value can be read by a new one.
        let mut json = serde_json::Deserializer::from_reader(&mut input);
        if let Err(error) = (&mut json).deserialize_any(&mut stream) {
            return Err(stream
                .failure
                .take()
                .unwrap_or_else(|| WitnessError::Parse { position: stream.read + 1, message: error.to_string() }));
        }
    }
    match stream.read {
        0 => Err(WitnessError::Empty),
        read => Ok(read),
    }
}

/// Whether anything but white space is left.
fn skip_white_space(input: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        match buffer.iter().position(|byte| !byte.is_ascii_whitespace()) {
            Some(at) => {
                input.consume(at);
                return Ok(true);
            }
            None => {
                let all = buffer.len();
                input.consume(all);
            }
        }
    }
}

/// An input that ends in an error when one block grows too large.
struct Limited<R> {
    input: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        let left = left.ok_or_else(|| io::Error::other(format!("a block is larger than {MAX_BLOCK_BYTES} bytes")))?;
        self.left.set(left);
        Ok(read)
    }
}

struct Stream<'a, F> {
    each: &'a mut F,
    left: Rc<Cell<u64>>,
    read: usize,
    failure: Option<WitnessError>,
}

impl<F: FnMut(Witness) -> Result<(), WitnessError>> Stream<'_, F> {
    /// One block from whatever holds it, with the path of the field in any error.
    fn block<'de, D: de::Deserializer<'de>>(&mut self, deserializer: D) -> Result<(), D::Error> {
        let mut unknown = Vec::new();
        let mut track = serde_path_to_error::Track::new();
        let mut note = |path: serde_ignored::Path<'_>| unknown.push(path.to_string());
        let tracked = serde_path_to_error::Deserializer::new(deserializer, &mut track);
        let result = Witness::deserialize(serde_ignored::Deserializer::new(tracked, &mut note));
        let witness = result.map_err(|error| {
            let path = track.path().to_string();
            match path.as_str() {
                "." => error,
                path => D::Error::custom(format!("{}{path}: {error}", fork_hint(&error.to_string()))),
            }
        })?;
        self.left.set(MAX_BLOCK_BYTES);
        // A header field that the circuits do not know changes what the block means; elsewhere nodes add what they like.
        for path in unknown {
            if path.starts_with("other_data") {
                return Err(D::Error::custom(format!(
                    "unknown field {path}; is this a block of a later fork than Cancun?"
                )));
            }
            tracing::debug!(field = path, "ignoring unknown field of the witness");
        }
        self.read += 1;
        let checked = witness.check().and_then(|()| (self.each)(witness));
        checked.map_err(|failure| {
            let message = D::Error::custom(&failure);
            self.failure = Some(failure);
            message
        })
    }
}

/// What a missing header field tells about the fork.
fn fork_hint(error: &str) -> &'static str {
    let cancun = ["block_blob_gas_used", "block_excess_blob_gas", "parent_beacon_block_root"];
    match cancun.iter().any(|field| error.contains(&format!("missing field `{field}`"))) {
        true => "a block of a fork before Cancun? ",
        false => "",
    }
}

impl<'de, F: FnMut(Witness) -> Result<(), WitnessError>> Visitor<'de> for &mut Stream<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a block with `block_trace` and `other_data`, or an array of blocks")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<(), A::Error> {
        self.block(de::value::MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Element(&mut *self))?.is_some() {}
        Ok(())
    }
}

struct Element<'s, 'a, F>(&'s mut Stream<'a, F>);

impl<'de, F: FnMut(Witness) -> Result<(), WitnessError>> DeserializeSeed<'de> for Element<'_, '_, F> {
    type Value = ();

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.block(deserializer)
    }
}
