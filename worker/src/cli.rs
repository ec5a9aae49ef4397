//! What the user types; nothing here is checked against the world.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use amqp::connect::BrokerArgs;
use amqp::topology::Class;
use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use ops::cli::{Dirs, LegacyArgs};
use ops::monitor::MonitorArgs;
use ops::{env, log::LogArgs, mock::Mock, profile::ProfileArgs, version};

use crate::pod::PodArgs;

/// The commit that this was built from, `-dirty` if it was changed since, `unknown` if nobody knows.
pub const COMMIT: &str =
    git_version::git_version!(args = ["--always", "--dirty", "--abbrev=12"], fallback = version::GIVEN_COMMIT);

const EXAMPLES: &str = "\
Examples:
  AMQP_URI=amqp://user:password@broker/%2f worker        one slot or more, by cores and memory
  worker --amqp-uri amqp://user@broker/prover --amqp-password-file password --class merge
  worker keygen worker.key                               a key to sign reports with

Ctrl-C or SIGTERM: takes no more tasks, finishes those it has within --grace, hands back the
others. Once more: stops at once; the broker gives its tasks to others.

Exit codes: 0 drained, 1 of no use to the leader (other circuits, or fenced), 2 wrong usage or
input, 3 not enough memory, 130 stopped at once.";

/// Proves tasks that leaders give out through RabbitMQ.
#[derive(Debug, Parser)]
#[command(name = "worker", version = version::short(COMMIT), long_version = version::long(COMMIT), propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What it takes and how much.
    #[command(flatten)]
    pub work: WorkArgs,
    /// The broker.
    #[command(flatten)]
    pub broker: BrokerArgs,
    /// Circuit sizes and security level.
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Where things are kept.
    #[command(flatten)]
    pub dirs: Dirs,
    /// Kubernetes.
    #[command(flatten)]
    pub pod: PodArgs,
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
    /// Write a new key to sign reports with, and print the public one for the leader's --worker-keys.
    Keygen {
        /// File to write; only its owner can read it.
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Where tasks come from.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Runtime {
    /// From a RabbitMQ broker.
    Amqp,
}

/// What `--class` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClassArg {
    /// Merges and blocks: short, and others wait for them.
    Merge,
    /// Segments: minutes of all cores.
    Segment,
    /// Segments that are too large for other workers, or that other workers vanished over.
    Large,
    /// All of these.
    All,
}

impl ClassArg {
    /// The classes.
    pub fn classes(self) -> Vec<Class> {
        match self {
            Self::Merge => vec![Class::Merge],
            Self::Segment => vec![Class::Segment],
            Self::Large => vec![Class::Large],
            Self::All => Class::ALL.to_vec(),
        }
    }
}

/// What a worker takes and how much.
#[derive(Args, Debug)]
pub struct WorkArgs {
    /// Where tasks come from.
    #[arg(long, short = 'r', value_enum, default_value = "amqp")]
    pub runtime: Runtime,
    /// Tasks that it takes.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all", env = env::WORKER_CLASS)]
    pub class: Vec<ClassArg>,
    /// Tasks at the same time; each has its share of the cores. [default: one for each eight cores, as memory allows]
    #[arg(long, value_name = "N", env = env::WORKER_SLOTS)]
    pub slots: Option<NonZeroUsize>,
    /// Name in logs and in `leader queue status`, unique in the cluster. [default: host and process]
    #[arg(long, value_name = "NAME", env = env::WORKER_NAME)]
    pub name: Option<String>,
    /// Seconds to finish what it has when it is told to stop. Less than what kills it afterwards.
    #[arg(long, value_name = "SECONDS", default_value = "600", env = env::WORKER_GRACE)]
    pub grace: u64,
    /// Seconds after which a task is given up and tried again. Less than the broker's consumer timeout.
    #[arg(long, value_name = "SECONDS", default_value = "7200")]
    pub task_timeout: NonZeroU64,
    /// Key to sign reports with, from `worker keygen`.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub signing_key: Option<PathBuf>,
    /// Prove nothing, only take the time: constant:MS, gas:MS (for each million gas), random:MS..MS, fail:PROBABILITY,
    /// joined with commas. Takes the tasks of leaders with --mock-prover only.
    #[arg(long, value_name = "MODEL")]
    pub mock_prover: Option<Mock>,
}
