//! What the user types; nothing here is checked against the world.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};
use ethereum_types::H256;
use ops::{env, log::LogArgs, profile::ProfileArgs, version};

/// The commit that this was built from, `-dirty` if it was changed since, `unknown` if nobody knows.
const COMMIT: &str =
    git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = version::GIVEN_COMMIT);

const EXAMPLES: &str = "\
Examples:
  verifier -f proofs/b2.zkproof --header header.json   is it valid, and is it of this block?
  verifier -f proof.json --verifier-circuit v.bin      with a verifier file from elsewhere
  verifier -f zero-bin.zkproof --profile mainnet       a proof that does not say its circuits

Exit codes: 0 valid, 1 invalid, 2 could not check.";

/// Verifies block proofs.
#[derive(Debug, Parser)]
#[command(name = "verifier", version = version::short(COMMIT), long_version = version::long(COMMIT), after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Proof file, as `leader` or the ancestor zero-bin writes it.
    #[arg(short, long, alias = "file-path", value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    pub file: Option<PathBuf>,
    /// Header or headers of the blocks, as a node gives them (`eth_getBlockByNumber`): everything that they fix must be
    /// what the proofs state.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub header: Option<PathBuf>,
    /// Verifier file, from `leader circuits export-verifier`. [default: that of the circuit store]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub verifier_circuit: Option<PathBuf>,
    /// State root that the chain of proofs must start from.
    #[arg(long, value_name = "0x…")]
    pub checkpoint_state_root: Option<H256>,
    /// Accept proofs of the `test` profile, which have one bit of security.
    #[arg(long)]
    pub allow_insecure: bool,
    /// Build the circuits of --profile if there is no verifier file: minutes and gigabytes.
    #[arg(long, conflicts_with = "verifier_circuit")]
    pub build_circuits: bool,
    /// Print what the proofs state as JSON.
    #[arg(long)]
    pub json: bool,
    /// Prepared circuits. [default: blockproof/circuits in the user's cache folder]
    #[arg(long, value_name = "DIR", env = env::CIRCUITS_DIR, value_hint = ValueHint::DirPath)]
    pub circuits_dir: Option<PathBuf>,
    /// The circuits of a proof that does not name them.
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Logging.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}
