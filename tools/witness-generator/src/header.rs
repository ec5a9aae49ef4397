//! Block headers: the fields that differ from block to block, their hash, the base fee and the JSON of a node.

use ethereum_types::{Address, Bloom, H64, H256, U256};
use hex_literal::hex;
use keccak_hash::keccak;
use rlp::RlpStream;
use serde::Serialize;

use crate::chain::{Block, Withdrawal};

/// Gas limit of every block.
pub(crate) const GAS_LIMIT: u64 = 30_000_000;

/// Hash of an empty list of ommers, which every block has since the merge; EIP-3675.
const NO_OMMERS: H256 = H256(hex!("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"));

/// A Cancun header without the fields that are the same in every block of this chain: no ommers, logs, difficulty,
/// extra data or blobs.
pub(crate) struct Header {
    /// Hash of the block before it.
    pub(crate) parent_hash: H256,
    /// Receiver of the priority fees.
    pub(crate) beneficiary: Address,
    /// Root of the state after the block.
    pub(crate) state_root: H256,
    /// Root of its transactions.
    pub(crate) transactions_root: H256,
    /// Root of their receipts.
    pub(crate) receipts_root: H256,
    /// Height; the genesis block has 0.
    pub(crate) number: u64,
    /// Gas of all transactions.
    pub(crate) gas_used: u64,
    /// Seconds since 1970.
    pub(crate) timestamp: u64,
    /// Randomness of the beacon chain (EIP-4399).
    pub(crate) prev_randao: H256,
    /// Wei per gas (EIP-1559).
    pub(crate) base_fee: u64,
    /// Root of the withdrawals (EIP-4895).
    pub(crate) withdrawals_root: H256,
    /// Root of the beacon block before it (EIP-4788).
    pub(crate) parent_beacon_block_root: H256,
}

impl Header {
    /// Base fee of the block after this one, in wei per gas (EIP-1559, `expected_base_fee_per_gas`).
    pub(crate) fn next_base_fee(&self) -> u64 {
        let target = GAS_LIMIT / 2;
        let change = |distance: u64| {
            let change = u128::from(self.base_fee) * u128::from(distance) / u128::from(target) / 8;
            u64::try_from(change).expect("the gas used is at most twice the target")
        };
        match self.gas_used.checked_sub(target) {
            Some(0) => self.base_fee,
            Some(above) => self.base_fee + change(above).max(1),
            None => self.base_fee - change(target - self.gas_used),
        }
    }

    /// Hash of the block.
    pub(crate) fn hash(&self) -> H256 {
        keccak(self.encode())
    }

    /// RLP of the 20 fields of a Cancun header.
    fn encode(&self) -> Vec<u8> {
        let mut rlp = RlpStream::new_list(20);
        rlp.append(&self.parent_hash);
        rlp.append(&NO_OMMERS);
        rlp.append(&self.beneficiary);
        rlp.append(&self.state_root);
        rlp.append(&self.transactions_root);
        rlp.append(&self.receipts_root);
        rlp.append(&Bloom::zero());
        rlp.append(&0_u64); // difficulty
        rlp.append(&self.number);
        rlp.append(&GAS_LIMIT);
        rlp.append(&self.gas_used);
        rlp.append(&self.timestamp);
        rlp.append_empty_data(); // extra data
        rlp.append(&self.prev_randao);
        rlp.append(&H64::zero()); // nonce
        rlp.append(&self.base_fee);
        rlp.append(&self.withdrawals_root);
        rlp.append(&0_u64); // blob gas used
        rlp.append(&0_u64); // excess blob gas
        rlp.append(&self.parent_beacon_block_root);
        rlp.out().to_vec()
    }
}

/// A block as `eth_getBlockByNumber` returns it, its transactions as hashes.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcBlock {
    base_fee_per_gas: U256,
    blob_gas_used: U256,
    difficulty: U256,
    excess_blob_gas: U256,
    extra_data: &'static str,
    gas_limit: U256,
    gas_used: U256,
    hash: H256,
    logs_bloom: Bloom,
    miner: Address,
    mix_hash: H256,
    nonce: H64,
    number: U256,
    parent_beacon_block_root: H256,
    parent_hash: H256,
    receipts_root: H256,
    sha3_uncles: H256,
    size: U256,
    state_root: H256,
    timestamp: U256,
    total_difficulty: U256,
    transactions: Vec<H256>,
    transactions_root: H256,
    uncles: [H256; 0],
    withdrawals: Vec<RpcWithdrawal>,
    withdrawals_root: H256,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RpcWithdrawal {
    index: U256,
    validator_index: U256,
    address: Address,
    /// Gwei.
    amount: U256,
}

impl From<&Block> for RpcBlock {
    fn from(block: &Block) -> Self {
        let header = &block.header;
        Self {
            base_fee_per_gas: header.base_fee.into(),
            blob_gas_used: U256::zero(),
            difficulty: U256::zero(),
            excess_blob_gas: U256::zero(),
            extra_data: "0x",
            gas_limit: GAS_LIMIT.into(),
            gas_used: header.gas_used.into(),
            hash: header.hash(),
            logs_bloom: Bloom::zero(),
            miner: header.beneficiary,
            mix_hash: header.prev_randao,
            nonce: H64::zero(),
            number: header.number.into(),
            parent_beacon_block_root: header.parent_beacon_block_root,
            parent_hash: header.parent_hash,
            receipts_root: header.receipts_root,
            sha3_uncles: NO_OMMERS,
            size: size(block).into(),
            state_root: header.state_root,
            timestamp: header.timestamp.into(),
            total_difficulty: U256::zero(),
            transactions: block.transactions.iter().map(|transaction| keccak(&transaction.bytes)).collect(),
            transactions_root: header.transactions_root,
            uncles: [],
            withdrawals: block.withdrawals.iter().map(RpcWithdrawal::from).collect(),
            withdrawals_root: header.withdrawals_root,
        }
    }
}

impl From<&Withdrawal> for RpcWithdrawal {
    fn from(withdrawal: &Withdrawal) -> Self {
        Self {
            index: withdrawal.index.into(),
            validator_index: withdrawal.validator_index.into(),
            address: withdrawal.address,
            amount: withdrawal.gwei.into(),
        }
    }
}

/// Bytes of the RLP of the whole block: header, transactions (a typed one as a string, EIP-2718), ommers, withdrawals.
fn size(block: &Block) -> usize {
    let mut rlp = RlpStream::new_list(4);
    rlp.append_raw(&block.header.encode(), 1);
    rlp.begin_list(block.transactions.len());
    for transaction in &block.transactions {
        rlp.append(&transaction.bytes);
    }
    rlp.begin_list(0);
    rlp.begin_list(block.withdrawals.len());
    for withdrawal in &block.withdrawals {
        rlp.append_raw(&withdrawal.encode(), 1);
    }
    rlp.out().len()
}
