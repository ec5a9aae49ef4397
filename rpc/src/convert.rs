//! From alloy's types to the older ones that witnesses are made of; the only place that knows both.

use alloy::consensus::Header;
use alloy::primitives::{Address, B256, Bloom, U256};
use ethereum_types as old;
use evm_arithmetization::proof::BlockMetadata;

/// A hash.
pub fn hash(hash: B256) -> old::H256 {
    hash.0.into()
}

/// A number.
pub fn number(number: U256) -> old::U256 {
    old::U256(number.into_limbs())
}

/// A number as a word of 32 bytes, which is how slots are named.
pub fn word(number: U256) -> old::H256 {
    number.to_be_bytes::<32>().into()
}

/// An address.
pub fn address(address: Address) -> old::Address {
    address.into_array().into()
}

/// The bloom filter in eight big-endian words, as zero-bin wrote them and `verifier --header` compares them. The circuits
/// check nothing about them. (The ancestor's last fetcher, zk_evm from #795 on, writes each word in little-endian order.)
pub fn bloom(bloom: &Bloom) -> [old::U256; 8] {
    std::array::from_fn(|at| old::U256::from_big_endian(&bloom[32 * at..][..32]))
}

/// What a witness says of a header; nothing if it is not of Cancun.
pub fn metadata(header: &Header, chain_id: u64) -> Option<BlockMetadata> {
    Some(BlockMetadata {
        block_beneficiary: address(header.beneficiary),
        block_timestamp: header.timestamp.into(),
        block_number: header.number.into(),
        block_difficulty: number(header.difficulty),
        block_random: hash(header.mix_hash),
        block_gaslimit: header.gas_limit.into(),
        block_chain_id: chain_id.into(),
        block_base_fee: header.base_fee_per_gas?.into(),
        block_gas_used: header.gas_used.into(),
        block_blob_gas_used: header.blob_gas_used?.into(),
        block_excess_blob_gas: header.excess_blob_gas?.into(),
        parent_beacon_block_root: hash(header.parent_beacon_block_root?),
        block_bloom: bloom(&header.logs_bloom),
    })
}
