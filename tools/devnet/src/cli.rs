//! The command line of `devnet`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

/// Done.
pub const OK: u8 = 0;
/// The chain or its recording failed.
pub const FAILED: u8 = 1;
/// Wrong usage.
pub const USAGE: u8 = 2;
/// A program that is needed is not installed.
pub const RESOURCES: u8 = 3;
/// Interrupted before it was done.
pub const INTERRUPTED: u8 = 130;

const EXAMPLES: &str = "\
Examples:
  devnet run                                     all planned blocks; prints the URL and serves until Ctrl-C
  devnet run --blocks 3 --port 8545              the first three of them, at a known port
  devnet run --interval 12 --data /tmp/chain     goes on with random transfers, and again after a restart
  devnet record witnesses                        writes a witness of each planned block, by the program `rpc`
  devnet plan                                    lists the planned blocks

It drives a geth 1.14 (variable GETH, or PATH) over its engine API. tools/devnet.sh installs one and runs this.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a program is missing, 130 interrupted before it was done";

/// A local chain at Cancun: a real node, with blocks that exercise what the circuits prove.
#[derive(Debug, Parser)]
#[command(name = "devnet", version, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes the chain and serves it until Ctrl-C.
    Run(RunArgs),
    /// Makes the chain and writes witnesses of its blocks, by calling `rpc`.
    Record(RecordArgs),
    /// Lists the planned blocks.
    Plan,
}

/// The flags of `run`.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// How many of the planned blocks to make; by default all.
    #[arg(long, value_name = "N")]
    pub blocks: Option<usize>,
    /// Where the node's data are, and stay. By default they go away with it.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Port of the node's JSON-RPC interface; 0 for a free one.
    #[arg(long, value_name = "P", default_value_t = 0)]
    pub port: u16,
    /// Go on making blocks with random transfers, one in so many seconds. Blocks become safe and final then.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub interval: Option<Duration>,
}

/// The flags of `record`.
#[derive(Debug, clap::Args)]
pub struct RecordArgs {
    /// Where the witnesses go.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The first block.
    #[arg(long, value_name = "A", default_value_t = 1)]
    pub start_block: u64,
    /// The last block; by default the last of the planned ones.
    #[arg(long, value_name = "B")]
    pub end_block: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("more than zero seconds are needed".into()),
    }
}
