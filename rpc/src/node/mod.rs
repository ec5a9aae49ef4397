//! A node of Ethereum behind JSON-RPC over HTTP, and nothing believed that can be recomputed.
//!
//! Headers are hashed, transactions and withdrawals are compared with their roots, accounts and slots come with Merkle
//! proofs, code with its hash. What is left to believe is which block is canonical.

mod cache;
mod error;
mod hashes;
mod proof;
mod retry;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use alloy::consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root};
use alloy::consensus::{Header, TxEnvelope};
use alloy::eips::eip4895::Withdrawal;
use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::B256;
use alloy::rpc::client::RpcClient;
use alloy::rpc::json_rpc::RpcError;
use alloy::rpc::types::{Block, BlockTransactions, Header as RpcHeader};
use alloy::transports::TransportError;
use reqwest::Url;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{Mutex, Semaphore};

use self::cache::Cache;
pub use self::error::NodeError;
use self::error::is_unknown_method;
pub use self::proof::Proof;
pub use self::retry::Retries;
use self::transport::{Http, HttpFailure};
use crate::metrics;

/// Texts of nodes are cut after so many characters.
const LONGEST_MESSAGE: usize = 300;

/// How long an answer to "which block is final" serves.
const FINAL_FOR: Duration = Duration::from_secs(30);

/// How to talk to a node.
#[derive(Clone, Debug)]
pub struct Options {
    /// Time for one answer.
    pub timeout: Duration,
    /// Largest answer in bytes.
    pub limit: u64,
    /// Questions at the same time.
    pub concurrency: usize,
    /// What to do when there is no answer.
    pub retries: Retries,
    /// Folder that keeps answers about finalized blocks.
    pub cache: Option<PathBuf>,
    /// The chain that the node must be on.
    pub chain_id: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            limit: 256 << 20,
            concurrency: 16,
            retries: Retries::default(),
            cache: None,
            chain_id: None,
        }
    }
}

/// A block with everything in it, each part compared with the header.
#[derive(Clone, Debug)]
pub struct FullBlock {
    /// Hash of the header, recomputed.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// Transactions, as their root in the header says.
    pub transactions: Vec<TxEnvelope>,
    /// Withdrawals, as their root in the header says; none before Shanghai.
    pub withdrawals: Vec<Withdrawal>,
}

/// A connection to a node; clones share it.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    client: RpcClient,
    host: String,
    options: Options,
    chain_id: u64,
    gate: Semaphore,
    requests: AtomicU64,
    /// Headers by hash, for the hashes of the blocks before.
    parents: Mutex<HashMap<B256, B256>>,
    finalized: Mutex<Option<(Instant, Option<u64>)>>,
    cache: Option<Cache>,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("host", &self.inner.host).field("chain_id", &self.inner.chain_id).finish()
    }
}

impl Node {
    /// Connects and asks for the chain id.
    pub async fn connect(url: &str, options: Options) -> Result<Self, NodeError> {
        // What is wrong with an address is said, the address is not: it may hold a password.
        let url: Url = url.parse().map_err(|error| NodeError::Address(format!("{error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NodeError::Address(format!("{}: is not spoken here", url.scheme())));
        }
        let name = url.host_str().ok_or_else(|| NodeError::Address("it names no host".to_owned()))?;
        let host = url.port().map(|port| format!("{name}:{port}")).unwrap_or_else(|| name.to_owned());
        let http = Http::new(url, options.timeout, options.limit)
            .map_err(|error| NodeError::Connect { host: host.clone(), reason: error.without_url().to_string() })?;
        let mut inner = Inner {
            client: RpcClient::new(http, false),
            host,
            chain_id: 0,
            gate: Semaphore::new(options.concurrency.clamp(1, 1024)),
            requests: AtomicU64::new(0),
            parents: Mutex::default(),
            finalized: Mutex::default(),
            cache: None,
            options,
        };
        let found: Quantity = inner.ask("eth_chainId", json!([])).await?;
        inner.chain_id = found.0;
        inner.cache = inner.options.cache.as_deref().map(|folder| Cache::new(folder, found.0));
        match inner.options.chain_id {
            Some(wanted) if wanted != found.0 => Err(NodeError::Chain { host: inner.host, found: found.0, wanted }),
            _ => Ok(Self { inner: Arc::new(inner) }),
        }
    }

    /// The chain id.
    pub fn chain_id(&self) -> u64 {
        self.inner.chain_id
    }

    /// Name and port of the node's machine, safe to print.
    pub fn host(&self) -> &str {
        &self.inner.host
    }

    /// HTTP requests so far, failed ones and those of clones included.
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::Relaxed)
    }

    /// Asks with retries, and gives what was answered, unchecked. `params` is an array.
    pub async fn raw(&self, method: &str, params: Value) -> Result<Box<RawValue>, NodeError> {
        self.inner.ask_raw(method, params).await
    }

    /// Like [`raw`](Self::raw), parsed.
    pub async fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, NodeError> {
        self.inner.ask(method, params).await
    }

    /// Several questions of one method in one request; one request each, if the node does not take several. One answer
    /// for each, in their order.
    pub async fn batch(&self, method: &str, params: Vec<Value>) -> Result<Vec<Box<RawValue>>, NodeError> {
        self.inner.batch(method, params).await
    }

    /// Number and hash of a block; for tags those of this moment.
    pub async fn resolve(&self, block: BlockId) -> Result<(u64, B256), NodeError> {
        let header = self.header(block).await?;
        Ok((header.number, header.hash_slow()))
    }

    /// A header, hashed and compared.
    pub async fn header(&self, block: BlockId) -> Result<Header, NodeError> {
        let method = by(block);
        let text = self.block_text(block, false).await?;
        let header = self.parse::<RpcHeader>(method, &text)?;
        self.check_header(method, block, &header)?;
        Ok(header.inner)
    }

    /// A block: its header is hashed, its transactions and withdrawals are compared with their roots.
    pub async fn block(&self, block: BlockId) -> Result<FullBlock, NodeError> {
        let method = by(block);
        let verify = |text: &RawValue| self.check_block(method, block, text);
        // Kept by hash only: a number means different blocks on different development chains of one chain id.
        let key = |hash: B256| ("eth_getBlockByHash", json!([hash, true]));
        if let BlockId::Hash(hash) = block
            && let Some(block) = self.remembered(&key(hash.block_hash), verify).await
        {
            return Ok(block);
        }
        let text = self.block_text(block, true).await?;
        let found = verify(&text)?;
        self.remember(found.header.number, &key(found.hash), &text).await;
        Ok(found)
    }

    /// The number of the last block.
    pub async fn head(&self) -> Result<u64, NodeError> {
        Ok(self.call::<Quantity>("eth_blockNumber", json!([])).await?.0)
    }

    /// The answer about a block, which is there.
    async fn block_text(&self, block: BlockId, full: bool) -> Result<Box<RawValue>, NodeError> {
        let params = json!([id(block), full]);
        let attempt = || async {
            let text = self.inner.attempt(by(block), &params).await?;
            if text.get() != "null" {
                return Ok(text);
            }
            let head = self.inner.attempt("eth_blockNumber", &json!([])).await.ok();
            let head = head.and_then(|text| serde_json::from_str::<Quantity>(text.get()).ok()).map(|head| head.0);
            Err(NodeError::NoBlock { host: self.inner.host.clone(), block: block_name(block), head })
        };
        self.inner.options.retries.run(attempt).await
    }

    fn check_header(&self, method: &str, asked: BlockId, header: &RpcHeader) -> Result<(), NodeError> {
        let hash = header.inner.hash_slow();
        let number = header.inner.number;
        if hash != header.hash {
            // Fields of later forks are in the hash, and not known here.
            let reason = format!("the header of block {number} hashes to {hash} instead of {}", header.hash);
            return Err(self.wrong(method, reason));
        }
        match asked {
            BlockId::Hash(asked) if asked.block_hash != hash => {
                Err(self.wrong(method, format!("block {hash} instead of {}", asked.block_hash)))
            }
            BlockId::Number(BlockNumberOrTag::Number(asked)) if asked != number => {
                Err(self.wrong(method, format!("block {number} instead of {asked}")))
            }
            _ => Ok(()),
        }
    }

    fn check_block(&self, method: &str, asked: BlockId, text: &RawValue) -> Result<FullBlock, NodeError> {
        let header = self.parse::<RpcHeader>(method, text)?;
        self.check_header(method, asked, &header)?;
        let block = self.parse::<Block>(method, text)?;
        let number = header.inner.number;
        let BlockTransactions::Full(transactions) = block.transactions else {
            return Err(self.nonsense(method, format!("block {number} comes without its transactions")));
        };
        let transactions: Vec<TxEnvelope> = transactions.into_iter().map(|one| one.inner.into_inner()).collect();
        let root = calculate_transaction_root(&transactions);
        if root != header.inner.transactions_root {
            let wanted = header.inner.transactions_root;
            return Err(
                self.wrong(method, format!("the transactions of block {number} have root {root} instead of {wanted}"))
            );
        }
        let withdrawals = block.withdrawals.map(|list| list.into_inner()).unwrap_or_default();
        let root = header.inner.withdrawals_root.map(|wanted| (calculate_withdrawals_root(&withdrawals), wanted));
        match root {
            Some((root, wanted)) if root != wanted => {
                Err(self
                    .wrong(method, format!("the withdrawals of block {number} have root {root} instead of {wanted}")))
            }
            None if !withdrawals.is_empty() => {
                Err(self.wrong(method, format!("block {number} has withdrawals and no root of them")))
            }
            _ => Ok(FullBlock { hash: header.hash, header: header.inner, transactions, withdrawals }),
        }
    }

    /// The last final block, if the node knows one.
    async fn finalized(&self) -> Option<u64> {
        let mut known = self.inner.finalized.lock().await;
        if let Some((asked, number)) = *known
            && asked.elapsed() < FINAL_FOR
        {
            return number;
        }
        let text = self.inner.attempt("eth_getBlockByNumber", &json!(["finalized", false])).await;
        let number = text.ok().and_then(|text| serde_json::from_str::<RpcHeader>(text.get()).ok()).map(|it| it.number);
        *known = Some((Instant::now(), number));
        number
    }

    /// A checked answer from the cache.
    pub(crate) async fn remembered<T>(
        &self,
        key: &(&str, Value),
        verify: impl Fn(&RawValue) -> Result<T, NodeError>,
    ) -> Option<T> {
        let text = self.inner.cache.as_ref()?.get(key).await?;
        verify(&text).inspect_err(|error| tracing::debug!(%error, "an answer in the cache is not used")).ok()
    }

    /// Keeps a checked answer about a block, if that is final.
    pub(crate) async fn remember(&self, block: u64, key: &(&str, Value), text: &RawValue) {
        if let Some(cache) = &self.inner.cache
            && self.finalized().await.is_some_and(|last| block <= last)
        {
            cache.put(key, text).await;
        }
    }

    fn parse<T: DeserializeOwned>(&self, method: &str, text: &RawValue) -> Result<T, NodeError> {
        self.inner.parse(method, text)
    }

    fn nonsense(&self, method: &str, reason: String) -> NodeError {
        NodeError::Nonsense { host: self.inner.host.clone(), method: method.to_owned(), reason }
    }

    fn wrong(&self, method: &str, reason: String) -> NodeError {
        NodeError::Wrong { host: self.inner.host.clone(), method: method.to_owned(), reason }
    }
}

impl Inner {
    async fn ask<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T, NodeError> {
        self.parse(method, &self.ask_raw(method, params).await?)
    }

    async fn ask_raw(&self, method: &str, params: Value) -> Result<Box<RawValue>, NodeError> {
        self.options.retries.run(|| self.attempt(method, &params)).await
    }

    async fn attempt(&self, method: &str, params: &Value) -> Result<Box<RawValue>, NodeError> {
        let _permit = self.gate.acquire().await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let answer = self.client.request::<_, Box<RawValue>>(method.to_owned(), params.clone()).await;
        let answer = answer.map_err(|error| self.explain(method, error));
        metrics::families().asked(method, start.elapsed(), &answer);
        answer
    }

    async fn batch(&self, method: &str, params: Vec<Value>) -> Result<Vec<Box<RawValue>>, NodeError> {
        if params.len() > 1 {
            match self.options.retries.run(|| self.attempt_batch(method, &params)).await {
                Err(error) if !error.worth_retrying() => {
                    tracing::debug!(%error, "the node does not take several questions at once");
                }
                answered => return answered,
            }
        }
        let single = params.into_iter().map(|params| self.ask_raw(method, params));
        futures_util::future::try_join_all(single).await
    }

    async fn attempt_batch(&self, method: &str, params: &[Value]) -> Result<Vec<Box<RawValue>>, NodeError> {
        let _permit = self.gate.acquire().await;
        self.requests.fetch_add(1, Ordering::Relaxed);
        let start = Instant::now();
        let answers = self.send_batch(method, params).await;
        metrics::families().asked(method, start.elapsed(), &answers);
        answers
    }

    async fn send_batch(&self, method: &str, params: &[Value]) -> Result<Vec<Box<RawValue>>, NodeError> {
        let mut batch = self.client.new_batch();
        let waiting = params.iter().map(|params| batch.add_call::<_, Box<RawValue>>(method.to_owned(), params));
        let waiting = waiting.collect::<Result<Vec<_>, _>>().map_err(|error| self.explain(method, error))?;
        batch.send().await.map_err(|error| self.explain(method, error))?;
        let answers = futures_util::future::try_join_all(waiting).await;
        answers.map_err(|error| self.explain(method, error))
    }

    fn parse<T: DeserializeOwned>(&self, method: &str, text: &RawValue) -> Result<T, NodeError> {
        serde_json::from_str(text.get()).map_err(|error| NodeError::Nonsense {
            host: self.host.clone(),
            method: method.to_owned(),
            reason: short(&error.to_string()),
        })
    }

    /// alloy's error as ours.
    fn explain(&self, method: &str, error: TransportError) -> NodeError {
        let (host, method) = (self.host.clone(), method.to_owned());
        let transport = match error {
            RpcError::ErrorResp(payload) => {
                let message = short(&payload.message);
                return match is_unknown_method(payload.code, &payload.message) {
                    true => NodeError::Unsupported { host, method, message },
                    false => NodeError::Refused { host, method, code: payload.code, message },
                };
            }
            RpcError::Transport(transport) => transport,
            other => return NodeError::Nonsense { host, method, reason: short(&other.to_string()) },
        };
        let failure = transport.as_custom().and_then(|error| error.downcast_ref::<HttpFailure>());
        match failure {
            Some(HttpFailure::Connect(reason)) => NodeError::Connect { host, reason: reason.clone() },
            Some(HttpFailure::Timeout) => NodeError::Timeout { host, method, seconds: self.options.timeout.as_secs() },
            Some(HttpFailure::Status { status, retry_after }) => {
                NodeError::Status { host, method, status: *status, retry_after: *retry_after }
            }
            Some(HttpFailure::Broken(reason)) => NodeError::Broken { host, method, reason: short(reason) },
            Some(HttpFailure::TooLarge) => NodeError::TooLarge { host, method, limit: self.options.limit },
            Some(HttpFailure::NotJson(reason)) => NodeError::Nonsense { host, method, reason: short(reason) },
            None => NodeError::Nonsense { host, method, reason: short(&transport.to_string()) },
        }
    }
}

/// A number in hexadecimal.
#[derive(serde::Deserialize)]
struct Quantity(#[serde(with = "alloy::serde::quantity")] u64);

fn by(block: BlockId) -> &'static str {
    match block {
        BlockId::Hash(_) => "eth_getBlockByHash",
        BlockId::Number(_) => "eth_getBlockByNumber",
    }
}

fn id(block: BlockId) -> Value {
    match block {
        BlockId::Hash(hash) => json!(hash.block_hash),
        BlockId::Number(number) => json!(number),
    }
}

fn block_name(block: BlockId) -> String {
    match block {
        BlockId::Hash(hash) => hash.block_hash.to_string(),
        BlockId::Number(BlockNumberOrTag::Number(number)) => number.to_string(),
        BlockId::Number(tag) => tag.to_string(),
    }
}

/// A text of a node, on one line and not too long.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}
