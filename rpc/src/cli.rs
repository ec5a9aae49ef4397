//! What the user types; nothing here is checked against the world. [`NodeArgs`] is for other programs as well.

use std::convert::Infallible;
use std::fmt;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;

use alloy::eips::{BlockId, BlockNumberOrTag};
use alloy::primitives::B256;
use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use ops::monitor::MonitorArgs;
use ops::{env, log::LogArgs, version};

/// The commit that this was built from, `-dirty` if it was changed since, `unknown` if nobody knows.
pub const COMMIT: &str =
    git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = version::GIVEN_COMMIT);

const EXAMPLES: &str = "\
Examples:
  rpc --rpc-url http://localhost:8545 fetch --start-block 19240650 > witness.json
  RPC_URL=https://user:key@node rpc fetch --start-block 1 --end-block 36 --output-dir witnesses
  rpc --rpc-type jerigon --rpc-url http://localhost:8545 fetch --start-block finalized
  rpc --rpc-url http://localhost:8545 extract header latest > header.json
  rpc check witness.json --header header.json          does it run, and end as the header says?

Exit codes: 0 fetched or right, 1 the node cannot give it, or what it gives is wrong, or a witness is, 2 wrong usage,
130 interrupted.";

const FETCH: &str = "\
A file that --output-dir already has is kept if it is whole and of the block that the node now has at its number, with
the same checkpoint; so an interrupted command goes on when it is given again. On stdout the array is closed only when
all blocks are there.";

/// Makes witnesses of a node's blocks.
#[derive(Debug, Parser)]
#[command(name = "rpc", version = version::short(COMMIT), long_version = version::long(COMMIT), propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Metrics and probes.
    #[command(flatten)]
    pub monitor: MonitorArgs,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the witnesses of a block or of blocks in a row.
    #[command(after_help = FETCH)]
    Fetch(FetchArgs),
    /// Run the blocks of a witness as a prover would, and compare what comes out with their headers.
    Check(CheckArgs),
    /// Print what the node says of something, as JSON.
    #[command(subcommand)]
    Extract(ExtractCommand),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Which blocks, and where they go.
#[derive(Args, Debug)]
pub struct FetchArgs {
    /// First block: a number, a hash, `latest`, `safe` or `finalized`.
    #[arg(long, value_name = "BLOCK", value_parser = block)]
    pub start_block: BlockId,
    /// Last block. [default: the first one]
    #[arg(long, value_name = "BLOCK", value_parser = block)]
    pub end_block: Option<BlockId>,
    /// Block whose state the chain of proofs starts from. [default: the one before the first one]
    #[arg(long, alias = "checkpoint-block-number", value_name = "BLOCK", value_parser = block)]
    pub checkpoint_block: Option<BlockId>,
    /// Write each block to a file of its own here, `b<number>.json`, instead of an array to stdout.
    #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub output_dir: Option<PathBuf>,
    /// Blocks at the same time.
    #[arg(long, value_name = "N", default_value = "4")]
    pub max_concurrent_blocks: NonZeroUsize,
}

/// What is checked, and against what.
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Witness file; stdin if absent.
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// File with the blocks' headers, as `rpc extract header` prints them. [default: the node is asked, if there is one]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub header: Option<PathBuf>,
    /// Transactions per batch.
    #[arg(long, short, value_name = "N", default_value = "10")]
    pub batch_size: NonZeroU32,
}

/// `rpc extract …`.
#[derive(Debug, Subcommand)]
pub enum ExtractCommand {
    /// A transaction: itself, its receipt, its raw bytes.
    Tx {
        /// Its hash.
        #[arg(value_name = "HASH", value_parser = hash)]
        hash: B256,
    },
    /// The header of a block, for `verifier --header`.
    Header {
        /// A number, a hash, `latest`, `safe` or `finalized`.
        #[arg(value_name = "BLOCK", value_parser = block)]
        block: BlockId,
    },
    /// A block with its transactions and withdrawals.
    Block {
        /// A number, a hash, `latest`, `safe` or `finalized`.
        #[arg(value_name = "BLOCK", value_parser = block)]
        block: BlockId,
    },
}

/// How a node is asked.
#[derive(Args, Clone, Debug)]
pub struct NodeArgs {
    /// Address of the node, `http://host:port/path` or `https://…`. Passwords and keys in it can be seen by all users of
    /// the machine, unless it comes by the environment.
    #[arg(long, short = 'u', global = true, value_name = "URL", env = env::RPC_URL, hide_env_values = true, help_heading = "Node")]
    pub rpc_url: Option<Secret>,
    /// File with that address, instead of it: for addresses that hold a key.
    #[arg(long, global = true, value_name = "FILE", env = env::RPC_URL_FILE, value_parser = path(), value_hint = ValueHint::FilePath, help_heading = "Node")]
    pub rpc_url_file: Option<PathBuf>,
    /// Where the state before a block comes from.
    #[arg(long, short = 't', global = true, value_enum, default_value = "native", help_heading = "Node")]
    pub rpc_type: RpcType,
    /// Chain that the node must be on. [default: whichever it is on]
    #[arg(long, global = true, value_name = "ID", help_heading = "Node")]
    pub chain_id: Option<u64>,
    /// Requests at the same time.
    #[arg(long, global = true, value_name = "N", default_value = "16", help_heading = "Node")]
    pub max_concurrent_requests: NonZeroUsize,
    /// How often a request is repeated that failed for a reason that may pass.
    #[arg(long, global = true, value_name = "N", default_value = "6", help_heading = "Node")]
    pub max_retries: u32,
    /// Milliseconds before the first repetition; each later one waits twice as long.
    #[arg(long, global = true, value_name = "MS", default_value = "250", help_heading = "Node")]
    pub backoff: u64,
    /// Seconds that a request may take.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "60", help_heading = "Node")]
    pub timeout: NonZeroU64,
    /// What the node said of finalized blocks is kept here. [default: blockproof/rpc in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Node")]
    pub cache_dir: Option<PathBuf>,
    /// Keep nothing on disk, and read nothing that was kept.
    #[arg(long, global = true, help_heading = "Node")]
    pub no_cache: bool,
}

/// Where the state before a block comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RpcType {
    /// Proofs (`eth_getProof`) that are checked, and execution here: any node that has the state.
    Native,
    /// The witness and the traces of Polygon Zero's Erigon: `eth_getWitness`, `zeroTracer`.
    Jerigon,
}

/// A text that must not be shown.
#[derive(Clone)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Takes an empty one, too, which means none: a variable that is set to nothing.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Takes anything: what is wrong with an address is said later, without repeating it.
impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// A block as people call it.
pub fn block(text: &str) -> Result<BlockId, String> {
    let tag = match text {
        "latest" => BlockNumberOrTag::Latest,
        "safe" => BlockNumberOrTag::Safe,
        "finalized" => BlockNumberOrTag::Finalized,
        _ if text.len() == 66 => return hash(text).map(BlockId::from),
        _ => {
            let number = match text.strip_prefix("0x") {
                Some(digits) => u64::from_str_radix(digits, 16),
                None => text.parse(),
            };
            let expected = "expected a number, a hash of 64 hexadecimal digits, `latest`, `safe` or `finalized`";
            BlockNumberOrTag::Number(number.map_err(|_| expected)?)
        }
    };
    Ok(BlockId::Number(tag))
}

fn hash(text: &str) -> Result<B256, String> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
    digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| "expected 0x and 64 hexadecimal digits".to_owned())
}
