//! The hashes of the 256 blocks before one: from headers, each hashed and linked to the next.

use std::ops::RangeInclusive;

use alloy::consensus::Header;
use alloy::primitives::B256;
use alloy::rpc::types::Header as RpcHeader;
use serde_json::json;
use serde_json::value::RawValue;

use super::{Node, NodeError};

/// How many hashes a block can ask for, EIP-210 aside.
const HASHES: usize = 256;

/// Headers in one request.
const AT_ONCE: u64 = 64;

/// Headers that are kept in memory, for the next blocks.
const KEPT: usize = 1 << 16;

impl Node {
    /// The hashes of the 256 blocks before the one with this header, the oldest first; zeros before the first block of
    /// the chain.
    pub async fn previous_hashes(&self, header: &Header) -> Result<Vec<B256>, NodeError> {
        // One at a time: blocks of a range want nearly the same headers.
        let mut parents = self.inner.parents.lock().await;
        if parents.len() > KEPT {
            parents.clear();
        }
        parents.insert(header.hash_slow(), header.parent_hash);
        let mut hashes = vec![B256::ZERO; HASHES];
        let (mut hash, mut number) = (header.parent_hash, header.number);
        for place in hashes.iter_mut().rev() {
            if number == 0 {
                break;
            }
            number -= 1;
            *place = hash;
            if !parents.contains_key(&hash) {
                for header in self.headers(number.saturating_sub(AT_ONCE - 1)..=number, hash).await? {
                    parents.insert(header.hash_slow(), header.parent_hash);
                }
            }
            let Some(parent) = parents.get(&hash) else {
                let reason = format!(
                    "its block {number} is not {hash}, the ancestor of block {}; has the chain changed meanwhile?",
                    header.number
                );
                return Err(self.wrong("eth_getBlockByNumber", reason));
            };
            hash = *parent;
        }
        Ok(hashes)
    }

    /// Headers by number, of which the last should have this hash; what they are is for the caller to compare.
    async fn headers(&self, numbers: RangeInclusive<u64>, hash: B256) -> Result<Vec<Header>, NodeError> {
        let method = "eth_getBlockByNumber";
        let last = *numbers.end();
        // By hash: a number means different blocks on different development chains of one chain id.
        let key = ("headers", json!([hash, numbers.start()]));
        let parse = |text: &RawValue| {
            let headers = self.parse::<Vec<RpcHeader>>(method, text)?;
            Ok::<_, NodeError>(headers.into_iter().map(|header| header.inner).collect())
        };
        if let Some(headers) = self.remembered(&key, parse).await {
            return Ok(headers);
        }
        let params = numbers.map(|number| json!([format!("{number:#x}"), false])).collect();
        let texts = self.batch(method, params).await?;
        if texts.iter().any(|text| text.get() == "null") {
            let host = self.host().to_owned();
            return Err(NodeError::NoBlock { host, block: format!("{last} or one before it"), head: None });
        }
        let headers: Vec<RpcHeader> = texts.iter().map(|text| self.parse(method, text)).collect::<Result<_, _>>()?;
        if let Ok(text) = serde_json::value::to_raw_value(&headers) {
            self.remember(last, &key, &text).await;
        }
        Ok(headers.into_iter().map(|header| header.inner).collect())
    }
}
