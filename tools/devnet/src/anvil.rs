//! Foundry's anvil on loopback: the light alternative to geth, without Go.
//!
//! It is no full replacement. It has no engine API, so there are no withdrawals and no real beacon roots: every header
//! says a root of zero. **It does not call the beacon roots contract** (EIP-4788) at the begin of a block, although the
//! rules of Cancun say so and the circuits prove that the call was made; with our genesis the contract's storage never
//! changes, and without it there is no contract at all. A witness made of its blocks by the rules therefore does not
//! lead to the state roots in its headers, and none of its blocks can be proved. What it is good for: how a fetcher
//! behaves at another kind of node, and reorganizations ([`Anvil::reorg`]).

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use alloy::primitives::{B256, U64};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::genesis::{CHAIN_ID, TIME};
use crate::process::{self, Process};
use crate::tx::{GWEI, Terms};
use crate::{DevnetError, Rpc, Tx};

/// The environment variable that names anvil's program.
pub const PROGRAM: &str = "ANVIL";

const WAY_OUT: &str = "`npm install @foundry-rs/anvil`, and name the program in the variable ANVIL: it is \
                       node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil or like it";

/// A running anvil. Dropping it ends its process.
#[derive(Debug)]
pub struct Anvil {
    // Dropped before the folder.
    process: Option<Process>,
    rpc: Rpc,
    folder: TempDir,
}

/// The program: what the variable `ANVIL` names, or the first in `PATH`.
///
/// # Errors
///
/// If there is none.
pub fn program() -> Result<PathBuf, DevnetError> {
    process::find(PROGRAM, "anvil").ok_or(DevnetError::Missing { program: "anvil", way_out: WAY_OUT })
}

impl Anvil {
    /// Starts one with anvil's own genesis block and our accounts and chain id. It makes a block of every transaction.
    ///
    /// # Errors
    ///
    /// If there is no anvil, or it does not start.
    pub async fn start() -> Result<Self, DevnetError> {
        Self::start_with(&["--timestamp".into(), TIME.to_string()]).await
    }

    /// Starts one with the genesis file that a geth would have.
    ///
    /// # Errors
    ///
    /// As [`Anvil::start`].
    pub async fn start_from(genesis: &Value) -> Result<Self, DevnetError> {
        let folder = tempfile::tempdir().map_err(DevnetError::io("cannot make a temporary folder"))?;
        let path = folder.path().join("genesis.json");
        fs::write(&path, genesis.to_string()).map_err(DevnetError::io(format!("cannot write {}", path.display())))?;
        Self::start_with(&["--init".into(), path.display().to_string()]).await
    }

    async fn start_with(arguments: &[String]) -> Result<Self, DevnetError> {
        let program = program()?;
        let folder = tempfile::Builder::new().prefix("devnet-").tempdir();
        let folder = folder.map_err(DevnetError::io("cannot make a temporary folder"))?;
        let mut command = Command::new(program);
        command.args(["--hardfork", "cancun", "--host", "127.0.0.1", "--port", "0"]);
        command.args(["--chain-id", &CHAIN_ID.to_string(), "--base-fee", &GWEI.to_string()]).args(arguments);
        let mut process = Process::spawn("anvil", command, &folder.path().join("anvil.log"))?;
        let port = process.await_log(|log| {
            let (_, rest) = log.split_once("Listening on 127.0.0.1:")?;
            rest.lines().next()?.trim().parse().ok()
        });
        let rpc = Rpc::local(port.await?);
        Ok(Self { process: Some(process), rpc, folder })
    }

    /// Its JSON-RPC interface.
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The URL of that.
    pub fn url(&self) -> &str {
        self.rpc.url()
    }

    /// What it writes.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("anvil.log")
    }

    /// Ends it; its chain is gone.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Makes empty blocks.
    ///
    /// # Errors
    ///
    /// If it cannot be reached.
    pub async fn mine(&self, count: u64) -> Result<(), DevnetError> {
        self.rpc.call::<Value>("anvil_mine", (U64::from(count),)).await.map(|_| ())
    }

    /// Sends a transaction and waits for its block. Returns its hash.
    ///
    /// # Errors
    ///
    /// If it is not taken, or in no block after a while.
    pub async fn send(&self, tx: &Tx) -> Result<B256, DevnetError> {
        let nonce: U64 = self.rpc.call("eth_getTransactionCount", (tx.sender(0)?, "latest")).await?;
        let terms = Terms { nonce: nonce.to(), chain_id: CHAIN_ID, base_fee: GWEI, tip: GWEI };
        let hash: B256 = self.rpc.call("eth_sendRawTransaction", (tx.sign(0, terms)?.raw,)).await?;
        let end = Instant::now() + Duration::from_secs(20);
        while self.rpc.call::<Value>("eth_getTransactionReceipt", (hash,)).await?.is_null() {
            if Instant::now() > end {
                return Err(DevnetError::Transaction { index: 0, why: format!("{hash} is in no block") });
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(hash)
    }

    /// Replaces the last `depth` blocks by as many empty ones.
    ///
    /// # Errors
    ///
    /// If the chain is shorter.
    pub async fn reorg(&self, depth: u64) -> Result<(), DevnetError> {
        self.rpc.call::<Value>("anvil_reorg", (depth, json!([]))).await.map(|_| ())
    }

    /// The hash of a block of the chain, if it has so many.
    ///
    /// # Errors
    ///
    /// If it cannot be reached.
    pub async fn hash(&self, number: u64) -> Result<Option<B256>, DevnetError> {
        let block: Value = self.rpc.call("eth_getBlockByNumber", (U64::from(number), false)).await?;
        Ok(block.get("hash").and_then(|hash| serde_json::from_value(hash.clone()).ok()))
    }
}
