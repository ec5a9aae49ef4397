//! Stands in for `alloy` 0.3 below the proving crates.
//!
//! They ask for its HTTP client and providers (200 crates, OpenSSL among them) but use only what is re-exported
//! here: `evm_arithmetization` encodes RLP, `smt_trie` names primitive types. Nothing of ours uses this crate.

pub use alloy_primitives as primitives;
pub use alloy_rlp as rlp;
