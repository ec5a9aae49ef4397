//! What the user types; nothing here is checked against the world.
//!
//! Flags of the ancestor, zero-bin, keep their names and short forms, before or after the subcommand.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use ops::{env, log::LogArgs, profile::ProfileArgs, version};

/// The commit that this was built from, `-dirty` if it was changed since, `unknown` if git did not know.
const COMMIT: &str = git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = "unknown");

const EXAMPLES: &str = "\
Examples:
  leader stdio < witnesses/transfer.json > proof.json       prove a block, the proof on stdout
  leader stdio witnesses/chain.json -o proofs               prove blocks in a row, a file for each
  leader stdio --previous-proof proofs/b2.zkproof < b3.json go on from a proof
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
    /// Prepare, list or remove circuits.
    #[command(subcommand)]
    Circuits(CircuitsCommand),
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
    /// Proof of the block before the first one of the witness, to be built upon.
    #[arg(long, short = 'f', value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub previous_proof: Option<PathBuf>,
    /// Write the proof array to this file instead of stdout.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "proof_output_dir")]
    pub output_proof_file: Option<PathBuf>,
    /// Print the plan of `--test-only` as JSON.
    #[arg(long)]
    pub json: bool,
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

/// Where tasks run.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Runtime {
    /// In this process.
    InMemory,
}

/// How to prove.
#[derive(Args, Debug)]
pub struct ProverArgs {
    /// Where tasks run.
    #[arg(long, short = 'r', global = true, value_enum, default_value = "in-memory", help_heading = "Proving")]
    pub runtime: Runtime,
    /// Transactions per batch.
    #[arg(long, short = 'b', global = true, value_name = "N", default_value = "10", help_heading = "Proving")]
    pub batch_size: NonZeroU32,
    /// Logarithm of the CPU cycles per segment. Larger segments cost less in all and more memory at once. [default: by
    /// profile and memory]
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

/// Where things are kept.
#[derive(Args, Debug)]
pub struct Dirs {
    /// Prepared circuits. [default: blockproof/circuits in the user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = env::CIRCUITS_DIR, value_hint = ValueHint::DirPath, help_heading = "Folders")]
    pub circuits_dir: Option<PathBuf>,
    /// Batch inputs and finished tasks, from which an interrupted run goes on. [default: blockproof/artifacts in the
    /// user's cache folder]
    #[arg(long, global = true, value_name = "DIR", env = env::ARTIFACTS_DIR, value_hint = ValueHint::DirPath, help_heading = "Folders")]
    pub artifacts_dir: Option<PathBuf>,
}

impl Dirs {
    /// The folder of the circuit store.
    pub fn circuits(&self) -> PathBuf {
        self.circuits_dir.clone().unwrap_or_else(|| ops::artifacts::cache_dir().join("circuits"))
    }

    /// The folder of the artifact store.
    pub fn artifacts(&self) -> PathBuf {
        self.artifacts_dir.clone().unwrap_or_else(|| ops::artifacts::cache_dir().join("artifacts"))
    }
}

/// Flags that zero-bin has and that mean nothing here: accepted, with one line of warning for all.
#[derive(Args, Debug)]
pub struct LegacyArgs {
    /// Circuits are always read on demand.
    #[arg(long, global = true, hide = true)]
    load_strategy: Option<String>,
    /// Circuits are always kept on disk.
    #[arg(long, global = true, hide = true)]
    persistence: Option<String>,
    /// Tasks have one serialization.
    #[arg(long, short = 's', global = true, hide = true)]
    serializer: Option<String>,
    /// Merges always go before segments.
    #[arg(long, global = true, hide = true)]
    worker_run_mode: Option<String>,
    /// Every block is chained to the one before.
    #[arg(long, global = true, hide = true)]
    block_batch_size: Option<usize>,
    /// A chain cannot go on past a block that fails.
    #[arg(long, short = 'K', global = true, hide = true)]
    keep_going: bool,
}

impl LegacyArgs {
    /// Names the flags that were given and do nothing.
    pub fn warn(&self) {
        let given = [
            ("--load-strategy", self.load_strategy.is_some()),
            ("--persistence", self.persistence.is_some()),
            ("--serializer", self.serializer.is_some()),
            ("--worker-run-mode", self.worker_run_mode.is_some()),
            ("--block-batch-size", self.block_batch_size.is_some()),
            ("--keep-going", self.keep_going),
        ];
        let given: Vec<_> = given.into_iter().filter_map(|(name, given)| given.then_some(name)).collect();
        if !given.is_empty() {
            tracing::warn!("accepted for scripts of zero-bin, without effect: {}", given.join(", "));
        }
    }
}
