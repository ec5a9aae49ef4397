//! The first block: Cancun from the start, ten rich accounts, and the contract of EIP-4788.

use alloy::primitives::{Address, Bytes, address, bytes};
use serde_json::{Map, Value, json};

use crate::ACCOUNTS;

/// The chain's id, which is also that of geth's own development chain.
pub const CHAIN_ID: u64 = 1337;
/// Time of the first block, in seconds since 1970. Fixed, so that the chain is the same every time.
pub const TIME: u64 = 1_735_689_600;
/// Seconds from block to block.
pub const SLOT: u64 = 12;

/// Keeps the roots of beacon blocks (EIP-4788).
pub const BEACON_ROOTS: Address = address!("000F3df6D732807Ef1319fB7B8bB8522d0Beac02");
/// Its code, as the EIP states it.
const BEACON_ROOTS_CODE: Bytes = bytes!(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c57"
    "5f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500"
);

/// The genesis file that `geth init` takes.
pub fn genesis() -> Value {
    genesis_with_id(CHAIN_ID)
}

/// As [`genesis`], of a chain with another id.
pub fn genesis_with_id(chain_id: u64) -> Value {
    let blocks =
        "homestead eip150 eip155 eip158 byzantium constantinople petersburg istanbul berlin london mergeNetsplit";
    let mut config: Map<String, Value> = blocks.split(' ').map(|fork| (format!("{fork}Block"), json!(0))).collect();
    config.insert("chainId".into(), json!(chain_id));
    for name in ["shanghaiTime", "cancunTime", "terminalTotalDifficulty"] {
        config.insert(name.into(), json!(0));
    }
    config.insert("terminalTotalDifficultyPassed".into(), json!(true));

    let million = json!("0xd3c21bcecceda1000000");
    let mut alloc: Map<String, Value> =
        ACCOUNTS.iter().map(|account| (account.to_string(), json!({ "balance": million }))).collect();
    alloc.insert(BEACON_ROOTS.to_string(), json!({ "balance": "0x0", "nonce": "0x1", "code": BEACON_ROOTS_CODE }));
    json!({
        "config": config,
        "alloc": alloc,
        "timestamp": format!("{TIME:#x}"),
        "gasLimit": format!("{:#x}", 30_000_000),
        "baseFeePerGas": format!("{:#x}", 1_000_000_000),
        "difficulty": "0x0",
        "nonce": "0x0",
        "extraData": "0x",
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
    })
}
