//! What the leaves of state and storage tries hold.

use alloy::primitives::{B256, KECCAK256_EMPTY, U256};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};

/// The root of a trie without keys.
pub const EMPTY_ROOT: B256 = alloy::consensus::constants::EMPTY_ROOT_HASH;

/// Why a leaf cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a leaf holds no {what}: {source}")]
pub struct AccountError {
    what: &'static str,
    source: alloy_rlp::Error,
}

/// An account in the state trie (the yellow paper, section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Account {
    /// Transactions sent, or contracts created.
    pub nonce: u64,
    /// Wei.
    pub balance: U256,
    /// Root of its storage trie.
    pub storage_root: B256,
    /// Hash of its code.
    pub code_hash: B256,
}

impl Default for Account {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, storage_root: EMPTY_ROOT, code_hash: KECCAK256_EMPTY }
    }
}

impl Account {
    /// From a leaf.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, AccountError> {
        let account = <Self as Decodable>::decode(&mut bytes);
        let whole =
            account.and_then(|account| bytes.is_empty().then_some(account).ok_or(alloy_rlp::Error::UnexpectedLength));
        whole.map_err(|source| AccountError { what: "account", source })
    }

    /// For a leaf.
    pub fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    /// Whether it is one that EIP-161 keeps out of the state.
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK256_EMPTY
    }
}

/// A stored word from a leaf.
pub fn decode_word(mut bytes: &[u8]) -> Result<U256, AccountError> {
    let word = U256::decode(&mut bytes);
    let whole = word.and_then(|word| bytes.is_empty().then_some(word).ok_or(alloy_rlp::Error::UnexpectedLength));
    whole.map_err(|source| AccountError { what: "word", source })
}

/// A stored word for a leaf.
pub fn encode_word(word: U256) -> Vec<u8> {
    alloy_rlp::encode(word)
}
