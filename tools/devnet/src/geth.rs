//! A real geth on loopback, in a folder of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use alloy::primitives::hex;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{self, Process};
use crate::{ACCOUNTS, DevnetError, Engine, Rpc, genesis};

/// The environment variable that names geth's program.
pub const PROGRAM: &str = "GETH";

/// Later ones know no Cancun chain without Prague and another engine API; earlier ones were not tried.
const WANTED: &str = "1.14.";
const WAY_OUT: &str = "`go install github.com/ethereum/go-ethereum/cmd/geth@v1.14.12`, or name one in GETH; \
                       tools/devnet.sh does it";

/// How a node differs from the usual one.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where its data is and stays. If none, in a folder that goes away with the node.
    pub folder: Option<PathBuf>,
    /// The port of its JSON-RPC interface; 0 for a free one.
    pub port: u16,
    /// Keep the state of every block. Without it a node knows that of the last 128 only.
    pub archive: bool,
    /// The genesis file, where the folder has no chain yet.
    pub genesis: Value,
}

impl Default for Options {
    /// An archive node of our chain in a temporary folder.
    fn default() -> Self {
        Self { folder: None, port: 0, archive: true, genesis: genesis() }
    }
}

/// A geth. Dropping it ends its process.
#[derive(Debug)]
pub struct Geth {
    // Dropped before the folder.
    process: Option<Process>,
    place: Place,
    ports: Ports,
    rpc: Rpc,
    engine: Engine,
    _folder: Option<TempDir>,
}

/// What a node is started from.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    path: PathBuf,
    archive: bool,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    http: u16,
    engine: u16,
}

/// The program: what the variable `GETH` names, or the first in `PATH`, or what `go install` made.
///
/// # Errors
///
/// If there is none, or of another version.
pub fn program() -> Result<PathBuf, DevnetError> {
    let installed = || {
        let folder = process::output(Path::new("go"), &["env", "GOPATH"]).ok()?;
        let program = Path::new(folder.trim()).join("bin/geth");
        program.is_file().then_some(program)
    };
    let program = process::find(PROGRAM, "geth").or_else(installed);
    let program = program.ok_or(DevnetError::Missing { program: "geth", way_out: WAY_OUT })?;
    let text = process::output(&program, &["version"])?;
    let found = text.lines().find_map(|line| line.strip_prefix("Version: ")).unwrap_or("unknown").to_owned();
    if !found.starts_with(WANTED) {
        return Err(DevnetError::Version { program, found, wanted: "1.14", way_out: WAY_OUT });
    }
    Ok(program)
}

impl Geth {
    /// Starts a node of our chain, with nothing but the genesis block.
    ///
    /// # Errors
    ///
    /// If there is no geth of a version that fits, or it does not start.
    pub async fn start() -> Result<Self, DevnetError> {
        Self::start_with(&Options::default()).await
    }

    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    ///
    /// As [`Geth::start`].
    pub async fn start_with(options: &Options) -> Result<Self, DevnetError> {
        let program = program()?;
        let (path, folder) = match &options.folder {
            Some(path) => (path.clone(), None),
            None => {
                let folder = tempfile::Builder::new().prefix("devnet-").tempdir();
                let folder = folder.map_err(DevnetError::io("cannot make a temporary folder"))?;
                (folder.path().to_owned(), Some(folder))
            }
        };
        fs::create_dir_all(&path).map_err(DevnetError::io(format!("cannot make {}", path.display())))?;
        let path = path.canonicalize().map_err(DevnetError::io(format!("cannot use {}", path.display())))?;
        let place = Place { program, path, archive: options.archive };
        if !place.data().join("geth/chaindata").exists() {
            place.init(&options.genesis)?;
        }
        let (process, ports) = place.boot(Ports { http: options.port, engine: 0 }).await?;
        let engine = Engine::new(Rpc::local(ports.engine), place.secret()?);
        let geth = Self { process: Some(process), place, ports, rpc: Rpc::local(ports.http), engine, _folder: folder };
        let _: String = geth.rpc.call("eth_chainId", ()).await?;
        Ok(geth)
    }

    /// Its JSON-RPC interface (`eth`, `debug`, `net`, `web3`, `txpool`).
    pub fn rpc(&self) -> &Rpc {
        &self.rpc
    }

    /// The URL of that, which stays the same when the node is stopped and started.
    pub fn url(&self) -> &str {
        self.rpc.url()
    }

    /// Its engine API.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What it writes.
    pub fn log(&self) -> PathBuf {
        self.place.log()
    }

    /// Stops it in an orderly way. Its data stay.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Ends it as a crash would. Its data stay as they are on disk.
    pub fn kill(&mut self) {
        if let Some(process) = self.process.take() {
            process.kill();
        }
    }

    /// Starts it again on the same ports and data, after stopping it where it runs.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub async fn restart(&mut self) -> Result<(), DevnetError> {
        self.stop();
        let (process, _) = self.place.boot(self.ports).await?;
        self.process = Some(process);
        Ok(())
    }

    /// Lets it do nothing any more, its connections open: to its clients as if it hung.
    pub fn pause(&self) {
        if let Some(process) = &self.process {
            process.pause();
        }
    }

    /// Ends [`Geth::pause`].
    pub fn resume(&self) {
        if let Some(process) = &self.process {
            process.resume();
        }
    }

    /// Whether it runs: a node can end by itself.
    pub fn running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| process.ended().is_none())
    }
}

impl Place {
    fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    fn log(&self) -> PathBuf {
        self.path.join("geth.log")
    }

    /// Makes the first block.
    fn init(&self, genesis: &Value) -> Result<(), DevnetError> {
        let file = self.path.join("genesis.json");
        write(&file, genesis.to_string().as_bytes())?;
        let mut command = Command::new(&self.program);
        command.arg("--datadir").arg(self.data()).args(["init", "--state.scheme=hash"]).arg(&file);
        let output = command.output().map_err(DevnetError::io(format!("cannot run {}", self.program.display())))?;
        let log = self.log();
        write(&log, &output.stderr)?;
        match output.status.success() {
            true => Ok(()),
            false => Err(DevnetError::Process { program: "geth", what: "does not take the genesis file".into(), log }),
        }
    }

    /// Starts the program and waits for its servers. Returns the ports that they have.
    async fn boot(&self, ports: Ports) -> Result<(Process, Ports), DevnetError> {
        let mut command = Command::new(&self.program);
        command.arg("--datadir").arg(self.data()).args(ARGUMENTS);
        command.args(["--gcmode", if self.archive { "archive" } else { "full" }]);
        command.args(["--http.port", &ports.http.to_string(), "--authrpc.port", &ports.engine.to_string()]);
        command.args(["--txpool.locals", &ACCOUNTS.map(|account| account.to_string()).join(",")]);
        let mut process = Process::spawn("geth", command, &self.log())?;
        let ports = process
            .await_log(|log| Some(Ports { http: port(log, "auth=false")?, engine: port(log, "auth=true")? }))
            .await?;
        Ok((process, ports))
    }

    /// The secret that geth made for its engine API.
    fn secret(&self) -> Result<[u8; 32], DevnetError> {
        let path = self.data().join("geth/jwtsecret");
        let text = fs::read_to_string(&path).map_err(DevnetError::io(format!("cannot read {}", path.display())))?;
        let wrong = |_| DevnetError::Process { program: "geth", what: "made no secret".into(), log: self.log() };
        hex::decode_to_array(text.trim()).map_err(wrong)
    }
}

const ARGUMENTS: [&str; 26] = [
    "--state.scheme=hash",
    "--syncmode=full",
    // No peers, no discovery, no files for other programs.
    "--nodiscover",
    "--maxpeers=0",
    "--port=0",
    "--nat=none",
    "--ipcdisable",
    "--nousb",
    "--cache=64",
    "--cache.preimages",
    "--http",
    "--http.addr=127.0.0.1",
    "--http.vhosts=*",
    "--http.api=eth,debug,net,web3,txpool",
    "--authrpc.addr=127.0.0.1",
    "--rpc.allow-unprotected-txs",
    // No limits of fees and of the gas of calls.
    "--rpc.txfeecap=0",
    "--rpc.gascap=0",
    // Otherwise the versions of geth and Go, and so other hashes on other machines.
    "--miner.extradata=blockproof",
    // Takes a block's transactions however little they pay, and forgets those of a run with its end.
    "--miner.gasprice=1",
    "--miner.gaslimit=30000000",
    "--txpool.pricelimit=1",
    "--txpool.journal=",
    "--txpool.accountslots=256",
    "--verbosity=3",
    "--log.format=terminal",
];

/// The port in the line that says that a server was started.
fn port(log: &str, which: &str) -> Option<u16> {
    let line = log.lines().find(|line| line.contains("HTTP server started") && line.contains(which))?;
    let (_, rest) = line.split_once("endpoint=127.0.0.1:")?;
    rest.split_whitespace().next()?.parse().ok()
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), DevnetError> {
    fs::write(path, bytes).map_err(DevnetError::io(format!("cannot write {}", path.display())))
}
