//! Merkle Patricia tries that are known in part: nodes by hash, out of proofs.
//!
//! The yellow paper, appendix D. Keys are always 32 bytes, hashes of addresses or slots, so that leaves are at depth 64 in
//! nibbles and branches hold no value.

mod account;
mod node;
mod path;
mod pool;
mod siblings;
mod update;

pub use self::account::{Account, AccountError, EMPTY_ROOT, decode_word, encode_word};
pub use self::node::{Child, TrieNode};
pub use self::path::Path;
pub use self::pool::{Lookup, Pool};
pub use self::siblings::{Sibling, siblings};
pub use self::update::updated;

use alloy::primitives::B256;

/// Why nodes of a trie cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrieError {
    /// A node that is none.
    #[error("node {hash} is no node of such a trie: {reason}")]
    Node {
        /// Its hash.
        hash: B256,
        /// What is wrong.
        reason: &'static str,
    },
    /// A key leads below the length of keys, or ends above it.
    #[error("the trie with root {0} has a leaf at another depth than 64 nibbles")]
    Depth(B256),
    /// A part that is needed is not there.
    #[error("node {hash} at path {path} is not known")]
    Unknown {
        /// Where.
        path: Path,
        /// Its hash.
        hash: B256,
    },
    /// The trie library fails.
    #[error("{0}")]
    Update(String),
}
