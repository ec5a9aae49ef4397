//! How far the chain is to be followed.

use std::str::FromStr;

use alloy::eips::BlockId;
use rpc::node::{Node, NodeError};

/// Which block is the last one to be proved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// The newest: it may leave the chain again, and what was proved of it is lost then.
    Latest,
    /// The newest that the consensus takes for safe.
    Safe,
    /// The newest that cannot leave the chain.
    Finalized,
    /// So many blocks before the newest.
    Confirmations(u64),
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "latest" => Ok(Self::Latest),
            "safe" => Ok(Self::Safe),
            "finalized" => Ok(Self::Finalized),
            _ => {
                let blocks = text.strip_prefix("confirmations=").and_then(|blocks| blocks.parse().ok());
                blocks
                    .map(Self::Confirmations)
                    .ok_or_else(|| "expected `latest`, `safe`, `finalized` or `confirmations=N`".to_owned())
            }
        }
    }
}

impl Head {
    /// The number of that block; absent while there is none.
    pub async fn number(self, node: &Node) -> Result<Option<u64>, NodeError> {
        let tag = match self {
            Self::Latest => return node.head().await.map(Some),
            Self::Confirmations(blocks) => return Ok(node.head().await?.checked_sub(blocks)),
            Self::Safe => BlockId::safe(),
            Self::Finalized => BlockId::finalized(),
        };
        match node.resolve(tag).await {
            Ok((number, _)) => Ok(Some(number)),
            // Before the first one nodes say that there is no such block, each in its own words.
            Err(NodeError::NoBlock { .. } | NodeError::Refused { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}
