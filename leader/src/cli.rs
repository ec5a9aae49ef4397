//! What the user types; nothing here is checked against the world.
//!
//! Flags of the ancestor, zero-bin, keep their names and short forms, before or after the subcommand.

use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use alloy::eips::BlockId;
use amqp::connect::BrokerArgs;
use amqp::topology::Priority;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use ops::cli::{Dirs, LegacyArgs};
use ops::monitor::MonitorArgs;
use ops::{env, log::LogArgs, mock::Mock, profile::ProfileArgs, version};
use rpc::cli::NodeArgs;

use crate::follow::Head;
use crate::scale::cli::ScaleCommand;

/// The commit that this was built from, `-dirty` if it was changed since, `unknown` if nobody knows.
pub const COMMIT: &str =
    git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = version::GIVEN_COMMIT);

const EXAMPLES: &str = "\
Examples:
  leader stdio < witnesses/transfer.json > proof.json       prove a block, the proof on stdout
  leader stdio witnesses/chain.json -o proofs               prove blocks in a row, a file for each
  leader stdio --previous-proof proofs/b2.zkproof < b3.json go on from a proof
  leader rpc --rpc-url http://127.0.0.1:8545 --start-block 100 -o proofs  follow a node's chain
  leader --test-only stdio < witness.json                   what would proving take? No circuits, no proof
  leader --profile mainnet circuits build                   prepare circuits beforehand
  leader circuits export-verifier verifier.bin              what others need to verify your proofs

Exit codes: 0 proved, 1 a block could not be proved, 2 wrong usage or input, 3 not enough memory or space,
130 interrupted (finished tasks are kept; the same command goes on from there).";

/// Proves Ethereum blocks of the Cancun fork.
#[derive(Debug, Parser)]
#[command(name = "leader", version = version::short(COMMIT), long_version = version::long(COMMIT), propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Circuit sizes and security level.
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// How to prove.
    #[command(flatten)]
    pub prover: ProverArgs,
    /// Where things are kept.
    #[command(flatten)]
    pub dirs: Dirs,
    /// Metrics and probes.
    #[command(flatten)]
    pub monitor: MonitorArgs,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
    /// Flags of the ancestor that need nothing here.
    #[command(flatten)]
    pub legacy: LegacyArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prove the blocks of a witness, from stdin or a file.
    Stdio(StdioArgs),
    /// Prove blocks straight from a node: a range, or its chain as it grows.
    Rpc(Box<RpcArgs>),
    /// Prepare, list or remove circuits.
    #[command(subcommand)]
    Circuits(CircuitsCommand),
    /// Look into the cluster, and change what it does.
    #[command(subcommand)]
    Queue(QueueCommand),
    /// How many workers there should be, and why; what other settings would do.
    #[command(subcommand)]
    Scale(ScaleCommand),
    /// Remove all finished tasks and batch inputs: nothing can be gone on from any more.
    CleanArtifacts,
    /// Remove all prepared circuits (same as `circuits clean`).
    #[command(hide = true)]
    Clean,
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where witnesses come from and proofs go.
#[derive(Args, Debug)]
pub struct StdioArgs {
    /// Witness file; stdin if absent.
    #[arg(value_hint = ValueHint::FilePath)]
    pub witness: Option<PathBuf>,
    /// What the first block builds upon, and where proofs go.
    #[command(flatten)]
    pub ends: EndsArgs,
}

/// What the first block builds upon, and where proofs go.
#[derive(Args, Clone, Debug)]
pub struct EndsArgs {
    /// Proof of the block before the first one, to be built upon.
    #[arg(long, short = 'f', value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub previous_proof: Option<PathBuf>,
    /// Write the proof array to this file instead of stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "proof_output_dir")]
    pub output_proof_file: Option<PathBuf>,
    /// Print the plan of `--test-only` as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Which blocks of which node.
#[derive(Args, Debug)]
pub struct RpcArgs {
    /// The node.
    #[command(flatten)]
    pub node: NodeArgs,
    /// First block: a number, a hash, `latest`, `safe` or `finalized`. Not needed to go on in the same --proof-output-dir.
    #[arg(long, value_name = "BLOCK", value_parser = rpc::cli::block)]
    pub start_block: Option<BlockId>,
    /// Last block. Without it the chain is followed as it grows.
    #[arg(long, value_name = "BLOCK", value_parser = rpc::cli::block)]
    pub end_block: Option<BlockId>,
    /// Block whose state the chain of proofs starts from. [default: the one before the first one]
    #[arg(long, alias = "checkpoint-block-number", value_name = "BLOCK", value_parser = rpc::cli::block)]
    pub checkpoint_block: Option<BlockId>,
    /// The newest block that is proved: `latest`, `safe`, `finalized` or `confirmations=N`.
    #[arg(long, value_name = "WHICH", default_value = "latest")]
    pub head: Head,
    /// Seconds between two looks at the node.
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = poll_interval)]
    pub poll_interval: f64,
    /// What the first block builds upon, and where proofs go.
    #[command(flatten)]
    pub ends: EndsArgs,
}

fn poll_interval(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.05..=86400.0).contains(seconds));
    seconds.ok_or_else(|| "expected seconds, from 0.05 to 86400".to_owned())
}

/// `leader circuits …`.
#[derive(Debug, Subcommand)]
pub enum CircuitsCommand {
    /// Prepare the circuits of the profile, unless they are there.
    Build,
    /// List prepared circuits.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Write the verifier file of the profile, which `verifier` needs, somewhere else.
    ExportVerifier {
        /// File to write.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Remove prepared circuits.
    Clean {
        /// Only those that this version would not use.
        #[arg(long)]
        stale: bool,
    },
}

/// `leader queue …`.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// Who is there, what waits, what runs where and since when, and how far each block is.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Stop proving blocks: queued tasks vanish, running ones are aborted, other blocks go on.
    Cancel {
        /// A block number.
        #[arg(long, value_name = "N", required_unless_present_any = ["range", "all"], conflicts_with_all = ["range", "all"])]
        block: Option<u64>,
        /// Block numbers, both included.
        #[arg(long, value_name = "FIRST..LAST", value_parser = range, conflicts_with = "all")]
        range: Option<RangeInclusive<u64>>,
        /// All blocks.
        #[arg(long)]
        all: bool,
    },
    /// Empty the queues of tasks. What leaders still want they put back; what nobody wants is gone.
    Purge,
    /// Tasks that failed for good.
    #[command(subcommand)]
    Dead(DeadCommand),
    /// Put a dead task, or all of them, back into the queue: after the cause was mended.
    Retry {
        /// The first digits of the task's id.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All dead tasks.
        #[arg(long)]
        all: bool,
    },
}

/// `leader queue dead …`.
#[derive(Debug, Subcommand)]
pub enum DeadCommand {
    /// List them.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// All that is known of one.
    Show {
        /// The first digits of the task's id.
        id: String,
    },
    /// Work on one here, in this process, from its stored input, and say what happens. It stays where it is.
    Replay {
        /// The first digits of the task's id.
        id: String,
    },
    /// Remove one, or all of them, for good.
    Drop {
        /// The first digits of the task's id.
        #[arg(required_unless_present = "all")]
        id: Option<String>,
        /// All dead tasks.
        #[arg(long)]
        all: bool,
    },
}

/// A name that can be part of a queue's name and of a path.
fn group(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match !text.is_empty() && text.len() <= 64 && text.chars().all(allowed) {
        true => Ok(text.to_owned()),
        false => Err("expected up to 64 letters, digits, - and _".to_owned()),
    }
}

fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let numbers = text.split_once("..").map(|(first, last)| (first.parse(), last.trim_start_matches('=').parse()));
    match numbers {
        Some((Ok(first), Ok(last))) if first <= last => Ok(first..=last),
        _ => Err("expected FIRST..LAST".to_owned()),
    }
}

/// Where tasks run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Runtime {
    /// In this process.
    InMemory,
    /// By workers at a RabbitMQ broker.
    Amqp,
}

/// How to prove.
#[derive(Args, Debug)]
pub struct ProverArgs {
    /// Where tasks run.
    #[arg(long, short = 'r', global = true, value_enum, default_value = "in-memory", help_heading = "Proving")]
    pub runtime: Runtime,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Name of this leader at the broker. Leaders of different names share the workers; one of each can be there.
    #[arg(long, global = true, value_name = "NAME", default_value = "default", value_parser = group, help_heading = "Broker")]
    pub group: String,
    /// Whether the tasks of this leader go before those of others.
    #[arg(long, global = true, value_enum, default_value = "normal", help_heading = "Broker")]
    pub priority: Priority,
    /// Tasks that are given to the broker before others are done. More than the workers' slots in all keeps them busy; the
    /// memory of leader and broker stays the same however many blocks there are.
    #[arg(long, global = true, value_name = "N", default_value = "256", help_heading = "Broker")]
    pub max_in_flight: NonZeroUsize,
    /// File with the public keys of the workers whose reports are believed, one in a line. [default: all are]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Broker")]
    pub worker_keys: Option<PathBuf>,
    /// Prove nothing, only take the time: constant:MS, gas:MS (for each million gas), random:MS..MS, fail:PROBABILITY,
    /// joined with commas. For tests of load; nothing that comes out passes for a proof.
    #[arg(long, global = true, value_name = "MODEL", help_heading = "Proving")]
    pub mock_prover: Option<Mock>,
    /// Transactions per batch.
    #[arg(long, short = 'b', global = true, value_name = "N", default_value = "10", help_heading = "Proving")]
    pub batch_size: NonZeroU32,
    /// Logarithm of the CPU cycles per segment. Larger segments cost less in all and more memory at once. [default: by
    /// profile and memory; with --runtime amqp for workers of 16 GiB]
    #[arg(long, short = 'm', global = true, value_name = "LOG", help_heading = "Proving", value_parser = clap::value_parser!(u8).range(10..=25))]
    pub max_cpu_len_log: Option<u8>,
    /// Tasks that are worked on at the same time. [default: by cores and memory]
    #[arg(long, short = 'n', global = true, value_name = "N", help_heading = "Proving")]
    pub num_workers: Option<NonZeroUsize>,
    /// Blocks that are worked on at the same time.
    #[arg(long, global = true, value_name = "N", default_value = "4", help_heading = "Proving")]
    pub block_pool_size: NonZeroUsize,
    /// Decode and simulate only, and print what proving would take: batches, segments, table sizes.
    #[arg(long, global = true, help_heading = "Proving")]
    pub test_only: bool,
    /// Save the witness of a block that fails, in the folder of --proof-output-dir or here.
    #[arg(long, short = 'i', global = true, help_heading = "Proving")]
    pub save_inputs_on_error: bool,
    /// Write a proof file `b<number>.zkproof` for each block into this folder.
    #[arg(long, short = 'o', global = true, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Proving")]
    pub proof_output_dir: Option<PathBuf>,
    /// Keep the proofs of segments and merges, and put the proof of every block into the array, not of the last only.
    #[arg(long, short = 'k', global = true, env = env::KEEP_INTERMEDIATE_PROOFS, help_heading = "Proving")]
    pub keep_intermediate_proofs: bool,
}
