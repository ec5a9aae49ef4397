//! Which fork a header is of.

use alloy::consensus::Header;

use crate::error::FetchError;

/// More excess blob gas makes a price beyond all ether: e^80 wei for a unit of blob gas (EIP-4844).
const MOST_EXCESS_BLOB_GAS: u64 = 80 * 3_338_477;

/// Refuses blocks that the circuits do not prove, and headers that nobody could have made a block for: executing what they
/// promise would not end.
pub fn check(header: &Header) -> Result<(), FetchError> {
    let refuse = |fork, reason| Err(FetchError::Fork { number: header.number, fork, reason });
    if header.number == 0 {
        return Err(FetchError::Genesis);
    }
    if !header.difficulty.is_zero() {
        return refuse("pre-Merge", "its difficulty is not zero");
    }
    if header.base_fee_per_gas.is_none() {
        return refuse("pre-London", "it has no base fee");
    }
    if header.withdrawals_root.is_none() {
        return refuse("Paris", "it has no withdrawals root");
    }
    if header.blob_gas_used.is_none() || header.excess_blob_gas.is_none() {
        return refuse("Shanghai", "it has no blob gas");
    }
    if header.parent_beacon_block_root.is_none() {
        return refuse("Shanghai", "it has no parent beacon block root");
    }
    if header.requests_hash.is_some() {
        return refuse("Prague or a later", "it has a requests hash");
    }
    let invalid = |reason: &str| Err(FetchError::Invalid { number: header.number, reason: reason.to_owned() });
    if header.gas_limit > u64::from(u32::MAX) {
        return invalid("its gas limit does not fit into 32 bits");
    }
    if header.excess_blob_gas > Some(MOST_EXCESS_BLOB_GAS) {
        return invalid("its excess blob gas is more than blob gas can be paid for");
    }
    Ok(())
}
