//! Why there is no witness of a block.

use alloy::primitives::{Address, B256};

use crate::node::NodeError;
use crate::trie::{AccountError, Path, TrieError};

/// A block whose witness could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The first block of a chain.
    #[error("block 0 has no execution to prove; begin with block 1")]
    Genesis,
    /// The circuits are for Cancun.
    #[error("block {number} is of the {fork} fork, and only Cancun blocks can be proved ({reason})")]
    Fork {
        /// The block.
        number: u64,
        /// Its fork.
        fork: &'static str,
        /// What tells.
        reason: &'static str,
    },
    /// A transaction that cannot be what the block says.
    #[error("block {number}: transaction {index} ({hash}) {reason}")]
    Transaction {
        /// The block.
        number: u64,
        /// Its place in the block.
        index: usize,
        /// Its hash.
        hash: B256,
        /// What is wrong.
        reason: String,
    },
    /// What was computed is not what the header says.
    #[error("block {number}: {what} is {found} after execution, and the header says {expected}{hint}")]
    Mismatch {
        /// The block.
        number: u64,
        /// What was compared.
        what: &'static str,
        /// What was computed.
        found: String,
        /// What the header says.
        expected: String,
        /// Where it comes from, if that could be found out.
        hint: String,
    },
    /// A node that no question to this node brings to light.
    #[error(
        "block {number}: deleting {what} leaves node {hash} at path {path} alone in its branch, and the node at {host} gives no proof with it; \
         one with debug_dbGet (geth with --state.scheme hash) or debug_executionWitness is needed"
    )]
    Sibling {
        /// The block.
        number: u64,
        /// Keys of which account.
        what: String,
        /// Hash of the trie node.
        hash: B256,
        /// Its path.
        path: Path,
        /// The node that was asked.
        host: String,
    },
    /// No contract of EIP-4788.
    #[error(
        "block {number}: there is no beacon roots contract (EIP-4788) at {address}, without which the circuits prove no block"
    )]
    BeaconRoots {
        /// The block.
        number: u64,
        /// Where it should be.
        address: Address,
    },
    /// A trie that does not fit together.
    #[error("block {number}: {what}: {source}")]
    Trie {
        /// The block.
        number: u64,
        /// Whose trie.
        what: String,
        /// What is wrong.
        source: TrieError,
    },
    /// A leaf that holds something else.
    #[error("block {number}: {source}")]
    Leaf {
        /// The block.
        number: u64,
        /// What is wrong.
        source: AccountError,
    },
    /// A field that does not make sense.
    #[error("block {number}: {reason}")]
    Invalid {
        /// The block.
        number: u64,
        /// What is wrong.
        reason: String,
    },
    /// A fault of this program.
    #[error("block {number}: a panic: {reason}")]
    Panic {
        /// The block.
        number: u64,
        /// Its text.
        reason: String,
    },
}

impl FetchError {
    /// Whether the same may succeed a moment later.
    pub fn worth_retrying(&self) -> bool {
        matches!(self, Self::Node(error) if error.worth_retrying())
    }
}
